"""What people do to an escalation, one small function each. Who may is asked before, by `bot.escalation.advance`."""

from dataclasses import replace
from typing import assert_never

from bot import schedule
from bot.directory import PersonId
from bot.effects import Effect, Errand
from bot.entering import enter, heard_from
from bot.errors import CalendarError, OutOfTurn, Unreadable
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    HandedOver,
    MoreTimeTaken,
    Noted,
    PersonEvent,
    Released,
    Reopened,
    Resolved,
)
from bot.facts import Fact, FactKind, Via
from bot.outcome import (
    Outcome,
    said,
    to_those_who_should_act,
    who_should_act,
    with_history,
)
from bot.permissions import takes_over
from bot.plan import Calendar, Deadline, StopsOn
from bot.schedule import Situation
from bot.state import Ending, Escalation, NudgeKind, Status


def act(current: Escalation, event: PersonEvent, at: Situation) -> Outcome:
    """What `event` leads to. Raises OutOfTurn or Unreadable."""
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
            return _note(current, by, said(text), at)
        case Resolved(by, how):
            return _end(current, Status.RESOLVED, Ending(by, at.now, how.strip()), FactKind.RESOLVED, at)
        case Cancelled(by, reason, duplicate_of):
            if duplicate_of == current.number:
                raise Unreadable("duplicate_of_itself", escalation=current)
            text = reason.strip() if duplicate_of else said(reason)
            ending = Ending(by, at.now, text, duplicate_of)
            return _end(current, Status.CANCELLED, ending, FactKind.CANCELLED, at)
        case Reopened(by, reason):
            return _reopen(current, by, said(reason), at)
        case _:
            assert_never(event)


def _acknowledge(current: Escalation, by: PersonId, at: Situation) -> Outcome:
    entry = current.entry
    if current.status is Status.ACKNOWLEDGED and not takes_over(current, by):
        raise OutOfTurn("already_taken", escalation=current)
    stand_in = bool(entry.assignees) and by not in entry.assignees
    changed = take(current, by, at)
    if current.level.stops_on is StopsOn.ACKNOWLEDGE:
        changed = stop_window(changed, at)
    fact = Fact(FactKind.ACKNOWLEDGED, entry.number, by=by, on_behalf=stand_in)
    told = {current.opener, *(entry.assignees if stand_in else ()), *_stood_in(current, by)} - {by}
    return with_history(changed, fact, at, redraw=True, tell=told)


def take(current: Escalation, by: PersonId, at: Situation) -> Escalation:
    """`by` has it: reminders end, one heads-up stays."""
    entry, level = current.entry, current.level
    calendar = at.calendar(level)
    ahead = tuple(nudge for nudge in entry.nudges if nudge.kind in {NudgeKind.REVIEW, NudgeKind.DAILY})
    nudges = ahead or schedule.heads_up(level, entry.began_at, entry.due, calendar, now=at.now)
    acknowledged = replace(current, status=Status.ACKNOWLEDGED)
    return acknowledged.with_entry(acknowledged_by=by, acknowledged_at=at.now, nudges=nudges, nobody_reached=False)


def stop_window(current: Escalation, at: Situation) -> Escalation:
    """The window stands still: what is left of it is kept for a release."""
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
    again = to_those_who_should_act(waiting, Errand.REMIND, fact)
    told = _stood_in(current, by) - {by, *waiting.entry.assignees}
    outcome = with_history(waiting, fact, at, redraw=True, tell=told)
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
    reason = said(event.reason)
    target = current.entry.level + 1 if event.to_level is None else event.to_level
    if not current.entry.level < target <= len(current.plan.levels):
        raise Unreadable("no_such_level_above", escalation=current, given=target)
    start = heard_from(current, target, at)
    return enter(current, start, at, via=Via.PERSON, began=at.now, by=event.by, reason=reason)


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
    taken = current if keeps else take(current, event.by, at)
    nudges = schedule.heads_up(level, at.now, due, calendar, now=at.now)
    changed = taken.with_entry(due=due, nudges=nudges, more_time_left=entry.more_time_left - 1, asked=False)
    fact = Fact(FactKind.MORE_TIME, entry.number, by=event.by, due=due.at)
    told: set[PersonId] = set() if keeps else {current.opener, *_stood_in(current, event.by)} - {event.by}
    return with_history(changed, fact, at, redraw=True, tell=told)


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
    return with_history(current, fact, at, tell={*who_should_act(current)} - {by} if alone else None)


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
    outcome = with_history(changed, fact, at, redraw=True, tell=told)
    return replace(outcome, effects=(Effect(Errand.PING, current.entry.number, to), *outcome.effects))


def _end(current: Escalation, status: Status, ending: Ending, kind: FactKind, at: Situation) -> Outcome:
    ended = replace(current, status=status, ending=ending).with_entry(due=None, nudges=(), remaining=None)
    code = f"ESC-{ending.duplicate_of}" if ending.duplicate_of else ""
    fact = Fact(kind, current.entry.number, by=ending.by, text=ending.text, code=code)
    return with_history(ended, fact, at, redraw=True, tell={current.opener} - {ending.by})


def _reopen(current: Escalation, by: PersonId, reason: str, at: Situation) -> Outcome:
    began = replace(current, ending=None)
    outcome = enter(began, current.entry.level, at, via=Via.REOPENED, began=at.now, by=by, reason=reason)
    fact = Fact(FactKind.REOPENED, current.entry.number, by=by, text=reason)
    return replace(outcome, facts=(fact, *outcome.facts))
