"""Cards, lines, pages, forms and replies as data for the page. Pure.

Every piece of text is a typed token; the page makes text nodes of them and nothing else, so there is nothing to escape.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urlsplit

from bot import wording
from bot.directory import PersonId, local_part
from bot.message import Button, Card, Form, Input, Kind, Line, Message, Page, Reply, Section, Subject
from bot.plan import Language
from bot.rich import Group, Link, Mention, Piece, Rich, Room, Strong, When

Token = dict[str, object]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns values into data. `names` gives the name of a person."""

    names: Callable[[PersonId], str]

    def message(self, message: Message) -> Token:
        """A card or a line as the content of a message."""
        return self._card(message) if isinstance(message, Card) else self._line(message)

    def reply(self, reply: Reply) -> Token:
        """The private answer as the content of a message; its form is shown apart."""
        return {
            "kind": "reply",
            "lang": reply.language,
            "text": self.tokens(reply.language, reply.text),
            "page": self.page(reply.page) if reply.page else None,
            "typed": reply.typed,
            "subject": _subject(reply.subject),
            "buttons": _buttons(reply.buttons),
            "fallback": wording.plain(reply.language, reply.text, self.names),
        }

    def page(self, page: Page) -> Token:
        """Something to read."""
        return {
            "lang": page.language,
            "title": page.title,
            "sections": [self._section(page.language, section) for section in page.sections],
        }

    def form(self, form: Form) -> Token:
        """A dialog."""
        return {
            "lang": form.language,
            "name": form.name,
            "title": form.title,
            "submit": form.submit,
            "cancel": form.cancel,
            "context": form.context,
            "intro": [self.tokens(form.language, line) for line in form.intro],
            "inputs": [_input(field) for field in form.inputs],
        }

    def tokens(self, language: Language, rich: Rich) -> list[Token]:
        """One token per piece."""
        return [self._token(language, piece) for piece in rich]

    def _card(self, card: Card) -> Token:
        language = card.language
        return {
            "kind": "card",
            "lang": language,
            "tone": card.tone.value,
            "headline": card.headline,
            "status": self.tokens(language, card.status),
            "lead": self.tokens(language, card.lead),
            "expected_label": card.expected_label,
            "expected": card.expected,
            "body": card.body,
            "fields": [{"label": field.label, "text": self.tokens(language, field.text)} for field in card.fields],
            "subject": _subject(card.subject),
            "buttons": _buttons(card.buttons),
            "menu": _buttons(card.menu),
            "menu_label": card.menu_label,
            "footer": self.tokens(language, card.footer),
            "fallback": card.fallback,
        }

    def _line(self, line: Line) -> Token:
        return {
            "kind": "line",
            "lang": line.language,
            "tone": line.tone.value if line.tone else None,
            "text": self.tokens(line.language, line.text),
            "items": [self.tokens(line.language, item) for item in line.items],
            "subject": _subject(line.subject),
            "buttons": _buttons(line.buttons),
            "fallback": line.fallback,
        }

    def _section(self, language: Language, section: Section) -> Token:
        return {
            "heading": section.heading,
            "lines": [self.tokens(language, line) for line in section.lines],
            "subject": _subject(section.subject),
            "buttons": _buttons(section.buttons),
        }

    def _token(self, language: Language, piece: Piece) -> Token:
        match piece:
            case str():
                return text(piece)
            case Mention(person):
                return {"t": "mention", "who": person, "name": self.names(person)}
            case Group(group):
                return {"t": "group", "name": local_part(group)}
            case Room(channel):
                return {"t": "room", "channel": channel, "name": local_part(channel).removeprefix("#")}
            case When():
                return _when(language, piece)
            case Link(url, words):
                return {"t": "link", "url": url, "text": words} if _is_web(url) else text(words)
            case Strong(words):
                return {"t": "strong", "text": words}
            case _:
                assert_never(piece)


def text(words: str) -> Token:
    """Plain words."""
    return {"t": "text", "text": words}


def said(words: str, *, addressed: bool) -> Token:
    """What a person typed, as the content of a message; `addressed` when Echelon read it."""
    return {"kind": "words", "text": [text(words)], "addressed": addressed, "fallback": words}


def _when(language: Language, when: When) -> Token:
    return {
        "t": "when",
        "at": when.at.isoformat(),
        "zone": when.zone,
        "shown": when.shown.value,
        "full": wording.absolute(language, when),
    }


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False


def _subject(subject: Subject | None) -> str | None:
    return str(subject) if subject else None


def _buttons(buttons: Iterable[Button]) -> list[Token]:
    return [
        {"press": button.press, "label": button.label, "style": button.style.value, "dialog": button.dialog}
        for button in buttons
    ]


def _input(field: Input) -> Token:
    return {
        "name": field.name,
        "label": field.label,
        "kind": field.kind.value,
        "required": field.required,
        "initial": field.initial,
        "options": [{"value": option.value, "label": option.label} for option in field.options],
        "hint": field.hint,
        "longest": field.longest if field.kind in {Kind.LINE, Kind.TEXT} else None,
        "reloads": field.reloads,
    }
