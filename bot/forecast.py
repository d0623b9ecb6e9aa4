"""The plan to come: which level is reached when, if nobody does anything."""

from dataclasses import dataclass
from datetime import datetime

from bot.directory import Address, PersonId
from bot.plan import Level, OnExpiry, Plan
from bot.schedule import Situation, deadline, decision_deadline
from bot.state import Escalation


@dataclass(frozen=True, slots=True)
class Step:
    """A level to come: when it would begin (None: only by hand), whether that is working time, and who would hear."""

    level: Level
    at: datetime | None
    zone: str
    in_working_time: bool
    owners: tuple[PersonId, ...]
    channel: Address | None


def upcoming(escalation: Escalation, at: Situation) -> tuple[Step, ...]:
    """The levels above the present one, each with the earliest instant at which the clock would bring it there."""
    steps: list[Step] = []
    begins = escalation.entry.due.at if escalation.is_open and escalation.entry.due else None
    begins = _moves_up_at(escalation.level, escalation.entry.began_at, begins, at, asked=escalation.entry.asked)
    for level in escalation.plan.levels[escalation.entry.level :]:
        if passed_over(level, escalation.plan, at):
            continue
        step = step_to(level, begins, at)
        steps.append(step)
        due = deadline(level, begins, at.calendar(level)) if begins else None
        begins = _moves_up_at(level, begins, due.at if due else None, at)
    return tuple(steps)


def passed_over(level: Level, plan: Plan, at: Situation) -> bool:
    """Whether an issue on its way up goes past this level; never the last one."""
    return at.roster.skips(level) and level is not plan.levels[-1]


def _moves_up_at(
    level: Level, began: datetime | None, ends: datetime | None, at: Situation, *, asked: bool = False
) -> datetime | None:
    """When an issue that nobody touches leaves `level`, whose window ends at `ends`; None when it stays there."""
    if began is None or ends is None or level.on_expiry is OnExpiry.STAY:
        return None
    if level.on_expiry is OnExpiry.ASK and not asked:
        return decision_deadline(level, began, ends, at.calendar(level)).at
    return ends


def step_to(level: Level, begins: datetime | None, at: Situation) -> Step:
    """What entering `level` at `begins` would mean."""
    calendar = at.calendar(level)
    is_open = begins is None or calendar.is_open(begins)
    roster = at.roster
    return Step(level, begins, calendar.zone, is_open, roster.owners(level.role), roster.channel(level.role))
