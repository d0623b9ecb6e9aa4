"""The card of an escalation for one reader, free of any platform. The same function draws it first and redraws it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot import forecast, wording
from bot.directory import Address, PersonId
from bot.effects import Errand
from bot.facts import Via
from bot.message import Button, Card, Field, Style, Subject, Tone
from bot.permissions import Action, allowed, possible
from bot.plan import Language
from bot.rich import Group, Link, Mention, Rich, Room, Strong, When
from bot.schedule import Situation
from bot.state import Escalation, Status

TIMELINE = "timeline"
"""The press of the button that shows the ledger and the plan to come."""

LATE_FROM = timedelta(seconds=60)

_DIALOGS = frozenset(Action) - {Action.ACKNOWLEDGE, Action.RELEASE}
_ROW = (Action.ACKNOWLEDGE, Action.RESOLVE, Action.ESCALATE)
_MENU = (Action.MORE_TIME, Action.HAND_OVER, Action.RELEASE, Action.NOTE, Action.REOPEN, Action.CANCEL)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: `person` for a direct message, None for a channel; and their language."""

    language: Language
    person: PersonId | None
    channel: Address | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What drawing needs beside the escalation: the situation, names, and where a newer card is (a link, if any)."""

    at: Situation
    names: Callable[[PersonId], str]
    newest_link: str | None = None


def draw(escalation: Escalation, entry: int, errand: Errand, reader: Reader, desk: Desk) -> Card:
    """The card of `entry` as things are now: the full one, or one that says where the issue went.

    The opener's own card (CARD) follows the issue wherever it goes.
    """
    entry = escalation.entry.number if errand is Errand.CARD else entry
    base = _base(escalation, entry, reader)
    if escalation.is_open and entry != escalation.entry.number:
        return _moved(base, escalation, reader, desk)
    if not escalation.is_open:
        return _ended(base, escalation, entry, reader, desk)
    if errand is Errand.PING and reader.person and _handed_away(escalation, reader.person):
        return _given_away(base, escalation, reader, desk)
    return _current(base, escalation, errand, reader, desk)


def buttons(
    escalation: Escalation, reader: Reader, at: Situation, *, first: Action | None = None
) -> tuple[tuple[Button, ...], tuple[Button, ...]]:
    """(row, menu): what this reader may do now; in a channel what somebody may. `first` is put ahead of the others."""
    may = allowed(escalation, reader.person, at.roster, at.now) if reader.person else possible(escalation, at.now)
    offered = [action for action in _ROW if action in may]
    if first and first in offered:
        offered = [first, *(action for action in offered if action is not first)]
    row = tuple(
        button(reader.language, action, style=Style.PRIMARY if index == 0 else Style.PLAIN)
        for index, action in enumerate(offered)
    )
    menu = tuple(button(reader.language, action) for action in _MENU if action in may)
    return row, (*menu, Button(TIMELINE, wording.words(reader.language, "press_timeline")))


def button(language: Language, action: Action, *, style: Style = Style.PLAIN) -> Button:
    """The button of one action; an ellipsis says that a form opens."""
    dialog = action in _DIALOGS
    label = wording.words(language, f"press_{action.value}")
    return Button(action.value, f"{label}…" if dialog else label, style, dialog)


def headline(escalation: Escalation) -> str:
    """ "ESC-42 · Checkout fails"."""
    return f"{escalation.reference} · {escalation.title}"


def place_in_plan(language: Language, escalation: Escalation, ordinal: int | None = None) -> str:
    """ "level 2 of 7 · Senior support specialist"."""
    level = escalation.plan.level(ordinal or escalation.entry.level)
    of = len(escalation.plan.levels)
    return wording.words(language, "level_of", n=level.ordinal, m=of, role=level.role_label.in_(language))


def _base(escalation: Escalation, entry: int, reader: Reader) -> Card:
    return Card(
        language=reader.language,
        tone=Tone.WAITING,
        headline=headline(escalation),
        status=(),
        subject=Subject(escalation.id, entry),
        fallback=headline(escalation),
        menu_label=wording.words(reader.language, "menu"),
    )


def _current(base: Card, escalation: Escalation, errand: Errand, reader: Reader, desk: Desk) -> Card:
    language, level = reader.language, escalation.level
    opened_own = errand is Errand.CARD and reader.person in escalation.entry.assignees
    row, menu = buttons(escalation, reader, desk.at, first=Action.ESCALATE if opened_own else None)
    yours = reader.person in escalation.entry.assignees
    where = place_in_plan(language, escalation)
    return replace(
        base,
        tone=Tone(escalation.status.value),
        status=_status(escalation, where, language, desk),
        lead=_lead(escalation, reader, desk),
        expected_label=wording.words(language, "expected_of_you" if yours else "expected_of_role"),
        expected=level.action.in_(language),
        body=escalation.details,
        fields=(*_fields(escalation, language), *_clock_fields(escalation, reader, desk)),
        buttons=row,
        menu=menu,
        footer=_footer(escalation, language),
        fallback=f"{headline(escalation)} ({where})",
    )


def _status(escalation: Escalation, where: str, language: Language, desk: Desk) -> Rich:
    entry = escalation.entry
    if escalation.status is Status.ACKNOWLEDGED and entry.acknowledged_by and entry.acknowledged_at:
        when = When(entry.acknowledged_at, desk.at.calendar(escalation.level).zone)
        return wording.say(language, "status_acknowledged", by=Mention(entry.acknowledged_by), at=when, where=where)
    if entry.asked:
        return wording.say(language, "status_asked", where=where)
    return wording.say(language, "status_waiting", where=where)


def _lead(escalation: Escalation, reader: Reader, desk: Desk) -> Rich:
    """Who is addressed: the assignees in a channel, or a group whose members are not known."""
    language, entry = reader.language, escalation.entry
    if reader.person is None:
        groups = () if entry.assignees else tuple((Group(g),) for g in desk.at.roster.groups(escalation.level.role))
        names = [*((Mention(person),) for person in entry.assignees), *groups]
        return wording.listed(language, names)
    consecutive = entry.number > 1 and entry.via is not Via.REOPENED and reader.person in entry.assignees
    if consecutive and _held_before(escalation, reader.person, desk):
        return wording.say(language, "also_yours", n=entry.level)
    return ()


def _held_before(escalation: Escalation, person: PersonId, desk: Desk) -> bool:
    below = escalation.plan.levels[: escalation.entry.level - 1]
    return bool(below) and person in desk.at.roster.owners(below[-1].role) and person in escalation.ever_assigned


def _fields(escalation: Escalation, language: Language) -> tuple[Field, ...]:
    plan, origin = escalation.plan, escalation.origin
    opener: Rich = (Mention(escalation.opener),)
    if origin.channel:
        opener = wording.say(language, "opener_in", who=opener, room=Room(origin.channel))
    if origin.link:
        opener = (*opener, " · ", Link(origin.link, wording.words(language, "the_message")))
    fields = [Field(wording.words(language, "opened_by"), opener)]
    if plan.issue_type_title:
        fields.insert(0, Field(wording.words(language, "issue_type"), (plan.issue_type_title.in_(language),)))
    why = why_here(escalation, language)
    return (*fields, Field(wording.words(language, "why_here"), why)) if why else tuple(fields)


def why_here(escalation: Escalation, language: Language) -> Rich:
    """Why the issue came to the level where it is; nothing for one that was just opened there."""
    entry = escalation.entry
    if entry.via is Via.OPENED and not entry.reason:
        return ()
    by: Rich = (Mention(entry.by),) if entry.by else ()
    return wording.say(language, f"via_{entry.via.value}", by=by, reason=entry.reason)


def _clock_fields(escalation: Escalation, reader: Reader, desk: Desk) -> tuple[Field, ...]:
    language, entry = reader.language, escalation.entry
    fields: list[Field] = []
    if entry.due:
        label = "decide_by" if entry.asked else "deadline"
        fields.append(Field(wording.words(language, label), wording.deadline(language, entry.due)))
    elif entry.remaining is not None:
        said = wording.say(language, "window_stopped", left=wording.duration(language, entry.remaining))
        fields.append(Field(wording.words(language, "deadline"), said))
    elif entry.ended_at:
        when = When(entry.ended_at, desk.at.calendar(escalation.level).zone)
        fields.append(Field(wording.words(language, "deadline"), wording.say(language, "window_is_over", at=when)))
    return (*fields, Field(wording.words(language, "next"), next_step(escalation, language, desk.at)))


def next_step(escalation: Escalation, language: Language, at: Situation) -> Rich:
    """Who is next and when, with "outside working hours" where it is so; at the last level that there is nobody."""
    steps = forecast.upcoming(escalation, at)
    if not steps:
        return wording.say(language, "nobody_next")
    step = steps[0]
    who = wording.words(language, "level_role", n=step.level.ordinal, role=step.level.role_label.in_(language))
    if step.at is None:
        return wording.say(language, "next_by_hand", who=who)
    key = "next_at" if step.in_working_time else "next_outside_hours"
    return wording.say(language, key, who=who, at=When(step.at, step.zone))


def _footer(escalation: Escalation, language: Language) -> Rich:
    late = timedelta(seconds=escalation.entry.late)
    return wording.say(language, "late", time=wording.duration(language, late)) if late >= LATE_FROM else ()


def sent_late(card: Card, planned: datetime, now: datetime) -> Card:
    """The same card, saying by how much it goes out late if that is a minute or more."""
    late = now - planned
    if late < LATE_FROM:
        return card
    said = wording.say(card.language, "sent_late", time=wording.duration(card.language, late))
    return replace(card, footer=(*card.footer, " ", *said) if card.footer else said)


def _moved(base: Card, escalation: Escalation, reader: Reader, desk: Desk) -> Card:
    where = place_in_plan(reader.language, escalation)
    link: Rich = ()
    if desk.newest_link:
        link = (" · ", Link(desk.newest_link, wording.words(reader.language, "newest_card")))
    sentence = "status_reopened" if escalation.entry.via is Via.REOPENED else "status_moved"
    status = (*wording.say(reader.language, sentence, where=Strong(where)), *link)
    return replace(base, tone=Tone.MOVED, status=status)


def _handed_away(escalation: Escalation, person: PersonId) -> bool:
    """Whether this person was pinged as an assignee and is none any more; a fallback owner never was one."""
    entry = escalation.entry
    return person in escalation.ever_assigned and person not in {*entry.assignees, entry.acknowledged_by}


def _given_away(base: Card, escalation: Escalation, reader: Reader, desk: Desk) -> Card:
    to = wording.people(reader.language, escalation.entry.assignees)
    row, menu = buttons(escalation, reader, desk.at)
    status = wording.say(reader.language, "status_handed_over", to=to)
    kept = tuple(plain for plain in row if plain.press != Action.ACKNOWLEDGE)
    return replace(base, tone=Tone.MOVED, status=status, buttons=kept, menu=menu)


def _ended(base: Card, escalation: Escalation, entry: int, reader: Reader, desk: Desk) -> Card:
    language, ending = reader.language, escalation.ending
    if ending is None:
        return base
    zone = desk.at.calendar(escalation.level).zone
    key = "status_duplicate" if ending.duplicate_of else f"status_{escalation.status.value}"
    status = wording.say(
        language, key, by=Mention(ending.by), at=When(ending.at, zone), other=f"ESC-{ending.duplicate_of or ''}"
    )
    shown = replace(base, tone=Tone(escalation.status.value), status=status, body=ending.text)
    if entry != escalation.entry.number:
        return shown
    row, menu = buttons(escalation, reader, desk.at)
    return replace(shown, fields=_fields(escalation, language), buttons=row, menu=menu)
