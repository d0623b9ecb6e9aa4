"""When an entry's window ends and when somebody is reminded: asked of the calendar once, when something begins."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.plan import Calendar, Calendars, Deadline, Level, Unit, Window
from bot.roster import Roster
from bot.state import Nudge, NudgeKind

HALF, LAST = 0.5, 0.8
WEEKLY, DAILY, HOURLY = Window(1, Unit.WEEK), Window(1, Unit.DAY), timedelta(hours=1)
DECISION_AT_LEAST = timedelta(minutes=15)

Times = tuple[Deadline | None, tuple[Nudge, ...]]
"""When a window ends, and the reminders on the way."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the rule may ask of the world: the instant, the calendars, who holds what."""

    now: datetime
    calendars: Calendars
    roster: Roster
    _known: dict[tuple[Window | None, str | None, datetime], Times] = field(
        init=False, repr=False, compare=False, default_factory=dict[tuple[Window | None, str | None, datetime], Times]
    )

    def times(self, level: Level, start: datetime) -> Times:
        """When the window of `level`, begun at `start`, ends, and when those who have it then are reminded.

        In a storm many windows begin together: the calendar is asked once for all that one situation decides.
        """
        asked = (level.window, level.calendar, start)
        if asked not in self._known:
            calendar = self.calendar(level)
            due = deadline(level, start, calendar)
            self._known[asked] = due, reminders(level, start, due, calendar)
        return self._known[asked]

    def calendar(self, level: Level) -> Calendar:
        """The calendar that counts for a level."""
        return self.calendars.named(level.calendar)


def counts_working_time(window: Window) -> bool:
    """Whether reminders of this window are placed by working time: all but the elapsed ones (s, m, h)."""
    return window.elapsed is None


def deadline(level: Level, start: datetime, calendar: Calendar) -> Deadline | None:
    """When the window of `level`, begun at `start`, ends; None when it has none."""
    return calendar.deadline(start, level.window) if level.window else None


def reminders(level: Level, start: datetime, due: Deadline | None, calendar: Calendar) -> tuple[Nudge, ...]:
    """For an entry that waits: at half and at four fifths of what remains, or the weekly review without a window."""
    if due is None or level.window is None:
        return (review(start, calendar),)
    working = counts_working_time(level.window)
    planned = ((HALF, NudgeKind.HALF), (LAST, NudgeKind.LAST))
    return tuple(
        Nudge(at, kind)
        for share, kind in planned
        if start < (at := calendar.part(start, due.at, share, working=working)) < due.at
    )


def heads_up(
    level: Level, start: datetime, due: Deadline | None, calendar: Calendar, *, now: datetime
) -> tuple[Nudge, ...]:
    """For an entry that is in hand: once, at four fifths of start..due, unless that is past; else the weekly review."""
    if due is None or level.window is None:
        return (review(now, calendar),)
    at = calendar.part(start, due.at, LAST, working=counts_working_time(level.window))
    return (Nudge(at, NudgeKind.HEADS_UP),) if now < at < due.at else ()


def review(now: datetime, calendar: Calendar) -> Nudge:
    """The weekly review of an entry without a running window."""
    return Nudge(calendar.deadline(now, WEEKLY).at, NudgeKind.REVIEW)


def daily(now: datetime, calendar: Calendar) -> Nudge:
    """The daily reminder of an entry whose window has ended and that stays where it is."""
    return Nudge(calendar.deadline(now, DAILY).at, NudgeKind.DAILY)


def hourly(now: datetime) -> Nudge:
    """The hourly alarm when nobody can be reached at the last level."""
    return Nudge(now + HOURLY, NudgeKind.NOBODY)


def decision_deadline(
    level: Level, start: datetime, ended: datetime, calendar: Calendar, *, since: datetime | None = None
) -> Deadline:
    """Until when the assignees may decide after an `ask` window: max(15 min, a quarter of the window).

    It runs from `since`, when they are asked; that is `ended` unless the bot was late.
    """
    working = bool(level.window and level.window.working)
    quarter = calendar.remaining(start, ended, working=working) / 4
    return Deadline(calendar.after(since or ended, max(DECISION_AT_LEAST, quarter), working=working), calendar.zone)
