"""Who somebody is, as Slack tells: their standing, name and language; and who is in a user group."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.gateway import PLATFORM, ask
from bot import wording
from bot.commands import Actor, Standing
from bot.directory import Address, Directory, PersonId, local_part, platform_of
from bot.errors import Conflict, DeliveryError, StoreUnavailable
from bot.message import Profile
from bot.patience import in_time
from bot.ports import Clock, People

REFRESH_EVERY = 600.0
KNOWN_FOR = 900.0
PATIENCE = 1.0
"""Seconds that a person who waits for an answer may lose to the question who they are."""
STORE_PATIENCE = 0.5
"""Seconds to store a name: the person is waiting for an answer, and the name is told again."""
SLACKBOT = "USLACKBOT"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What Slack tells of a person, and until when (monotonic) it is believed."""

    standing: Standing
    deleted: bool
    name: str
    language: str
    until: float


class SlackPeople:
    """The people of one workspace: asked once, remembered, asked again now and then."""

    def __init__(
        self, client: AsyncWebClient, people: People, directory: Callable[[], Directory], clock: Clock, *, team: str
    ) -> None:
        self._client, self._people, self._directory, self._clock = client, people, directory, clock
        self._team = team
        self._known: dict[str, Known] = {}
        self._unstored: set[str] = set()

    async def actor(self, user: str, *, team: str = "", channel: str = "") -> Actor:
        """Who asks. Answers in PATIENCE seconds: if Slack does not, by what the request itself says."""
        person = PersonId(Address(f"{PLATFORM}:{user}"))
        seen_in = Address(f"{PLATFORM}:{channel}") if channel and not channel.startswith("D") else None
        if team and team != self._team:
            return Actor(person, Standing.FOREIGN, seen_in)
        try:
            known = await self.look_up(user, patience=PATIENCE)
        except (DeliveryError, TimeoutError):
            log.warning("Slack does not say who %s is; going by the request", user, extra={"action": "slack_person"})
            known = self._known.get(user)
        return Actor(person, known.standing if known else Standing.MEMBER, seen_in)

    async def look_up(self, user: str, *, patience: float | None = None) -> Known:
        """What is known of `user`, asked of Slack when it is old. Raises Refused, Unreachable or TimeoutError."""
        kept = self._known.get(user)
        if kept and kept.until > self._clock.monotonic():
            return kept
        async with asyncio.timeout(patience):
            answer = await ask(self._client, "users.info", user=user, include_locale=True)
        told = cast(Mapping[str, Any], answer.get("user") or {})
        known = read_person(told, team=self._team, until=self._clock.monotonic() + KNOWN_FOR)
        self._known[user] = known
        if not kept or user in self._unstored or (kept.name, kept.language) != (known.name, known.language):
            await self._remember(user, Profile(PersonId(Address(f"{PLATFORM}:{user}")), known.name, known.language))
        return known

    async def refresh(self) -> None:
        """Ask for the members of every user group of the directory, and for everyone named there. Never raises."""
        directory = self._directory()
        for group in sorted(set(_groups(directory))):
            await self.refresh_group(group)
        named = {
            *_people(directory),
            *(person for group in _groups(directory) for person in self._people.members(group)),
        }
        for person in sorted(named):
            await self._try_to_look_up(local_part(person))

    async def refresh_group(self, group: Address) -> None:
        """Ask for the members of one user group; what was known stays when Slack can't be asked."""
        if platform_of(group) != PLATFORM:
            return
        try:
            answer = await ask(self._client, "usergroups.users.list", usergroup=local_part(group))
        except DeliveryError as error:
            log.warning("the members of %s are not known: %s", group, error.reason, extra={"action": "slack_group"})
            return
        users = cast(Iterable[object], answer.get("users") or ())
        members = tuple(PersonId(Address(f"{PLATFORM}:{user}")) for user in users)
        try:
            await self._people.remember_members(group, members)
        except (Conflict, StoreUnavailable):  # what was known stays, and is asked for again in a while
            log.warning("the members of %s were not stored", group, extra={"action": "slack_group"})

    async def keep_fresh(self) -> None:
        """Refresh now and every ten minutes, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_EVERY)

    async def _remember(self, user: str, profile: Profile) -> None:
        try:
            await in_time(self._people.remember(profile), within=STORE_PATIENCE, settle=0)
        except (Conflict, StoreUnavailable):  # a name is no reason to fail: it is told again in a while
            log.warning("the name of %s was not stored", profile.person, extra={"action": "slack_person"})
            self._unstored.add(user)
        else:
            self._unstored.discard(user)

    async def _try_to_look_up(self, user: str) -> None:
        try:
            await self.look_up(user)
        except DeliveryError as error:
            log.warning("nothing is known of %s: %s", user, error.reason, extra={"action": "slack_person"})


def read_person(told: Mapping[str, Any], *, team: str, until: float) -> Known:
    """What a `user` object of Slack says. In an Enterprise Grid a person may be at home in several teams."""
    profile = cast(Mapping[str, Any], told.get("profile") or {})
    name = profile.get("display_name") or profile.get("real_name") or told.get("real_name") or told.get("name") or ""
    language = wording.language_of(str(told.get("locale") or "")) or ""
    return Known(_standing(told, team), bool(told.get("deleted")), str(name), language, until)


def _standing(told: Mapping[str, Any], team: str) -> Standing:
    grid = cast(Mapping[str, Any], told.get("enterprise_user") or {})
    teams = {told.get("team_id") or team, *cast(Iterable[object], grid.get("teams") or ())}
    if told.get("is_bot") or told.get("id") == SLACKBOT:
        return Standing.BOT
    if team not in teams or told.get("is_stranger") or told.get("deleted"):
        return Standing.FOREIGN
    guest = told.get("is_restricted") or told.get("is_ultra_restricted")
    return Standing.GUEST if guest else Standing.MEMBER


def _groups(directory: Directory) -> Iterator[Address]:
    for binding in directory.roles.values():
        yield from (group for group in binding.groups if platform_of(group) == PLATFORM)


def _people(directory: Directory) -> Iterator[PersonId]:
    owners = (owner for binding in directory.roles.values() for owner in binding.owners)
    last = (directory.fallback_owner,) if directory.fallback_owner else ()
    yield from (person for person in (*owners, *directory.admins, *last) if platform_of(person) == PLATFORM)
