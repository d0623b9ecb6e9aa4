"""No secret that can be told by its shape reaches a log line."""

import io
import json
import logging
from urllib.parse import quote, quote_plus

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
    f"eyJhbGciOiJSUzI1NiJ9.{CANARY}.{CANARY}",
    f"abc8Q~{CANARY}{CANARY}",
    f"client_secret={CANARY}&grant_type=client_credentials",
    f"{{'client_secret': '{CANARY}', 'scope': 'x'}}",
    f'{{"access_token": "{CANARY}"}}',
    f"connect(user='echelon', password='{CANARY}')",
    f"X-IDENTITY-HEADER: {CANARY}",
    f"X-Slack-Signature: v0={CANARY}",
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


KNOWN = 'plain words: s3cret/+&"é'
URLS = ("postgresql://echelon:p%40ss%2Fw0rd@db/echelon", "https://watch.example/ping/4f1c-secret?key=abcdefgh")


@pytest.mark.parametrize(
    "said",
    [
        KNOWN,
        repr(KNOWN),
        json.dumps(KNOWN),
        json.dumps(KNOWN, ensure_ascii=False),
        quote(KNOWN),
        quote(KNOWN, safe=""),
        quote_plus(KNOWN),
        "p@ss/w0rd",
        "p%40ss%2Fw0rd",
        "GET /ping/4f1c-secret?key=abcdefgh HTTP/1.1",
        "https://watch.example/ping/4f1c-secret?key=abcdefgh",
    ],
)
def test_the_values_of_the_settings_are_hidden_however_they_are_written(said: str):
    clean = Redaction([KNOWN, *URLS]).clean(f"before {said} after")

    assert "[redacted]" in clean
    assert not any(part in clean for part in ("s3cret", "ss/w0rd", "ss%2Fw0rd", "4f1c"))
    assert clean.startswith("before ")
    assert clean.endswith(" after")


def test_what_is_no_secret_is_not_hidden():
    clean = Redaction(["", "short", "sqlite:///.data/echelon.db", "postgresql://echelon@db/echelon"]).clean

    assert clean("the file sqlite:///.data/echelon.db of echelon is short") == (
        "the file sqlite:///.data/echelon.db of echelon is short"
    )


def test_a_very_long_line_keeps_its_two_ends():
    clean = Redaction().clean("begin " + "x" * 1_000_000 + " end")

    assert len(clean) < 20_000
    assert (clean[:6], clean[-4:]) == ("begin ", " end")
