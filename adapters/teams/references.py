"""Where people and channels are reached: what Teams tells with every activity, kept as our own JSON."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from adapters.teams.marks import PLATFORM
from bot.directory import Address, PersonId
from bot.errors import StoreUnavailable

NEWEST = Address(f"{PLATFORM}:newest")
"""Under this address stands the service URL that was told last: for people and channels never heard of."""

log = logging.getLogger(__name__)


class References(Protocol):
    """The store. What was put is there after a restart; `get` answers from memory."""

    async def put(self, address: Address, reference: Mapping[str, str]) -> None:
        """Keep `reference` in place of what was there. Raises StoreUnavailable."""
        ...

    def get(self, address: Address) -> Mapping[str, str] | None:
        """What was put last, None if nothing was."""
        ...


class ReferencesInMemory:
    """References for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[Address, Mapping[str, str]] = {}

    async def put(self, address: Address, reference: Mapping[str, str]) -> None:
        """See `References.put`."""
        self._kept[address] = dict(reference)

    def get(self, address: Address) -> Mapping[str, str] | None:
        """See `References.get`."""
        return self._kept.get(address)


@dataclass(frozen=True, slots=True)
class Reference:
    """One address as Teams knows it; "" for what is not known.

    `conversation` is the personal chat or the channel; `user` the id (29:…) by which this bot knows a person; `person`
    the person whose `user` id this is; `name` a channel's; `team` the team it belongs to; `zone` a person's time zone.
    """

    service_url: str = ""
    conversation: str = ""
    tenant: str = ""
    user: str = ""
    person: str = ""
    name: str = ""
    team: str = ""
    zone: str = ""


class Book:
    """The references, written when something is new. A store that is away loses none of what this process was told."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._unstored: dict[Address, Reference] = {}

    def of(self, address: Address) -> Reference:
        """What is known; empty for an address never heard of."""
        if kept := self._unstored.get(address):
            return kept
        told = self._references.get(address) or {}
        return Reference(**{name: str(told[name]) for name in _FIELDS if name in told})

    def user(self, person: PersonId) -> str | None:
        """The id (29:…) of a person."""
        return self.of(person).user or None

    def person(self, user: str) -> PersonId | None:
        """Whose id this is."""
        person = self.of(Address(f"{PLATFORM}:{user}")).person
        return PersonId(Address(person)) if person else None

    @property
    def service_url(self) -> str:
        """The newest one, "" before anything was heard."""
        return self.of(NEWEST).service_url

    async def learn(self, address: Address, **told: str) -> None:
        """Keep what was told now, beside what was known. Never raises for a store that is away."""
        known = self.of(address)
        new = replace(known, **{name: value for name, value in told.items() if value})
        if new != known or address in self._unstored:
            await self._put(address, new)

    async def forget_chat(self, address: Address) -> None:
        """The app was removed, or the conversation is gone: it must be created anew."""
        known = self.of(address)
        if known.conversation:
            await self._put(address, replace(known, conversation=""))

    async def _put(self, address: Address, new: Reference) -> None:
        self._unstored[address] = new
        try:
            await self._references.put(address, {name: value for name, value in asdict(new).items() if value})
        except StoreUnavailable:
            log.warning("where %s is reached was not stored", address, extra={"action": "teams_reference"})
        else:
            self._unstored.pop(address, None)


_FIELDS = tuple(asdict(Reference()))
