"""What has happened to an escalation: the rows of its ledger, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.directory import Address, PersonId


class FactKind(StrEnum):
    """One word per kind of ledger row."""

    OPENED = "opened"
    ENTERED = "entered"
    ACKNOWLEDGED = "acknowledged"
    RELEASED = "released"
    MORE_TIME = "more_time"
    HANDED_OVER = "handed_over"
    NOTED = "noted"
    REMINDED = "reminded"
    WINDOW_ENDED = "window_ended"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    REOPENED = "reopened"
    NOBODY_REACHED = "nobody_reached"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    PARKED = "parked"
    REPAIRED = "repaired"
    ERASED = "erased"


class Via(StrEnum):
    """What brought an escalation to a level."""

    OPENED = "opened"
    WINDOW = "window"
    PERSON = "person"
    NO_DECISION = "no_decision"
    NOBODY_REACHED = "nobody_reached"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Fact:
    """One ledger row. Which fields are filled follows from `kind`:

    `by` who did it (None: the clock); `to` the assignees pinged, the person handed to, or the places of a delivery;
    `level` and `due` of an entry that began, or the new deadline of more time; `at` the instant it is about (when a
    window ended, when the entry began); `late` whole seconds the bot was late; `text` what the person wrote; `code` a
    stable word (why a delivery failed, which reminder); `on_behalf` an acknowledgement by someone who is no assignee.
    """

    kind: FactKind
    entry: int
    by: PersonId | None = None
    to: tuple[Address, ...] = ()
    level: int | None = None
    via: Via | None = None
    at: datetime | None = None
    due: datetime | None = None
    late: int = 0
    text: str = ""
    code: str = ""
    on_behalf: bool = False


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A fact with its number in the ledger of one escalation (1, 2, 3 …) and the instant it was recorded.

    Of an `erased` one only the kind and the entry are left.
    """

    seq: int
    recorded_at: datetime
    fact: Fact
    erased: bool = False
