"""Many messages to one place at once: one that lists them, most urgent first, with buttons for all of them together."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot import cards, wording
from bot.cards import Desk, Reader
from bot.delivery import Parcel
from bot.message import Button, Line, Style, Subject, Tone
from bot.plan import Language
from bot.rich import Rich, Strong
from bot.state import Escalation, EscalationId, Status

ACKNOWLEDGE_MINE, LIST_MINE = "acknowledge_mine", "list_mine"
"""The presses of a bundle's buttons; no escalation is named by them."""

LISTED = 20
"""Escalations that a bundle names; the others are counted."""

ADDRESSED = 8
"""People whom a channel's bundle mentions; more would only be noise."""

_MINE = EscalationId("mine")
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Seconds since then fit the nine digits of a subject until 2057."""


def compose(held: Sequence[tuple[Parcel, Escalation]], reader: Reader, desk: Desk) -> Line:
    """The message for what `held` would have said one by one; each escalation is listed once."""
    language = reader.language
    listed = sorted({escalation.id: escalation for _, escalation in held}.values(), key=_urgency)
    count = len(listed)
    key = "bundle_yours" if reader.person else "bundle_here"
    said = wording.say(language, key, count=count)
    text: Rich = (*_addressed(listed, reader), *said, *_lateness(held, language, desk))
    items = [_item(escalation, language) for escalation in listed[:LISTED]]
    if count > LISTED:
        items.append(wording.say(language, "bundle_more", count=count - LISTED))
    return Line(
        language=language,
        text=text,
        items=tuple(items),
        fallback=wording.plain(language, text, desk.names),
        tone=Tone.WAITING,
        subject=subject(desk.at.now),
        buttons=(
            Button(ACKNOWLEDGE_MINE, wording.words(language, "press_acknowledge_mine"), Style.PRIMARY),
            Button(LIST_MINE, wording.words(language, "press_list_mine")),
        ),
    )


def subject(now: datetime) -> Subject:
    """What "all mine" means in a message made at `now`: what had begun by then, not what came while nobody looked."""
    return Subject(_MINE, math.ceil((now - _BEGINNING).total_seconds()))


def until(about: Subject | None) -> datetime | None:
    """The instant that `subject` was made for; None for the subject of anything else."""
    return _BEGINNING + timedelta(seconds=about.entry) if about and about.escalation == _MINE else None


def _urgency(escalation: Escalation) -> tuple[int, float, int]:
    """The highest level first, then the first to end, then the oldest."""
    due = escalation.entry.due
    return -escalation.entry.level, due.at.timestamp() if due else math.inf, escalation.number


def _addressed(listed: Sequence[Escalation], reader: Reader) -> Rich:
    """In a channel, those who are asked to act, as each card would have named them."""
    if reader.person:
        return ()
    people = dict.fromkeys(
        person for escalation in listed if escalation.status is Status.WAITING for person in escalation.entry.assignees
    )
    named = wording.people(reader.language, list(people)[:ADDRESSED])
    return (*named, " · ") if named else ()


def _lateness(held: Sequence[tuple[Parcel, Escalation]], language: Language, desk: Desk) -> Rich:
    late = desk.at.now - min(parcel.created_at for parcel, _ in held)
    if late < cards.LATE_FROM:
        return ()
    return (" ", *wording.say(language, "bundle_late", time=wording.duration(language, late)))


def _item(escalation: Escalation, language: Language) -> Rich:
    due = escalation.entry.due
    clock = wording.deadline(language, due) if due else wording.say(language, "no_deadline_here")
    headline = Strong(cards.headline(escalation))
    return (headline, " · ", cards.place_in_plan(language, escalation), " · ", *clock)
