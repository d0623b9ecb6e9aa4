"""The line to one Teams tenant, put together: what goes out, what comes in, and how it is doing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from adapters.outbound import Outbound
from adapters.teams.activities import Activities
from adapters.teams.answers import Answers
from adapters.teams.botbuilder import BotbuilderTurns, Turns
from adapters.teams.connector import HOSTS, SERVICE_URL, Allowed, RestConnector
from adapters.teams.credentials import IMDS_URL, LOGIN_URL, Credentials, Identity, ManagedIdentity, NoTokens, Secret
from adapters.teams.gateway import TeamsChat, TeamsMembership
from adapters.teams.guard import Answer, Guard
from adapters.teams.http import Http
from adapters.teams.keys import OPENID_URL, Keys
from adapters.teams.marks import Names
from adapters.teams.newcomers import Newcomers
from adapters.teams.payloads import Body, Malformed
from adapters.teams.people import TeamsPeople
from adapters.teams.references import Book, References
from adapters.teams.roll import Roll
from adapters.teams.tokens import Verifier
from bot.directory import Directory
from bot.errors import DeliveryError
from bot.ports import Clock, People
from bot.reception import Receives

NOT_YET = "connecting"
LOGINS = frozenset({"login.botframework.com", "login.microsoftonline.com"})
"""Microsoft's hosts for keys and tokens."""
_FAILED = {"action": "teams_request"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The bot as Azure knows it: its app id and tenant, and a client secret, or None for a managed identity.

    `tenants` are others whose people may be heard; `service_urls` beginnings of URLs that are trusted beside Microsoft's
    own, for another cloud or a test. `anonymous` is for a local emulator: nothing is signed, only this machine is heard.
    """

    app_id: str
    tenant: str
    secret: str | None = None
    tenants: frozenset[str] = frozenset()
    service_urls: frozenset[str] = frozenset()
    service_url: str = SERVICE_URL
    openid_url: str = OPENID_URL
    login_url: str = LOGIN_URL
    identity_endpoint: str = IMDS_URL
    identity_header: str = ""
    anonymous: bool = False

    @property
    def ours(self) -> frozenset[str]:
        """Every tenant that is heard."""
        return frozenset(tenant.lower() for tenant in (self.tenant, *self.tenants))

    @property
    def outbound(self) -> Outbound:
        """Where its calls may go: the Connector, the login, the keys; a managed identity's endpoint only if it has one."""
        named = {self.service_url, self.openid_url, self.login_url, *self.service_urls}
        own = () if self.secret is not None or self.anonymous else (self.identity_endpoint,)
        return Outbound((*named, *own), public=HOSTS | LOGINS)

    @property
    def identity(self) -> Identity:
        """By what tokens are asked for."""
        if self.secret is not None:
            return Secret(self.app_id, self.tenant, self.secret, self.login_url)
        return ManagedIdentity(self.app_id, self.identity_endpoint, self.identity_header)


class TeamsLine:
    """One tenant. `chat` and `membership` work from the start; people are heard once `run` runs."""

    def __init__(
        self,
        *,
        registration: Registration,
        directory: Callable[[], Directory],
        names: Names,
        references: References,
        clock: Clock,
        turns: Turns | None = None,
    ) -> None:
        self._registration, self._directory, self._names, self._clock = registration, directory, names, clock
        self._turns: Turns = turns or BotbuilderTurns()
        self._http = Http(registration.outbound)
        self._allowed = Allowed(registration.service_urls)
        self.credentials = Credentials(registration.identity, self._http, clock)
        self.keys = Keys(self._http, clock, url=registration.openid_url)
        tokens = NoTokens() if registration.anonymous else self.credentials
        self.connector = RestConnector(self._http, tokens, registration.app_id, self._allowed)
        self.book = Book(references)
        url = registration.service_url
        self.chat = TeamsChat(self.connector, self.book, names, clock, tenant=registration.tenant, service_url=url)
        self.membership = TeamsMembership(self.connector, self.book, clock, service_url=url)
        self._guard = self._door()
        self._activities: Activities | None = None

    async def run(self, reception: Receives, people: People) -> None:
        """Keep tokens and keys fresh and listen, until cancelled. Timers and pump do not wait for this."""
        known = TeamsPeople(self.connector, people, self.book, self._clock, tenants=self._registration.ours)
        async with asyncio.TaskGroup() as group:

            def later(work: Coroutine[Any, Any, None]) -> object:
                return group.create_task(work)

            self._activities = Activities(
                reception=reception,
                people=known,
                newcomers=Newcomers(self.book, known),
                chat=self.chat,
                answers=Answers(self.chat, self._names),
                zone=self._zone,
                later=later,
            )
            group.create_task(Roll(self.connector, known, self.book, self._directory).keep_fresh())
            group.create_task(known.meet(self._directory(), self._registration.service_url))
            try:
                await self._stay_fresh()
            finally:
                self._activities = None

    async def serve(self, request: web.Request) -> web.Response:
        """POST /api/messages; what is genuine gets 503 until `run` runs: Teams sends it again."""
        return await self._guard.serve(request, self._handler(self._activities) if self._activities else _not_yet)

    async def ready(self) -> str:
        """A part of /readyz."""
        if self._activities is None:
            return NOT_YET
        if self._registration.anonymous:
            return "ok"
        if not self.keys.ready:
            return "the keys of Teams cannot be read"
        return self.credentials.problem or "ok"

    async def close(self) -> None:
        """Close the connections, after the last message."""
        await self._http.close()

    def _handler(self, activities: Activities) -> Callable[[Body, Mapping[str, Any]], Awaitable[Answer]]:
        async def handle(body: Body, claims: Mapping[str, Any]) -> Answer:
            try:
                status, answer = await self._turns.run(body, claims, activities.handle)
            except Malformed as malformed:
                log.warning("an activity made no sense: %s", malformed, extra={"action": "teams_malformed"})
                return Answer(400)
            except DeliveryError as error:
                log.warning("an answer did not arrive (%s); Teams may ask again", error.reason, extra=_FAILED)
                return Answer(503)
            except Exception as error:
                log.error("an activity failed; Teams may send it again", exc_info=error, extra=_FAILED)
                return Answer(503)
            return Answer(status, answer)

        return handle

    async def _stay_fresh(self) -> None:
        if self._registration.anonymous:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keys.keep_fresh())
            group.create_task(self.credentials.keep_fresh())

    def _door(self) -> Guard:
        registration = self._registration
        verifier = None if registration.anonymous else Verifier(self.keys, self._clock, registration.app_id)
        return Guard(verifier, self._clock, tenants=registration.ours, allowed=self._allowed)

    def _zone(self) -> str:
        directory = self._directory()
        calendar = directory.calendars.get(directory.calendar)
        return calendar.zone if calendar else "UTC"


async def _not_yet(_: Body, __: Mapping[str, Any]) -> Answer:
    return Answer(503)
