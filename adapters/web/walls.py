"""The walls around every route: who may keep a connection open, how long, how often one address may be turned away, and
the headers of every answer, the server's own refusals included.
"""

import asyncio
import ipaddress
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.buckets import Buckets, Rate
from bot.ports import Clock
from bot.signals import Signals, Silence

FIRST_WITHIN = 10.0
"""Seconds until the head of a connection's first request is there."""
KEPT = 75.0
"""Seconds that a connection may wait for its next request; proxies usually let go after 60."""
MOST_OPEN, MOST_EACH = 500, 64
"""Connections at once: in all, and from one address of the internet."""
FORGIVEN = Rate(each_minute=60, at_once=300)
"""Requests of one address of the internet that may be turned away before it is not listened to."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "Echelon",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = logging.getLogger(__name__)


class Remotes:
    """From where a request really comes. `proxies` are addresses or networks whose X-Forwarded-For is believed.

    Only addresses of the internet are told apart. Anything nearer may be a proxy that is not listed, behind which the
    platforms and their forgers look alike: whoever punished it would shut out the platforms.
    """

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        self._proxies = [ipaddress.ip_network(one.strip(), strict=False) for one in proxies if one.strip()]

    def of(self, peer: str | None, forwarded: Iterable[str] = ()) -> str | None:
        """A key for the limits: the address, of IPv6 the /64; None for what is not limited."""
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        for hop in (peer or "", *reversed(hops)):
            try:
                ip = ipaddress.ip_address(hop.partition("%")[0])
            except ValueError:
                return None
            ip = getattr(ip, "ipv4_mapped", None) or ip
            if not any(ip in network for network in self._proxies):
                break
        else:
            return None
        if not ip.is_global:
            return None
        return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def turning_away(clock: Clock, remotes: Remotes, signals: Signals | None = None) -> Middleware:
    """Stops listening to an address that was turned away too often; everyone else is not held up by it."""
    forgiven, told = Buckets(FORGIVEN, clock.monotonic), signals or Silence()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        who = remotes.of(request.remote, request.headers.getall("X-Forwarded-For", ()))
        if who and (seconds := forgiven.wait(who)):
            told.trouble("address_limited")
            response = web.Response(status=429, headers={"Retry-After": str(round(seconds + 0.5))})
            response.force_close()
            return response
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            _count(forgiven, who, refused.status)
            raise
        _count(forgiven, who, response.status)
        return response

    return middleware


def _count(forgiven: Buckets, who: str | None, status: int) -> None:
    if who and 400 <= status < 500:
        forgiven.take(who)


async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: what a route has set itself stays."""
    response.headers["Server"] = HEADERS["Server"]  # aiohttp's own, with every version, is there already
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


class Connection(web.RequestHandler):
    """What cannot be read is answered with a status and nothing of it: neither words nor a traceback, nor a log line."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """See `RequestHandler`. Only an error of our own is logged."""
        if status >= 500:
            log.error("a request failed", exc_info=exc, extra={"action": "request_failed"})
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        response = web.Response(status=status, headers=HEADERS)
        response.force_close()
        return response


class Walls(web.Server):
    """Counts connections; the ones that have not said a word yet make room for those that do."""

    def __init__(self, inner: web.Server, remotes: Remotes, **told: Any) -> None:
        super().__init__(inner.request_handler, request_factory=inner.request_factory)
        self._told, self._remotes = told, remotes
        self._from: dict[web.RequestHandler, str | None] = {}
        self._each: Counter[str] = Counter()
        self._silent: OrderedDict[web.RequestHandler, asyncio.TimerHandle] = OrderedDict()
        make = self.request_factory

        def heard(message: Any, payload: Any, protocol: web.RequestHandler, writer: Any, task: Any) -> web.BaseRequest:
            self._has_spoken(protocol)
            return make(message, payload, protocol, writer, task)

        self.request_factory = heard

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=asyncio.get_running_loop(), **self._told)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """See `Server`. One too many is closed at once."""
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        who = self._remotes.of(peer[0] if peer else None)
        if who and self._each[who] >= MOST_EACH:
            transport.abort()
            return
        if len(self._from) >= MOST_OPEN:
            if not self._silent:
                transport.abort()
                return
            self._drop(next(iter(self._silent)))
        self._from[handler] = who
        if who:
            self._each[who] += 1
        self._silent[handler] = asyncio.get_running_loop().call_later(FIRST_WITHIN, self._drop, handler)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """See `Server`."""
        super().connection_lost(handler, exc)
        self._forget(handler)

    def _has_spoken(self, handler: web.RequestHandler) -> None:
        if timer := self._silent.pop(handler, None):
            timer.cancel()

    def _drop(self, handler: web.RequestHandler) -> None:
        self._forget(handler)
        handler.force_close()

    def _forget(self, handler: web.RequestHandler) -> None:
        self._has_spoken(handler)
        who = self._from.pop(handler, None)
        if who:
            self._each[who] -= 1
            if not self._each[who]:
                del self._each[who]


class WalledRunner(web.AppRunner):
    """Runs an application behind the walls. Bodies come as they were sent: nothing is unpacked, so nothing can swell."""

    def __init__(self, app: web.Application, remotes: Remotes, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._remotes = remotes

    async def _make_server(self) -> web.Server:
        inner = await super()._make_server()
        return Walls(inner, self._remotes, access_log=None, keepalive_timeout=KEPT, auto_decompress=False)
