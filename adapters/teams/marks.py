"""Rich text → the Markdown of a TextBlock, and the people it mentions (pure). Everything else in it is words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from adapters.teams import text as words
from bot import wording
from bot.directory import Address, PersonId, local_part, platform_of
from bot.plan import Language
from bot.rich import Group, Link, Mention, Moment, Piece, Rich, Room, Strong, When

Names = Callable[[PersonId], str]
Json = dict[str, Any]

PLATFORM = "teams"
PERSON = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
CHANNEL = re.compile(r"19:[\w.-]{1,200}@thread\.(?:tacv2|skype|v2)", re.ASCII)
WEB = re.compile(r"https://[^\s<>|\"`()\[\]\\]{1,2000}", re.IGNORECASE)
MENTIONS = 50
"""More people than this in one message are named, not mentioned."""
NAME = 60


@dataclass(slots=True)
class Mentioned:
    """The people mentioned in one message: tag → entity. A name stands for one person only."""

    tags: dict[str, Json] = field(default_factory=dict[str, Json])

    def tag(self, person: PersonId, name: str) -> str:
        """The tag for a person, "" where no more fit."""
        shown = words.clip(_plain_name(name), NAME)
        for number in range(1, MENTIONS):
            tag = f"<at>{shown}</at>" if number == 1 else f"<at>{shown} ({number})</at>"
            known = self.tags.get(tag)
            if known is None and len(self.tags) >= MENTIONS:
                return ""
            entity = {"type": "mention", "text": tag, "mentioned": {"id": local_part(person), "name": shown}}
            if known is None or known["mentioned"]["id"] == local_part(person):
                self.tags[tag] = entity
                return tag
        return ""

    def entities(self, body: str) -> list[Json]:
        """Those whose tag is in `body`: Teams refuses a card with an entity that nothing names."""
        return [entity for tag, entity in self.tags.items() if tag in body]


@dataclass(frozen=True, slots=True)
class Ink:
    """How rich text is written: language, names, whom it has mentioned so far, how a channel is called.

    `mentioned` None: people are named, nobody is notified. `absolute` adds to each instant how it reads in the zone of
    the escalation, for clients that show no local time.
    """

    language: Language
    names: Names
    mentioned: Mentioned | None = None
    rooms: Callable[[Address], str] = local_part
    absolute: bool = True


def marked(rich: Rich, ink: Ink, most: int) -> str:
    """Rich text as Markdown, at most `most` long; never empty. A token is shown whole or not at all."""
    pieces = [words.clean(piece) if isinstance(piece, str) else piece for piece in rich]
    tokens = [token(piece, ink) for piece in pieces]
    full = "".join(tokens)
    if words.length(full) <= most:
        return full if full.strip() else words.NOTHING
    return _shortened(pieces, tokens, ink, most)


def token(piece: Piece, ink: Ink) -> str:
    """One piece as a TextBlock reads it."""
    match piece:
        case str():
            return words.inert(piece)
        case Mention(person):
            return _mention(person, ink)
        case Group(group):
            return words.inert(words.one_line(local_part(group)))
        case Room(channel):
            return words.inert(words.one_line(ink.rooms(channel) or local_part(channel)))
        case When():
            return instant(piece, ink)
        case Link(url, label):
            said = words.inert(words.one_line(label)).replace("[", "(").replace("]", ")")
            return f"[{said}]({url})" if WEB.fullmatch(url) else said
        case Strong(strong):
            inner = words.inert(words.one_line(strong))
            return f"**{inner}**" if inner != words.NOTHING else ""


def instant(when: When, ink: Ink) -> str:
    """The reader's own date and time, by functions that only a TextBlock knows.

    https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features
    """
    at = f"{when.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    day = "" if when.shown is Moment.TIME else f"{{{{DATE({at}, SHORT)}}}} "
    local = f"{day}{{{{TIME({at})}}}}"
    return f"{local} ({words.inert(wording.absolute(ink.language, when))})" if ink.absolute else local


def _mention(person: PersonId, ink: Ink) -> str:
    name = words.one_line(ink.names(person))
    if ink.mentioned is None or platform_of(person) != PLATFORM or not PERSON.fullmatch(local_part(person)):
        return words.inert(name)
    return ink.mentioned.tag(person, name) or words.inert(name)


def _plain_name(name: str) -> str:
    """A name for a tag: nothing in it may end the tag, or look like Markdown to a client."""
    return words.inert(words.one_line(name)).replace("<", "‹").replace(">", "›").replace("&", "＆")


def _shortened(pieces: Sequence[Piece], tokens: Sequence[str], ink: Ink, most: int) -> str:
    left = sum(len(wording.plain(ink.language, (piece,), ink.names)) for piece in pieces)
    room = most - words.length(words.more(ink.language, left))
    shown: list[str] = []
    for piece, rendered in zip(pieces, tokens, strict=True):
        if words.length(rendered) > room:
            if isinstance(piece, str):
                kept = words.fitting(piece, room, words.inert)
                shown.append(words.inert(piece[:kept]))
                left -= kept
            break
        shown.append(rendered)
        room -= words.length(rendered)
        left -= len(wording.plain(ink.language, (piece,), ink.names))
    return "".join(shown).rstrip() + words.more(ink.language, max(1, left))
