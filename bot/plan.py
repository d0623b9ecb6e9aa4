"""What a matrix says about one issue type: windows, levels, the plan; and what is asked of a calendar."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

from bot.errors import WindowError

RoleId = NewType("RoleId", str)
Language = NewType("Language", str)

EN, FR = Language("en"), Language("fr")
LANGUAGES: tuple[Language, ...] = (EN, FR)


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence of a matrix in the languages that its author wrote. User-written text is never translated."""

    versions: tuple[tuple[Language, str], ...]

    @classmethod
    def of(cls, versions: Mapping[str, str] | str) -> "Text":
        """`Text.of("same for all")` or `Text.of({"en": …, "fr": …})`."""
        if isinstance(versions, str):
            return cls(((Language(""), versions),))
        return cls(tuple((Language(language), words) for language, words in versions.items()))

    def in_(self, language: Language) -> str:
        """The words in `language`, else in the first language that the author wrote."""
        return dict(self.versions).get(language) or (self.versions[0][1] if self.versions else "")


class Unit(StrEnum):
    """Units of a window: s/m/h elapsed round the clock; bm/bh/bd working time; d/w calendar."""

    SECOND = "s"
    MINUTE = "m"
    HOUR = "h"
    BUSINESS_MINUTE = "bm"
    BUSINESS_HOUR = "bh"
    BUSINESS_DAY = "bd"
    DAY = "d"
    WEEK = "w"


ELAPSED: Mapping[Unit, timedelta] = {
    Unit.SECOND: timedelta(seconds=1),
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
}
WORKING = frozenset({Unit.BUSINESS_MINUTE, Unit.BUSINESS_HOUR, Unit.BUSINESS_DAY})
_LABELS = {
    Unit.SECOND: "s",
    Unit.MINUTE: "min",
    Unit.HOUR: "h",
    Unit.BUSINESS_MINUTE: "business min",
    Unit.BUSINESS_HOUR: "business h",
    Unit.BUSINESS_DAY: "business day",
    Unit.DAY: "day",
    Unit.WEEK: "week",
}
_WINDOW = re.compile(r"(\d{1,6})\s*(s|m|h|bm|bh|bd|d|w)", re.ASCII)
_FORMS = "write 30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none"


@dataclass(frozen=True, slots=True)
class Window:
    """How long a level has, as a person writes it: an amount (> 0) and a unit. No window at all is `None`."""

    amount: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Window | None":
        """Read `30s 15m 1h 30bm 4bh 1bd 1d 1w none`; `none` gives None. Raises WindowError with the forms."""
        words = text.strip().lower()
        if words == "none":
            return None
        found = _WINDOW.fullmatch(words)
        if not found or int(found[1]) == 0:
            raise WindowError(f"{text!r} is no window; {_FORMS}")
        return cls(int(found[1]), Unit(found[2]))

    def __str__(self) -> str:
        return f"{self.amount}{self.unit.value}"

    @property
    def label(self) -> str:
        """For operators: "15 min", "3 business days", "1 week"."""
        plural = "s" if self.amount > 1 and self.unit in {Unit.BUSINESS_DAY, Unit.DAY, Unit.WEEK} else ""
        return f"{self.amount} {_LABELS[self.unit]}{plural}"

    @property
    def elapsed(self) -> timedelta | None:
        """The plain length of an elapsed window; None where a calendar must be asked."""
        return ELAPSED[self.unit] * self.amount if self.unit in ELAPSED else None

    @property
    def working(self) -> bool:
        """Whether only working time counts."""
        return self.unit in WORKING


class OnExpiry(StrEnum):
    """What happens when a window ends."""

    ESCALATE = "escalate"
    ASK = "ask"
    STAY = "stay"


class StopsOn(StrEnum):
    """What stops a window."""

    RESOLVE = "resolve"
    ACKNOWLEDGE = "acknowledge"


class AcknowledgedBy(StrEnum):
    """Who may acknowledge: anyone who sees the card, or only those who hold the role."""

    ANYONE = "anyone"
    OWNERS = "owners"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a plan. `calendar` is a name of the directory, None for the workspace's own."""

    ordinal: int
    role: RoleId
    role_label: Text
    mandate: Text
    window: Window | None
    action: Text
    condition: Text
    on_expiry: OnExpiry = OnExpiry.ESCALATE
    stops_on: StopsOn = StopsOn.RESOLVE
    calendar: str | None = None
    skip_if_empty: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The levels of one matrix for one issue type, copied into an escalation when it opens.

    `levels` is never empty and its ordinals run 1, 2, 3 …; `version` names the matrix as it was (a digest).
    """

    matrix: str
    matrix_title: Text
    version: str
    issue_type: str | None
    issue_type_title: Text | None
    levels: tuple[Level, ...]
    start_level: int = 1
    acknowledged_by: AcknowledgedBy = AcknowledgedBy.ANYONE

    def level(self, ordinal: int) -> Level:
        """The level with this ordinal. Raises IndexError when there is none."""
        if not 1 <= ordinal <= len(self.levels):
            raise IndexError(ordinal)
        return self.levels[ordinal - 1]

    def next_level(self, ordinal: int) -> Level | None:
        """The level above, or None at the last."""
        return self.level(ordinal + 1) if ordinal < len(self.levels) else None


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant (UTC) at which a window ends, the zone to show it in, and why it is then.

    `reasons` are (code, argument) pairs that `bot.wording` turns into words:
    ("holiday", "2026-11-11|Jour de l'Armistice"), ("closed", "2026-12-24"), ("opens", "2026-11-23T09:00"),
    ("weekend", "2026-11-21"), ("clock_change", "2026-03-29").
    """

    at: datetime
    zone: str
    reasons: tuple[tuple[str, str], ...] = ()


class Calendar(Protocol):
    """Working time of one office (or round the clock). All instants in and out are aware and UTC."""

    @property
    def zone(self) -> str:
        """IANA name."""
        ...

    def deadline(self, start: datetime, window: Window) -> Deadline:
        """When `window`, begun at `start`, ends. Raises CalendarError when no working time is found in two years."""
        ...

    def part(self, start: datetime, end: datetime, fraction: float, *, working: bool) -> datetime:
        """The instant at `fraction` (0..1) of start..end: of its working time if `working`, else of its length.

        With `working`, the instant lies in working time; `end` when there is none between.
        """
        ...

    def remaining(self, start: datetime, end: datetime, *, working: bool) -> timedelta:
        """Time between the two instants: working time if `working`, else plain length. Never negative."""
        ...

    def after(self, start: datetime, time: timedelta, *, working: bool) -> datetime:
        """The earliest instant with `time` of working time since `start` if `working`, else start + time."""
        ...

    def is_open(self, at: datetime) -> bool:
        """Whether `at` is working time (half-open periods: the closing instant is not)."""
        ...


class Calendars(Protocol):
    """The calendars of a workspace by name."""

    def named(self, name: str | None) -> Calendar:
        """The calendar with this name, the workspace's own for None or for a name that no longer exists."""
        ...
