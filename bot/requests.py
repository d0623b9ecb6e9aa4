"""Which request is being worked on: one id from the way in, through use case and store, to the log lines of the answer."""

from contextvars import ContextVar

LONGEST = 200
"""Characters of an id that are kept; a platform's are far shorter."""

_request: ContextVar[str] = ContextVar("echelon_request", default="")


def working_on(request: str) -> None:
    """From here on, in this task and those it starts, the work is for this request; "" for none."""
    _request.set(request[:LONGEST])


def request_id() -> str:
    """The id of the request that is being worked on, "" where there is none: timers, the pump."""
    return _request.get()
