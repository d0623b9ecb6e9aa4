"""What one opening costs, beside a transaction with the same rows: through SQLAlchemy Core, and by the bare driver."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.copies import Patterns, Row, id_of, patterns
from benchmarks.desk import OPENER, desk
from benchmarks.gauges import share
from benchmarks.tables import insert as bare_insert
from benchmarks.tables import sqlite_connection, values
from bot.commands import Actor, Open
from scheduler.clock import SystemClock
from storage.database import Database
from storage.tables import metadata

AROUND = ("ledger", "outbox", "involved")
NEXT = (
    "INSERT INTO counters (workspace, last_number) VALUES ('acme', 1) "
    "ON CONFLICT (workspace) DO UPDATE SET last_number = counters.last_number + 1 RETURNING last_number"
)
WARM_UP = 5


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of an empty database; `times`: how often each of the three is done, in turn."""
    given = await patterns()
    async with desk(spec["url"], SystemClock(), bells=False) as (database, engine):
        order = Open(Actor(OPENER), "first", "support-process", None, "Checkout fails")
        await engine.service.open(order)

        async def ours(number: int) -> None:
            await engine.service.open(Open(Actor(OPENER), f"open-{number}", "support-process", None, "Checkout fails"))

        bare = await _bare(spec["url"], given)
        ways = {"ours": ours, "core": _core(database, given), "bare": bare}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for nth in range(spec["times"] + WARM_UP):
            for place, (name, way) in enumerate(ways.items()):
                start = time.perf_counter()
                await way(1_000_000 * (place + 1) + nth)
                took[name].append(time.perf_counter() - start)
        await bare(-1)
    median = {name: share(seconds[WARM_UP:], 0.5) for name, seconds in took.items()}
    return {"times": spec["times"], "median": median, "p99": {n: share(s[WARM_UP:], 0.99) for n, s in took.items()}}


def _rows(given: Patterns, number: int) -> tuple[Row, Row, dict[str, list[Row]]]:
    """Request, escalation, and what stands around it."""
    id, step, now = id_of(number), given.opening, datetime.now(UTC)
    added = {table: [row | {"escalation": id} for row in step.added[table]] for table in AROUND}
    for nth, row in enumerate(added["outbox"]):
        row |= {"id": f"{id}-{nth}", "key": f"{id}:1:{nth}", "created_at": now, "not_before": now}
    (request,) = step.added["requests"]
    return request | {"request": id, "escalation": id}, step.after | {"id": id, "number": number}, added


def _core(database: Database, given: Patterns) -> Callable[[int], Awaitable[None]]:
    engine: AsyncEngine = database.engine.execution_options(writing=True)
    tables = metadata.tables

    async def way(number: int) -> None:
        request, escalation, added = _rows(given, number)
        async with engine.connect() as connection, connection.begin():
            await connection.exec_driver_sql(NEXT)
            await connection.execute(insert(tables["requests"]), request)
            await connection.execute(insert(tables["escalations"]), escalation)
            for name, rows in added.items():
                await connection.execute(insert(tables[name]), rows)

    return way


async def _bare(url: str, given: Patterns) -> Callable[[int], Awaitable[None]]:
    """A negative number closes the connection."""
    sqlite = url.startswith("sqlite")
    style = "sqlite" if sqlite else "asyncpg"

    def statements(number: int) -> list[tuple[str, list[tuple[Any, ...]]]]:
        request, escalation, added = _rows(given, number)
        each = [("requests", [request]), ("escalations", [escalation]), *added.items()]
        return [
            (bare_insert(table, list(rows[0]), style), values(rows, list(rows[0]), sqlite=sqlite))
            for table, rows in each
        ]

    if sqlite:
        file = sqlite_connection(url.removeprefix("sqlite:///"))

        def store(number: int) -> None:
            file.execute("BEGIN IMMEDIATE")
            file.execute(NEXT).fetchall()
            for sql, rows in statements(number):
                file.executemany(sql, rows)
            file.execute("COMMIT")

        async def through_file(number: int) -> None:
            await asyncio.to_thread(file.close if number < 0 else lambda: store(number))

        return through_file
    connection = await asyncpg.connect(url)

    async def through_server(number: int) -> None:
        if number < 0:
            await connection.close()
            return
        async with connection.transaction():
            await connection.fetchval(NEXT)
            for sql, rows in statements(number):
                await connection.executemany(sql, rows)

    return through_server
