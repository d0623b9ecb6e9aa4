"""The only way out: every connection that Echelon opens by HTTP goes to a host that the settings name, or to none at all.

What is asked for is looked at when the connection is wanted (scheme, host, port), and what the name turned out to mean when
it is resolved: a name of the outside world that points to an address of the inside is refused.
"""

import errno
import ipaddress
import logging
import socket
from collections.abc import Iterable
from types import SimpleNamespace
from urllib.request import getproxies

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidUrlClientError,
    TCPConnector,
    ThreadedResolver,
    TraceConfig,
    TraceRequestRedirectParams,
    TraceRequestStartParams,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
"""Where clouds hand out credentials. Such an address is spoken to only when a setting consists of it."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SECURE, PLAIN = frozenset({"https", "wss"}), frozenset({"http", "ws"})

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Origin = tuple[bool, str, int]
"""Whether it is encrypted, the host in small ASCII letters, the port."""

log = logging.getLogger(__name__)


class NotAllowed(ClientConnectorError):
    """No setting names this host: nothing was resolved, no socket was opened."""


class Redirected(ClientConnectionError):
    """None of those that Echelon asks sends it elsewhere; whoever does is not followed."""


class Outbound:
    """Where one part of Echelon may connect to.

    `named` are URLs from the settings; only they may mean addresses of an own network, and only an address that is
    written there may be one of this machine. `public` are hosts of a vendor, `domains` (".slack.com") all that ends so:
    encrypted, on port 443, and never anything but addresses of the open internet.
    """

    def __init__(self, named: Iterable[str], *, public: Iterable[str] = (), domains: Iterable[str] = ()) -> None:
        self._public, self._domains = frozenset(public), tuple(domains)
        self._origins = frozenset(origin for url in named if (origin := _origin(URL(url))))
        self._own = {host for _, host, _ in self._origins if not self._is_public(host)}
        proxies = (URL(url) for url in getproxies().values() if "://" in url)
        self._proxies = frozenset(url.origin() for url in proxies if url.scheme in PLAIN | SECURE and url.raw_host)

    def session(
        self, *, timeout: ClientTimeout | None = None, keep: bool = True, at_once: int = 0, trust_env: bool = False
    ) -> ClientSession:
        """A session of its own, for the caller to close; to be called within the running loop.

        `keep` connections for the next call; `at_once` many at most, 0 for any number; `trust_env` asks the environment
        for a proxy.
        """
        manners = TraceConfig()
        manners.on_request_start.append(_refuse_names_in_urls)
        manners.on_request_redirect.append(_refuse_to_follow)
        return ClientSession(
            connector=_Connector(self, keep=keep, at_once=at_once),
            cookie_jar=DummyCookieJar(),
            timeout=timeout or ClientTimeout(total=None),
            trust_env=trust_env,
            trace_configs=[manners],
        )

    def admits(self, url: URL) -> bool:
        """Whether the settings lead to this URL. An address must be written in them as it is asked for."""
        origin = _origin(url)
        if origin is None:
            return False
        encrypted, host, port = origin
        return origin in self._origins or (encrypted and port == 443 and self._is_public(host))

    def admits_proxy(self, url: URL) -> bool:
        """Whether it is the proxy that the environment names."""
        return url.origin() in self._proxies

    def means(self, host: str, address: str) -> bool:
        """Whether the name `host` may mean `address`."""
        try:
            ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if any(proxy.raw_host == host for proxy in self._proxies) and host not in self._public:
            return ip not in METADATA and not ip.is_link_local
        if ip in METADATA or ip.is_multicast or ip.is_unspecified:
            return False
        if host == "localhost" and host in self._own:
            return ip.is_loopback
        inside = host in self._own and ip.is_private and not (ip.is_loopback or ip.is_link_local or ip.is_reserved)
        return ip.is_global or inside

    def _is_public(self, host: str) -> bool:
        return host in self._public or host.endswith(self._domains)


class _Connector(TCPConnector):
    """Asks `Outbound` before it looks for a connection, new or kept; redirects and sockets come this way, too."""

    def __init__(self, outbound: Outbound, *, keep: bool, at_once: int) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            resolver=_Resolver(outbound), limit=at_once, force_close=not keep
        )
        self._outbound = outbound

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109
        """See `TCPConnector`. Raises NotAllowed before anything is resolved or opened."""
        if not self._outbound.admits(req.url) or (req.proxy and not self._outbound.admits_proxy(req.proxy)):
            log.error("no setting names the host %.100s: not connected", req.url.raw_host, extra=_REFUSED)
            raise NotAllowed(req.connection_key, OSError(errno.EPERM, "no setting names this host"))
        return await super().connect(req, traces, timeout)


class _Resolver(AbstractResolver):
    """The resolver of the system; one wrong address spoils the whole answer."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound, self._system = outbound, ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError when one of them is not what this name may mean."""
        found = await self._system.resolve(host, port, family)
        if not all(self._outbound.means(host, result["host"]) for result in found):
            log.error("the name %.100s means an address inside: not connected", host, extra=_REFUSED)
            raise OSError(errno.EPERM, "this name may not mean such an address")
        return found

    async def close(self) -> None:
        """Nothing is open."""
        await self._system.close()


async def _refuse_names_in_urls(_: ClientSession, __: SimpleNamespace, told: TraceRequestStartParams) -> None:
    """aiohttp would take user and password off the URL before anybody else sees it, and send them along."""
    if told.url.raw_user or told.url.raw_password:
        raise InvalidUrlClientError(told.url.origin(), "a URL with a user in it")


async def _refuse_to_follow(_: ClientSession, __: SimpleNamespace, told: TraceRequestRedirectParams) -> None:
    raise Redirected(f"{told.response.status}, not followed")


def _origin(url: URL) -> Origin | None:
    """None for anything that is no plain URL of the web: other schemes, user and password, no host."""
    host, port = url.raw_host, url.port
    if url.scheme not in SECURE | PLAIN or not host or not port or url.raw_user or url.raw_password:
        return None
    return url.scheme in SECURE, host.lower(), port


def _unwrapped(ip: Ip) -> Ip:
    """The IPv4 address inside of an IPv6 one, where there is one: it is what is connected to in the end."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inside = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if ip in NAT64:
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return inside or ip


_REFUSED = {"action": "outbound_refused"}
