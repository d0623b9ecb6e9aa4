"""Pages to read: the timeline with past and plan to come, the list of what is open, who holds what, the help."""

from bot import cards, forecast, letters, wording
from bot.cards import Reader
from bot.directory import PersonId
from bot.facts import FactKind, LedgerRow
from bot.grammar import KEYWORDS
from bot.message import Page, Section, Subject
from bot.plan import EN, Language, Level, Text
from bot.rich import Group, Mention, Rich, Room, Strong, When
from bot.schedule import Situation
from bot.state import Escalation

Levels = tuple[Level, ...]

ROWS_SHOWN = 60
"""The newest rows of a ledger that a page shows; the older ones are counted."""

_QUIET = frozenset({FactKind.DELIVERED})


def timeline(
    escalation: Escalation, rows: tuple[LedgerRow, ...], language: Language, at: Situation, reader: PersonId
) -> Page:
    """The ledger so far and, while it is open, the levels to come with their people and times."""
    title = escalation.reference
    row, menu = cards.buttons(escalation, Reader(language, reader), at)
    offered = tuple(button for button in (*row, *menu) if button.press != cards.TIMELINE)
    head = Section(
        "",
        _head(escalation, language, at),
        Subject(escalation.id, escalation.entry.number),
        offered[:5],
    )
    past = Section(wording.words(language, "timeline_past"), _past(escalation, rows, language, at))
    sections = [head, past]
    if escalation.is_open:
        sections.append(Section(wording.words(language, "timeline_to_come"), _to_come(escalation, language, at)))
    return Page(language, title, tuple(sections), cards.headline(escalation))


def _head(escalation: Escalation, language: Language, at: Situation) -> tuple[Rich, ...]:
    lines: list[Rich] = [(Strong(cards.headline(escalation)),)]
    if escalation.is_open:
        lines.append((cards.place_in_plan(language, escalation),))
        lines.append((escalation.level.mandate.in_(language),))
    if escalation.details:
        lines.append((escalation.details,))
    return tuple(line for line in lines if any(line))


def _past(escalation: Escalation, rows: tuple[LedgerRow, ...], language: Language, at: Situation) -> tuple[Rich, ...]:
    zone = at.calendar(escalation.level).zone
    shown = [row for row in rows if row.fact.kind not in _QUIET or row.fact.code == "ping"]
    hidden = len(shown) - ROWS_SHOWN
    lines: list[Rich] = [wording.say(language, "rows_before", count=hidden)] if hidden > 0 else []
    for row in shown[-ROWS_SHOWN:]:
        said = (
            wording.say(language, "row_erased")
            if row.erased
            else letters.fact_in_words(row.fact, escalation, language, at)
        )
        lines.append((When(row.recorded_at, zone), " · ", *said))
    return tuple(lines)


def _to_come(escalation: Escalation, language: Language, at: Situation) -> tuple[Rich, ...]:
    entry = escalation.entry
    lines: list[Rich] = []
    if entry.due:
        lines.append(wording.say(language, "window_ends", due=wording.deadline(language, entry.due)))
    lines += [_step(step, language) for step in forecast.upcoming(escalation, at)]
    return tuple(lines) or (wording.say(language, "nobody_next"),)


def _step(step: forecast.Step, language: Language) -> Rich:
    label = wording.words(language, "level_role", n=step.level.ordinal, role=step.level.role_label.in_(language))
    who = wording.people(language, step.owners) or ((Room(step.channel),) if step.channel else ())
    if not who:
        who = wording.say(language, "nobody_bound")
    if step.at is None:
        return wording.say(language, "step_by_hand", label=Strong(label), who=who)
    key = "step_at" if step.in_working_time else "step_outside_hours"
    return wording.say(language, key, label=Strong(label), who=who, at=When(step.at, step.zone))


def open_list(found: tuple[Escalation, ...], language: Language, at: Situation) -> Page:
    """Open escalations, the next due first, each with where it is and when it moves."""
    title = wording.words(language, "list_title")
    sections = tuple(
        Section(
            "",
            (
                (Strong(cards.headline(escalation)),),
                (cards.place_in_plan(language, escalation),),
                _state(escalation, language, at),
            ),
            Subject(escalation.id, escalation.entry.number),
            cards.buttons(escalation, Reader(language, None), at)[1][-1:],
        )
        for escalation in found
    )
    empty = Section("", (wording.say(language, "list_empty"),))
    return Page(language, title, sections or (empty,), title)


def _state(escalation: Escalation, language: Language, at: Situation) -> Rich:
    entry = escalation.entry
    taken: Rich = ()
    if entry.acknowledged_by:
        taken = (*wording.say(language, "taken_by", by=Mention(entry.acknowledged_by)), " · ")
    if entry.due is None:
        return (*taken, *wording.say(language, "no_deadline_here"))
    late = entry.due.at < at.now
    return (
        *taken,
        *wording.say(language, "overdue" if late else "moves_up_at", due=When(entry.due.at, entry.due.zone)),
    )


def who(matrices: tuple[tuple[Text, Levels], ...], role: str, language: Language, at: Situation) -> Page:
    """Who holds each role right now, matrix by matrix; with `role` only that one."""
    title = wording.words(language, "who_title")
    sections: list[Section] = []
    for name, levels in matrices:
        lines = tuple(_holder(level, language, at) for level in levels if role in {"", level.role})
        if lines:
            sections.append(Section(name.in_(language), lines))
    none = Section("", (wording.say(language, "no_such_role", given=role),))
    return Page(language, title, tuple(sections) or (none,), title)


def _holder(level: Level, language: Language, at: Situation) -> Rich:
    roster = at.roster
    owners, channel = roster.owners(level.role), roster.channel(level.role)
    groups = () if owners else tuple((Group(group),) for group in roster.groups(level.role))
    named = wording.listed(language, [*((Mention(person),) for person in owners), *groups])
    holders = named or wording.say(language, "nobody_bound")
    room: Rich = (" · ", Room(channel)) if channel else ()
    label = wording.words(language, "level_role", n=level.ordinal, role=level.role_label.in_(language))
    return (Strong(label), ": ", *holders, *room)


def help_page(language: Language) -> Page:
    """What can be typed."""
    index = 0 if language == EN else 1
    lines = tuple(
        wording.say(language, f"help_{keyword.value}", keyword=Strong(names[min(index, len(names) - 1)]))
        for keyword, names in KEYWORDS.items()
    )
    title = wording.words(language, "help_title")
    opening = Section("", (wording.say(language, "help_open"), wording.say(language, "help_type")))
    return Page(language, title, (opening, Section(wording.words(language, "help_words"), lines)), title)
