"""An escalation is a value that changes only through events: `advance` is the one rule.

Nothing here knows the time, a database or a chat platform. An event that is stale returns the very same value; a person
out of turn gets OutOfTurn or NotAllowed and nothing changes.
"""

from dataclasses import replace
from datetime import datetime

from bot.clockwork import tick
from bot.deeds import act, stop_window, take
from bot.directory import PersonId
from bot.effects import Effect, Errand
from bot.entering import enter, heard_from, post
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
from bot.outcome import Outcome
from bot.permissions import Action, demand
from bot.plan import StopsOn
from bot.schedule import Situation
from bot.state import Escalation, Status

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


def opened(draft: Escalation, at: Situation, reason: str = "") -> Outcome:
    """Begin the life of `draft`, whose `entry` names the start level only. An opener who is an assignee has it."""
    start = heard_from(draft, draft.entry.level, at)
    outcome = enter(draft, start, at, via=Via.OPENED, began=at.now, by=draft.opener, reason=reason)
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
            return Outcome(current) if stale else tick(current, event, at)
        case _:
            if isinstance(event, Acknowledged) and _already_has(current, event.by):
                return Outcome(current)
            demand(ACTIONS[type(event)], current, event.by, at.roster, at.now)
            return _join(act(current, event, at), event.by)


def due_event(current: Escalation, now: datetime) -> WindowPassed | NudgeDue | None:
    """What is due by the clock: an ended window before any reminder, the latest of several overdue reminders."""
    entry = current.entry
    if not current.is_open:
        return None
    if entry.due and entry.due.at < now:
        return WindowPassed(entry.number, entry.due.at)
    overdue = [nudge.at for nudge in entry.nudges if nudge.at < now]
    return NudgeDue(entry.number, overdue[-1]) if overdue else None


def _opened_by_assignee(escalation: Escalation, at: Situation, facts: tuple[Fact, ...]) -> Outcome:
    """The opener holds the level: opening acknowledges for them; a card, no ping."""
    taken = take(escalation, escalation.opener, at)
    if escalation.level.stops_on is StopsOn.ACKNOWLEDGE:
        taken = stop_window(taken, at)
    fact = Fact(FactKind.ACKNOWLEDGED, entry=1, by=escalation.opener)
    card = Effect(Errand.CARD, 1, escalation.opener)
    return Outcome(taken, (*facts, fact), (card, *post(escalation.level, escalation.entry, at)))


def _already_has(current: Escalation, person: PersonId) -> bool:
    return current.status is Status.ACKNOWLEDGED and current.entry.acknowledged_by == person


def _join(outcome: Outcome, person: PersonId) -> Outcome:
    """Whoever acts takes part from then on, and may see it."""
    escalation = outcome.escalation
    return replace(outcome, escalation=replace(escalation, participants=escalation.participants | {person}))
