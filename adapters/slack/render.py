"""Card, Line, Page and Reply → Block Kit (pure). Every piece of user text ends here as words, never as markup."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from adapters.slack import text as words
from adapters.slack.marks import WEB, Names, marked, one_line, whole
from bot import wording
from bot.message import Button, Card, Field, Form, Line, Message, Page, Reply, Section, Style, Subject, Tone
from bot.plan import Language
from bot.rich import Rich

Json = dict[str, Any]

# https://docs.slack.dev/reference/block-kit/blocks : limits of the blocks
MESSAGE_BLOCKS = 50
HEADER = 150
SECTION = 3000
FIELD = 2000
FIELDS = 10
CONTEXT = 2000
# https://docs.slack.dev/reference/block-kit/block-elements : limits of the elements
BUTTON_LABEL = 75
BUTTON_VALUE = 2000
ACTIONS = 25
OVERFLOW = 5
OPTION_VALUE = 150
# https://docs.slack.dev/reference/methods/chat.postMessage#truncating : best below 4,000, cut at 40,000
MESSAGE_TEXT = 3900
# Not documented: about 13.2 KB of blocks are refused with msg_blocks_too_long (github.com/slackapi/bolt-js/issues/2509).
MESSAGE_BYTES = 12_000

HEADLINE_LABEL, LEAD, STATUS, FOOTER, LINE_OF_PAGE = 75, 1500, 600, 500, 1000
SHORT_LABEL = 40
SHARES = (1.0, 0.6, 0.35, 0.2, 0.1, 0.05)
"""How much of its room each text gets: the first share with which the message stays below MESSAGE_BYTES."""

PRESS, MENU = "press", "menu"
"""Beginnings of the action ids: a button, an overflow menu."""
OPEN_FORM = "open_form"
"""The press of the button that stands for a form where none can be opened; its value is what was typed."""
AGAIN = 950
"""How much of what was typed such a button holds: characters of up to two units each."""

SIGNS: dict[Tone, str] = {
    Tone.WAITING: "🟠",
    Tone.ACKNOWLEDGED: "🔵",
    Tone.RESOLVED: "🟢",
    Tone.CANCELLED: "⚪",
    Tone.MOVED: "↗️",
    Tone.ALARM: "🔴",
}
_STYLES = {Style.PRIMARY: "primary", Style.DANGER: "danger"}


def message(shown: Message, names: Names) -> Json:
    """`text` (for notifications) and `blocks` of a card or a line."""
    blocks = _fitting(lambda share: _blocks(shown, names, share))
    return {"text": notification(shown.fallback, shown.language), "blocks": blocks}


def reply(answer: Reply, names: Names, *, again: str = "") -> Json | None:
    """An answer to one person as a message: its text, what they typed, its page, its buttons. None for nothing to say.

    A form that cannot be opened here (there is no trigger) becomes a button that says `again`, the words that led to it.
    """
    form = answer.form
    if not (answer.text or answer.page or answer.typed or form):
        return None
    said = answer.text or (form.intro[0] if form and form.intro else ())
    fallback = wording.plain(answer.language, said, names) or (answer.page.fallback if answer.page else "")
    blocks = _fitting(lambda share: _reply(answer, said, names, share, again))
    return {"text": notification(fallback or (form.title if form else answer.typed), answer.language), "blocks": blocks}


def page_blocks(page: Page, names: Names, *, most: int, most_bytes: int | None = None) -> list[Json]:
    """The sections of a page, as many as fit; the last block says how many lines are not shown."""
    parts = [part for section in page.sections for part in _section_of_page(section, page.language, names)]
    shown: list[Json] = []
    left = sum(lines for _, lines in parts)
    room = (most_bytes or 200_000) - 200
    for block, lines in parts:
        room -= size(block) + 1
        if len(shown) >= most - 1 or room < 0:
            break
        shown.append(block)
        left -= lines
    if left > 0:
        shown.append(context(words.more(page.language, left)))
    return shown or [section(words.inert(words.clip(whole(page.fallback), SECTION, to=words.inert)))]


def notification(fallback: str, language: Language) -> str:
    """The plain line that a notification shows: nothing in it is live."""
    return words.clip(whole(fallback), MESSAGE_TEXT, language=language, to=words.escape)


def plain(text: str, most: int, language: Language) -> Json:
    """A plain_text object: Slack reads no markup in it."""
    return {"type": "plain_text", "text": words.clip(whole(text), most, language=language), "emoji": False}


def section(marked_text: str) -> Json:
    """A section of mrkdwn that was made by `marked`; verbatim, so that Slack links nothing by itself."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": marked_text, "verbatim": True}}


def context(marked_text: str) -> Json:
    """Small grey words below."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": marked_text, "verbatim": True}]}


def prose(label: str, text: str, most: int, language: Language) -> Json:
    """What people wrote, as rich_text: Slack reads no markup in it; addresses on the web can be followed."""
    heading = words.clip(whole(label), HEADLINE_LABEL, language=language) + "\n" if label else ""
    inside: list[Json] = [{"type": "text", "text": heading, "style": {"bold": True}}] if heading else []
    inside.extend(_linked(words.clip(whole(text), most, language=language)))
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": inside}]}


def button(shown: Button, value: str, language: Language) -> Json:
    """A button; its value names what it acts on, and whoever presses is asked for their rights all the same."""
    pressed: Json = {"type": "button", "action_id": f"{PRESS}:{shown.press}", "text": _label(shown, language)}
    style = {"style": _STYLES[shown.style]} if shown.style in _STYLES else {}
    return pressed | {"value": value[:BUTTON_VALUE]} | style


def size(value: object) -> int:
    """Bytes on the wire."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def _blocks(shown: Message, names: Names, share: float) -> list[Json]:
    match shown:
        case Card():
            return _card(shown, names, share)
        case Line():
            return _line(shown, names, share)


def _card(card: Card, names: Names, share: float) -> list[Json]:
    language = card.language

    def room(most: int, least: int = 60) -> int:
        return max(least, int(most * share))

    blocks: list[Json] = [{"type": "header", "text": plain(card.headline, HEADER, language)}]
    if card.lead:
        blocks.append(section(marked(card.lead, language, names, room(LEAD, 600))))
    status: Rich = (f"{SIGNS[card.tone]} ", *card.status)
    blocks.append(section(marked(status, language, names, room(STATUS, 200))))
    if card.expected:
        blocks.append(prose(card.expected_label, card.expected, room(2000), language))
    if card.body:
        blocks.append(prose("", card.body, room(2500), language))
    blocks.extend(_fields(card.fields, language, names, room(FIELD)))
    blocks.extend(_controls(card, language))
    if card.footer:
        blocks.append(context(marked(card.footer, language, names, room(FOOTER, 200))))
    return blocks


def _line(line: Line, names: Names, share: float) -> list[Json]:
    said: Rich = (f"{SIGNS[line.tone]} ", *line.text) if line.tone else line.text
    blocks = [section(marked(said, line.language, names, max(200, int(SECTION * share))))]
    shown = line.items[: max(1, int(len(line.items) * share))]
    blocks.extend(block for block, _ in _listed(shown, line.language, names))
    if len(shown) < len(line.items):
        blocks.append(context(words.more(line.language, len(line.items) - len(shown))))
    return [*blocks, *_row(line.buttons, line.subject, line.language)]


def _reply(answer: Reply, said: Rich, names: Names, share: float, again: str) -> list[Json]:
    language, form = answer.language, answer.form
    blocks: list[Json] = []
    if said:
        blocks.append(section(marked(said, language, names, max(300, int(SECTION * share)))))
    if answer.typed:
        blocks.append(_preformatted(words.clip(whole(answer.typed), max(200, int(SECTION * share)), language=language)))
    if form:
        blocks.append({"type": "actions", "elements": [_opener(form, again)]})
    if answer.buttons:
        blocks.extend(_row(answer.buttons, answer.subject, language))
    if answer.page:
        most_bytes = int((MESSAGE_BYTES - size(blocks)) * (0.98 if share == 1 else share))
        blocks.extend(page_blocks(answer.page, names, most=MESSAGE_BLOCKS - len(blocks), most_bytes=most_bytes))
    return blocks


def _opener(form: Form, again: str) -> Json:
    value = words.clean(again)[:AGAIN] or " "
    return button(Button(OPEN_FORM, form.title, Style.PRIMARY, dialog=True), value, form.language)


def _section_of_page(part: Section, language: Language, names: Names) -> Iterator[tuple[Json, int]]:
    """The blocks of a section, each with the number of lines it holds."""
    if part.heading:
        yield {"type": "header", "text": plain(part.heading, HEADER, language)}, 0
    yield from _listed(part.lines, language, names)
    for row in _row(part.buttons, part.subject, language):
        yield row, 0


def _listed(lines: Iterable[Rich], language: Language, names: Names) -> Iterator[tuple[Json, int]]:
    """Lines below each other, in as few blocks as hold them, each with the number of its lines."""
    held: list[str] = []
    for line in lines:
        said = marked(line, language, names, LINE_OF_PAGE)
        if held and words.length("\n".join((*held, said))) > SECTION:
            yield section("\n".join(held)), len(held)
            held = []
        held.append(said)
    if held:
        yield section("\n".join(held)), len(held)


def _fields(fields: Sequence[Field], language: Language, names: Names, room: int) -> Iterator[Json]:
    shown = [_field(field, language, names, room) for field in fields[:FIELDS]]
    if shown:
        yield {"type": "section", "fields": shown}
    if len(fields) > FIELDS:
        yield context(words.more(language, len(fields) - FIELDS))


def _field(field: Field, language: Language, names: Names, room: int) -> Json:
    label = words.inert(words.clip(one_line(field.label), HEADLINE_LABEL))
    said = marked(field.text, language, names, max(60, min(room, FIELD - words.length(label) - 3)))
    return {"type": "mrkdwn", "text": f"*{label}*\n{said}", "verbatim": True}


def _controls(card: Card, language: Language) -> Iterator[Json]:
    """One row: the buttons, then the rest folded into menus of two to five."""
    if len(card.menu) == 1:  # Slack's older clients want two lines in a menu
        yield from _row((*card.buttons, *card.menu), card.subject, language)
        return
    elements = _buttons(card.buttons, card.subject, language)
    menus = -(-len(card.menu) // OVERFLOW)
    for index in range(menus):
        start, end = (len(card.menu) * place // menus for place in (index, index + 1))
        options = [_option(one, card.subject, language) for one in card.menu[start:end]]
        elements.append({"type": "overflow", "action_id": f"{MENU}:{index}", "options": options})
    if elements:
        yield {"type": "actions", "elements": elements[:ACTIONS]}


def _row(buttons: Sequence[Button], subject: Subject | None, language: Language) -> Iterator[Json]:
    if elements := _buttons(buttons, subject, language):
        yield {"type": "actions", "elements": elements[:ACTIONS]}


def _buttons(buttons: Iterable[Button], subject: Subject | None, language: Language) -> list[Json]:
    """Each press once: Slack wants every action id once in a row."""
    by_press = {shown.press: shown for shown in buttons}
    return [button(shown, str(subject) if subject else " ", language) for shown in by_press.values()]


def _option(shown: Button, subject: Subject, language: Language) -> Json:
    return {"text": _label(shown, language), "value": f"{shown.press} {subject}"[:OPTION_VALUE]}


def _label(shown: Button, language: Language) -> Json:
    label = words.clip(one_line(shown.label), SHORT_LABEL)
    return plain(f"{label}…" if shown.dialog and not label.endswith("…") else label, BUTTON_LABEL, language)


def _fitting(build: Callable[[float], list[Json]]) -> list[Json]:
    """The fullest version that Slack takes."""
    blocks: list[Json] = []
    for share in SHARES:
        blocks = build(share)
        if size(blocks) < MESSAGE_BYTES:
            break
    return blocks[:MESSAGE_BLOCKS]


def _linked(text: str) -> Iterator[Json]:
    """Text elements, and link elements for what begins with http(s)."""
    done = 0
    for found in WEB.finditer(text):
        url = found[0].rstrip(".,;:!?)]}'…")
        if found.start() > done:
            yield {"type": "text", "text": text[done : found.start()]}
        yield {"type": "link", "url": url, "text": url}
        done = found.start() + len(url)
    if done < len(text):
        yield {"type": "text", "text": text[done:]}


def _preformatted(text: str) -> Json:
    inside = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [inside]}
