"""The storm through procrastinate: one job per escalation on the same PostgreSQL, deferred to the end of its window."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.copies import patterns
from benchmarks.firing import acknowledging, firing, work
from benchmarks.gauges import Heartbeat, People, memory
from benchmarks.storm_ours import ACKS_PER_SECOND, counted, prepared

CONCURRENCY = 16
TOGETHER = 1000


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Timed from the worker's start with every job due, so that its polling interval does not count."""
    from procrastinate import App, PsycopgConnector

    await prepared(spec)
    due, acks, given = spec["due"], spec["acks"], await patterns()
    app = App(connector=PsycopgConnector(conninfo=spec["url"], min_size=4, max_size=CONCURRENCY + 4))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        own = await work(spec["url"], given)
        done: list[float] = []

        @app.task(name="fire")
        async def fire(number: int) -> None:
            await own.store(number, firing(given, number))
            await fire.configure(schedule_at=datetime.now(UTC) + timedelta(hours=2)).defer_async(number=number)
            done.append(time.monotonic())

        past = datetime.now(UTC) - timedelta(seconds=1)
        for first in range(1, due + 1, TOGETHER):
            some = range(first, min(first + TOGETHER, due + 1))
            await fire.configure(schedule_at=past).batch_defer_async(*({"number": number} for number in some))
        people = People(acknowledging(own, given), range(due + 1, due + acks + 1), ACKS_PER_SECOND)
        start, used = time.monotonic(), time.process_time()
        async with Heartbeat().listening() as heart, people.pressing(), asyncio.timeout(spec.get("patience", 600)):
            await app.run_worker_async(concurrency=CONCURRENCY, wait=False, install_signal_handlers=False)
            used = time.process_time() - used
        end = done[-1]
        await own.close()
    return {"due": due, "seconds": end - start, "cpu": used, "failed": due - len(done)} | {
        "acks": people.sum_up(start, end),
        "loop_blocked": heart.longest,
        "rows": await counted(spec["url"]),
        "memory": memory(),
    }
