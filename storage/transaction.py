"""Statements within one transaction, whose errors are those of `bot.errors`."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import CursorResult, Executable, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import Conflict, EscalationError, StoreUnavailable

Rows = Sequence[Mapping[str, Any]]
Upsert = postgresql.Insert | sqlite.Insert

IN_THE_WAY = ("23", "40", "55P03")
"""SQLSTATE: a constraint, a serialization failure or deadlock, a lock that another unit keeps."""
AWAY = ("08", "25006", "25P03", "28", "3D", "53", "57", "58")
"""SQLSTATE: connection, read-only (a standby), idle time-out, log-in, no such database, resources, shutdown, disk."""
DRIVER_ERRORS = (DBAPIError, PoolTimeout, OSError)


class Transaction:
    """One transaction. What is not committed when its block ends is undone."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._over = False

    @property
    def sqlite(self) -> bool:
        """Whether nobody else can write meanwhile."""
        return self._connection.dialect.name == "sqlite"

    async def run(self, statement: Executable, rows: Mapping[str, Any] | Rows | None = None) -> CursorResult[Any]:
        """Execute; a sequence of rows is an executemany. Raises Conflict or StoreUnavailable."""
        if self._over:
            raise RuntimeError("this unit of work has been committed; begin another")
        with spoken():
            return await self._connection.execute(statement, rows)

    async def rows(self, query: Executable, given: Mapping[str, Any] | None = None) -> Sequence[RowMapping]:
        """Everything a query finds."""
        return (await self.run(query, given)).mappings().all()

    async def run_many(self, statement: Executable, rows: Rows) -> None:
        """Execute for each row, if there are any."""
        if rows:
            await self.run(statement, rows)

    async def commit(self) -> None:
        """Make it so. Raises Conflict or StoreUnavailable."""
        self._over = True
        with spoken():
            await self._connection.commit()

    def insert(self, table: Table) -> Upsert:
        """An INSERT that can say what is to happen on conflict."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    @property
    def can_count_many(self) -> bool:
        """Whether the driver tells how many rows an executemany has changed."""
        return self._connection.dialect.supports_sane_multi_rowcount


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[Transaction]:
    """Begin now, undo at the end unless committed."""
    with spoken():
        async with engine.connect() as connection:
            await connection.begin()
            yield Transaction(connection)


@contextmanager
def spoken() -> Generator[None]:
    """Errors of the driver become those of the core; a mistake in a statement stays what it is."""
    try:
        yield
    except DRIVER_ERRORS as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error


def _meaning(error: Exception) -> EscalationError | None:
    state = sqlstate(error)
    if state.startswith(IN_THE_WAY) or isinstance(error, IntegrityError):
        return Conflict("another unit of work was faster")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    silent = (OperationalError, InterfaceError, PoolTimeout, OSError)
    if lost or state.startswith(AWAY) or isinstance(error, silent):
        return StoreUnavailable("the database does not answer; nothing was recorded")
    return None


def sqlstate(error: Exception) -> str:
    """The five characters of PostgreSQL, "" where there are none."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) or ""
