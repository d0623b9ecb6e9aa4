"""Card, Line, Page and Reply → Adaptive Card (pure). Every piece of user text ends here as words, never as markup."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from adapters.teams import text as words
from adapters.teams.cards import (
    CARD_BYTES,
    OPEN_FORM,
    REFRESH,
    REFRESHED,
    WORDS,
    action,
    actions,
    attachment,
    block,
    card,
    data,
    heading,
    labelled,
    prose,
    size,
)
from adapters.teams.marks import PLATFORM, Ink, Json, Mentioned, Names, marked
from bot import wording
from bot.directory import Address, PersonId, local_part, platform_of
from bot.message import Button, Card, Form, Line, Message, Page, Reply, Section, Style, Tone
from bot.plan import Language
from bot.rich import Mention, Rich

HEADLINE, LEAD, STATUS, FOOTER, FIELD, TEXT, LINE_OF_PAGE = 200, 1500, 600, 500, 1500, 3000, 1000
EXPECTED, BODY, FIELDS = 2000, 3000, 12
TYPED = 3000
AGAIN = 900
"""How much of what was typed the button of a form holds."""
SUMMARY = 300
SHARES = (1.0, 0.6, 0.35, 0.2, 0.1, 0.05)
"""How much of its room each text gets: the first share with which the card stays below CARD_BYTES."""

SIGNS: Mapping[Tone, str] = {
    Tone.WAITING: "🟠",
    Tone.ACKNOWLEDGED: "🔵",
    Tone.RESOLVED: "🟢",
    Tone.CANCELLED: "⚪",
    Tone.MOVED: "↗️",
    Tone.ALARM: "🔴",
}
COLOURS: Mapping[Tone, str] = {
    Tone.WAITING: "Warning",
    Tone.ACKNOWLEDGED: "Accent",
    Tone.RESOLVED: "Good",
    Tone.CANCELLED: "Default",
    Tone.MOVED: "Accent",
    Tone.ALARM: "Attention",
}


def _nobody(person: PersonId) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Look:
    """What drawing needs: names of people and channels, and the Teams user id (29:…) of a person, None if not known.

    `live`: a channel, where people are mentioned and each reader may get a card of their own.
    """

    names: Names
    rooms: Callable[[Address], str] = local_part
    user: Callable[[PersonId], str | None] = _nobody
    live: bool = False

    def ink(self, language: Language, *, absolute: bool = True) -> Ink:
        """A pen for one message."""
        return Ink(language, self.names, Mentioned() if self.live else None, self.rooms, absolute)


def message(shown: Message, look: Look) -> Json:
    """A card or a line as an activity."""
    drawn = drawing(shown, look)
    return activity(drawn, shown.fallback, shown.language)


def activity(drawn: Json, fallback: str, language: Language) -> Json:
    """A message with one card; the summary is what notifications show."""
    return {"type": "message", "summary": summary(fallback, language), "attachments": [attachment(drawn)]}


def summary(fallback: str, language: Language) -> str:
    """The plain line of a notification: nothing in it is live."""
    return words.clip(words.one_line(fallback), SUMMARY, language=language, to=words.inert)


def plainly(shown: Message) -> Json:
    """The plain line alone: for a card that Teams does not like after all."""
    return {"type": "message", "textFormat": "plain", "text": summary(shown.fallback, shown.language)}


def drawing(shown: Message, look: Look) -> Json:
    """The Adaptive Card of a card or a line."""
    match shown:
        case Card():
            return fitting(lambda share: _card(shown, look, share))
        case Line():
            return fitting(lambda share: _line(shown, look, share))


def reply(answer: Reply, look: Look, *, again: Json | None = None, in_dialog: bool = False) -> Json | None:
    """An answer to one person as a card: its text, what they typed, its page, its buttons. None for nothing to say.

    A form that cannot be opened here becomes a button with `again` as its data: what led to the form.
    """
    if not (answer.text or answer.page or answer.typed or answer.form):
        return None
    return fitting(lambda share: _reply(answer, look, share, again, in_dialog))


def page(shown: Page, look: Look) -> Json:
    """Something to read, in a dialog."""
    return fitting(lambda share: _page(shown, look, share))


def _card(shown: Card, look: Look, share: float) -> Json:
    language, ink = shown.language, look.ink(shown.language)

    def room(most: int, least: int = 60) -> int:
        return max(least, int(most * share))

    body: list[Json] = [heading(shown.headline, HEADLINE, language, "Large")]
    if shown.lead:
        body.append(block(marked(shown.lead, ink, room(LEAD, 600))))
    status: Rich = (f"{SIGNS[shown.tone]} ", *shown.status)
    body.append(block(marked(status, ink, room(STATUS, 200)), color=COLOURS[shown.tone], weight="Bolder"))
    if shown.expected:
        said = prose(shown.expected, room(EXPECTED), language)
        label = block(words.clip(words.one_line(shown.expected_label), 75, to=words.inert), weight="Bolder")
        body.append({"type": "Container", "style": "emphasis", "items": [label, *said]})
    body.extend(prose(shown.body, room(BODY), language))
    for one in shown.fields[:FIELDS]:
        body.append(labelled(one.label, marked(one.text, ink, room(FIELD)), language))
    if shown.footer:
        body.append(block(marked(shown.footer, ink, room(FOOTER, 200)), isSubtle=True, size="Small"))
    row = actions(shown.buttons, shown.menu, shown.subject)
    made = card(body, language=language, fallback=shown.fallback, actions=row, entities=_entities(ink, body))
    return made | _refresh(shown, look)


def _refresh(shown: Card, look: Look) -> Json:
    """Those who are named in a channel's card see it with their own buttons, in their own language."""
    if not look.live or not shown.buttons:
        return {}
    pieces = [*shown.lead, *shown.status, *(piece for one in shown.fields for piece in one.text)]
    people = dict.fromkeys(piece.person for piece in pieces if isinstance(piece, Mention))
    users = [user for person in people if platform_of(person) == PLATFORM and (user := look.user(person))]
    if not users:
        return {}
    asks = {"type": "Action.Execute", "verb": REFRESH, "data": data(REFRESH, shown.subject)}
    return {"refresh": {"action": asks, "userIds": users[:REFRESHED]}}


def _line(shown: Line, look: Look, share: float) -> Json:
    ink = look.ink(shown.language)
    said: Rich = (f"{SIGNS[shown.tone]} ", *shown.text) if shown.tone else shown.text
    body = [block(marked(said, ink, max(200, int(TEXT * share))))]
    listed = shown.items[: max(1, int(len(shown.items) * share))]
    body += [block(marked(item, ink, LINE_OF_PAGE), spacing="Small") for item in listed]
    if len(listed) < len(shown.items):
        body.append(block(words.inert(words.more(shown.language, len(shown.items) - len(listed))), isSubtle=True))
    row = actions(shown.buttons, (), shown.subject)
    entities = _entities(ink, body)
    return card(body, language=shown.language, fallback=shown.fallback, actions=row, entities=entities)


def _reply(answer: Reply, look: Look, share: float, again: Json | None, in_dialog: bool) -> Json:
    language, form = answer.language, answer.form
    ink = look.ink(language)
    body: list[Json] = []
    if answer.text:
        body.append(block(marked(answer.text, ink, max(300, int(TEXT * share)))))
    if answer.typed:
        body.extend(prose(answer.typed, max(200, int(TYPED * share)), language, fontType="Monospace"))
    row = actions(answer.buttons, (), answer.subject, in_dialog=in_dialog)
    if form:
        row.insert(0, _opener(form, again))
    if answer.page:
        body.extend(_sections(answer.page, look, share, in_dialog=in_dialog))
    fallback = wording.plain(language, answer.text, look.names) or (answer.page.fallback if answer.page else "")
    fallback = fallback or (form.title if form else answer.typed)
    return card(body, language=language, fallback=fallback, actions=row, entities=_entities(ink, body))


def words_again(typed: str) -> Json:
    """The data of a button that says once more what was typed, where a form can be opened."""
    said = words.clip(words.clean(typed), AGAIN)
    return data(OPEN_FORM, None, fetches=True, **{WORDS: said})


def _opener(form: Form, again: Json | None) -> Json:
    shown = Button(OPEN_FORM, form.title, Style.PRIMARY, dialog=True)
    return action(shown, None) | {"data": again or words_again("")}


def _page(shown: Page, look: Look, share: float) -> Json:
    body = list(_sections(shown, look, share, in_dialog=True))
    return card(body, language=shown.language, fallback=shown.fallback)


def _sections(shown: Page, look: Look, share: float, *, in_dialog: bool) -> Iterator[Json]:
    """The sections, as many lines as fit; the last block says how many are not shown."""
    ink = Ink(shown.language, look.names, None, look.rooms, absolute=False)
    room, left = int((CARD_BYTES - 2500) * share), sum(len(section.lines) for section in shown.sections)
    for section in shown.sections:
        made, told = _section(section, ink, room, in_dialog=in_dialog)
        yield from made
        room -= size(made)
        left -= told
    if left > 0:
        yield block(words.inert(words.more(shown.language, left)), isSubtle=True)


def _section(section: Section, ink: Ink, room: int, *, in_dialog: bool) -> tuple[list[Json], int]:
    """The blocks of a section that fit into `room` bytes, and how many of its lines they hold."""
    made: list[Json] = []
    if section.heading and room > 400:
        made.append(heading(section.heading, HEADLINE, ink.language))
    row = actions(section.buttons, (), section.subject, in_dialog=in_dialog) if room > 3000 else []
    room -= size(made) + size(row)
    told = 0
    for line in section.lines:
        said = block(marked(line, ink, LINE_OF_PAGE), spacing="Small")
        room -= size(said) + 1
        if room < 0:
            break
        made.append(said)
        told += 1
    return ([*made, {"type": "ActionSet", "actions": row}] if row else made), told


def _entities(ink: Ink, body: list[Json]) -> list[Json]:
    return ink.mentioned.entities("\n".join(_texts(body))) if ink.mentioned else []


def _texts(value: object) -> Iterator[str]:
    """All texts, however deep."""
    if isinstance(value, list):
        for one in cast("list[object]", value):
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in cast("Json", value).items():
            if name == "text":
                yield str(one)
            else:
                yield from _texts(one)


def fitting(build: Callable[[float], Json]) -> Json:
    """The fullest version that Teams takes."""
    made: Json = {}
    for share in SHARES:
        made = build(share)
        if size(made) < CARD_BYTES:
            break
    return made
