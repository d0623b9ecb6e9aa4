"""What one person sees: places, people, messages, what is unread, and the clock."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from adapters.local.clock import SPEEDS, MovableClock
from adapters.local.demo import Story
from adapters.local.places import Ladder, Places
from adapters.local.store import JsonObject, LocalStore, Stored
from adapters.local.upcoming import Stop, next_deadline, next_stop
from bot import wording
from bot.directory import Address, PersonId, local_part
from bot.grammar import KEYWORDS
from bot.plan import EN, Language
from bot.ports import Archive
from bot.state import Escalation

ENOUGH = 1000
"""So many open escalations are looked through for the next deadline, the earliest due first."""


class Languages(Protocol):
    """Who reads which language."""

    def __call__(self, person: PersonId) -> Language: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """Puts together what the page shows to one person."""

    store: LocalStore
    places: Places
    ladders: tuple[Ladder, ...]
    clock: MovableClock
    archive: Archive
    language: Languages
    story: Story | None

    async def state(self, person: PersonId) -> JsonObject:
        """All there is to see."""
        language, places = self.language(person), self.places
        changed = await self.store.latest_change()
        messages = await self.store.visible(person, places.open_to(person))
        directory = places.directory
        return {
            "you": person,
            "workspace": directory.name,
            "zone": self.zone,
            "speeds": SPEEDS,
            "people": [self._person(one, language) for one in places.people],
            "ladders": [self._ladder(ladder, language) for ladder in self.ladders],
            "channels": [self._channel(channel) for channel in places.channels if places.may_read(person, channel)],
            "messages": [as_seen(message) for message in messages],
            "changed": changed,
            "keywords": _keywords(language),
            "story": self._story(language),
            **await self.status(person),
        }

    async def status(self, person: PersonId) -> JsonObject:
        """What may change without a message: the clock, and what is unread by whom."""
        unread = await self.store.unread(person)
        readable = self.places.open_to(person)
        pings = {other: (await self.store.unread(other)).get(other, 0) for other in self.places.people}
        return {
            "lang": self.language(person),
            "latest": await self.store.latest_change(),
            "unread": {place: count for place, count in unread.items() if place in readable},
            "pings": {other: count for other, count in pings.items() if count},
            "clock": await self._clock(),
        }

    async def changes(self, person: PersonId, since: int) -> tuple[Stored, ...]:
        """What has changed since, as far as `person` may see it."""
        return await self.store.visible(person, self.places.open_to(person), since=since)

    async def open_ones(self) -> Iterable[Escalation]:
        """The open escalations, the next due first."""
        return await self.archive.open_ones(self.places.directory.workspace, person=None, limit=ENOUGH)

    @property
    def zone(self) -> str:
        """The zone of the workspace's calendar, in which the demo shows its times."""
        return self.places.directory.calendars[self.places.directory.calendar].zone

    async def _clock(self) -> JsonObject:
        escalations = tuple(await self.open_ones())
        return {
            "now": math.floor(self.clock.now().timestamp() * 1000),
            "speed": self.clock.speed,
            "deadline": _stop(next_deadline(escalations)),
            "next": _stop(next_stop(escalations)),
        }

    def _person(self, person: PersonId, language: Language) -> JsonObject:
        held = self.places.roles(person)
        levels = {level.role: level for ladder in self.ladders for level in ladder.levels}
        labels = [levels[role].role_label.in_(language) for role in held if role in levels]
        return {"id": person, "name": self.places.name(person), "roles": labels, "lang": self.language(person)}

    def _ladder(self, ladder: Ladder, language: Language) -> JsonObject:
        bindings = [self.places.directory.binding(level.role) for level in ladder.levels]
        return {
            "title": ladder.title.in_(language),
            "levels": [
                {
                    "n": level.ordinal,
                    "role": level.role_label.in_(language),
                    "window": wording.window(language, level.window),
                    "channel": binding.channel,
                    "owners": binding.owners,
                }
                for level, binding in zip(ladder.levels, bindings, strict=True)
            ],
        }

    def _channel(self, channel: Address) -> JsonObject:
        matrix = self.places.directory.matrix_for(channel)
        titles = {ladder.matrix: ladder.title for ladder in self.ladders}
        return {
            "id": channel,
            "name": local_part(channel).removeprefix("#"),
            "matrix": titles[matrix].in_(self.places.directory.channel_language(channel)) if matrix in titles else None,
            "admins": channel == self.places.directory.admin_channel,
        }

    def _story(self, language: Language) -> JsonObject | None:
        story = self.story
        if story is None or story.opener not in self.places.people or story.channel not in self.places.channels:
            return None
        words = {one: story.words.in_(one) for one in wording.CATALOGUES}
        solution = {one: story.solution.in_(one) for one in wording.CATALOGUES}
        ladder = next((ladder for ladder in self.ladders if ladder.matrix == story.matrix), None)
        if ladder is None:
            return None
        first = [self.places.directory.binding(level.role) for level in ladder.levels[:3]]
        climb = [
            {"owner": binding.owners[0], "channel": binding.channel}
            for binding in first
            if binding.owners and binding.owners[0] in self.places.people and binding.channel
        ]
        if len(climb) < 3:
            return None
        return {
            "opener": story.opener,
            "channel": story.channel,
            "words": words,
            "solution": solution,
            "climb": climb,
        }


def as_seen(message: Stored) -> JsonObject:
    """A message as the page gets it."""
    return {
        "id": message.id,
        "place": message.place,
        "thread": message.thread,
        "author": message.author,
        "private": message.only_for is not None,
        "at": message.at.isoformat(),
        "edited": message.edited,
        "change": message.change,
        "content": message.content,
    }


def _keywords(language: Language) -> JsonObject:
    """The word that the composer offers for each request; the first of each language is the one that hints show."""
    index = 0 if language == EN else 1
    return {keyword.value: words[min(index, len(words) - 1)] for keyword, words in KEYWORDS.items()}


def _stop(stop: Stop | None) -> JsonObject | None:
    if stop is None:
        return None
    return {"at": stop.at.isoformat(), "what": stop.what, "reference": stop.reference, "level": stop.level}
