"""The values that an escalation is made of."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from bot.directory import Address, PersonId, WorkspaceId
from bot.facts import Via
from bot.plan import Deadline, Level, Plan

EscalationId = NewType("EscalationId", str)


class Status(StrEnum):
    """The four states. "Last level" and "window ended" are facts of the entry, not states."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


OPEN = frozenset({Status.WAITING, Status.ACKNOWLEDGED})


class NudgeKind(StrEnum):
    """Why someone is reminded."""

    HALF = "half"
    """Half of the window is over and nobody has it."""
    LAST = "last"
    """Four fifths of the window are over and nobody has it."""
    HEADS_UP = "heads_up"
    """It is in hand, and four fifths of the window are over."""
    ASK = "ask"
    """The window ended and the assignees must decide."""
    REVIEW = "review"
    """A level without a running window: once a week."""
    DAILY = "daily"
    """The window ended at a level that keeps it: once a day."""
    NOBODY = "nobody"
    """Nobody could be reached at the last level: once an hour."""


@dataclass(frozen=True, slots=True)
class Nudge:
    """A reminder planned for an instant (UTC)."""

    at: datetime
    kind: NudgeKind


@dataclass(frozen=True, slots=True)
class Entry:
    """One stay at a level. `number` counts entries of the escalation: timers, buttons and messages carry it.

    `due` is the running deadline, None when no window runs; `ended_at` the deadline that passed at a level that keeps
    the issue; `remaining` what was left when an acknowledgement stopped the window; `nudges` the reminders to come,
    earliest first; `more_time_left` how often more time may still be taken; `late` seconds by which it began late.
    """

    number: int
    level: int
    via: Via
    began_at: datetime
    assignees: tuple[PersonId, ...]
    due: Deadline | None
    nudges: tuple[Nudge, ...] = ()
    acknowledged_by: PersonId | None = None
    acknowledged_at: datetime | None = None
    more_time_left: int = 1
    asked: bool = False
    ended_at: datetime | None = None
    remaining: timedelta | None = None
    nobody_reached: bool = False
    late: int = 0
    reason: str = ""
    by: PersonId | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an escalation was opened, and the message it is about; both may be unknown."""

    channel: Address | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an escalation ended. `duplicate_of` is the number of the escalation that stays."""

    by: PersonId
    at: datetime
    text: str = ""
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Escalation:
    """One issue on its way through one plan. `version` is the stored row's; a new value carries the old one."""

    id: EscalationId
    workspace: WorkspaceId
    number: int
    plan: Plan
    title: str
    details: str
    opener: PersonId
    opened_at: datetime
    origin: Origin
    status: Status
    entry: Entry
    ever_assigned: frozenset[PersonId] = frozenset()
    participants: frozenset[PersonId] = frozenset()
    ending: Ending | None = None
    version: int = 0

    @property
    def reference(self) -> str:
        """What people call it: "ESC-42"."""
        return f"ESC-{self.number}"

    @property
    def level(self) -> Level:
        """The level it is at."""
        return self.plan.level(self.entry.level)

    @property
    def next_level(self) -> Level | None:
        """The level above, or None at the last."""
        return self.plan.next_level(self.entry.level)

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.status in OPEN

    @property
    def next_due(self) -> datetime | None:
        """The earliest instant at which something is to happen by itself; None only when it has ended."""
        if not self.is_open:
            return None
        planned = [nudge.at for nudge in self.entry.nudges]
        return min([*planned, self.entry.due.at] if self.entry.due else planned, default=None)

    def with_entry(self, **changes: object) -> "Escalation":
        """The same escalation with some fields of its entry replaced."""
        return replace(self, entry=replace(self.entry, **changes))  # type: ignore[arg-type]
