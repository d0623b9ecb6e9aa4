"""What an event leads to: the new value, the rows for the ledger, what must be sent; and how these are put together."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.directory import PersonId
from bot.effects import Effect, Errand
from bot.errors import Unreadable
from bot.facts import Fact, FactKind
from bot.schedule import Situation
from bot.state import Escalation, Nudge, NudgeKind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event led to: the new value, the rows for the ledger, and what must be sent."""

    escalation: Escalation
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()


def in_order(nudges: Iterable[Nudge]) -> tuple[Nudge, ...]:
    """Reminders, the earliest first."""
    return tuple(sorted(nudges, key=lambda nudge: nudge.at))


def said(text: str) -> str:
    """What a person wrote. Raises Unreadable when it says nothing."""
    words = text.strip()
    if not words:
        raise Unreadable("reason_needed")
    return words


def with_history(
    escalation: Escalation, fact: Fact, at: Situation, *, redraw: bool = False, tell: set[PersonId] | None = None
) -> Outcome:
    """A change with its ledger row, noted in the thread of the channel's card, told to `tell`, drawn anew with `redraw`."""
    told = (Effect(Errand.TELL, fact.entry, person, fact) for person in sorted(tell or ()))
    edits = (Effect(Errand.REDRAW, fact.entry),) if redraw else ()
    channel = at.roster.channel(escalation.level.role)
    noted = (Effect(Errand.HISTORY, fact.entry, channel, fact),) if channel else ()
    return Outcome(escalation, (fact,), (*told, *edits, *noted))


def reminder(escalation: Escalation, kind: NudgeKind) -> Fact:
    """The ledger row of a reminder to those who should act."""
    entry = escalation.entry
    due = entry.due.at if entry.due else None
    return Fact(FactKind.REMINDED, entry.number, to=who_should_act(escalation), due=due, code=kind.value)


def nobody(escalation: Escalation) -> Fact:
    """The ledger row that nobody could be reached at this level."""
    return Fact(FactKind.NOBODY_REACHED, escalation.entry.number, level=escalation.entry.level)


def who_should_act(escalation: Escalation) -> tuple[PersonId, ...]:
    """Whoever has it, else the assignees."""
    had = escalation.entry.acknowledged_by
    return (had,) if had else escalation.entry.assignees


def to_those_who_should_act(escalation: Escalation, errand: Errand, fact: Fact | None) -> tuple[Effect, ...]:
    """To whoever has it, else to each assignee, else (`to` None) to the role's channel."""
    number = escalation.entry.number
    people = who_should_act(escalation)
    if not people:
        return (Effect(Errand.POST if errand is Errand.PING else errand, number, None, fact),)
    return tuple(Effect(errand, number, person, fact) for person in people)


def to_assignees(escalation: Escalation, errand: Errand, fact: Fact | None) -> tuple[Effect, ...]:
    """To each assignee and to whoever has it, else (`to` None) to the role's channel."""
    entry = escalation.entry
    had = (entry.acknowledged_by,) if entry.acknowledged_by else ()
    people = tuple(dict.fromkeys((*entry.assignees, *had)))
    return tuple(Effect(errand, entry.number, person, fact) for person in people) or (
        Effect(errand, entry.number, None, fact),
    )
