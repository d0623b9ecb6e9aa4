"""The walls around the local chat: it is on loopback, and still no other web page may speak to it."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.local.store import JsonObject

LARGEST_BODY = 64 * 1024
SLOWEST = 10.0
"""Seconds that a body may take."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_HOST = re.compile(r"(\[[0-9a-f:]+\]|[^:]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_REQUEST = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)


class Wrong(Exception):
    """A request that cannot be served; the sentence says why."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.sentence, self.status = sentence, status


@dataclass(frozen=True, slots=True)
class Body:
    """The object in the body of a POST, read field by field. Raises Wrong for what is missing or of another kind."""

    values: Mapping[str, object]

    def words(self, name: str) -> str:
        """A text; what no file can hold in it is replaced."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise Wrong(f"{name!r} is missing or not a text")
        return storable(value)

    def optional(self, name: str) -> str | None:
        """A text, or None when it is left out."""
        return self.words(name) if self.values.get(name) is not None else None

    @property
    def request(self) -> str:
        """The id that the page made for this request, so that a repetition changes nothing."""
        given = self.words("request")
        if not _REQUEST.fullmatch(given):
            raise Wrong("'request' must be 8 to 64 letters, digits or hyphens")
        return given

    @property
    def fields(self) -> Mapping[str, str]:
        """The values of a form."""
        given = self.values.get("values")
        if not isinstance(given, dict):
            raise Wrong("'values' is missing or not an object")
        fields = cast("dict[str, object]", given)
        if not all(isinstance(value, str) for value in fields.values()):
            raise Wrong("every value of a form must be a text")
        return {storable(name): storable(str(value)) for name, value in fields.items()}


def storable(words: str) -> str:
    """The text with half characters and NUL, which cannot be stored, replaced."""
    return words.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what comes from elsewhere; answer what is wrong with a sentence; set the headers that browsers obey."""
    try:
        _demand_own_page(request)
        return await handler(request)
    except Wrong as wrong:
        return problem(wrong.sentence, wrong.status)
    except web.HTTPRequestEntityTooLarge:
        return problem(f"the request is larger than {LARGEST_BODY // 1024} KiB", 413)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(error.reason, error.status)


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: also streams and files get the headers."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def problem(sentence: str, status: int) -> web.Response:
    """An error as the page reads it."""
    return web.json_response({"error": sentence}, status=status)


async def read(request: web.Request) -> Body:
    """The body of a POST. Raises Wrong unless it is a JSON object."""
    try:
        async with asyncio.timeout(SLOWEST):
            raw = await request.read()
    except TimeoutError:
        raise Wrong("the body came too slowly") from None
    try:
        values: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise Wrong("the body is not JSON") from None
    if not isinstance(values, dict):
        raise Wrong("the body must be a JSON object")
    return Body(cast("JsonObject", values))


def _demand_own_page(request: web.Request) -> None:
    host = _HOST.fullmatch(request.headers.get("Host", ""))
    if host is None or host[1].lower() not in LOOPBACK:
        raise Wrong("this chat answers only on this machine: open it as http://localhost or http://127.0.0.1", 403)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if site != "same-origin" and (request.method != "GET" or (site != "none" and _is_api(request))):
        raise Wrong("another site may not speak to this chat", 403)
    if request.method in {"GET", "HEAD"}:
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.headers['Host']}":
        raise Wrong("another site may not speak to this chat", 403)
    if request.content_type != "application/json":
        raise Wrong("write Content-Type: application/json", 415)


def _is_api(request: web.Request) -> bool:
    return request.path.startswith("/api/")
