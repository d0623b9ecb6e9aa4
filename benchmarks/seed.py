"""More open escalations for a database: due from tomorrow on, over thirty days, each with a reminder and its people."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.copies import copies, involvements, patterns
from benchmarks.desk import migrated
from benchmarks.tables import Filler

SPAN = timedelta(days=30)


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of a database, `first` and `count`: the numbers that are added."""
    start = time.monotonic()
    first, count = spec["first"], spec["count"]
    given = await patterns()
    async with Filler(spec["url"]) as filler:
        if first == 1:
            await migrated(spec["url"])
            await filler.fill("plans", [given.plan])
        begin = datetime.now(UTC) + timedelta(days=8)
        dues = (begin + SPAN * nth / count for nth in range(count))
        await filler.fill("escalations", copies(given, dues, first=first, reminded=True))
        await filler.fill("involved", involvements(given, range(first, first + count)))
    return {"seconds": time.monotonic() - start}
