"""Entering a level: by opening, by the clock, by a person, by reopening. Always a new numbered entry."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.directory import PersonId
from bot.effects import Effect, Errand
from bot.facts import Fact, FactKind, Via
from bot.outcome import Outcome
from bot.plan import Level
from bot.schedule import Situation
from bot.state import Entry, Escalation, Status

ON_TIME = timedelta(seconds=60)
"""Less late than this, the next entry begins at the deadline itself: downtime never eats the next person's window."""


def enter(
    current: Escalation,
    ordinal: int,
    at: Situation,
    *,
    via: Via,
    began: datetime,
    by: PersonId | None = None,
    reason: str = "",
    late: int = 0,
) -> Outcome:
    """A new numbered entry: waiting, nobody has it, fresh window and allowance; the ping, the post and who is told."""
    level = current.plan.level(ordinal)
    number = 1 if via is Via.OPENED else current.entry.number + 1
    due, nudges = at.times(level, began)
    entry = Entry(
        number=number,
        level=level.ordinal,
        via=via,
        began_at=began,
        assignees=at.roster.owners(level.role),
        due=due,
        nudges=nudges,
        late=late if late >= ON_TIME.total_seconds() else 0,
        reason=reason,
        by=by,
    )
    entered = replace(
        current,
        status=Status.WAITING,
        entry=entry,
        ever_assigned=current.ever_assigned | set(entry.assignees),
    )
    fact = _begun(entry)
    told = () if via is Via.OPENED else _told_of_move(current, entry, by)
    effects = (
        *(Effect(Errand.PING, number, person) for person in entry.assignees),
        *post(level, entry, at),
        *(Effect(Errand.TELL, number, person, fact) for person in sorted(told)),
        *(() if via is Via.OPENED else (Effect(Errand.REDRAW, number),)),
    )
    return Outcome(entered, (fact,), effects)


def _begun(entry: Entry) -> Fact:
    """The ledger row of an entry that begins."""
    return Fact(
        FactKind.ENTERED,
        entry.number,
        by=entry.by,
        to=entry.assignees,
        level=entry.level,
        via=entry.via,
        at=entry.began_at,
        due=entry.due.at if entry.due else None,
        late=entry.late,
        text=entry.reason,
    )


def post(level: Level, entry: Entry, at: Situation) -> tuple[Effect, ...]:
    """The post in the role's channel. Without channel and assignees it still goes out: the fallbacks will hear."""
    channel = at.roster.channel(level.role)
    return (Effect(Errand.POST, entry.number, channel),) if channel or not entry.assignees else ()


def _told_of_move(current: Escalation, entry: Entry, by: PersonId | None) -> set[PersonId]:
    """The opener and those who had it, each once; the new assignees have their ping, who did it knows."""
    had = {current.entry.acknowledged_by} - {None}
    told = {current.opener, *current.entry.assignees, *(person for person in had if person)}
    return told - set(entry.assignees) - {by} if by else told - set(entry.assignees)


def heard_from(current: Escalation, ordinal: int, at: Situation) -> int:
    """The first level from `ordinal` up that is not passed over; the last level never is."""
    levels = current.plan.levels[ordinal - 1 :]
    return next((level.ordinal for level in levels if not at.roster.skips(level)), len(current.plan.levels))
