"""What people type, press and submit in the local chat, handed to the reception; the answers become private messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.local.gateway import link_to
from adapters.local.guard import Wrong
from adapters.local.places import ECHELON, Places
from adapters.local.render import Renderer, said
from adapters.local.store import Draft, JsonObject, LocalStore, Stored
from bot.commands import Actor
from bot.directory import Address, PersonId
from bot.message import FormErrors, Reply
from bot.ports import Clock
from bot.reception import Receives

_SLASH = re.compile(r"\s*/escalate(?=\s|$)", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@])@echelon(?![\w-])[:,]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spot:
    """Who does something, where: a channel or their direct messages with Echelon, perhaps in the thread of a message."""

    person: PersonId
    place: Address
    thread: str | None = None

    @property
    def direct(self) -> bool:
        """Whether this is the conversation with Echelon."""
        return self.place == self.person

    @property
    def actor(self) -> Actor:
        """The same, as the core wants to know it."""
        return Actor(self.person, seen_in=None if self.direct else self.place)


def words_for_echelon(words: str, *, direct: bool) -> tuple[str, bool] | None:
    """(what Echelon is told, whether by the slash command), or None for talk among people."""
    if slash := _SLASH.match(words):
        return words[slash.end() :].strip(), not direct
    if mention := _MENTION.search(words):
        return words[mention.end() :].strip() or words[: mention.start()].strip(), False
    return (words.strip(), False) if direct else None


@dataclass(frozen=True, slots=True)
class Talk:
    """Stores what was said, asks the reception, stores the answer. The same request twice leaves one of each."""

    reception: Receives
    store: LocalStore
    places: Places
    renderer: Renderer
    clock: Clock
    url: str

    async def spot(self, person: PersonId, place: str, thread: str | None) -> Spot:
        """Check a place and a thread that the page names. Raises Wrong for what this person cannot see."""
        there = Address(place)
        if not self.places.may_read(person, there):
            raise Wrong("there is no such channel", 404)
        root = await self._seen_by(person, thread) if thread else None
        if root is not None and root.place != place:
            raise Wrong("this message is in another channel", 404)
        return Spot(person, there, (root.thread or root.id) if root else None)

    async def say(self, spot: Spot, words: str, request: str) -> JsonObject:
        """Something typed into the composer."""
        if not words.strip():
            raise Wrong("there is nothing to say")
        heard = words_for_echelon(words, direct=spot.direct)
        slash = heard is not None and heard[1]
        if slash and spot.thread:
            raise Wrong("slash commands do not work in threads: write @Echelon instead")
        if heard == ("", True):
            return await self.new(spot, request)
        shown = await self.store.add(self._said(spot, words, request, heard=heard is not None, private=slash))
        if heard is None:
            return {}
        reply = await self.reception.typed(
            spot.actor,
            self.places.addressed(heard[0]),
            request=_request(spot, request),
            thread=(spot.place, spot.thread) if spot.thread else None,
            link=None if slash or spot.direct else link_to(self.url, shown.id),
        )
        return await self._answer(spot, reply, request)

    async def new(self, spot: Spot, request: str) -> JsonObject:
        """The empty form."""
        return await self._answer(spot, await self.reception.new(spot.actor, request=_request(spot, request)), request)

    async def press(self, spot: Spot, press: str, subject: str, request: str) -> JsonObject:
        """A button. What is to be read is shown at once; a sentence stays in the conversation."""
        reply = await self.reception.pressed(spot.actor, press, subject, request=_request(spot, request))
        return await self._answer(spot, reply, request, page_apart=True)

    async def change(self, spot: Spot, form: str, context: str, values: Mapping[str, str]) -> JsonObject:
        """A field that others depend on has changed: the form that takes the place of this one."""
        shown = await self.reception.changed(spot.actor, form, context, values)
        return {"form": self.renderer.form(shown) if shown else None}

    async def submit(
        self, spot: Spot, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> JsonObject:
        """A form, filled in."""
        answer = await self.reception.submitted(spot.actor, form, context, values, request=_request(spot, request))
        if isinstance(answer, FormErrors):
            return {"errors": dict(answer.errors)}
        return await self._answer(spot, answer, request)

    async def shortcut(self, person: PersonId, message: str, request: str) -> JsonObject:
        """ "Escalate this message"."""
        about = await self._seen_by(person, message)
        spot = Spot(person, Address(about.place), about.thread)
        link = None if spot.direct or about.only_for else link_to(self.url, about.id)
        reply = await self.reception.shortcut(
            spot.actor, str(about.content["fallback"]), link, request=_request(spot, request)
        )
        return await self._answer(spot, reply, request)

    async def _seen_by(self, person: PersonId, message: str) -> Stored:
        found = await self.store.get(message)
        if found is None or not self.places.may_read(person, Address(found.place)):
            raise Wrong("there is no such message", 404)
        if found.only_for not in {None, person}:
            raise Wrong("there is no such message", 404)
        return found

    async def _answer(self, spot: Spot, reply: Reply, request: str, *, page_apart: bool = False) -> JsonObject:
        page = self.renderer.page(reply.page) if reply.page and page_apart else None
        if reply.text or reply.typed or (reply.page and not page_apart):
            await self.store.add(
                Draft(
                    key=f"answer:{spot.person}:{request}",
                    place=spot.place,
                    author=ECHELON,
                    at=self.clock.now(),
                    content=self.renderer.reply(reply) | ({"page": None} if page else {}),
                    thread=spot.thread,
                    only_for=spot.person,
                )
            )
        return {"form": self.renderer.form(reply.form) if reply.form else None, "page": page}

    def _said(self, spot: Spot, words: str, request: str, *, heard: bool, private: bool) -> Draft:
        return Draft(
            key=f"said:{spot.person}:{request}",
            place=spot.place,
            author=spot.person,
            at=self.clock.now(),
            content=said(words.strip(), addressed=heard),
            thread=spot.thread,
            only_for=spot.person if private else None,
        )


def _request(spot: Spot, request: str) -> str:
    return f"{spot.person}:{request}"
