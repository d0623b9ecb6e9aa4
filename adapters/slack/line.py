"""The line to one Slack workspace, put together: what goes out, what comes in, and how it is doing."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.answers import Answers
from adapters.slack.connection import Health, Watch, bolt_app, handling, identify_at_last
from adapters.slack.gateway import SlackChat, SlackMembership
from adapters.slack.guard import Answer, Guard, Handle
from adapters.slack.listeners import Listeners
from adapters.slack.marks import Names
from adapters.slack.payloads import Body
from adapters.slack.people import SlackPeople
from adapters.slack.sockets import Sockets
from bot.directory import Directory
from bot.ports import Clock, People
from bot.reception import Receives

NOT_YET = "connecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What opens the line: an app token for Socket Mode, or a signing secret for HTTP mode; exactly one of the two."""

    app_token: str | None = None
    signing_secret: str | None = None


class SlackLine:
    """One workspace. `chat` and `membership` work from the start; people are heard once `run` has found the workspace."""

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        access: Access,
        directory: Callable[[], Directory],
        names: Names,
        clock: Clock,
    ) -> None:
        self._client, self._access = client, access
        self._directory, self._names, self._clock = directory, names, clock
        self.chat = SlackChat(client, names, clock)
        self.membership = SlackMembership(client, clock)
        self._health: Callable[[], Health] | None = None
        self._handle: Handle | None = None
        self._guard = Guard(access.signing_secret or "", clock) if access.app_token is None else None

    async def run(self, reception: Receives, people: People) -> None:
        """Find the workspace, then listen until cancelled. Timers and pump do not wait for this."""
        installation = await identify_at_last(self._client)
        known = SlackPeople(self._client, people, self._directory, self._clock, team=installation.team)
        async with asyncio.TaskGroup() as group:

            def later(work: Coroutine[Any, Any, None]) -> object:
                return group.create_task(work)

            answers = Answers(self._client, self._names)
            listeners = Listeners(
                reception=reception, people=known, answers=answers, installation=installation, later=later
            )
            group.create_task(known.keep_fresh())
            await self._listen(bolt_app(self._client, listeners, installation))

    async def _listen(self, app: AsyncApp) -> None:
        if self._access.app_token:
            sockets = Sockets(app, self._client, self._access.app_token, self._clock)
            self._health = sockets.health
            await sockets.run()
        else:
            watch = Watch(self._client, self._clock)
            self._handle = handling(app)
            self._health = watch.health
            await watch.run()

    async def serve(self, request: web.Request) -> web.Response:
        """POST /slack/events in HTTP mode; what is genuine gets 503 until the workspace is known: Slack sends it again.

        In Socket Mode there is nothing here.
        """
        if self._guard is None:
            raise web.HTTPNotFound
        return await self._guard.serve(request, self._handle or _not_yet)

    async def ready(self) -> str:
        """A part of /readyz."""
        if self._health is None:
            return NOT_YET
        health = self._health()
        return "ok" if health.ready else health.problem or "no socket is open"

    async def close(self) -> None:
        """Close the session of the client, if it has one: without, the SDK opens one for each call."""
        if self._client.session:
            await self._client.session.close()


async def _not_yet(_: Body) -> Answer:
    return Answer(503, NOT_YET)
