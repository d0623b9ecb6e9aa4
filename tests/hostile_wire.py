"""Requests that nobody in their right mind sends, as bytes, and a connection that sends them as they are.

    wire = Wire("127.0.0.1", port)
    answer = await wire.send(b"GET / HTTP/1.1\\r\\n\\r\\n")       # None: the connection was closed without a word

The client libraries would mend most of these before they left.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

ROUTES = ("/healthz", "/readyz", "/metrics", "/slack/events", "/api/messages", "/", "/unknown", "/static/page.js")
LOCAL_ROUTES = (*("/api/say", "/api/press", "/api/submit", "/api/change", "/api/new", "/api/clock", "/api/shortcut"),)
LOCAL_ROUTES += ("/api/state", "/api/read", "/static/../../app.py", "/unknown")


@dataclass(frozen=True)
class Hit:
    """One request: what is wrong with it, and its bytes."""

    name: str
    raw: bytes


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, opened again when the other side has hung up."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, raw: bytes, within: float = 15) -> Answer | None:
        """The first answer to these bytes that is not 100; on a new connection if the one that was kept is no more."""
        kept = self._pair is not None
        answer = await self._sent(raw, within)
        return await self._sent(raw, within) if answer is None and kept else answer

    async def _sent(self, raw: bytes, within: float) -> Answer | None:
        if self._pair is None:
            self._pair = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._pair
        try:
            async with asyncio.timeout(within):
                writer.write(raw)
                answer = await _answer(reader)
                while answer and answer.status == 100:
                    answer = await _answer(reader)
        except ConnectionError:
            answer = None
        if answer is None or answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        """Hang up."""
        if self._pair:
            pair, self._pair = self._pair, None
            pair[1].transport.abort()
            with suppress(ConnectionError):
                await pair[1].wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("transfer-encoding") == "chunked":
            body = await reader.read(65_536)
    except asyncio.IncompleteReadError:
        return None
    return Answer(int(head[0].split(" ")[1]), headers, body)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A well-formed request; underscores in header names stand for hyphens."""
    told = {"Host": "localhost", "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape") + body


BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"{",
    b"[" * 20_000,
    b'{"a":' * 5_000,
    b'{"a": "\\ud800"}',
    b"\xff\xfe\x00",
    b"\x00" * 64,
    b"1" * 6_000,
    b"payload=%7B%7D",
    b"payload=",
    b"a=1&" * 300,
    urlencode({"command": "/escalate", "text": "it burns", "user_id": "UADMIN", "team_id": "T1"}).encode(),
    json.dumps({"type": "message", "text": "it burns", "conversation": {"id": "a:1"}, "from": {"id": "29:1"}}).encode(),
    json.dumps({"type": "event_callback", "event": {"type": "app_mention", "user": "U1", "text": "<@U0> x"}}).encode(),
    b'{"as": "local:nobody", "place": "local:nowhere", "words": "it burns", "request": "12345678"}',
    b"\x1f\x8b\x08\x00" + b"\x00" * 200,
)
KINDS = (
    *("application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"),
    *("application/json; charset=utf-16", "application/json; charset=bogus", "a/b/c", "", "text/html", "*/*"),
)
TOKENS = (
    *("", "Bearer", "Bearer a.b.c", "Bearer " + "a" * 8000, "Basic dTpw", "bearer x.y.z", "Bearer é.é.é"),
    "Bearer eyJhbGciOiJub25lIn0.e30.",
    "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSJ9.eyJpc3MiOiJ4In0.c2ln",
    "Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.bnVsbA.c2ln",
)
TIMES = ("", "0", "-1", "99999999999999", "1e9", "abc", "²", "1700000000")
SIGNATURES = ("", "v0=", "v0=" + "0" * 64, "v1=" + "a" * 64, "v0=" + "g" * 64, "x" * 4000, "v0=" + "é" * 32)
PATHS = (
    *("//", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/%c0%ae%c0%ae/", "/%", "/%zz", "/;x=1"),
    *(
        "/healthz/..",
        "/slack/events/",
        "//slack/events",
        "/SLACK/EVENTS",
        "/api/messages%00",
        "/api//messages",
        "/.env",
    ),
    *(
        "/" + "a" * 7000,
        "/?" + "a=1&" * 1500,
        "/a%20b?c=%ff",
        "/\\..\\app.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/.git/HEAD",
    ),
)
METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "POST")
BROKEN: tuple[bytes, ...] = (
    b"GET\r\n\r\n",
    b"GET / \r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"FOO /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x7f" * 200 + b"\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nA: b\nB: c\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\nBig: " + b"a" * 9000 + b"\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: x\r\n" + b"".join(b"H%d: x\r\n" % number for number in range(300)) + b"\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"POST http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n",
)


def hits(dice: random.Random, routes: tuple[str, ...] = ROUTES) -> Iterator[Hit]:
    """Forged and malformed requests without end, the same ones for the same dice."""
    ways: tuple[Callable[[random.Random, tuple[str, ...]], Hit], ...] = (_junk, _signed, _token, _path, _broken, _many)
    while True:
        yield dice.choice(ways)(dice, routes)


def _junk(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    path, kind = dice.choice(routes), dice.choice(KINDS)
    return Hit(f"junk {path} {kind}", request(dice.choice(METHODS), path, dice.choice(BODIES), Content_Type=kind))


def _signed(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    kind, time, signature = dice.choice(KINDS[:2]), dice.choice(TIMES), dice.choice(SIGNATURES)
    headers = {"Content-Type": kind, "X-Slack-Request-Timestamp": time, "X-Slack-Signature": signature}
    return Hit(f"signed {time} {signature[:9]}", request("POST", "/slack/events", dice.choice(BODIES), **headers))


def _token(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    token = dice.choice(TOKENS)
    raw = request("POST", "/api/messages", dice.choice(BODIES), Content_Type="application/json", Authorization=token)
    return Hit(f"token {token[:40]}", raw)


def _path(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    path = dice.choice(PATHS)
    return Hit(f"path {path[:60]}", request(dice.choice(("GET", "POST", "DELETE")), path))


def _broken(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    raw = dice.choice(BROKEN).replace(b"{path}", dice.choice(routes).encode())
    return Hit(f"broken {raw[:160]!r}", raw)


def _many(dice: random.Random, routes: tuple[str, ...]) -> Hit:
    """Headers that come twice, each good or bad."""
    pairs = (
        ("X-Slack-Signature", SIGNATURES),
        ("X-Slack-Request-Timestamp", TIMES),
        ("Authorization", TOKENS),
        ("Content-Type", KINDS),
        ("Content-Encoding", ("identity", "gzip", "br", "identity, gzip")),
    )
    name, values = dice.choice(pairs)
    lines = "".join(f"{name}: {dice.choice(values)}\r\n" for _ in range(2))
    path, body = dice.choice(("/slack/events", "/api/messages")), dice.choice(BODIES)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return Hit(f"twice {name}", head.encode() + body)
