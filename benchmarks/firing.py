"""The rows of one firing, written by a bare driver in one durable transaction: the work of the alternatives."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

import asyncpg

from benchmarks.copies import LEVELS, Patterns, Written, id_of, written
from benchmarks.tables import change, insert, plain, sqlite_connection

Batch = list[tuple[str, list[tuple[Any, ...]]]]
"""Statements, each with the rows it is executed for."""

TABLES = ("ledger", "outbox", "involved", "requests")


def firing(given: Patterns, number: int) -> Written:
    """The window of a copy has ended; the next one ends in two hours."""
    return written(given.firings[(number - 1) % LEVELS], number, due=datetime.now(UTC) + timedelta(hours=2))


def acknowledgement(given: Patterns, number: int) -> Written:
    """Somebody has taken a copy at level 1."""
    return written(given.acknowledgement, number)


def batch(given: Patterns, rows: Iterable[tuple[int, Written]], style: str) -> Batch:
    """The statements that store all of these."""
    some = list(rows)
    as_is = plain if style == "sqlite" else _same
    columns = sorted(some[0][1].change)
    workspace = given.plan["workspace"]
    changes = [(*(as_is(one.change[name]) for name in columns), workspace, id_of(number), 1) for number, one in some]
    found: Batch = [(_change(tuple(columns), style), changes)]
    for table in TABLES:
        added = [row for _, one in some for row in getattr(one, table)]
        if added:
            names = list(added[0])
            sql = _insert(table, tuple(names), style)
            found.append((sql, [tuple(as_is(row[name]) for name in names) for row in added]))
    return found


class Work(Protocol):
    """A database that stores firings and acknowledgements."""

    async def store(self, number: int, one: Written) -> None:
        """One durable transaction."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


async def work(url: str, given: Patterns) -> Work:
    """One writer, first come first served, on SQLite; 16 connections on PostgreSQL."""
    if url.startswith("sqlite"):
        return SqliteWork(url, given)
    return PostgresWork(await asyncpg.create_pool(url, min_size=4, max_size=16), given)


class SqliteWork:
    """A transaction is one hop to the one thread that writes: nobody ever meets a locked file."""

    def __init__(self, url: str, given: Patterns) -> None:
        self._given = given
        self._connection = sqlite_connection(url.removeprefix("sqlite:///"))
        self._writer = ThreadPoolExecutor(1)

    async def store(self, number: int, one: Written) -> None:
        """One durable transaction."""
        statements = batch(self._given, [(number, one)], "sqlite")
        await asyncio.get_running_loop().run_in_executor(self._writer, self.commit, statements)

    def commit(self, statements: Batch) -> None:
        """All statements, or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        for sql, rows in statements:
            self._connection.executemany(sql, rows)
        self._connection.execute("COMMIT")

    async def close(self) -> None:
        """Close the connection."""
        self._writer.shutdown()
        self._connection.close()


class PostgresWork:
    """A connection of a pool for each transaction; statements are prepared once."""

    def __init__(self, pool: asyncpg.Pool, given: Patterns) -> None:
        self._pool, self._given = pool, given

    async def store(self, number: int, one: Written) -> None:
        """One durable transaction."""
        async with self._pool.acquire() as connection:
            await commit(connection, batch(self._given, [(number, one)], "asyncpg"))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


async def commit(connection: Any, statements: Batch) -> None:
    """All statements, or none, through asyncpg."""
    async with connection.transaction():
        for sql, rows in statements:
            await connection.executemany(sql, rows)


def acknowledging(work: Work, given: Patterns) -> Any:
    """Somebody takes the copy with this number."""

    def acknowledge(number: int) -> Awaitable[None]:
        return work.store(number, acknowledgement(given, number))

    return acknowledge


@cache
def _change(columns: tuple[str, ...], style: str) -> str:
    return change(columns, style)


@cache
def _insert(table: str, columns: Sequence[str], style: str) -> str:
    return insert(table, columns, style, ignore=table == "involved")


def _same(value: Any) -> Any:
    return value
