"""What the clock will bring next: the nearest deadline and the nearest reminder of all open escalations. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.plan import OnExpiry
from bot.state import Escalation


@dataclass(frozen=True, slots=True)
class Stop:
    """An instant worth jumping to. `what` is "up" (to `level`), "ask", "end" or "reminder"."""

    at: datetime
    what: str
    reference: str
    level: int | None = None


def next_deadline(escalations: Iterable[Escalation]) -> Stop | None:
    """The deadline that passes first."""
    stops = (_deadline(escalation) for escalation in escalations)
    return min((stop for stop in stops if stop), key=lambda stop: stop.at, default=None)


def next_stop(escalations: Iterable[Escalation]) -> Stop | None:
    """Whatever comes first, a reminder or a deadline."""
    stops = (_first(escalation) for escalation in escalations)
    return min((stop for stop in stops if stop), key=lambda stop: stop.at, default=None)


def _first(escalation: Escalation) -> Stop | None:
    due, deadline = escalation.next_due, _deadline(escalation)
    if due is None or (deadline and deadline.at <= due):
        return deadline
    return Stop(due, "reminder", escalation.reference)


def _deadline(escalation: Escalation) -> Stop | None:
    entry, above = escalation.entry, escalation.next_level
    if not escalation.is_open or entry.due is None:
        return None
    if escalation.level.on_expiry is OnExpiry.STAY or above is None:
        return Stop(entry.due.at, "end", escalation.reference)
    if escalation.level.on_expiry is OnExpiry.ASK and not entry.asked:
        return Stop(entry.due.at, "ask", escalation.reference)
    return Stop(entry.due.at, "up", escalation.reference, above.ordinal)
