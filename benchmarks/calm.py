"""An ordinary day: windows that end one after another while many more are open. Lateness, start-up, memory."""

import asyncio
import gc
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from benchmarks.copies import copies, involvements, patterns
from benchmarks.desk import NoChat, Watch, desk, timers_running
from benchmarks.gauges import Heartbeat, memory, spread
from benchmarks.tables import Filler
from bot.delivery import MessageRef
from bot.directory import Address
from scheduler.clock import SystemClock
from scheduler.engine import Engine

LEAD = 4.0
"""Seconds until the first window ends; what ends before the engine is ready does not count."""

AFTERWARDS = 5.0
"""Seconds that the last window may be late."""


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of a database from `seed`; `first`: free numbers; `per_second`, `seconds`; `bells`; `pump`: sends, too."""
    total = int(spec["per_second"] * spec["seconds"])
    given = await patterns()
    at = datetime.now(UTC) + timedelta(seconds=spec.get("lead", LEAD))
    async with Filler(spec["url"], settle=False) as filler:
        dues = (at + timedelta(seconds=nth / spec["per_second"]) for nth in range(total))
        await filler.fill("escalations", copies(given, dues, first=spec["first"]))
        await filler.fill("involved", involvements(given, range(spec["first"], spec["first"] + total)))
    gc.collect()
    before = memory()["rss"]
    watch = Watch(lambda: datetime.now(UTC), time.monotonic)
    begun = time.monotonic()
    chat = Instant() if spec.get("pump") else None
    async with (
        desk(spec["url"], SystemClock(), bells=spec["bells"], watch=watch, chat=chat) as (_, engine),
        _running(engine, pump=bool(spec.get("pump"))),
    ):
        await engine.timers.idle()
        ready = time.monotonic()
        at_ready, missed = memory()["rss"], len(watch.ended)
        last = time.monotonic() + (at - datetime.now(UTC)).total_seconds() + spec["seconds"]
        async with Heartbeat().listening() as heart:
            while len(watch.ended) < total and time.monotonic() < last + AFTERWARDS:
                await asyncio.sleep(0.05)
        at_end = memory()["rss"]
    return {
        "startup": ready - begun,
        "lateness": spread([late for _, _, late in watch.ended[missed:]]),
        "moved": len(watch.ended),
        "due": total,
        "loop_blocked": heart.longest,
        "rss": {"before": before, "ready": at_ready, "end": at_end},
    }


def _running(engine: Engine, *, pump: bool) -> AbstractAsyncContextManager[None]:
    return engine.running() if pump else timers_running(engine)


class Instant(NoChat):
    """Takes every message at once."""

    def __init__(self) -> None:
        self._numbers = count(1)

    async def post(self, to: Address, message: Any, *, key: str, thread: Any = None) -> MessageRef:
        """Taken."""
        return MessageRef(to, to.partition(":")[2], str(next(self._numbers)))

    async def edit(self, ref: Any, message: Any) -> None:
        """Taken."""
