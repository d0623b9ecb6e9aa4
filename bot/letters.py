"""What a parcel says when it is carried: a card, a short line, or nothing any more. Read at the moment of sending."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot import cards, forecast, wording
from bot.cards import Desk, Reader
from bot.delivery import MessageRef, Parcel, SentCard
from bot.directory import Address, PersonId
from bot.effects import Errand
from bot.facts import Fact, FactKind
from bot.message import Button, Line, Message, Style, Subject, Tone
from bot.permissions import Action, allowed, possible
from bot.plan import Language, OnExpiry
from bot.rich import Mention, Rich, Room, Strong, When
from bot.schedule import Situation
from bot.state import Escalation, NudgeKind, Status

CURRENT_ONLY = frozenset({Errand.PING, Errand.POST, Errand.REMIND})
"""Errands that ask somebody to act: pointless once the issue has moved on or ended."""

_OFFERED: dict[str, tuple[Action, ...]] = {
    NudgeKind.HALF: (Action.ACKNOWLEDGE, Action.ESCALATE),
    NudgeKind.LAST: (Action.ACKNOWLEDGE, Action.ESCALATE),
    NudgeKind.HEADS_UP: (Action.RESOLVE, Action.MORE_TIME),
    NudgeKind.ASK: (Action.ESCALATE, Action.MORE_TIME, Action.RESOLVE),
    NudgeKind.REVIEW: (Action.RESOLVE, Action.NOTE),
    NudgeKind.DAILY: (Action.RESOLVE, Action.ESCALATE, Action.NOTE),
}
_WAITING_ONLY = frozenset({NudgeKind.HALF.value, NudgeKind.LAST.value})
_NAMES_NEXT = frozenset({*_WAITING_ONLY, NudgeKind.HEADS_UP.value})
"""Reminders that say where the issue moves; they read differently where its window ends without a move."""


def outdated(parcel: Parcel, escalation: Escalation) -> bool:
    """Whether what the parcel asks for no longer makes sense: no ping after a resolve, none for an earlier entry."""
    effect, entry = parcel.effect, escalation.entry
    if effect.errand not in CURRENT_ONLY:
        return effect.errand is Errand.CARD and not escalation.is_open
    if not escalation.is_open or effect.entry != entry.number:
        return True
    if effect.errand is Errand.PING:
        return effect.to is not None and effect.to not in entry.assignees
    return effect.fact is not None and _no_longer_true(effect.fact, escalation)


def _no_longer_true(fact: Fact, escalation: Escalation) -> bool:
    """Whether a reminder was planned for a state that is over: someone has it by now, or has decided."""
    if fact.code == NudgeKind.ASK:
        return not escalation.entry.asked
    waiting_only = fact.kind is FactKind.RELEASED or fact.code in _WAITING_ONLY
    return waiting_only and escalation.status is Status.ACKNOWLEDGED


def compose(parcel: Parcel, escalation: Escalation, to: Address, reader: Reader, desk: Desk) -> Message:
    """The message for one place. A card that stands in for a direct message names the one who was not reached."""
    effect = parcel.effect
    match effect.errand:
        case Errand.PING | Errand.POST | Errand.CARD | Errand.REDRAW:
            card = cards.draw(escalation, effect.entry, effect.errand, reader, desk)
            if effect.errand in {Errand.PING, Errand.POST}:
                card = cards.sent_late(card, parcel.created_at, desk.at.now)
            instead = effect.errand is Errand.PING and effect.to is not None and to != effect.to
            return replace(card, lead=_instead(effect.to, reader.language)) if instead else card
        case Errand.REMIND:
            return _reminder(effect.fact, escalation, reader, desk, mention=effect.to if to != effect.to else None)
        case Errand.TELL | Errand.HISTORY | Errand.ALERT:
            return _told(effect.fact, escalation, reader, desk)


def redrawn(card: SentCard, escalation: Escalation, reader: Reader, desk: Desk) -> Message:
    """A root card as it should look now."""
    return cards.draw(escalation, card.entry, card.errand, reader, desk)


def thread_of(parcel: Parcel, to: Address, sent: Sequence[SentCard]) -> MessageRef | None:
    """The root card at `to` under which this belongs: of the same entry, else the newest there; None to stand alone."""
    if parcel.effect.errand in {Errand.POST, Errand.CARD, Errand.ALERT}:
        return None
    there = [card for card in sent if card.ref.to == to]
    same = [card for card in there if card.entry == parcel.effect.entry]
    if parcel.effect.errand is Errand.PING:
        return same[-1].ref if same else None
    return (same or there)[-1].ref if there else None


def newest_link(sent: Sequence[SentCard], entry: int) -> str | None:
    """Where the card of the present entry can be seen: the channel's, else any."""
    current = [card for card in sent if card.entry == entry and card.ref.link]
    posted = [card for card in current if card.errand is Errand.POST]
    return (posted or current)[-1].ref.link if current else None


def _instead(person: Address | None, language: Language) -> Rich:
    return wording.say(language, "instead_of", who=Mention(PersonId(person))) if person else ()


def _reminder(fact: Fact | None, escalation: Escalation, reader: Reader, desk: Desk, mention: Address | None) -> Line:
    language, entry = reader.language, escalation.entry
    code = fact.code if fact and fact.code else "released"
    left = wording.duration(language, entry.due.at - desk.at.now) if entry.due else ""
    following = forecast.upcoming(escalation, desk.at)
    moves = bool(following and following[0].at and (entry.asked or escalation.level.on_expiry is OnExpiry.ESCALATE))
    sentence = f"remind_{code}" if moves or code not in _NAMES_NEXT else f"remind_{code}_stays"
    due: Rich = (When(entry.due.at, entry.due.zone),) if entry.due else ()
    said = wording.say(
        language,
        sentence,
        ref=Strong(cards.headline(escalation)),
        left=left,
        n=following[0].level.ordinal if following else entry.level,
        due=due,
        where=cards.place_in_plan(language, escalation),
    )
    rich = (Mention(PersonId(mention)), " ", *said) if mention else said
    wanted = _OFFERED.get(code, (Action.ACKNOWLEDGE, Action.ESCALATE))
    return Line(
        language=language,
        text=rich,
        fallback=wording.plain(language, rich, desk.names),
        tone=Tone.WAITING,
        subject=Subject(escalation.id, entry.number),
        buttons=_offered(wanted, escalation, reader, desk),
    )


def _offered(wanted: tuple[Action, ...], escalation: Escalation, reader: Reader, desk: Desk) -> tuple[Button, ...]:
    at = desk.at
    may = allowed(escalation, reader.person, at.roster, at.now) if reader.person else possible(escalation, at.now)
    offered = [action for action in wanted if action in may]
    return tuple(
        cards.button(reader.language, action, style=Style.PLAIN if index else Style.PRIMARY)
        for index, action in enumerate(offered)
    )


def _told(fact: Fact | None, escalation: Escalation, reader: Reader, desk: Desk) -> Line:
    language = reader.language
    said = fact_in_words(fact, escalation, language, desk.at) if fact else ()
    rich: Rich = (Strong(cards.headline(escalation)), " · ", *said)
    alarm = fact is not None and fact.kind is FactKind.NOBODY_REACHED
    return Line(
        language=language,
        text=rich,
        fallback=wording.plain(language, rich, desk.names),
        tone=Tone.ALARM if alarm else None,
        subject=Subject(escalation.id, escalation.entry.number),
        buttons=(Button(cards.TIMELINE, wording.words(language, "press_timeline")),) if alarm else (),
    )


def fact_in_words(fact: Fact, escalation: Escalation, language: Language, at: Situation) -> Rich:
    """One row of the ledger as a sentence."""
    zone = at.calendar(escalation.level).zone
    by: Rich = (Mention(fact.by),) if fact.by else wording.say(language, "the_clock")
    parts: dict[str, wording.Words] = {
        "by": by,
        "to": _addresses(language, fact, escalation, at),
        "text": fact.text,
        "reason": fact.text,
        "where": cards.place_in_plan(language, escalation, fact.level) if fact.level else "",
        "due": _instant(fact.due, zone),
        "at": _instant(fact.at, zone),
        "code": fact.code,
    }
    return wording.join((*wording.say(language, f"fact_{_variant(fact, language)}", **parts), *_aside(fact, language)))


def _variant(fact: Fact, language: Language) -> str:
    """Which sentence of its kind fits: some facts read differently for a stand-in, a duplicate, a missing text."""
    match fact.kind:
        case FactKind.ACKNOWLEDGED if fact.on_behalf:
            return "acknowledged_on_behalf"
        case FactKind.ENTERED:
            return f"entered_{fact.via.value}" if fact.via else "entered_window"
        case FactKind.REMINDED:
            return f"reminded_{fact.code}"
        case FactKind.REPAIRED if f"fact_repaired_{fact.code}" in wording.CATALOGUES[language]:
            return f"repaired_{fact.code}"
        case FactKind.RESOLVED if not fact.text:
            return "resolved_plainly"
        case FactKind.CANCELLED if fact.code:
            return "cancelled_duplicate"
        case FactKind.NOT_DELIVERED:
            known = f"fact_not_delivered_{fact.code}" in wording.CATALOGUES[language]
            return f"not_delivered_{fact.code}" if known else "not_delivered"
        case FactKind.DELIVERED:
            return f"delivered_{fact.code}" if fact.code in {"ping", "post"} else "delivered_ping"
        case _:
            return fact.kind.value


def _aside(fact: Fact, language: Language) -> Rich:
    """What an entry adds to its sentence: who was pinged, until when, how late."""
    if fact.kind is not FactKind.ENTERED or fact.late < cards.LATE_FROM.total_seconds():
        return ()
    return (" ", *wording.say(language, "late", time=wording.duration(language, timedelta(seconds=fact.late))))


def _channel_in_place(fact: Fact, escalation: Escalation, at: Situation) -> Rich:
    """A role that nobody holds is pinged and reminded in its channel."""
    if fact.kind is FactKind.ENTERED and fact.level:
        channel = at.roster.channel(escalation.plan.level(fact.level).role)
    elif fact.kind is FactKind.REMINDED and fact.entry == escalation.entry.number:
        channel = at.roster.channel(escalation.level.role)
    else:
        channel = None
    return (Room(channel),) if channel else ()


def _instant(at: datetime | None, zone: str) -> Rich:
    return (When(at, zone),) if at else ()


def _addresses(language: Language, fact: Fact, escalation: Escalation, at: Situation) -> Rich:
    if not fact.to:
        return _channel_in_place(fact, escalation, at) or wording.say(language, "nobody")
    is_channel = at.roster.directory.is_channel
    return wording.listed(language, ((Room(to) if is_channel(to) else Mention(PersonId(to)),) for to in fact.to))
