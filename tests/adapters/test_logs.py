"""What is logged can be read by people and by machines, and says which request it is about."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from adapters.console.logs import Json, Requests, log_to_stderr
from adapters.web.redaction import Redaction
from bot.requests import working_on
from storage.database import Database
from tests.acceptance.world import built_world

SECRET = "xoxb-123-c4nary"


@pytest.fixture(autouse=True)
def nobody_asked() -> Iterator[None]:
    working_on("")
    yield
    working_on("")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler like that of `log_to_stderr` writes in JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    handler.addFilter(Requests())
    handler.addFilter(Redaction())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_holds_the_sentence_and_what_it_is_about(written: io.StringIO) -> None:
    working_on("trigger.42")

    logging.getLogger("echelon.pump").warning(
        "A place refused: %s", "is_archived", extra={"action": "place_refused", "parcel": "p1", "to": "slack:C1"}
    )

    (line,) = lines(written)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "echelon.pump",
        "message": "A place refused: is_archived",
        "action": "place_refused",
        "parcel": "p1",
        "place": "slack:C1",
        "request": "trigger.42",
    }


def test_a_trace_and_line_ends_stay_in_one_line(written: io.StringIO) -> None:
    try:
        raise RuntimeError(f"two\nlines with {SECRET}")
    except RuntimeError:
        logging.getLogger("echelon").exception("it failed\nbadly: %s", SECRET)

    (line,) = lines(written)
    assert line["message"] == "it failed\nbadly: [redacted]"
    assert "RuntimeError: two\nlines" in line["trace"]
    assert SECRET not in written.getvalue()


def test_what_somebody_puts_beside_the_sentence_is_left_out(written: io.StringIO) -> None:
    logging.getLogger("echelon").warning("hm", extra={"title": "checkout fails", "action": "x"})

    assert "checkout fails" not in written.getvalue()


def test_ids_are_searched_for_secrets_too(written: io.StringIO) -> None:
    working_on(SECRET)

    logging.getLogger("echelon").warning("hm")

    assert SECRET not in written.getvalue()


@pytest.mark.parametrize(("style", "is_json"), [("text", False), ("json", True)])
def test_the_setting_chooses_the_look(capsys: pytest.CaptureFixture[str], style: str, is_json: bool) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        log_to_stderr("info", style)
        logging.getLogger("echelon").info("hello")
        root.handlers[0].flush()
    finally:
        root.handlers[:] = kept
        root.setLevel(level)

    said = capsys.readouterr().err.strip()
    assert said.endswith("INFO echelon: hello") or is_json
    assert not is_json or json.loads(said)["message"] == "hello"


async def test_one_id_goes_from_the_way_in_to_the_store_and_holds_no_text(
    database: Database, written: io.StringIO
) -> None:
    world = await built_world(database)

    await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="trigger.7")

    about = [line for line in lines(written) if line.get("request") == "trigger.7"]
    assert {line["action"] for line in about} >= {"stored", "request"}
    assert [line["escalation"] for line in about if line["action"] == "stored"] == ["ESC-1"]
    assert "checkout" not in written.getvalue()
