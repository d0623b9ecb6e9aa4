"""Asks Teams now and then for the names of those whom the directory mentions: people, and channels with their teams."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from adapters.teams.connector import Connector, Place
from adapters.teams.gateway import is_channel
from adapters.teams.marks import PERSON, PLATFORM
from adapters.teams.people import TeamsPeople
from adapters.teams.references import Book
from bot.directory import Address, Directory, PersonId, local_part, platform_of
from bot.errors import DeliveryError

REFRESH_EVERY = 600.0

log = logging.getLogger(__name__)


class Roll:
    """Nobody needs this to be reached: it makes cards say "Ada" and "help" before either was heard of."""

    def __init__(
        self, connector: Connector, people: TeamsPeople, book: Book, directory: Callable[[], Directory]
    ) -> None:
        self._connector, self._people, self._book, self._directory = connector, people, book, directory

    async def keep_fresh(self) -> None:
        """Ask now and every ten minutes, until cancelled."""
        while True:
            await self.call()
            await asyncio.sleep(REFRESH_EVERY)

    async def call(self) -> None:
        """Ask for everyone whose name is not known. Never raises."""
        named = dict.fromkeys(_named(self._directory()))
        channels = [one for one in named if is_channel(one) and self._book.of(one).service_url]
        for team, url in {self._book.of(one).team: self._book.of(one).service_url for one in channels}.items():
            await self._name_channels(team, url)
        for one in named:
            if PERSON.fullmatch(local_part(one)) and not self._people.named(PersonId(one)):
                await self._name(PersonId(one), channels)

    async def _name_channels(self, team: str, url: str) -> None:
        if not team:
            return
        try:
            for channel, name in (await self._connector.channels(url, team)).items():
                await self._book.learn(Address(f"{PLATFORM}:{channel}"), name=name)
        except DeliveryError as error:
            log.info("the channels of a team are not known: %s", error.reason, extra=_ROLL)

    async def _name(self, person: PersonId, channels: list[Address]) -> None:
        """From the roster of their own chat, else of a channel of the directory."""
        for place in (person, *channels):
            known = self._book.of(place)
            if not known.conversation:
                continue
            try:
                member = await self._connector.member(Place(known.service_url, known.conversation), local_part(person))
            except DeliveryError as error:
                log.info("a name is not known: %s", error.reason, extra=_ROLL)
            else:
                await self._people.learn_name(person, member)
                return


def _named(directory: Directory) -> Iterator[Address]:
    for binding in directory.roles.values():
        yield from _ours(*binding.owners, binding.channel)
    yield from _ours(*directory.admins, *directory.channels, directory.fallback_owner)
    yield from _ours(directory.admin_channel, directory.fallback_channel)


def _ours(*addresses: Address | None) -> Iterator[Address]:
    yield from (address for address in addresses if address and platform_of(address) == PLATFORM)


_ROLL = {"action": "teams_roll"}
