"""The parts of an Adaptive Card (pure): texts, prose, buttons, and the card around them.

https://adaptivecards.io/explorer/ (version 1.5, what Teams shows on every client)
"""

import json
from collections.abc import Iterable, Sequence

from adapters.teams import text as words
from adapters.teams.marks import Json
from bot.cards import TIMELINE
from bot.message import Button, Style, Subject
from bot.plan import Language

CARD = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
VERSION = "1.5"
CARD_BYTES = 24_000
"""Teams takes about 28 KB of card; what surrounds it, and escapes, need room, too."""
REFRESHED = 60
"""Most people whose clients ask for their own version of a card:
https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model"""
LABEL, PROSE_LINES = 40, 60
PRIMARY_ACTIONS = 6
ACTIONS = 20

PRESS, SUBJECT, WORDS, MSTEAMS = "press", "subject", "words", "msteams"
"""Names in the data of a button."""
OPEN_FORM = "open_form"
"""The press of the button that stands for a form where none can be opened; its `words` are what was typed."""
REFRESH = "refresh"
"""The press that a client sends by itself when a card comes into view."""

_STYLES = {Style.PRIMARY: "positive", Style.DANGER: "destructive"}


def size(value: object) -> int:
    """Bytes on the wire."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def block(marked_text: str, **look: object) -> Json:
    """A TextBlock of what `marked` or `inert` made."""
    return {"type": "TextBlock", "text": marked_text, "wrap": True} | look


def heading(text: str, most: int, language: Language, large: str = "Medium") -> Json:
    """A line to be seen first."""
    said = words.clip(words.one_line(text), most, language=language, to=words.inert)
    return block(said, size=large, weight="Bolder", style="heading")


def prose(text: str, most: int, language: Language, **look: object) -> list[Json]:
    """What people wrote, one block a line: in a TextRun nothing is markup, so it stands as it was written."""
    clipped = words.clip(words.clean(text), most, language=language, to=words.quiet)
    lines = [line for line in clipped.split("\n") if line.strip()]
    if len(lines) > PROSE_LINES:
        lines = [*lines[: PROSE_LINES - 1], words.more(language, len(lines) - PROSE_LINES + 1)]
    return [_run(line, "None" if index else "Small", look) for index, line in enumerate(lines)]


def labelled(label: str, said: str, language: Language) -> Json:
    """A label and what it says, side by side."""
    named = words.clip(words.one_line(label), LABEL, language=language, to=words.inert)
    columns = [
        {"type": "Column", "width": "100px", "items": [block(named, isSubtle=True)]},
        {"type": "Column", "width": "stretch", "items": [block(said)]},
    ]
    return {"type": "ColumnSet", "spacing": "Small", "columns": columns}


def data(press: str, subject: Subject | None, *, fetches: bool = False, **more: str) -> Json:
    """What a button sends. Whoever presses is asked for their rights all the same: clients may send anything."""
    sent: Json = {PRESS: press, SUBJECT: str(subject) if subject else ""} | more
    return sent | {MSTEAMS: {"type": "task/fetch"}} if fetches else sent


def action(shown: Button, subject: Subject | None, *, in_dialog: bool = False, folded: bool = False) -> Json:
    """A button. What opens a dialog is Action.Submit, the only one that can; the others are Action.Execute."""
    title = words.clip(words.one_line(shown.label), LABEL)
    title = f"{title}…" if shown.dialog and not title.endswith("…") else title
    opens = not in_dialog and (shown.dialog or shown.press == TIMELINE)
    pressed: Json = {"type": "Action.Submit", "title": title, "data": data(shown.press, subject, fetches=opens)}
    if shown.style in _STYLES:
        pressed["style"] = _STYLES[shown.style]
    mode = {"mode": "secondary"} if folded else {}
    if in_dialog or opens:
        return pressed | mode
    return pressed | {"type": "Action.Execute", "verb": shown.press, "fallback": pressed} | mode


def actions(
    row: Iterable[Button], menu: Iterable[Button], subject: Subject | None, *, in_dialog: bool = False
) -> list[Json]:
    """The buttons in sight, then those folded away; each press once."""
    known: set[str] = set()
    made: list[Json] = []
    for folded, group in ((False, row), (True, menu)):
        for shown in group:
            if shown.press not in known:
                known.add(shown.press)
                away = folded or len(made) >= PRIMARY_ACTIONS
                made.append(action(shown, subject, in_dialog=in_dialog, folded=away))
    return made[:ACTIONS]


def card(
    body: Sequence[Json],
    *,
    language: Language,
    fallback: str,
    actions: Sequence[Json] = (),
    entities: Sequence[Json] = (),
) -> Json:
    """The card around its parts; `fallback` is read where cards are not."""
    spoken = words.clip(words.one_line(fallback), 500, language=language, to=words.inert)
    made: Json = {"type": "AdaptiveCard", "$schema": SCHEMA, "version": VERSION, "lang": str(language)}
    made |= {"fallbackText": spoken, "body": list(body) or [block(words.NOTHING)]}
    if actions:
        made["actions"] = list(actions)
    teams: Json = {"width": "Full"} | ({"entities": list(entities)} if entities else {})
    return made | {MSTEAMS: teams}


def attachment(made: Json) -> Json:
    """A card as messages and dialogs carry it."""
    return {"contentType": CARD, "content": made}


def _run(line: str, spacing: str, look: Json) -> Json:
    run: Json = {"type": "TextRun", "text": line} | look
    return {"type": "RichTextBlock", "inlines": [run], "spacing": spacing}
