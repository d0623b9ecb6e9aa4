"""Keeps secrets out of every log: one filter for the handlers, over messages, arguments and tracebacks.

Two nets: what looks like a secret, whoever's it is, and the very values of the settings, which need not look like anything.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "[redacted]"
SHORTEST = 8
"""Letters of a value that is hidden wherever it stands; a shorter one is no secret, and hiding it would spoil every line."""
LONGEST = 16_000
"""Letters of a message that are logged: patterns over more of a stranger's text would take their time."""

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Slack tokens: bot, user, app-level, refresh, rotated ("xoxe.xoxb-…") and configuration tokens
    (re.compile(r"\bxox[a-z](?:\.xox[a-z])?-[\w-]+", re.IGNORECASE), HIDDEN),
    (re.compile(r"\bxapp-[\w-]+", re.IGNORECASE), HIDDEN),
    # tokens of Microsoft and of anybody else who signs JSON; client secrets of Entra
    (re.compile(r"\beyJ[\w-]{6,}\.[\w-]*(?:\.[\w-]*)?", re.ASCII), HIDDEN),
    (re.compile(r"[\w.~-]{3}\dQ~[\w.~-]{20,}", re.ASCII), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    # response URLs and incoming webhooks: whoever has one may post
    (
        re.compile(r"https?://hooks\.slack(?:-gov)?\.com/[^\s'\"<>)\]}]*", re.IGNORECASE),
        f"https://hooks.slack.com/{HIDDEN}",
    ),
    # the one-time ticket of a socket's address
    (re.compile(r"([?&](?:ticket|token|access_token|client_secret)=)[^\s&'\"<>)\]}]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # whatever is called a secret
    (
        re.compile(
            r"\b((?:client_secret|signing_secret|access_token|refresh_token|password|passwd|x-identity-header"
            r"|x-slack-signature)['\"]?\s{0,3}[=:]\s{0,3}['\"]?)[^\s&'\",;)}\]]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # user:password@host of a database or a proxy; a password may hold "@" itself, so up to the last one before the path
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,40}://[^\s:/?#@'\"]*:)[^\s/'\"]+(@)", re.IGNORECASE), rf"\1{HIDDEN}\2"),
)


def redact(text: str) -> str:
    """`text` without the secrets that can be told by their shape."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Redaction(logging.Filter):
    """Put it on every handler: a filter on a logger would miss the records of its children. `secrets` are known values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        forms = {form for secret in secrets for part in _parts(secret) for form in _written(part)}
        found = sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, found))) if found else None

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        record.msg, record.args = self.clean(_message(record)), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self.clean("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        for name, value in vars(record).items():
            if name not in _OWN and value is not None and not isinstance(value, bool | int | float):
                setattr(record, name, self.clean(str(value)))
        return True

    def clean(self, text: str) -> str:
        """`text` without secrets of either kind."""
        text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
        return redact(self._known.sub(HIDDEN, text) if self._known else text)


_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def _parts(secret: str) -> Iterable[str]:
    """What of a setting must not be read. Of a URL: its password and what follows the host, where that is a secret, too."""
    scheme, found, _ = secret.partition("://")
    if not found:
        return (secret,)
    try:
        parts = urlsplit(secret)
        password = parts.password or ""
    except ValueError:
        return (secret,)
    if scheme not in {"http", "https"}:
        return (password, unquote(password))
    return (password, unquote(password), secret, f"{parts.path}?{parts.query}" if parts.query else parts.path)


def _written(secret: str) -> Iterable[str]:
    """How libraries write a value into what they say."""
    return (
        *(secret, quote(secret), quote(secret, safe=""), quote_plus(secret)),
        *(json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]),
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (
        Exception
    ) as error:  # an argument that does not fit, or whose own words fail: say so, rather than lose the line
        return f"{record.msg} (arguments that do not fit: {type(error).__name__})"
