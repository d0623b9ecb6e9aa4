"""Stands in front of everything that claims to come from Slack over HTTP: works on the raw bytes, before anything is parsed.

Bolt parses first and answers 500 with a traceback to junk; here a request that Slack did not sign costs a hash at most.
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from aiohttp import web

from adapters.door import SLOWEST, Door, Turned, media_type, only
from adapters.slack.payloads import Body, Malformed, plausible
from bot.ports import Clock

SKEW = 300
MOST_FIELDS = 100
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
TIMESTAMP, SIGNATURE = "X-Slack-Request-Timestamp", "X-Slack-Signature"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to Slack."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


Handle = Callable[[Body], Awaitable[Answer]]


class Guard(Door[Answer]):
    """Lets through what Slack signed, once. The secret is that of the one app that this process serves."""

    def __init__(self, secret: str, clock: Clock, *, slowest: float = SLOWEST) -> None:
        if not secret:
            raise ValueError("a signing secret is needed to tell Slack's requests from forged ones")
        super().__init__(clock, slowest=slowest)
        self._secret = secret.encode()

    async def serve(self, request: web.Request, handle: Handle) -> web.Response:
        """The answer to a request: that of `handle` for what is genuine, a short refusal for anything else."""
        try:
            answer = await self._admitted(request, handle)
        except Turned as turned:
            self._note(turned, "Slack")
            return await self._turn_away(request, _response(Answer(turned.status, turned.words)))
        return _response(answer)

    async def _admitted(self, request: web.Request, handle: Handle) -> Answer:
        content_type = self._at_a_glance(request)
        signature = self._signature(only(request, TIMESTAMP), only(request, SIGNATURE))
        raw = await self._read(request)
        if not hmac.compare_digest(self._expected(signature[0], raw), signature[1]):
            raise Turned(401, "not signed by Slack")
        return await self._once(hashlib.sha256(signature[1]).digest(), read_body(raw, content_type), handle)

    def _at_a_glance(self, request: web.Request) -> str:
        """The content type, if nothing about the request is wrong before its body is read."""
        if request.method != "POST":
            raise Turned(405, "POST only")
        return media_type(request, {JSON, FORM}, "JSON or a form, in UTF-8")

    def _signature(self, timestamp: str, signature: str) -> tuple[bytes, bytes]:
        """(timestamp, signature), if they look like such and are of these minutes."""
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Turned(401, "no timestamp")
        if abs(self._clock.now().timestamp() - int(timestamp)) > SKEW:
            raise Turned(401, "too old, or the clocks differ")
        if not (signature.isascii() and signature.startswith("v0=") and len(signature) == 67):
            raise Turned(401, "no signature")
        return timestamp.encode(), signature.encode()

    def _expected(self, timestamp: bytes, raw: bytes) -> bytes:
        return b"v0=" + hmac.new(self._secret, b"v0:" + timestamp + b":" + raw, hashlib.sha256).hexdigest().encode()

    async def _once(self, digest: bytes, body: Body, handle: Handle) -> Answer:
        """The answer of the first time: Slack may send the same again."""
        return await self._first_answer(digest, lambda: handle(body), Answer(503))


def read_body(raw: bytes, content_type: str) -> Body:
    """The object that a body holds. Raises Turned for whatever Slack would not send."""
    try:
        text = raw.decode()
        if content_type == JSON:
            body: object = json.loads(text)
        else:
            form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
            body = json.loads(form["payload"]) if "payload" in form else form
        if not isinstance(body, Mapping) or not body:
            raise Turned(400, "no object")
        return plausible(cast("Mapping[str, Any]", body))
    except Malformed as malformed:
        raise Turned(400, str(malformed)) from None
    except (ValueError, RecursionError):
        raise Turned(400, "not readable") from None


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, text=answer.body, content_type=answer.content_type)
