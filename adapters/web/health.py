"""`/healthz` (the process answers) and `/readyz` (it can do its work: each part with its own word)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.ports import Clock

Part = Callable[[], Awaitable[str]]
"""Says "ok", or in a few words what is wrong with one part."""

Note = Callable[[], str | None]
"""Something worth knowing that does not make the process unready; None for nothing."""

OK = "ok"
PATIENCE = 2.0
"""Seconds that each part has for its answer; all are asked at the same time."""


class Asked:
    """One part, asked once at a time: questions must not pile up behind a part that hangs."""

    def __init__(self, part: Part, clock: Clock) -> None:
        self._part, self._clock = part, clock
        self._asking: asyncio.Future[str] | None = None
        self._since = 0.0

    async def word(self, patience: float) -> str:
        """What the part says, or that it does not answer. Never raises."""
        if self._asking is None:
            self._asking, self._since = asyncio.ensure_future(self._part()), self._clock.monotonic()
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=patience)
        if not done:
            return f"no answer for {self._clock.monotonic() - self._since:.0f} s"
        self._asking = None
        try:
            return asking.result()
        except (Exception, asyncio.CancelledError) as error:  # a part that fails is not ready; the others still tell
            return f"failed: {type(error).__name__}"


def routes(
    parts: Mapping[str, Part], clock: Clock, notes: Mapping[str, Note] | None = None, *, patience: float = PATIENCE
) -> list[web.RouteDef]:
    """The two routes; `parts` are asked at every `/readyz`, in parallel, `patience` seconds long; `notes` are shown."""
    asked = {name: Asked(part, clock) for name, part in parts.items()}

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": OK})

    async def readyz(_: web.Request) -> web.Response:
        words = await asyncio.gather(*(part.word(patience) for part in asked.values()))
        said = dict(zip(asked, words, strict=True))
        ready = all(word == OK for word in words)
        noted = {name: word for name, note in (notes or {}).items() if (word := note())}
        return web.json_response(
            {"status": OK if ready else "not ready", **said, **noted}, status=200 if ready else 503
        )

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
