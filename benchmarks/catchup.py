"""Back after an hour: thousands are overdue, each since another instant of that hour."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from benchmarks.copies import copies, involvements, patterns
from benchmarks.desk import Watch, desk, migrated, timers_running
from benchmarks.gauges import Heartbeat
from benchmarks.tables import Filler
from scheduler.clock import SystemClock

DOWN = timedelta(hours=1)


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of an empty database, `due` windows that ended in the last hour. Timed from opening the database."""
    due, given = spec["due"], await patterns()
    await migrated(spec["url"])
    async with Filler(spec["url"]) as filler:
        long_ago = datetime.now(UTC) - DOWN
        dues = (long_ago + DOWN * nth / due for nth in range(due))
        await filler.fill("plans", [given.plan])
        await filler.fill("escalations", copies(given, dues, first=1))
        await filler.fill("involved", involvements(given, range(1, due + 1)))
    watch = Watch(lambda: datetime.now(UTC), time.monotonic)
    start = time.monotonic()
    async with (
        desk(spec["url"], SystemClock(), watch=watch) as (_, engine),
        timers_running(engine),
        Heartbeat().listening() as heart,
        asyncio.timeout(spec.get("patience", 300)),
    ):
        while len(watch.ended) < due:
            await asyncio.sleep(0.02)
    async with Filler(spec["url"]) as filler:
        once = await filler.query("SELECT count(*) FROM escalations WHERE version = 2 AND ledger_seq = 2")
    return {
        "due": due,
        "seconds": watch.ended[-1][0] - start,
        "one_level": once[0][0],
        "out_of_order": _out_of_order(watch),
        "loop_blocked": heart.longest,
    }


def _out_of_order(watch: Watch) -> int:
    """How often a lower level came before a higher one, or, at one level, a shorter overdue one before a longer one."""
    told = [(level, round(late - seconds, 2)) for seconds, level, late in watch.ended]
    return sum(one[0] < other[0] or (one[0] == other[0] and one[1] < other[1] - 0.05) for one, other in pairwise(told))
