"""Ties the listeners to Slack: the Bolt app, two sockets or one HTTP path, and the watch over both."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import WSMessage, web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.gateway import asked
from adapters.slack.guard import Answer, Guard
from adapters.slack.listeners import Installation, Listeners
from adapters.slack.payloads import Body, Malformed, plausible
from bot.errors import DeliveryError
from bot.ports import Clock

SOCKETS = 2
"""A refresh or a break of one leaves the other: commands and clicks are not sent a second time."""
STAGGER = 1.0
PING_EVERY = 10.0
WATCH_EVERY = 60.0
SILENT_FOR = 60.0
"""A socket that has not answered a ping for so long is dead, whatever TCP says."""
STALE_AFTER = 180.0
DRAIN = 5.0
RETRY = 10.0

log = logging.getLogger(__name__)


async def identify(client: AsyncWebClient) -> Installation:
    """Which workspace the token belongs to, and what it may do. Raises Unreachable."""
    told, headers = await asked(client, "auth.test")
    scopes = frozenset(scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",") if scope.strip())
    return Installation(
        team=str(told.get("team_id") or ""),
        team_name=str(told.get("team") or ""),
        bot_user=str(told.get("user_id") or ""),
        url=str(told.get("url") or ""),
        scopes=scopes,
    )


async def identify_at_last(client: AsyncWebClient) -> Installation:
    """`identify`, tried again until Slack answers: timers run meanwhile, so an outage at the start harms nobody."""
    while True:
        try:
            return await identify(client)
        except DeliveryError as error:
            log.error("Slack does not accept the token yet: %s", error.reason, extra={"action": "slack_identify"})
            await asyncio.sleep(RETRY)


def quieten() -> logging.Logger:
    """Keep Bolt and the SDK from logging bodies: below WARNING they print what people wrote. Returns Bolt's logger."""
    for name in ("slack_bolt", "slack_sdk"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logger = logging.getLogger("slack_bolt.echelon")
    logger.setLevel(logging.WARNING)
    return logger


def bolt_app(client: AsyncWebClient, listeners: Listeners, installation: Installation) -> AsyncApp:
    """Bolt for one workspace: no auth.test a request, answers after the work, other workspaces refused."""

    async def authorize(**_: object) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id=installation.team, bot_user_id=installation.bot_user, bot_token=client.token
        )

    async def ours_only(context: Any, body: Body, next: Callable[[], Awaitable[Any]]) -> Any:
        if body.get("type") == "app_rate_limited":
            log.error("Slack holds events back: the workspace sends too many", extra={"action": "slack_events_limited"})
            return BoltResponse(status=200, body="")
        if context.get("team_id") != installation.team:
            log.warning("a request for another workspace was refused", extra={"action": "slack_foreign"})
            return BoltResponse(status=403, body="another workspace")
        return await next()

    async def went_wrong(error: Exception) -> BoltResponse:
        if isinstance(error, Malformed):
            log.warning("a request made no sense: %s", error, extra={"action": "slack_malformed"})
            return BoltResponse(status=400, body="malformed")
        log.error(
            "a request from Slack failed; Slack may send it again", exc_info=error, extra={"action": "slack_request"}
        )
        return BoltResponse(status=503, body="")

    app = AsyncApp(
        name="echelon.slack",
        logger=quieten(),
        client=_without_token(client),
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,  # the guard did, on the raw bytes; Bolt would log what it refuses
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,  # payloads.said does
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    typed = cast(Any, app)
    typed.middleware(ours_only)
    typed.error(went_wrong)
    listeners.attach(app)
    return app


def http_handler(app: AsyncApp, guard: Guard) -> Callable[[web.Request], Awaitable[web.Response]]:
    """For `router.add_route("*", "/slack/events", …)`: the guard answers the methods that are not POST, too."""

    async def handle(body: Body) -> Answer:
        answer = await dispatch(app, body)
        content_type = (answer.headers.get("content-type") or ["text/plain"])[0].partition(";")[0]
        return Answer(answer.status, answer.body or "", content_type)

    async def serve(request: web.Request) -> web.Response:
        return await guard.serve(request, handle)

    return serve


async def dispatch(app: AsyncApp, body: Body) -> BoltResponse:
    """Bolt's answer to a body that is already parsed: the same way for both modes."""
    return await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=dict(body)))


def _without_token(client: AsyncWebClient) -> AsyncWebClient:
    """Bolt warns about a token beside an authorize function; the listeners use their own client anyhow."""
    return AsyncWebClient(base_url=client.base_url, timeout=client.timeout, session=client.session, retry_handlers=[])


@dataclass(frozen=True, slots=True)
class Health:
    """How the line to Slack is: for /readyz and metrics. Ages in seconds, None for never."""

    sockets: int
    wanted: int
    heard: float | None
    authenticated: float | None
    problem: str = ""

    @property
    def ready(self) -> bool:
        """Whether somebody who writes to the bot now will be heard."""
        known = self.authenticated is not None and self.authenticated < STALE_AFTER
        return known and not self.problem and (self.wanted == 0 or self.sockets > 0)


class Watch:
    """auth.test once a minute: a token that was revoked, or a Slack that is away, shows before anybody needs it."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._authenticated: float | None = None
        self._problem = ""

    async def run(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_EVERY)

    async def look(self) -> None:
        """Ask Slack once whether it still knows us. Never raises."""
        try:
            await asked(self._client, "auth.test")
        except DeliveryError as error:
            if error.reason != self._problem:
                log.error("Slack no longer accepts us: %s", error.reason, extra={"action": "slack_watch"})
            self._problem = error.reason
            return
        self._authenticated, self._problem = self._clock.monotonic(), ""

    def health(self) -> Health:
        """As of the last look; in HTTP mode there are no sockets to count."""
        age = None if self._authenticated is None else self._clock.monotonic() - self._authenticated
        return Health(0, 0, None, age, self._problem)


class _Socket(AsyncSocketModeHandler):
    """One socket. Counts what it is working on, so that stopping can wait for the acknowledgements."""

    def __init__(self, app: AsyncApp, client: AsyncWebClient, app_token: str, clock: Clock, ping_every: float) -> None:
        super().__init__(app, app_token, logger=app.logger, web_client=client, ping_interval=ping_every)
        self._clock = clock
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.heard: float | None = None
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
            await super().handle(client, req)
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
        """Seconds since anything came: a message, a hello, or the answer to a ping."""
        pong = self.client.last_ping_pong_time
        ages = [self._clock.now().timestamp() - pong] if pong else []
        if self.heard is not None:
            ages.append(self._clock.monotonic() - self.heard)
        return max(0.0, min(ages)) if ages else None


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
