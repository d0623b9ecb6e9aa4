"""Keeps secrets out of every log: one filter for the handlers, over messages, arguments and tracebacks."""

import logging
import re
import traceback

HIDDEN = "[redacted]"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Slack tokens: bot, user, app-level, refresh, rotated ("xoxe.xoxb-…") and configuration tokens
    (re.compile(r"\bxox[a-z](?:\.xox[a-z])?-[\w-]+", re.IGNORECASE), HIDDEN),
    (re.compile(r"\bxapp-[\w-]+", re.IGNORECASE), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    # response URLs and incoming webhooks: whoever has one may post
    (
        re.compile(r"https?://hooks\.slack(?:-gov)?\.com/[^\s'\"<>)\]}]*", re.IGNORECASE),
        f"https://hooks.slack.com/{HIDDEN}",
    ),
    # the one-time ticket of a socket's address
    (re.compile(r"([?&](?:ticket|token|access_token|client_secret)=)[^\s&'\"<>)\]}]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # user:password@host of a database or a proxy; a password may hold "@" itself, so up to the last one before the path
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,40}://[^\s:/?#@'\"]*:)[^\s/'\"]+(@)", re.IGNORECASE), rf"\1{HIDDEN}\2"),
)


def redact(text: str) -> str:
    """`text` without the secrets that can be told by their shape."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Redaction(logging.Filter):
    """Put it on every handler: a filter on a logger would miss the records of its children."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        record.msg, record.args = redact(_message(record)), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in vars(record).items():
            if isinstance(value, str) and name not in _OWN:
                setattr(record, name, redact(value))
        return True


_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit: say so, rather than lose the line
        return f"{record.msg} (arguments that do not fit)"
