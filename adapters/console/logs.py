"""Logs on standard error, as lines for people or as JSON for machines, with secrets taken out of every line."""

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from adapters.console.strays import catch_strays
from adapters.web.redaction import Redaction
from bot.requests import request_id

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FIELDS = {"action": "action", "escalation": "escalation", "parcel": "parcel", "to": "place", "request": "request"}
"""What a record may carry besides its sentence, and what it is called in JSON: words of the code and ids, no user text."""
WORDY = ("aiosqlite", "botbuilder", "msal", "msrest", "slack_bolt", "slack_sdk", "urllib3")
"""They log what people wrote when they may log everything."""


class Requests(logging.Filter):
    """Puts the id of the request that is being worked on onto each record; on the handler, so that all pass it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops one."""
        record.request = request_id()
        return True


class Json(logging.Formatter):
    """One JSON object a line; what a record does not carry is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """The record: time (UTC, ISO 8601), level, logger, message, the FIELDS it has, and the trace of an exception."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        carried = {shown: getattr(record, name, None) for name, shown in FIELDS.items()}
        line |= {name: str(value) for name, value in carried.items() if value}
        if trace := record.exc_text or (self.formatException(record.exc_info) if record.exc_info else ""):
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=False)


class Stderr(logging.StreamHandler[TextIO]):
    """A record that cannot be written is counted out loud, without its words: Python would print them as they came."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """See `logging.Handler`."""
        with suppress(OSError, ValueError):  # standard error itself is gone
            self.stream.write(f"a line of {record.name} could not be written\n")


def log_to_stderr(level: str, style: str = "text", *, secrets: Iterable[str] = ()) -> None:
    """One line a record, secrets taken out: by their looks, and `secrets` by value; `style` is "text" or "json"."""
    handler = Stderr()
    handler.setFormatter(Json() if style == "json" else logging.Formatter(TEXT))
    handler.addFilter(Requests())
    handler.addFilter(Redaction(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("apscheduler", "aiohttp.access", "alembic", *WORDY):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    catch_strays()
