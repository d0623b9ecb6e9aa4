"""Every activity tells where people and channels are reached: kept, and forgotten when the app is removed."""

from collections.abc import Mapping
from typing import cast

from adapters.teams import payloads
from adapters.teams.gateway import THREAD, is_channel
from adapters.teams.marks import PERSON, PLATFORM
from adapters.teams.payloads import Asked, Body
from adapters.teams.people import Sender, TeamsPeople, person_of
from adapters.teams.references import NEWEST, Book
from bot.directory import Address

PERSONAL = "personal"
REMOVED = frozenset({"remove", "remove-upgrade"})


class Newcomers:
    """Meets whoever is heard of."""

    def __init__(self, book: Book, people: TeamsPeople) -> None:
        self._book, self._people = book, people

    async def meet(self, body: Body, asked: Asked) -> None:
        """Keep what this activity tells. Raises Malformed, and nothing else."""
        url, tenant, who = asked.place.service_url, asked.tenant, asked.who
        await self._book.learn(NEWEST, service_url=url)
        personal = payloads.mapping(body, "conversation").get("conversationType") == PERSONAL
        if PERSON.fullmatch(who.person):
            chat = {"conversation": asked.place.conversation} if personal else {}
            told = {"service_url": url, "tenant": tenant, "zone": who.zone} | chat
            await self._people.introduce(person_of(who.person), who.user, **told)
            if personal and self._removed(body):
                await self._book.forget_chat(person_of(who.person))
        for channel, name in _channels(body, asked):
            told = {"service_url": url, "tenant": tenant, "name": name, "team": _id(_data(body), "team")}
            await self._book.learn(channel, conversation=channel.partition(":")[2], **told)

    def zone(self, who: Sender) -> str:
        """The time zone that a person's client told last."""
        return self._book.of(person_of(who.person)).zone

    def _removed(self, body: Body) -> bool:
        removes = payloads.text(body, "action", default="") in REMOVED
        return payloads.text(body, "type") == "installationUpdate" and removes


def _channels(body: Body, asked: Asked) -> list[tuple[Address, str]]:
    """The channels that an activity names, with what they are called, "" where it does not say."""
    told = _mapping(_data(body).get("channel"))
    base = asked.place.conversation.partition(THREAD)[0]
    named = {f"{PLATFORM}:{base}": "", f"{PLATFORM}:{_id(_data(body), 'channel')}": str(told.get("name") or "")}
    return [(Address(channel), name) for channel, name in named.items() if is_channel(Address(channel))]


def _data(body: Body) -> Body:
    return _mapping(body.get("channelData"))


def _id(owner: Body, name: str) -> str:
    return str(_mapping(owner.get(name)).get("id") or "")


def _mapping(value: object) -> Body:
    return cast("Body", value) if isinstance(value, Mapping) else {}
