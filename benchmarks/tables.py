"""Rows in bulk by the bare drivers: sqlite3, asyncpg and, for those who need it, psycopg."""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import asyncpg

from storage.tables import metadata
from storage.types import milliseconds

Row = Mapping[str, Any]
CHUNK = 5000
STYLES = {"sqlite": "?", "asyncpg": "${n}", "psycopg": "%s"}


def plain(value: Any) -> Any:
    """A value as SQLite keeps it."""
    return milliseconds(value) if isinstance(value, datetime) else value


def insert(table: str, columns: Sequence[str], style: str, *, ignore: bool = False) -> str:
    """An INSERT with the placeholders of a driver."""
    marks = ", ".join(STYLES[style].format(n=n) for n in range(1, len(columns) + 1))
    named = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({named}) VALUES ({marks})" + (" ON CONFLICT DO NOTHING" if ignore else "")


def change(columns: Sequence[str], style: str) -> str:
    """An UPDATE of one escalation; its parameters are the columns, then workspace, id and the version known."""
    mark = [STYLES[style].format(n=n) for n in range(1, len(columns) + 4)]
    changes = ", ".join(f'"{column}" = {mark[n]}' for n, column in enumerate(columns))
    which = f"workspace = {mark[-3]} AND id = {mark[-2]} AND version = {mark[-1]}"
    return f"UPDATE escalations SET {changes} WHERE {which}"


def values(rows: Iterable[Row], columns: Sequence[str], *, sqlite: bool) -> list[tuple[Any, ...]]:
    """The rows as a driver takes them."""
    if sqlite:
        return [tuple(plain(row[column]) for column in columns) for row in rows]
    return [tuple(row[column] for column in columns) for row in rows]


def sqlite_connection(path: str, *, durable: bool = True) -> sqlite3.Connection:
    """WAL, with `synchronous=FULL` as the product has it; not durable is for preparing data only."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
    return connection


class Filler:
    """Puts prepared rows into a database that nobody uses yet, as quickly as it goes; reads from any."""

    def __init__(self, url: str, *, settle: bool = True) -> None:
        """`settle`: what was filled in is on disk at the end, so that no measured commit has to pay for it."""
        self._url = url
        self._settle = settle
        self._sqlite: sqlite3.Connection | None = None
        self._postgres: asyncpg.Connection | None = None
        self._filled = False

    async def __aenter__(self) -> "Filler":
        if self._url.startswith("sqlite"):
            self._sqlite = sqlite_connection(self._url.removeprefix("sqlite:///"), durable=False)
        else:
            connection = await asyncpg.connect(self._url)
            await connection.execute("SET session_replication_role = replica")  # no foreign keys to look up
            await connection.execute("SET synchronous_commit = off")
            self._postgres = connection
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sqlite:
            if self._filled and self._settle:
                self._sqlite.execute("PRAGMA synchronous=FULL")
                self._sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._sqlite.close()
        if self._postgres:
            if self._filled and self._settle:
                await self._postgres.execute("CHECKPOINT")
            await self._postgres.close()

    async def fill(self, table: str, rows: Iterable[Row]) -> int:
        """Insert all rows, some thousands at a time; returns how many."""
        stream = iter(rows)
        count, self._filled = 0, True
        while some := list(islice(stream, CHUNK)):
            columns = [column.name for column in metadata.tables[table].columns if column.name in some[0]]
            await self._insert(table, columns, some)
            count += len(some)
        return count

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        return (await self.query(f"SELECT count(*) FROM {table}"))[0][0]

    async def query(self, text: str) -> list[Any]:
        """The rows of a query without parameters."""
        if self._sqlite:
            connection = self._sqlite
            return await asyncio.to_thread(lambda: connection.execute(text).fetchall())
        return await self._postgres.fetch(text) if self._postgres else []

    async def has(self, table: str, column: str) -> bool:
        """Whether a table has a column."""
        if self._sqlite:
            return any(row[1] == column for row in await self.query(f"PRAGMA table_info({table})"))
        named = f"SELECT 1 FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'"
        return bool(await self.query(named))

    async def _insert(self, table: str, columns: list[str], rows: list[Row]) -> None:
        if self._sqlite:
            self._sqlite.execute("BEGIN")
            self._sqlite.executemany(insert(table, columns, "sqlite"), values(rows, columns, sqlite=True))
            self._sqlite.execute("COMMIT")
        elif self._postgres:
            records = values(rows, columns, sqlite=False)
            await self._postgres.copy_records_to_table(table, records=records, columns=columns)
