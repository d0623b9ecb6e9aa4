"""Stands in front of everything that claims to come from Teams: token first, then body, then what the activity says.

Microsoft's SDK answers 500 with a traceback to junk and looks at neither tenant nor service URL; here a forged request
costs a signature check at most, and is told 401 or 403 and nothing else.
"""

import hashlib
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from adapters.door import SLOWEST, Door, Turned, media_type, only
from adapters.teams.connector import Allowed
from adapters.teams.keys import KeysAway
from adapters.teams.payloads import Body, Malformed, plausible, text
from adapters.teams.tokens import CHANNEL, Forged, Proof, Verifier
from bot.failpoints import failpoint
from bot.ports import Clock

DEEPEST = 40
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Teams: a status, and JSON if there is any."""

    status: int = 200
    body: Mapping[str, Any] | None = None


Handle = Callable[[Body, Mapping[str, Any]], Awaitable[Answer]]


class Guard(Door[Answer]):
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
        super().__init__(clock, slowest=slowest)
        self._verifier = verifier
        self._tenants, self._allowed = tenants, allowed

    async def serve(self, request: web.Request, handle: Handle) -> web.Response:
        """The answer to a request: that of `handle` for what is genuine, a short refusal for anything else."""
        try:
            answer = await self._admitted(request, handle)
        except Turned as turned:
            self._note(turned, "Teams")
            return await self._turn_away(request, web.Response(status=turned.status))
        if answer.body is None:
            return web.Response(status=answer.status)
        raw = json.dumps(answer.body, ensure_ascii=False).encode("utf-8", "replace")
        return web.Response(status=answer.status, body=raw, content_type=JSON, charset="utf-8")

    async def _admitted(self, request: web.Request, handle: Handle) -> Answer:
        if request.method != "POST":
            raise Turned(405, "POST only")
        proof = await self._proof(request)
        media_type(request, {JSON}, "JSON, in UTF-8")
        raw = await self._read(request)
        body = read_body(raw)
        self._of_ours(body, proof)
        failpoint("teams.received")
        answer = await self._once(_digest(body, raw), body, proof, handle)
        failpoint("teams.before_answer")
        return answer

    async def _proof(self, request: web.Request) -> Proof | None:
        if self._verifier is None:
            if not _local(request.remote):
                raise Turned(403, "anonymous requests come from this machine only")
            return None
        try:
            return await self._verifier.proof(only(request, "Authorization"))
        except Forged as forged:
            raise Turned(401, str(forged)) from None
        except KeysAway:
            raise Turned(503, "the keys of Teams are not known") from None

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

    async def _once(self, digest: bytes, body: Body, proof: Proof | None, handle: Handle) -> Answer:
        """The answer of the first time: Teams may send the same again."""
        claims: Mapping[str, Any] = proof.claims if proof else {}
        return await self._first_answer(digest, lambda: handle(body, claims), Answer(503))


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
