"""What the clock does to an escalation: windows that end, reminders that fall due, levels that nobody heard of."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from bot import schedule
from bot.effects import Effect, Errand
from bot.entering import ON_TIME, enter, heard_from
from bot.events import NobodyReached, NudgeDue, WindowPassed
from bot.facts import Fact, FactKind, Via
from bot.outcome import (
    Outcome,
    in_order,
    nobody,
    reminder,
    to_assignees,
    to_those_who_should_act,
    with_history,
)
from bot.plan import Deadline, OnExpiry
from bot.schedule import Situation
from bot.state import Escalation, Nudge, NudgeKind, Status


def tick(current: Escalation, event: WindowPassed | NudgeDue | NobodyReached, at: Situation) -> Outcome:
    """What `event` leads to; the same value when it is stale."""
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
    target = heard_from(current, entry.level + 1, at)
    outcome = enter(current, target, at, via=via, began=began, late=late)
    return Outcome(outcome.escalation, (fact, *outcome.facts), outcome.effects)


def _stay(current: Escalation, fact: Fact, ended: datetime, at: Situation) -> Outcome:
    calendar = at.calendar(current.level)
    alarms = (nudge for nudge in current.entry.nudges if nudge.kind is NudgeKind.NOBODY)
    alarm = (nudge if nudge.at > at.now else schedule.hourly(at.now) for nudge in alarms)
    nudges = in_order((schedule.daily(at.now, calendar), *alarm))
    kept = current.with_entry(due=None, ended_at=ended, nudges=nudges, asked=False)
    remind = to_those_who_should_act(kept, Errand.REMIND, reminder(kept, NudgeKind.DAILY))
    outcome = with_history(kept, fact, at, redraw=True)
    return replace(outcome, effects=(*remind, *outcome.effects))


def _ask(current: Escalation, fact: Fact, ended: datetime, at: Situation) -> Outcome:
    start = ended if at.now - ended < ON_TIME else at.now
    calendar = at.calendar(current.level)
    decide_by = schedule.decision_deadline(current.level, current.entry.began_at, ended, calendar, since=start)
    asked = current.with_entry(due=decide_by, asked=True, nudges=())
    ask = to_assignees(asked, Errand.REMIND, reminder(asked, NudgeKind.ASK))
    outcome = with_history(asked, fact, at, redraw=True)
    return replace(outcome, effects=(*ask, *outcome.effects))


def _nudge(current: Escalation, planned: datetime, at: Situation) -> Outcome:
    nudges = current.entry.nudges
    due = [nudge for nudge in nudges if nudge.at <= planned]
    if not due or due[-1].at != planned:
        return Outcome(current)
    kind = due[-1].kind
    again = (next_one for past in dict.fromkeys(nudge.kind for nudge in due) for next_one in _repeat(current, past, at))
    changed = current.with_entry(nudges=in_order((*(nudge for nudge in nudges if nudge.at > planned), *again)))
    said = reminder(changed, kind)
    if kind is NudgeKind.NOBODY:
        pings = to_those_who_should_act(changed, Errand.PING, None)
        alarm = Effect(Errand.ALERT, changed.entry.number, fact=nobody(changed))
        return Outcome(changed, (said,), (*pings, alarm))
    return Outcome(changed, (said,), to_those_who_should_act(changed, Errand.REMIND, said))


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
    fact = nobody(current)
    alarm = Effect(Errand.ALERT, current.entry.number, fact=fact)
    if current.next_level is None:
        nudges = in_order((*current.entry.nudges, schedule.hourly(at.now)))
        return Outcome(current.with_entry(nobody_reached=True, nudges=nudges), (fact,), (alarm,))
    target = heard_from(current, current.entry.level + 1, at)
    outcome = enter(current, target, at, via=Via.NOBODY_REACHED, began=at.now)
    return replace(outcome, facts=(fact, *outcome.facts), effects=(alarm, *outcome.effects))
