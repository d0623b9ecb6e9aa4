"""The storm through this engine: bells, guard, timers, the rule, calendars, ledger and outbox, as they run."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.copies import cards, copies, involvements, patterns
from benchmarks.desk import Watch, acknowledging, desk, migrated, timers_running
from benchmarks.gauges import Heartbeat, People, memory
from benchmarks.tables import Filler
from scheduler.clock import SystemClock

ACKS_PER_SECOND = 20
LEAD = 2.5
"""Seconds between the end of the preparations and the instant at which all windows end."""


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of an empty database, `due` windows, `acks` escalations that people may take, `cards`: with root cards."""
    watch = Watch(lambda: datetime.now(UTC), time.monotonic)
    at = await prepared(spec)
    due, acks = spec["due"], spec["acks"]
    async with desk(spec["url"], SystemClock(), watch=watch, migrate=False) as (_, engine):
        people = People(acknowledging(engine), range(due + 1, due + acks + 1), ACKS_PER_SECOND)
        async with timers_running(engine):
            start = time.monotonic() + (at - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0.0, start - time.monotonic() - 0.2))
            used = time.process_time()
            async with Heartbeat().listening() as heart, people.pressing():
                async with asyncio.timeout(spec.get("patience", 300)):
                    while len(watch.ended) < due:
                        await asyncio.sleep(0.02)
                end, used = watch.ended[-1][0], time.process_time() - used
        return {"due": due, "seconds": end - start, "cpu": used} | {
            "acks": people.sum_up(start, end),
            "loop_blocked": heart.longest,
            "rows": await counted(spec["url"]),
            "memory": memory(),
        }


async def prepared(spec: dict[str, Any]) -> datetime:
    """Fill the database; returns the instant at which all windows end."""
    given = await patterns()
    await migrated(spec["url"])
    due, acks = spec["due"], spec["acks"]
    async with Filler(spec["url"]) as filler:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        later = (tomorrow + timedelta(seconds=nth) for nth in range(acks))
        await filler.fill("plans", [given.plan])
        await filler.fill("escalations", copies(given, later, first=due + 1, level=1))
        await filler.fill("involved", involvements(given, range(1, due + acks + 1)))
        if spec.get("cards"):
            await filler.fill("messages", cards(given, range(1, due + 1)))
        at = datetime.now(UTC) + timedelta(seconds=spec.get("lead", LEAD) + due / 4000)
        await filler.fill("escalations", copies(given, (at for _ in range(due)), first=1))
    return at


async def counted(url: str) -> dict[str, int]:
    """How many rows there are, to see that the work was done."""
    async with Filler(url) as filler:
        return {table: await filler.count(table) for table in ("escalations", "ledger", "outbox")}
