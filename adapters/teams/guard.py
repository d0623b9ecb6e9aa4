"""Stands in front of everything that claims to come from Teams: token first, then body, then what the activity says.

Microsoft's SDK answers 500 with a traceback to junk and looks at neither tenant nor service URL; here a forged request
costs a signature check at most, and is told 401 or 403 and nothing else.
"""

import asyncio
import hashlib
import ipaddress
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import ClientError, web

from adapters.teams.connector import Allowed
from adapters.teams.keys import KeysAway
from adapters.teams.payloads import Body, Malformed, plausible, text
from adapters.teams.tokens import CHANNEL, Forged, Proof, Verifier
from bot.ports import Clock

LARGEST = 256 * 1024
DEEPEST = 40
SLOWEST = 10.0
REMEMBERED = 600.0
MOST_REMEMBERED = 20_000
JSON = "application/json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Teams: a status, and JSON if there is any."""

    status: int = 200
    body: Mapping[str, Any] | None = None


class Turned(Exception):
    """A request that is turned away: status and a few words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Seen:
    answer: "asyncio.Future[Answer]"
    until: float


Handle = Callable[[Body, Mapping[str, Any]], Awaitable[Answer]]


class Guard:
    """Lets through what Teams signed for this app and these tenants; what is delivered twice is answered twice, done once.

    `verifier` None is the anonymous mode of a local emulator: only requests from this very machine are heard.
    """

    def __init__(
        self,
        verifier: Verifier | None,
        clock: Clock,
        *,
        tenants: frozenset[str],
        allowed: Allowed,
        slowest: float = SLOWEST,
    ) -> None:
        self._verifier, self._clock, self._slowest = verifier, clock, slowest
        self._tenants, self._allowed = tenants, allowed
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    async def serve(self, request: web.Request, handle: Handle) -> web.Response:
        """The answer to a request: that of `handle` for what is genuine, a short refusal for anything else."""
        try:
            answer = await self._admitted(request, handle)
        except Turned as turned:
            log.info("a request to the door of Teams was turned away: %d %s", *turned.args, extra=_TURNED)
            return await self._turn_away(request, web.Response(status=turned.status))
        if answer.body is None:
            return web.Response(status=answer.status)
        raw = json.dumps(answer.body, ensure_ascii=False).encode("utf-8", "replace")
        return web.Response(status=answer.status, body=raw, content_type=JSON, charset="utf-8")

    async def _turn_away(self, request: web.Request, response: web.Response) -> web.Response:
        """Answer and hang up. Left to itself, aiohttp would wait for the rest of the body, and trip over a broken one."""
        with suppress(Turned):
            await self._read(request)
        if not request.content.is_eof():
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            request.protocol.force_close()
        return response

    async def _admitted(self, request: web.Request, handle: Handle) -> Answer:
        if request.method != "POST":
            raise Turned(405, "POST only")
        proof = await self._proof(request)
        self._at_a_glance(request)
        raw = await self._read(request)
        body = read_body(raw)
        self._of_ours(body, proof)
        return await self._once(_digest(body, raw), body, proof, handle)

    async def _proof(self, request: web.Request) -> Proof | None:
        if self._verifier is None:
            if not _local(request.remote):
                raise Turned(403, "anonymous requests come from this machine only")
            return None
        try:
            return await self._verifier.proof(request.headers.get("Authorization", ""))
        except Forged as forged:
            raise Turned(401, str(forged)) from None
        except KeysAway:
            raise Turned(503, "the keys of Teams are not known") from None

    def _at_a_glance(self, request: web.Request) -> None:
        if (request.content_length or 0) > LARGEST:
            raise Turned(413, "too large")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise Turned(415, "no content encoding")
        kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
        charset = parameters.strip().lower().replace('"', "").removeprefix("charset=")
        if kind.strip().lower() != JSON or charset not in {"", "utf-8", "utf8"}:
            raise Turned(415, "JSON, in UTF-8")

    def _of_ours(self, body: Body, proof: Proof | None) -> None:
        """Whether this activity is of Teams, of the token, of a host that is trusted, and of an organisation of ours."""
        service_url = text(body, "serviceUrl", default="")
        if proof is not None:
            if body.get("channelId") != CHANNEL or not proof.covers(body.get("channelId"), service_url):
                raise Turned(401, "another channel or service URL than the token's")
            if not self._allowed(service_url):
                raise Turned(403, "a service URL that is not on the list")
        told = tenants(body)
        if (proof is not None and not told) or not told <= self._tenants:
            raise Turned(403, "another tenant")

    async def _read(self, request: web.Request) -> bytes:
        """The whole body, if it comes soon and is not too large, whatever its length was said to be."""
        raw = bytearray()
        try:
            async with asyncio.timeout(self._slowest):
                async for chunk in request.content.iter_any():
                    raw += chunk
                    if len(raw) > LARGEST:
                        raise Turned(413, "too large")
        except TimeoutError:
            raise Turned(400, "too slow") from None
        except (web.RequestPayloadError, ClientError, ConnectionError):
            raise Turned(400, "broken off") from None
        return bytes(raw)

    async def _once(self, digest: bytes, body: Body, proof: Proof | None, handle: Handle) -> Answer:
        """The answer of the first time. Only what went well is remembered: Teams may ask again for the rest."""
        now = self._clock.monotonic()
        while self._seen and (len(self._seen) >= MOST_REMEMBERED or next(iter(self._seen.values())).until < now):
            self._seen.popitem(last=False)
        if seen := self._seen.get(digest):
            return await asyncio.shield(seen.answer)
        first: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._seen[digest] = _Seen(first, now + REMEMBERED)
        try:
            answer = await handle(body, proof.claims if proof else {})
        except BaseException:
            self._seen.pop(digest, None)
            first.set_result(Answer(503))
            raise
        if answer.status != 200:
            self._seen.pop(digest, None)
        first.set_result(answer)
        return answer


def tenants(body: Body) -> frozenset[str]:
    """The tenants that an activity names: that of the conversation and that of the channel data."""
    conversation, data = body.get("conversation"), body.get("channelData")
    tenant: object = cast("Body", data).get("tenant") if isinstance(data, Mapping) else None
    named = (
        cast("Body", conversation).get("tenantId") if isinstance(conversation, Mapping) else None,
        cast("Body", tenant).get("id") if isinstance(tenant, Mapping) else None,
    )
    return frozenset(str(one).lower() for one in named if one)


def read_body(raw: bytes) -> Body:
    """The activity that a body holds. Raises Turned for whatever Teams would not send."""
    if _depth(raw) > DEEPEST:
        raise Turned(400, "too deep")
    try:
        body: object = json.loads(raw.decode())
        if not isinstance(body, Mapping) or not body:
            raise Turned(400, "no object")
        return plausible(cast("Body", body))
    except Malformed as malformed:
        raise Turned(400, str(malformed)) from None
    except (ValueError, RecursionError):
        raise Turned(400, "not readable") from None


def _depth(raw: bytes) -> int:
    """How deep brackets are nested, at most; those inside of texts do not count."""
    deepest = depth = 0
    inside = escaped = False
    for byte in raw:
        if inside:
            inside = escaped or byte != 0x22
            escaped = not escaped and byte == 0x5C
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _digest(body: Body, raw: bytes) -> bytes:
    """What makes two deliveries one: conversation and activity id; without an id, every byte."""
    conversation = cast("Body", body["conversation"]).get("id")
    if not body.get("id"):
        return hashlib.sha256(raw).digest()
    parts = (body.get("type"), body.get("name"), conversation, body["id"])
    return hashlib.sha256("\n".join(str(part) for part in parts).encode("utf-8", "replace")).digest()


def _local(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address((remote or "").partition("%")[0]).is_loopback
    except ValueError:
        return False


_TURNED = {"action": "teams_turned_away"}
