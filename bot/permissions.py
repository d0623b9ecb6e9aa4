"""The one table of what people may do, when, and who: the rule, the buttons and the refusals all read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.directory import PersonId
from bot.errors import NotAllowed, OutOfTurn
from bot.plan import AcknowledgedBy
from bot.roster import Roster
from bot.state import OPEN, Escalation, Status

REOPEN_WITHIN = timedelta(days=7)


class Action(StrEnum):
    """What a person may do to an escalation that exists."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    ESCALATE = "escalate"
    MORE_TIME = "more_time"
    HAND_OVER = "hand_over"
    RELEASE = "release"
    NOTE = "note"
    CANCEL = "cancel"
    REOPEN = "reopen"


class Party(StrEnum):
    """What someone is to an escalation."""

    ANYONE = "anyone"
    OPENER = "opener"
    ASSIGNEE = "assignee"
    EARLIER_ASSIGNEE = "earlier_assignee"
    ACKNOWLEDGER = "acknowledger"
    OWNER = "owner"
    RESOLVER = "resolver"


@dataclass(frozen=True, slots=True)
class Rule:
    """In which states an action is possible, and for whom."""

    states: frozenset[Status]
    parties: frozenset[Party]


WAITING, ACKNOWLEDGED = frozenset({Status.WAITING}), frozenset({Status.ACKNOWLEDGED})
_HAS_IT = {Party.ASSIGNEE, Party.ACKNOWLEDGER}

PEOPLE_MAY: Mapping[Action, Rule] = {
    Action.ACKNOWLEDGE: Rule(OPEN, frozenset({Party.ANYONE})),
    Action.RESOLVE: Rule(OPEN, frozenset({*_HAS_IT, Party.EARLIER_ASSIGNEE, Party.OPENER, Party.OWNER})),
    Action.ESCALATE: Rule(OPEN, frozenset({*_HAS_IT, Party.OPENER, Party.OWNER})),
    Action.MORE_TIME: Rule(OPEN, frozenset(_HAS_IT)),
    Action.HAND_OVER: Rule(OPEN, frozenset({*_HAS_IT, Party.OWNER})),
    Action.RELEASE: Rule(ACKNOWLEDGED, frozenset({*_HAS_IT, Party.OWNER})),
    Action.NOTE: Rule(frozenset(Status), frozenset({Party.ANYONE})),
    Action.CANCEL: Rule(OPEN, frozenset({Party.OPENER, Party.OWNER, Party.ACKNOWLEDGER})),
    Action.REOPEN: Rule(frozenset({Status.RESOLVED}), frozenset({Party.OPENER, Party.RESOLVER, Party.OWNER})),
}
"""The table of actions; `impossible` adds what depends on the entry, `parties_for` what a matrix restricts."""


def parties(escalation: Escalation, person: PersonId, roster: Roster) -> frozenset[Party]:
    """What `person` is to this escalation, now. Owners are those of the level it is at."""
    entry, ending = escalation.entry, escalation.ending
    holds = {
        Party.ANYONE: True,
        Party.OPENER: person == escalation.opener,
        Party.ASSIGNEE: person in entry.assignees,
        Party.EARLIER_ASSIGNEE: person in escalation.ever_assigned and person not in entry.assignees,
        Party.ACKNOWLEDGER: person == entry.acknowledged_by,
        Party.OWNER: person in roster.owners(escalation.level.role),
        Party.RESOLVER: ending is not None and person == ending.by,
    }
    return frozenset(party for party, held in holds.items() if held)


def parties_for(action: Action, escalation: Escalation) -> frozenset[Party]:
    """Who may do `action` to this escalation: the table's parties, narrowed where its matrix says so."""
    if action is Action.ACKNOWLEDGE and escalation.plan.acknowledged_by is AcknowledgedBy.OWNERS:
        return frozenset({Party.ASSIGNEE, Party.OWNER})
    return PEOPLE_MAY[action].parties


def impossible(action: Action, escalation: Escalation, now: datetime) -> str | None:
    """The key of the sentence that says why nobody can do `action` at this moment, or None."""
    if escalation.status not in PEOPLE_MAY[action].states:
        return f"already_{escalation.status.value}"
    if action is Action.ESCALATE and escalation.next_level is None:
        return "already_at_last_level"
    if action is Action.MORE_TIME and escalation.entry.due is None:
        return "no_deadline_runs"
    if action is Action.MORE_TIME and escalation.entry.more_time_left < 1:
        return "more_time_used_up"
    if action is Action.REOPEN and escalation.ending and now > escalation.ending.at + REOPEN_WITHIN:
        return "too_late_to_reopen"
    return None


def possible(escalation: Escalation, now: datetime) -> frozenset[Action]:
    """What somebody may do at this moment: the buttons of a card that many people read."""
    offered = frozenset(action for action in Action if impossible(action, escalation, now) is None)
    if escalation.status is Status.ACKNOWLEDGED:
        return offered - {Action.ACKNOWLEDGE}
    return offered


def allowed(escalation: Escalation, person: PersonId, roster: Roster, now: datetime) -> frozenset[Action]:
    """What `person` may do at this moment: the buttons of a card that only they read."""
    own = parties(escalation, person, roster)
    may = frozenset(action for action in possible(escalation, now) if own & parties_for(action, escalation))
    return may | {Action.ACKNOWLEDGE} if takes_over(escalation, person) else may


def takes_over(escalation: Escalation, person: PersonId) -> bool:
    """Whether an acknowledgement of `person`, an assignee, would take over from a stand-in."""
    entry = escalation.entry
    return (
        escalation.status is Status.ACKNOWLEDGED
        and person in entry.assignees
        and entry.acknowledged_by not in entry.assignees
    )


def demand(action: Action, escalation: Escalation, person: PersonId, roster: Roster, now: datetime) -> None:
    """Raise OutOfTurn when nobody can do `action` now, NotAllowed when `person` may not (the sentence says who)."""
    if reason := impossible(action, escalation, now):
        raise OutOfTurn(reason, escalation=escalation)
    who = parties_for(action, escalation)
    if not who & parties(escalation, person, roster):
        raise NotAllowed("not_yours", escalation=escalation, action=action, parties=who)
