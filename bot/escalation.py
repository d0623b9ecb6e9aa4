"""An escalation is a value that changes only through events: `advance` is the one rule.

Nothing here knows the time, a database or a chat platform. An event that is stale returns the very same value; a person
out of turn gets OutOfTurn or NotAllowed and nothing changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from bot import schedule
from bot.directory import PersonId
from bot.effects import Effect, Errand
from bot.errors import CalendarError, OutOfTurn, Unreadable
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    Event,
    HandedOver,
    MoreTimeTaken,
    NobodyReached,
    Noted,
    NudgeDue,
    PersonEvent,
    Released,
    Reopened,
    Resolved,
    WindowPassed,
)
from bot.facts import Fact, FactKind, Via
from bot.permissions import Action, demand, takes_over
from bot.plan import Calendar, Deadline, Level, OnExpiry, StopsOn
from bot.schedule import Situation
from bot.state import Ending, Entry, Escalation, Nudge, NudgeKind, Status

ON_TIME = timedelta(seconds=60)
"""Less late than this, the next entry begins at the deadline itself: downtime never eats the next person's window."""

ACTIONS: dict[type[PersonEvent], Action] = {
    Acknowledged: Action.ACKNOWLEDGE,
    Released: Action.RELEASE,
    EscalatedNow: Action.ESCALATE,
    MoreTimeTaken: Action.MORE_TIME,
    HandedOver: Action.HAND_OVER,
    Noted: Action.NOTE,
    Resolved: Action.RESOLVE,
    Cancelled: Action.CANCEL,
    Reopened: Action.REOPEN,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event led to: the new value, the rows for the ledger, and what must be sent."""

    escalation: Escalation
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()


def opened(draft: Escalation, at: Situation, reason: str = "") -> Outcome:
    """Begin the life of `draft`, whose `entry` names the start level only. An opener who is an assignee has it."""
    start = _heard_from(draft, draft.entry.level, at)
    outcome = _enter(draft, start, at, via=Via.OPENED, began=at.now, by=draft.opener, reason=reason)
    first = Fact(FactKind.OPENED, entry=1, by=draft.opener, level=start, text=draft.title)
    escalation = replace(outcome.escalation, participants=frozenset({draft.opener}))
    if draft.opener in escalation.entry.assignees:
        return _opened_by_assignee(escalation, at, (first, *outcome.facts))
    card = Effect(Errand.CARD, entry=1, to=draft.opener)
    return Outcome(escalation, (first, *outcome.facts), (*outcome.effects, card))


def advance(current: Escalation, event: Event, at: Situation) -> Outcome:
    """Apply one event.

    Raises OutOfTurn when the state does not permit it, NotAllowed when this person may not, Unreadable when an argument
    makes no sense. A stale clock event returns the same value.
    """
    match event:
        case WindowPassed() | NudgeDue() | NobodyReached():
            stale = not current.is_open or event.entry != current.entry.number
            return Outcome(current) if stale else _clock(current, event, at)
        case _:
            if isinstance(event, Acknowledged) and _already_has(current, event.by):
                return Outcome(current)
            demand(ACTIONS[type(event)], current, event.by, at.roster, at.now)
            return _join(_person(current, event, at), event.by)


def due_event(current: Escalation, now: datetime) -> WindowPassed | NudgeDue | None:
    """What is due by the clock: an ended window before any reminder, the latest of several overdue reminders."""
    entry = current.entry
    if not current.is_open:
        return None
    if entry.due and entry.due.at < now:
        return WindowPassed(entry.number, entry.due.at)
    overdue = [nudge.at for nudge in entry.nudges if nudge.at < now]
    return NudgeDue(entry.number, overdue[-1]) if overdue else None


def _person(current: Escalation, event: PersonEvent, at: Situation) -> Outcome:
    match event:
        case Acknowledged(by):
            return _acknowledge(current, by, at)
        case Released(by):
            return _release(current, by, at)
        case EscalatedNow():
            return _escalate_now(current, event, at)
        case MoreTimeTaken():
            return _more_time(current, event, at)
        case HandedOver(by, to):
            return _hand_over(current, by, to, at)
        case Noted(by, text):
            return _note(current, by, _said(text), at)
        case Resolved(by, how):
            return _end(current, Status.RESOLVED, Ending(by, at.now, how.strip()), FactKind.RESOLVED, at)
        case Cancelled(by, reason, duplicate_of):
            if duplicate_of == current.number:
                raise Unreadable("duplicate_of_itself", escalation=current)
            text = reason.strip() if duplicate_of else _said(reason)
            ending = Ending(by, at.now, text, duplicate_of)
            return _end(current, Status.CANCELLED, ending, FactKind.CANCELLED, at)
        case Reopened(by, reason):
            return _reopen(current, by, _said(reason), at)
        case _:
            assert_never(event)


def _clock(current: Escalation, event: WindowPassed | NudgeDue | NobodyReached, at: Situation) -> Outcome:
    match event:
        case WindowPassed(_, deadline):
            due = current.entry.due
            in_time = due is None or due.at != deadline or at.now <= deadline
            return Outcome(current) if in_time else _window_passed(current, due, at)
        case NudgeDue(_, planned):
            return _nudge(current, planned, at)
        case NobodyReached():
            return _nobody_reached(current, at)
        case _:
            assert_never(event)


# What people do


def _acknowledge(current: Escalation, by: PersonId, at: Situation) -> Outcome:
    entry = current.entry
    if current.status is Status.ACKNOWLEDGED and not takes_over(current, by):
        raise OutOfTurn("already_taken", escalation=current)
    stand_in = bool(entry.assignees) and by not in entry.assignees
    changed = _take(current, by, at)
    if current.level.stops_on is StopsOn.ACKNOWLEDGE:
        changed = _stop_window(changed, at)
    fact = Fact(FactKind.ACKNOWLEDGED, entry.number, by=by, on_behalf=stand_in)
    told = {current.opener, *(entry.assignees if stand_in else ()), *_stood_in(current, by)} - {by}
    return _with_history(changed, fact, at, redraw=True, tell=told)


def _take(current: Escalation, by: PersonId, at: Situation) -> Escalation:
    """`by` has it: reminders end, one heads-up stays."""
    entry, level = current.entry, current.level
    calendar = at.calendar(level)
    ahead = tuple(nudge for nudge in entry.nudges if nudge.kind in {NudgeKind.REVIEW, NudgeKind.DAILY})
    nudges = ahead or schedule.heads_up(level, entry.began_at, entry.due, calendar, now=at.now)
    acknowledged = replace(current, status=Status.ACKNOWLEDGED)
    return acknowledged.with_entry(acknowledged_by=by, acknowledged_at=at.now, nudges=nudges, nobody_reached=False)


def _stop_window(current: Escalation, at: Situation) -> Escalation:
    entry, level = current.entry, current.level
    if entry.due is None or level.window is None:
        return current
    calendar = at.calendar(level)
    left = calendar.remaining(at.now, entry.due.at, working=level.window.working)
    return current.with_entry(due=None, remaining=left, nudges=(schedule.review(at.now, calendar),))


def _stood_in(current: Escalation, by: PersonId) -> set[PersonId]:
    """The one who had it until now, if somebody else did."""
    had = current.entry.acknowledged_by
    return {had} if had and had != by else set()


def _release(current: Escalation, by: PersonId, at: Situation) -> Outcome:
    waiting = _waiting_again(current, at)
    fact = Fact(FactKind.RELEASED, current.entry.number, by=by)
    again = _to_those_who_should_act(waiting, Errand.REMIND, fact)
    told = _stood_in(current, by) - {by, *waiting.entry.assignees}
    outcome = _with_history(waiting, fact, at, redraw=True, tell=told)
    return replace(outcome, effects=(*again, *outcome.effects))


def _waiting_again(current: Escalation, at: Situation) -> Escalation:
    """Back to waiting in the same entry: a stopped window runs on, reminders over what remains."""
    entry, level = current.entry, current.level
    calendar = at.calendar(level)
    due = entry.due
    if entry.remaining is not None and level.window:
        due = Deadline(calendar.after(at.now, entry.remaining, working=level.window.working), calendar.zone)
    keeps = entry.ended_at is not None
    nudges = (schedule.daily(at.now, calendar),) if keeps else schedule.reminders(level, at.now, due, calendar)
    waiting = replace(current, status=Status.WAITING)
    return waiting.with_entry(
        acknowledged_by=None, acknowledged_at=None, due=due, remaining=None, nudges=nudges, nobody_reached=False
    )


def _escalate_now(current: Escalation, event: EscalatedNow, at: Situation) -> Outcome:
    reason = _said(event.reason)
    target = current.entry.level + 1 if event.to_level is None else event.to_level
    if not current.entry.level < target <= len(current.plan.levels):
        raise Unreadable("no_such_level_above", escalation=current, given=target)
    start = _heard_from(current, target, at)
    return _enter(current, start, at, via=Via.PERSON, began=at.now, by=event.by, reason=reason)


def _more_time(current: Escalation, event: MoreTimeTaken, at: Situation) -> Outcome:
    entry, level = current.entry, current.level
    calendar = at.calendar(level)
    old = entry.due
    if old is None or level.window is None:  # `demand` has refused this; the type checker cannot know
        raise OutOfTurn("no_deadline_runs", escalation=current)
    furthest = calendar.deadline(old.at, level.window)
    due = _new_deadline(event, old, calendar)
    if due is None or not max(old.at, at.now) < due.at <= furthest.at:
        earliest = Deadline(max(old.at, at.now), calendar.zone)
        raise Unreadable("more_time_out_of_range", escalation=current, earliest=earliest, latest=furthest)
    keeps = current.status is Status.ACKNOWLEDGED and not takes_over(current, event.by)
    taken = current if keeps else _take(current, event.by, at)
    nudges = schedule.heads_up(level, at.now, due, calendar, now=at.now)
    changed = taken.with_entry(due=due, nudges=nudges, more_time_left=entry.more_time_left - 1, asked=False)
    fact = Fact(FactKind.MORE_TIME, entry.number, by=event.by, due=due.at)
    told: set[PersonId] = set() if keeps else {current.opener, *_stood_in(current, event.by)} - {event.by}
    return _with_history(changed, fact, at, redraw=True, tell=told)


def _new_deadline(event: MoreTimeTaken, old: Deadline, calendar: Calendar) -> Deadline | None:
    """A length runs from the old deadline, a date is as given; None for a length that no calendar reaches."""
    if event.window is None:
        return Deadline(event.until or old.at, calendar.zone)
    try:
        return calendar.deadline(old.at, event.window)
    except CalendarError:
        return None


def _note(current: Escalation, by: PersonId, text: str, at: Situation) -> Outcome:
    """Into the thread of the channel's card; without a channel, of the cards of those who should act."""
    fact = Fact(FactKind.NOTED, current.entry.number, by=by, text=text)
    alone = current.is_open and at.roster.channel(current.level.role) is None
    return _with_history(current, fact, at, tell={*_who_should_act(current)} - {by} if alone else None)


def _hand_over(current: Escalation, by: PersonId, to: PersonId, at: Situation) -> Outcome:
    if current.entry.assignees == (to,):
        raise Unreadable("already_theirs", escalation=current, person=to)
    waiting = _waiting_again(current, at)
    changed = replace(
        waiting.with_entry(assignees=(to,)),
        ever_assigned=current.ever_assigned | {to},
        participants=current.participants | {to},
    )
    fact = Fact(FactKind.HANDED_OVER, current.entry.number, by=by, to=(to,))
    told = {*current.entry.assignees, *_stood_in(current, by)} - {by, to}
    outcome = _with_history(changed, fact, at, redraw=True, tell=told)
    return replace(outcome, effects=(Effect(Errand.PING, current.entry.number, to), *outcome.effects))


def _end(current: Escalation, status: Status, ending: Ending, kind: FactKind, at: Situation) -> Outcome:
    ended = replace(current, status=status, ending=ending).with_entry(due=None, nudges=(), remaining=None)
    code = f"ESC-{ending.duplicate_of}" if ending.duplicate_of else ""
    fact = Fact(kind, current.entry.number, by=ending.by, text=ending.text, code=code)
    return _with_history(ended, fact, at, redraw=True, tell={current.opener} - {ending.by})


def _reopen(current: Escalation, by: PersonId, reason: str, at: Situation) -> Outcome:
    began = replace(current, ending=None)
    outcome = _enter(began, current.entry.level, at, via=Via.REOPENED, began=at.now, by=by, reason=reason)
    fact = Fact(FactKind.REOPENED, current.entry.number, by=by, text=reason)
    return replace(outcome, facts=(fact, *outcome.facts))


# What the clock does


def _window_passed(current: Escalation, due: Deadline | None, at: Situation) -> Outcome:
    entry, level = current.entry, current.level
    ended = due.at if due else at.now
    late = int((at.now - ended).total_seconds())
    fact = Fact(FactKind.WINDOW_ENDED, entry.number, level=entry.level, at=ended, late=late)
    if level.on_expiry is OnExpiry.STAY or current.next_level is None:
        return _stay(current, fact, ended, at)
    if level.on_expiry is OnExpiry.ASK and not entry.asked:
        return _ask(current, fact, ended, at)
    began = ended if at.now - ended < ON_TIME else at.now
    via = Via.NO_DECISION if entry.asked else Via.WINDOW
    target = _heard_from(current, entry.level + 1, at)
    outcome = _enter(current, target, at, via=via, began=began, late=late)
    return replace(outcome, facts=(fact, *outcome.facts))


def _stay(current: Escalation, fact: Fact, ended: datetime, at: Situation) -> Outcome:
    calendar = at.calendar(current.level)
    alarms = (nudge for nudge in current.entry.nudges if nudge.kind is NudgeKind.NOBODY)
    alarm = (nudge if nudge.at > at.now else schedule.hourly(at.now) for nudge in alarms)
    nudges = _in_order((schedule.daily(at.now, calendar), *alarm))
    kept = current.with_entry(due=None, ended_at=ended, nudges=nudges, asked=False)
    remind = _to_those_who_should_act(kept, Errand.REMIND, _reminder(kept, NudgeKind.DAILY))
    outcome = _with_history(kept, fact, at, redraw=True)
    return replace(outcome, effects=(*remind, *outcome.effects))


def _ask(current: Escalation, fact: Fact, ended: datetime, at: Situation) -> Outcome:
    start = ended if at.now - ended < ON_TIME else at.now
    calendar = at.calendar(current.level)
    decide_by = schedule.decision_deadline(current.level, current.entry.began_at, ended, calendar, since=start)
    asked = current.with_entry(due=decide_by, asked=True, nudges=())
    ask = _to_assignees(asked, Errand.REMIND, _reminder(asked, NudgeKind.ASK))
    outcome = _with_history(asked, fact, at, redraw=True)
    return replace(outcome, effects=(*ask, *outcome.effects))


def _nudge(current: Escalation, planned: datetime, at: Situation) -> Outcome:
    nudges = current.entry.nudges
    due = [nudge for nudge in nudges if nudge.at <= planned]
    if not due or due[-1].at != planned:
        return Outcome(current)
    kind = due[-1].kind
    again = (next_one for past in dict.fromkeys(nudge.kind for nudge in due) for next_one in _repeat(current, past, at))
    changed = current.with_entry(nudges=_in_order((*(nudge for nudge in nudges if nudge.at > planned), *again)))
    reminder = _reminder(changed, kind)
    if kind is NudgeKind.NOBODY:
        pings = _to_those_who_should_act(changed, Errand.PING, None)
        alarm = Effect(Errand.ALERT, changed.entry.number, fact=_nobody(changed))
        return Outcome(changed, (reminder,), (*pings, alarm))
    return Outcome(changed, (reminder,), _to_those_who_should_act(changed, Errand.REMIND, reminder))


def _repeat(current: Escalation, kind: NudgeKind, at: Situation) -> tuple[Nudge, ...]:
    calendar = at.calendar(current.level)
    match kind:
        case NudgeKind.REVIEW:
            return (schedule.review(at.now, calendar),)
        case NudgeKind.DAILY:
            return (schedule.daily(at.now, calendar),)
        case NudgeKind.NOBODY:
            return (schedule.hourly(at.now),)
        case NudgeKind.HALF | NudgeKind.LAST | NudgeKind.HEADS_UP | NudgeKind.ASK:
            return ()
        case _:
            assert_never(kind)


def _nobody_reached(current: Escalation, at: Situation) -> Outcome:
    if current.status is Status.ACKNOWLEDGED or current.entry.nobody_reached:
        return Outcome(current)
    fact = _nobody(current)
    alarm = Effect(Errand.ALERT, current.entry.number, fact=fact)
    if current.next_level is None:
        nudges = _in_order((*current.entry.nudges, schedule.hourly(at.now)))
        return Outcome(current.with_entry(nobody_reached=True, nudges=nudges), (fact,), (alarm,))
    target = _heard_from(current, current.entry.level + 1, at)
    outcome = _enter(current, target, at, via=Via.NOBODY_REACHED, began=at.now)
    return replace(outcome, facts=(fact, *outcome.facts), effects=(alarm, *outcome.effects))


# Entering a level


def _enter(
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
    entry = _fresh_entry(level, number, at, via=via, began=began)
    entry = replace(entry, by=by, reason=reason, late=late if late >= ON_TIME.total_seconds() else 0)
    entered = replace(
        current,
        status=Status.WAITING,
        entry=entry,
        ever_assigned=current.ever_assigned | set(entry.assignees),
    )
    fact = Fact(
        FactKind.ENTERED,
        number,
        by=by,
        to=entry.assignees,
        level=ordinal,
        via=via,
        at=began,
        due=entry.due.at if entry.due else None,
        late=entry.late,
        text=reason,
    )
    told = () if via is Via.OPENED else _told_of_move(current, entry, by)
    effects = (
        *(Effect(Errand.PING, number, person) for person in entry.assignees),
        *_post(level, entry, at),
        *(Effect(Errand.TELL, number, person, fact) for person in sorted(told)),
        *(() if via is Via.OPENED else (Effect(Errand.REDRAW, number),)),
    )
    return Outcome(entered, (fact,), effects)


def _post(level: Level, entry: Entry, at: Situation) -> tuple[Effect, ...]:
    """The post in the role's channel. Without channel and assignees it still goes out: the fallbacks will hear."""
    channel = at.roster.channel(level.role)
    return (Effect(Errand.POST, entry.number, channel),) if channel or not entry.assignees else ()


def _fresh_entry(level: Level, number: int, at: Situation, *, via: Via, began: datetime) -> Entry:
    calendar = at.calendar(level)
    due = schedule.deadline(level, began, calendar)
    return Entry(
        number=number,
        level=level.ordinal,
        via=via,
        began_at=began,
        assignees=at.roster.owners(level.role),
        due=due,
        nudges=schedule.reminders(level, began, due, calendar),
    )


def _told_of_move(current: Escalation, entry: Entry, by: PersonId | None) -> set[PersonId]:
    """The opener and those who had it, each once; the new assignees have their ping, who did it knows."""
    had = {current.entry.acknowledged_by} - {None}
    told = {current.opener, *current.entry.assignees, *(person for person in had if person)}
    return told - set(entry.assignees) - {by} if by else told - set(entry.assignees)


def _heard_from(current: Escalation, ordinal: int, at: Situation) -> int:
    """The first level from `ordinal` up that is not passed over; the last level never is."""
    levels = current.plan.levels[ordinal - 1 :]
    return next((level.ordinal for level in levels if not at.roster.skips(level)), len(current.plan.levels))


def _opened_by_assignee(escalation: Escalation, at: Situation, facts: tuple[Fact, ...]) -> Outcome:
    """The opener holds the level: opening acknowledges for them; a card, no ping."""
    taken = _take(escalation, escalation.opener, at)
    if escalation.level.stops_on is StopsOn.ACKNOWLEDGE:
        taken = _stop_window(taken, at)
    fact = Fact(FactKind.ACKNOWLEDGED, entry=1, by=escalation.opener)
    card = Effect(Errand.CARD, 1, escalation.opener)
    return Outcome(taken, (*facts, fact), (card, *_post(escalation.level, escalation.entry, at)))


# Small parts


def _already_has(current: Escalation, person: PersonId) -> bool:
    return current.status is Status.ACKNOWLEDGED and current.entry.acknowledged_by == person


def _join(outcome: Outcome, person: PersonId) -> Outcome:
    """Whoever acts takes part from then on, and may see it."""
    escalation = outcome.escalation
    return replace(outcome, escalation=replace(escalation, participants=escalation.participants | {person}))


def _in_order(nudges: Iterable[Nudge]) -> tuple[Nudge, ...]:
    return tuple(sorted(nudges, key=lambda nudge: nudge.at))


def _said(text: str) -> str:
    words = text.strip()
    if not words:
        raise Unreadable("reason_needed")
    return words


def _with_history(
    escalation: Escalation, fact: Fact, at: Situation, *, redraw: bool = False, tell: set[PersonId] | None = None
) -> Outcome:
    told = (Effect(Errand.TELL, fact.entry, person, fact) for person in sorted(tell or ()))
    edits = (Effect(Errand.REDRAW, fact.entry),) if redraw else ()
    channel = at.roster.channel(escalation.level.role)
    noted = (Effect(Errand.HISTORY, fact.entry, channel, fact),) if channel else ()
    return Outcome(escalation, (fact,), (*told, *edits, *noted))


def _reminder(escalation: Escalation, kind: NudgeKind) -> Fact:
    entry = escalation.entry
    due = entry.due.at if entry.due else None
    return Fact(FactKind.REMINDED, entry.number, to=_who_should_act(escalation), due=due, code=kind.value)


def _nobody(escalation: Escalation) -> Fact:
    return Fact(FactKind.NOBODY_REACHED, escalation.entry.number, level=escalation.entry.level)


def _who_should_act(escalation: Escalation) -> tuple[PersonId, ...]:
    had = escalation.entry.acknowledged_by
    return (had,) if had else escalation.entry.assignees


def _to_those_who_should_act(escalation: Escalation, errand: Errand, fact: Fact | None) -> tuple[Effect, ...]:
    """To whoever has it, else to each assignee, else (`to` None) to the role's channel."""
    number = escalation.entry.number
    people = _who_should_act(escalation)
    if not people:
        return (Effect(Errand.POST if errand is Errand.PING else errand, number, None, fact),)
    return tuple(Effect(errand, number, person, fact) for person in people)


def _to_assignees(escalation: Escalation, errand: Errand, fact: Fact | None) -> tuple[Effect, ...]:
    entry = escalation.entry
    had = (entry.acknowledged_by,) if entry.acknowledged_by else ()
    people = tuple(dict.fromkeys((*entry.assignees, *had)))
    return tuple(Effect(errand, entry.number, person, fact) for person in people) or (
        Effect(errand, entry.number, None, fact),
    )
