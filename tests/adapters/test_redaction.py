"""No secret that can be told by its shape reaches a log line."""

import io
import logging

import pytest

from adapters.web.redaction import Redaction, redact

CANARY = "c4naryC4NARY"
SECRETS = [
    f"xoxb-123-456-{CANARY}",
    f"xoxp-1-{CANARY}",
    f"xoxe-1-{CANARY}",
    f"xoxe.xoxb-1-{CANARY}",
    f"xapp-1-A1-2-{CANARY}",
    f"Authorization: Bearer ey.{CANARY}.x",
    f"https://hooks.slack.com/services/T1/B1/{CANARY}",
    f"https://hooks.slack-gov.com/commands/{CANARY}",
    f"wss://wss-primary.slack.com/link/?ticket={CANARY}&app_id=1",
    f"postgresql+asyncpg://echelon:{CANARY}@db:5432/echelon",
    f"postgresql://echelon:p@{CANARY}@db/echelon",
    f"http://proxy:{CANARY}@10.0.0.1:3128",
]


class Named(Exception):
    """An error whose words hold a secret."""


@pytest.fixture
def written() -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(extra)s", defaults={"extra": ""}))
    handler.addFilter(Redaction())
    logger = logging.getLogger("test.redaction")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    return logger, stream


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(written: tuple[logging.Logger, io.StringIO], secret: str):
    logger, stream = written

    logger.info("told: %s", secret)
    logger.info("told: %s %d", {"deep": [secret]}, 3)
    logger.warning(f"said {secret}", extra={"extra": secret})
    try:
        raise Named(secret)
    except Named:
        logger.exception("failed", stack_info=True)

    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") >= 5
    assert "Traceback" in stream.getvalue()


def test_the_rest_of_the_line_stays():
    assert redact(f"no connection to postgresql://echelon:{CANARY}@db:5432/x, again in 5 s") == (
        "no connection to postgresql://echelon:[redacted]@db:5432/x, again in 5 s"
    )
    assert redact("see https://acme.slack.com/archives/C1/p17:00 and mail a@b.c") == (
        "see https://acme.slack.com/archives/C1/p17:00 and mail a@b.c"
    )


def test_arguments_that_do_not_fit_cost_no_line(written: tuple[logging.Logger, io.StringIO]):
    logger, stream = written

    logger.info("%d of %d", "one")

    assert "do not fit" in stream.getvalue()
