"""Who somebody is, as Teams tells: their standing, name, language and time zone; and who a mention means."""

import asyncio
import logging
from dataclasses import dataclass

from adapters.teams.connector import Connector, Member, Place
from adapters.teams.marks import PERSON, PLATFORM
from adapters.teams.references import Book
from bot import wording
from bot.commands import Actor, Standing
from bot.directory import Address, Directory, PersonId, local_part, platform_of
from bot.errors import Conflict, DeliveryError, Refused, StoreUnavailable
from bot.message import Profile
from bot.patience import in_time
from bot.ports import Clock, People

KNOWN_FOR = 900.0
PATIENCE = 1.0
"""Seconds that a person who waits for an answer may lose to the question who they are."""
STORE_PATIENCE = 0.5
"""Seconds to store a name: the person is waiting for an answer, and the name is told again."""
MOST_KNOWN = 20_000
OUTSIDER = "#EXT#"
"""In the sign-in name of a guest."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an activity, as the activity says: `person` is the Entra object id, `user` the id for this bot."""

    person: str
    user: str
    name: str = ""
    tenant: str = ""
    role: str = ""
    locale: str = ""
    zone: str = ""


class TeamsPeople:
    """The people of one tenant: asked once, remembered, asked again now and then."""

    def __init__(
        self, connector: Connector, people: People, book: Book, clock: Clock, *, tenants: frozenset[str]
    ) -> None:
        self._connector, self._people, self._book, self._clock = connector, people, book, clock
        self._tenants = tenants
        self._known: dict[str, tuple[Standing, float]] = {}
        self._told: dict[PersonId, Profile] = {}

    async def actor(self, who: Sender, place: Place, seen_in: Address | None) -> Actor:
        """Who asks. Answers in PATIENCE seconds: if Teams does not, by what the activity itself says."""
        if not PERSON.fullmatch(who.person):
            return Actor(PersonId(Address(f"{PLATFORM}:{who.user}")), Standing.FOREIGN, seen_in)
        person = person_of(who.person)
        await self._remember(person, who.name, who.locale)
        if who.tenant and who.tenant not in self._tenants:
            return Actor(person, Standing.FOREIGN, seen_in)
        if who.role == "guest":
            return Actor(person, Standing.GUEST, seen_in)
        return Actor(person, await self._standing(who, place), seen_in)

    async def meet(self, directory: Directory, service_url: str) -> None:
        """Ask each role's channel for its owners' names: a card may name who has never written. Never raises."""
        for binding in directory.roles.values():
            if binding.channel is None or platform_of(binding.channel) != PLATFORM:
                continue
            place = Place(service_url, local_part(binding.channel))
            for owner in binding.owners:
                if platform_of(owner) == PLATFORM and not self.named(owner):
                    await self._try_to_meet(owner, place)

    async def _try_to_meet(self, owner: PersonId, place: Place) -> None:
        try:
            await self.learn_name(owner, await self._connector.member(place, local_part(owner)))
        except DeliveryError as error:
            log.info("the name of %s is not known yet: %s", owner, error.reason, extra={"action": "teams_person"})
        except (StoreUnavailable, Conflict):  # a name is no reason to fail
            log.warning("the name of %s was not stored", owner, extra={"action": "teams_person"})

    async def mentioned(self, user: str, place: Place) -> PersonId | None:
        """Whom a mention means: activities name people by the id for this bot only. None when Teams does not say."""
        known = self._book.person(user)
        if known:
            return known
        try:
            async with asyncio.timeout(PATIENCE):
                member = await self._connector.member(place, user)
        except (DeliveryError, TimeoutError):
            return None
        if not PERSON.fullmatch(member.person):
            return None
        person = person_of(member.person)
        await self.learn_name(person, member)
        return person

    def named(self, person: PersonId) -> bool:
        """Whether a name is known."""
        return self._people.profile(person).name != person

    async def learn_name(self, person: PersonId, member: Member) -> None:
        """Keep what a roster tells."""
        await self._remember(person, member.name, "")
        if member.user:
            await self.introduce(person, member.user)

    async def introduce(self, person: PersonId, user: str, **told: str) -> None:
        """Keep which id this bot knows a person by."""
        await self._book.learn(person, user=user, **told)
        await self._book.learn(Address(f"{PLATFORM}:{user}"), person=person)

    async def _standing(self, who: Sender, place: Place) -> Standing:
        known = self._known.get(who.person)
        if known and known[1] > self._clock.monotonic():
            return known[0]
        try:
            async with asyncio.timeout(PATIENCE):
                standing = self._read(await self._member(who, place))
        except Refused:  # no longer in the roster, or a place whose roster a bot may not read
            return known[0] if known else Standing.MEMBER
        except (DeliveryError, TimeoutError):
            log.warning("Teams does not say who somebody is; going by the activity", extra={"action": "teams_person"})
            return known[0] if known else Standing.MEMBER
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[who.person] = (standing, self._clock.monotonic() + KNOWN_FOR)
        return standing

    async def _member(self, who: Sender, place: Place) -> Member:
        """From the roster where they ask; where the bot may not read that one, from their own chat with it."""
        try:
            return await self._connector.member(place, who.user)
        except Refused:
            chat = self._book.of(person_of(who.person)).conversation
            if not chat or chat == place.conversation:
                raise
            return await self._connector.member(Place(place.service_url, chat), who.user)

    def _read(self, member: Member) -> Standing:
        if member.tenant and member.tenant not in self._tenants:
            return Standing.FOREIGN
        if member.role in {"guest", "anonymous"} or OUTSIDER in member.principal.upper():
            return Standing.GUEST
        return Standing.MEMBER

    async def _remember(self, person: PersonId, name: str, locale: str) -> None:
        known = self._told.get(person) or self._people.profile(person)
        language = wording.language_of(locale) if locale else None
        profile = Profile(person, name or known.name, language or known.language)
        if (profile.name, profile.language) == (known.name, known.language):
            return
        try:
            await in_time(self._people.remember(profile), within=STORE_PATIENCE, settle=0)
        except StoreUnavailable:  # a name is no reason to fail: it is told again with the next activity
            log.warning("the name of %s was not stored", person, extra={"action": "teams_person"})
        else:
            self._told[person] = profile


def person_of(object_id: str) -> PersonId:
    """A person by their Entra object id."""
    return PersonId(Address(f"{PLATFORM}:{object_id.lower()}"))
