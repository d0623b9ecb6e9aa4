"""Ties the listeners to Slack: the Bolt app, its HTTP path, and the watch over the line. Sockets have their own module."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.gateway import asked
from adapters.slack.guard import Answer, Guard, Handle
from adapters.slack.listeners import Installation, Listeners
from adapters.slack.payloads import Body, Malformed
from bot.errors import DeliveryError
from bot.failpoints import failpoint
from bot.ports import Clock

WATCH_EVERY = 60.0
STALE_AFTER = 180.0
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


def handling(app: AsyncApp) -> Handle:
    """What is done with a body that the guard has let in."""

    async def handle(body: Body) -> Answer:
        answer = await dispatch(app, body)
        content_type = (answer.headers.get("content-type") or ["text/plain"])[0].partition(";")[0]
        return Answer(answer.status, answer.body or "", content_type)

    return handle


def http_handler(app: AsyncApp, guard: Guard) -> Callable[[web.Request], Awaitable[web.Response]]:
    """For `router.add_route("*", "/slack/events", …)`: the guard answers the methods that are not POST, too."""
    handle = handling(app)

    async def serve(request: web.Request) -> web.Response:
        return await guard.serve(request, handle)

    return serve


async def dispatch(app: AsyncApp, body: Body) -> BoltResponse:
    """Bolt's answer to a body that is already parsed: the same way for both modes."""
    failpoint("slack.received")
    try:
        answer = await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=dict(body)))
        failpoint("slack.before_answer")
        return answer
    except (AttributeError, LookupError, TypeError, ValueError):  # Bolt itself, on a body that is not what it seems
        log.warning("a request was not what it seemed", extra={"action": "slack_malformed"})
        return BoltResponse(status=400, body="malformed")


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
