"""What every door to the outside does alike: look at the headers, read the body with an end, answer the same thing once.

Each platform's guard adds what it knows: whose signature or token counts, and what its bodies look like.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aiohttp import ClientError, web

from bot.buckets import Buckets, Rate
from bot.ports import Clock

log = logging.getLogger(__name__)

LARGEST = 256 * 1024
SLOWEST = 10.0
REMEMBERED = 600.0
MOST_REMEMBERED = 5_000
"""Answers kept, a few KB each; one that is forgotten is found by its request id in the store and changes nothing."""
NOTED = Rate(each_minute=60, at_once=60)
"""Lines in the log about requests that were turned away: a flood of them must not fill a disk."""


class Answered(Protocol):
    """What goes back: a status, and whatever else the platform wants."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...


A = TypeVar("A", bound=Answered)


class Turned(Exception):
    """A request that is turned away: status and a few words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words)
        self.status, self.words = status, words


@dataclass(frozen=True, slots=True)
class Seen(Generic[A]):
    """An answer that was given, or is being made, and until when (monotonic) it is remembered."""

    answer: "asyncio.Future[A]"
    until: float


class Door(Generic[A]):
    """The part of a guard that is the same for every platform. `slowest` is how long a body may take, in seconds."""

    def __init__(self, clock: Clock, *, slowest: float = SLOWEST) -> None:
        self._clock, self._slowest = clock, slowest
        self._noted, self._unnoted = Buckets(NOTED, clock.monotonic), 0
        self._seen: OrderedDict[bytes, Seen[A]] = OrderedDict()

    def _note(self, turned: Turned, whose: str) -> None:
        """A line in the log, or a mark to be counted in the next one."""
        if self._noted.wait(whose):
            self._unnoted += 1
            return
        self._noted.take(whose)
        more = f", and {self._unnoted} before it" if self._unnoted else ""
        self._unnoted = 0
        action = {"action": f"{whose.lower()}_turned_away"}
        log.info(
            "a request to the door of %s was turned away: %d %s%s",
            whose,
            turned.status,
            turned.words,
            more,
            extra=action,
        )

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

    async def _first_answer(self, digest: bytes, make: Callable[[], Awaitable[A]], failed: A) -> A:
        """The answer of the first time. Only what went well is remembered: the platform may ask again for the rest."""
        now = self._clock.monotonic()
        while self._seen and (len(self._seen) >= MOST_REMEMBERED or next(iter(self._seen.values())).until < now):
            self._seen.popitem(last=False)
        if seen := self._seen.get(digest):
            return await asyncio.shield(seen.answer)
        first: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._seen[digest] = Seen(first, now + REMEMBERED)
        try:
            answer = await make()
        except BaseException:
            self._seen.pop(digest, None)
            first.set_result(failed)
            raise
        if answer.status != 200:
            self._seen.pop(digest, None)
        first.set_result(answer)
        return answer


def only(request: web.Request, name: str) -> str:
    """The value of a header, "" without one. Raises Turned when there are several: two readers would believe two of them."""
    values = request.headers.getall(name, ())
    if len(values) > 1:
        raise Turned(400, "a header that comes twice")
    return values[0] if values else ""


def media_type(request: web.Request, wanted: Collection[str], words: str) -> str:
    """The media type of a request whose headers are in order. Raises Turned: 413, or 415 with `words`."""
    if (request.content_length or 0) > LARGEST:
        raise Turned(413, "too large")
    if (only(request, "Content-Encoding") or "identity") != "identity":
        raise Turned(415, "no content encoding")
    kind, _, parameters = only(request, "Content-Type").partition(";")
    charset = parameters.strip().lower().replace('"', "").removeprefix("charset=")
    if kind.strip().lower() not in wanted or charset not in {"", "utf-8", "utf8"}:
        raise Turned(415, words)
    return kind.strip().lower()
