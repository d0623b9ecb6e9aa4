"""What every door to the outside does alike: look at the headers, read the body with an end, answer the same thing once.

Each platform's guard adds what it knows: whose signature or token counts, and what its bodies look like.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aiohttp import ClientError, web

from bot.ports import Clock

LARGEST = 256 * 1024
SLOWEST = 10.0
REMEMBERED = 600.0
MOST_REMEMBERED = 20_000


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
        self._seen: OrderedDict[bytes, Seen[A]] = OrderedDict()

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


def media_type(request: web.Request, wanted: Collection[str], words: str) -> str:
    """The media type of a request whose headers are in order. Raises Turned: 413, or 415 with `words`."""
    if (request.content_length or 0) > LARGEST:
        raise Turned(413, "too large")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Turned(415, "no content encoding")
    kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "").removeprefix("charset=")
    if kind.strip().lower() not in wanted or charset not in {"", "utf-8", "utf8"}:
        raise Turned(415, words)
    return kind.strip().lower()
