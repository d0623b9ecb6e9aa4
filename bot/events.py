"""What happened, in the past tense: the only things that change an escalation."""

from dataclasses import dataclass
from datetime import datetime

from bot.directory import PersonId
from bot.plan import Window


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Someone has it."""

    by: PersonId


@dataclass(frozen=True, slots=True)
class Released:
    """Whoever had it gives it back."""

    by: PersonId


@dataclass(frozen=True, slots=True)
class EscalatedNow:
    """A person moves it up before the window ends; `to_level` None is the next one."""

    by: PersonId
    reason: str
    to_level: int | None = None


@dataclass(frozen=True, slots=True)
class MoreTimeTaken:
    """A person takes more time: a window from the old deadline, or a date as given (exactly one of the two)."""

    by: PersonId
    window: Window | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A person gives this entry to another."""

    by: PersonId
    to: PersonId


@dataclass(frozen=True, slots=True)
class Noted:
    """A person adds to the ledger."""

    by: PersonId
    text: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The issue is solved."""

    by: PersonId
    how: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The escalation was not needed; `duplicate_of` is the number of the one that stays."""

    by: PersonId
    reason: str
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Reopened:
    """It was not solved after all."""

    by: PersonId
    reason: str


@dataclass(frozen=True, slots=True)
class WindowPassed:
    """The window of entry `entry` ended at `deadline`. Stale when the entry has another deadline by now, or none."""

    entry: int
    deadline: datetime


@dataclass(frozen=True, slots=True)
class NudgeDue:
    """A reminder, heads-up or review planned for `at` in entry `entry` is due."""

    entry: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NobodyReached:
    """Every place of the delivery route of every ping of entry `entry` has refused."""

    entry: int


PersonEvent = (
    Acknowledged | Released | EscalatedNow | MoreTimeTaken | HandedOver | Noted | Resolved | Cancelled | Reopened
)
ClockEvent = WindowPassed | NudgeDue | NobodyReached
Event = PersonEvent | ClockEvent
