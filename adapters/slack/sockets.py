"""Socket Mode over two sockets: commands and clicks are not sent a second time, so one socket stays when one breaks."""

import asyncio
import logging
from typing import cast

from aiohttp import WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import WATCH_EVERY, Health, Watch, dispatch
from adapters.slack.gateway import outbound
from adapters.slack.payloads import Body, Malformed, plausible
from bot.failpoints import failpoint
from bot.ports import Clock

SOCKETS = 2
STAGGER = 1.0
PING_EVERY = 10.0
SILENT_FOR = 60.0
"""A socket that has not answered a ping for so long is dead, whatever TCP says."""
DRAIN = 5.0

log = logging.getLogger(__name__)


class _Socket(AsyncSocketModeHandler):
    """One socket. Counts what it is working on, so that stopping can wait for the acknowledgements."""

    def __init__(self, app: AsyncApp, client: AsyncWebClient, app_token: str, clock: Clock, ping_every: float) -> None:
        super().__init__(app, app_token, logger=app.logger, web_client=client, ping_interval=ping_every)
        self.client.aiohttp_client_session.detach()  # the SDK's own would go wherever an answer sends it
        self.client.aiohttp_client_session = outbound(client.base_url).session()
        self._clock = clock
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.heard: float | None = None
        self._pong: float | None = None
        self.client.on_message_listeners.append(self._note)

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            plausible(cast(Body, req.payload))
        except Malformed as malformed:
            log.warning("a message on the socket made no sense: %s", malformed, extra={"action": "slack_malformed"})
            return
        self._working += 1
        self._idle.clear()
        try:
            answer = await dispatch(self.app, cast(Body, req.payload))
            await send_async_response(client, req, answer, start_time=0.0)
            failpoint("slack.after_answer")
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def idle(self) -> None:
        """Return when everything that came was acknowledged."""
        await self._idle.wait()

    async def _note(self, _: WSMessage) -> None:
        self.heard = self._clock.monotonic()

    def age(self) -> float | None:
        """Seconds since anything came: a message, a hello, or the answer to a ping (noticed when this is asked)."""
        pong, self._pong = self._pong, self.client.last_ping_pong_time
        if self._pong is not None and self._pong != pong:  # by the SDK's wall clock: that it moves is all it tells us
            self.heard = self._clock.monotonic()
        return None if self.heard is None else self._clock.monotonic() - self.heard


class Sockets:
    """Socket Mode over two sockets. `run` keeps them open until it is cancelled, then lets them finish."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        clock: Clock,
        *,
        count: int = SOCKETS,
        stagger: float = STAGGER,
        ping_every: float = PING_EVERY,
    ) -> None:
        self._app, self._client, self._token, self._clock = app, client, app_token, clock
        self._count, self._stagger, self._ping_every = count, stagger, ping_every
        self._sockets: list[_Socket] = []
        self._watch = Watch(client, clock)

    async def run(self) -> None:
        """Connect, watch, and reconnect what has died. Cancelling closes everything in order."""
        self._sockets = [
            _Socket(self._app, self._client, self._token, self._clock, self._ping_every) for _ in range(self._count)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for index, socket in enumerate(self._sockets):
                    group.create_task(self._connect(socket, index * self._stagger))
                group.create_task(self._watch.run())
                group.create_task(self._revive())
        finally:
            await self._close()

    def health(self) -> Health:
        """As of this moment."""
        ages = [age for socket in self._sockets if (age := socket.age()) is not None]
        alive = sum(self._alive(socket) for socket in self._sockets)
        seen = self._watch.health()
        return Health(alive, self._count, min(ages, default=None), seen.authenticated, seen.problem)

    def _alive(self, socket: _Socket) -> bool:
        session, age = socket.client.current_session, socket.age()
        return session is not None and not session.closed and age is not None and age < SILENT_FOR

    async def _connect(self, socket: _Socket, after: float) -> None:
        await asyncio.sleep(after)
        await socket.connect_async()

    async def _revive(self) -> None:
        """A socket that is up but silent gets a new address: the SDK notices most deaths, not all."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            for socket in self._sockets:
                if socket.client.current_session is not None and not self._alive(socket):
                    log.warning("a socket fell silent: opening a new one", extra={"action": "slack_socket"})
                    await self._reconnect(socket)

    async def _reconnect(self, socket: _Socket) -> None:
        try:
            async with asyncio.timeout(WATCH_EVERY):
                await socket.client.connect_to_new_endpoint(force=True)
        except Exception as error:
            # the SDK raises whatever its HTTP call raised; the next round tries again
            log.warning("no new socket yet: %s", type(error).__name__, extra={"action": "slack_socket"})

    async def _close(self) -> None:
        for socket in self._sockets:
            socket.client.auto_reconnect_enabled = False
        try:
            async with asyncio.timeout(DRAIN):
                for socket in self._sockets:
                    await socket.idle()
        except TimeoutError:
            log.warning("some requests were still under way when the sockets closed", extra={"action": "slack_socket"})
        for socket in self._sockets:
            await socket.close_async()
