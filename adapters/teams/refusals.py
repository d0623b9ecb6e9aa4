"""What the Connector's errors mean for a message: the table, by code and by status.

Reasons are stable words, free of secrets. Pages:
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, cast

from bot.errors import Refused, Unreachable


class Verdict(StrEnum):
    """What an error means for the delivery route."""

    REFUSED = "refused"
    """This place never will: go to the next."""
    LATER = "later"
    """It did not take it, and may later."""
    UNCERTAIN = "uncertain"
    """It may have taken it."""


REFUSED, LATER, UNCERTAIN = Verdict.REFUSED, Verdict.LATER, Verdict.UNCERTAIN

NOT_INSTALLED, NO_SUCH_PLACE, GONE, TOO_BIG = "app_not_installed", "no_such_place", "message_not_found", "too_big"
UNREADABLE, UNAUTHORIZED, THROTTLED = "bad_request", "unauthorized", "throttled"
TIMED_OUT, NO_CONNECTION, CUT_OFF, REDIRECTED = "timed_out", "no_connection", "connection_lost", "redirected"
RENDERING = frozenset({UNREADABLE, TOO_BIG})
"""Reasons for which a plainer look of the same message may be taken."""

CODES: Mapping[str, tuple[Verdict, str]] = {
    "BotNotInConversationRoster": (REFUSED, NOT_INSTALLED),
    "BotNotRegistered": (REFUSED, NOT_INSTALLED),
    "BotDisabledByAdmin": (REFUSED, NOT_INSTALLED),
    "ConversationBlockedByUser": (REFUSED, NOT_INSTALLED),
    "ForbiddenOperationException": (REFUSED, NOT_INSTALLED),
    "Forbidden": (REFUSED, NOT_INSTALLED),
    "MessageWritesBlocked": (REFUSED, NOT_INSTALLED),
    "InvalidBotApiHost": (REFUSED, NOT_INSTALLED),
    "NotEnoughPermissions": (REFUSED, "not_allowed"),
    "ConversationNotFound": (REFUSED, NO_SUCH_PLACE),
    "MemberNotFoundInConversation": (REFUSED, "no_such_person"),
    "ActivityNotFoundInConversation": (REFUSED, GONE),
    "MessageSizeTooBig": (REFUSED, TOO_BIG),
    "BadArgument": (REFUSED, UNREADABLE),
    "BadSyntax": (REFUSED, UNREADABLE),
    "PreconditionFailed": (LATER, "precondition_failed"),
    "Throttled": (LATER, THROTTLED),
}
"""The code counts where the status is one that it comes with; any other error goes by its status."""

STATUSES: Mapping[int, tuple[Verdict, str]] = {
    400: (REFUSED, UNREADABLE),
    401: (LATER, UNAUTHORIZED),
    403: (REFUSED, NOT_INSTALLED),
    404: (REFUSED, NO_SUCH_PLACE),
    405: (REFUSED, "not_allowed"),
    409: (LATER, "conflict"),
    410: (REFUSED, NO_SUCH_PLACE),
    412: (LATER, "precondition_failed"),
    413: (REFUSED, TOO_BIG),
    429: (LATER, THROTTLED),
    500: (UNCERTAIN, "service_error"),
    502: (UNCERTAIN, "http_502"),
    503: (LATER, "http_503"),
    504: (UNCERTAIN, "http_504"),
}
_FINAL = frozenset({400, 403, 404, 405, 410, 413})
LONGEST_WAIT = 3600.0


def verdict_of(status: int, body: object, headers: Mapping[str, str]) -> Refused | Unreachable:
    """What one refusal means. `Retry-After` counts wherever it is given."""
    if 300 <= status < 400:
        return Unreachable(REDIRECTED)
    unknown = (UNCERTAIN if status >= 500 else LATER, f"http_{status}")
    verdict, reason = STATUSES.get(status, unknown)
    coded = CODES.get(code_of(body))
    if coded and (coded[0] is REFUSED) == (status in _FINAL):
        verdict, reason = coded
    match verdict:
        case Verdict.REFUSED:
            return Refused(reason)
        case Verdict.LATER | Verdict.UNCERTAIN:
            return Unreachable(reason, retry_after=seconds(headers), uncertain=verdict is UNCERTAIN)


def code_of(body: object) -> str:
    """The Connector's word for what went wrong, "" if it gave none."""
    error: object = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    code: object = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def seconds(headers: Mapping[str, str]) -> float | None:
    """What Retry-After says, an hour at most; None for nothing, and for a date."""
    given = headers.get("Retry-After", "")
    return min(float(given), LONGEST_WAIT) if given.isascii() and given.isdigit() and len(given) < 8 else None
