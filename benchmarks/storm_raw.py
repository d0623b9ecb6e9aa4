"""The limit: the same rows, ready made, by the bare driver, some hundreds to a durable transaction."""

import asyncio
import time
from typing import Any

import asyncpg

from benchmarks.copies import patterns
from benchmarks.firing import SqliteWork, batch, commit, firing
from benchmarks.gauges import memory
from benchmarks.storm_ours import counted, prepared

PER_BATCH = 500


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of an empty database, `due` windows. Nothing is decided and nobody acknowledges meanwhile."""
    await prepared(spec | {"acks": 0})
    due, url = spec["due"], spec["url"]
    style = "sqlite" if url.startswith("sqlite") else "asyncpg"
    given = await patterns()
    numbers = [range(first, min(first + PER_BATCH, due + 1)) for first in range(1, due + 1, PER_BATCH)]
    batches = [batch(given, ((number, firing(given, number)) for number in some), style) for some in numbers]
    if style == "sqlite":
        work = SqliteWork(url, given)
        start, used = time.monotonic(), time.process_time()
        for statements in batches:
            await asyncio.to_thread(work.commit, statements)
        seconds, used = time.monotonic() - start, time.process_time() - used
        await work.close()
    else:
        connection = await asyncpg.connect(url)
        start, used = time.monotonic(), time.process_time()
        for statements in batches:
            await commit(connection, statements)
        seconds, used = time.monotonic() - start, time.process_time() - used
        await connection.close()
    return {"due": due, "seconds": seconds, "cpu": used, "rows": await counted(url), "memory": memory()}
