"""Statements within one transaction, whose errors are those of `bot.errors`."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import CursorResult, Executable, RowMapping, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import Conflict, EscalationError, StoreUnavailable, Unsettled
from bot.failpoints import failpoint
from storage.hops import Together
from storage.many import Many

Answer = TypeVar("Answer")
Rows = Sequence[Mapping[str, Any]]
Upsert = postgresql.Insert | sqlite.Insert

IN_THE_WAY = ("23", "40", "55P03")
"""SQLSTATE: a constraint, a serialization failure or deadlock, a lock that another unit keeps."""
AWAY = ("08", "25006", "25P03", "28", "3D", "53", "57", "58")
"""SQLSTATE: connection, read-only (a standby), idle time-out, log-in, no such database, resources, shutdown, disk."""
OF_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""What SQLite says of the file or the disk under it. Some of these come as a plain DatabaseError."""
DRIVER_ERRORS = (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
WORTH_COPYING = 50
"""Rows: fewer go in quicker one after the other."""

REACHED_WITHIN, ANSWERED_WITHIN = 2.5, 20.0
"""Seconds to get a connection of a server, and for each statement: nobody is to wait for ever behind a server that is
frozen or a network that swallows everything. People are told much sooner (`bot.patience`)."""


OTHER_WAYS = ("seqscan", "bitmapscan", "sort")
BY_INDEX = select(*(func.set_config(f"enable_{way}", "off", True) for way in OTHER_WAYS))


class Transaction:
    """One transaction. What is not committed when its block ends is undone."""

    def __init__(self, connection: AsyncConnection, patience: float | None = None) -> None:
        self._connection = connection
        self._patience = patience
        self._over = False
        self._asked = False

    @property
    def sqlite(self) -> bool:
        """Whether nobody else can write meanwhile."""
        return self._connection.dialect.name == "sqlite"

    async def run(self, statement: Executable, rows: Mapping[str, Any] | Rows | None = None) -> CursorResult[Any]:
        """Execute; a sequence of rows is an executemany. Raises Conflict or StoreUnavailable."""
        self._begun()
        with spoken():
            answer = await self._done(self._connection.execute(statement, rows))
        self._asked = True
        return answer

    async def rows(self, query: Executable, given: Mapping[str, Any] | None = None) -> Sequence[RowMapping]:
        """Everything a query finds."""
        return (await self.run(query, given)).mappings().all()

    async def run_many(self, statement: Executable | Many, rows: Rows) -> int:
        """Execute for each row, if there are any; returns how many rows changed, -1 where the driver does not tell."""
        if not rows:
            return 0
        if isinstance(statement, Many):
            self._begun()
            prepared = statement.prepared(self._connection.dialect, rows[0])
            given = prepared.parameters(rows)
            with spoken():
                if prepared.table and len(rows) >= WORTH_COPYING and self._asked and not self.sqlite:
                    return await self._done(self._copy(prepared.table, prepared.asked, given))
                done = await self._done(self._connection.exec_driver_sql(prepared.text, given))
        else:
            done = await self.run(statement, rows)
        return done.rowcount if self._connection.dialect.supports_sane_multi_rowcount else -1

    async def run_all(self, work: Sequence[tuple[Many, Rows]]) -> int:
        """`run_many` for each of these, in this order, in one visit to a file; what the first of them changed."""
        if not self.sqlite or sum(bool(rows) for _, rows in work) < 2:  # what is alone is no list for SQLAlchemy
            changed = [await self.run_many(statement, rows) for statement, rows in work]
            return changed[0]
        self._begun()
        asked = [(many.prepared(self._connection.dialect, rows[0]), rows) for many, rows in work if rows]
        texts = Together.of([prepared.text for prepared, _ in asked])
        given = [tuple(prepared.parameters(rows)) for prepared, rows in asked]
        with spoken():
            done = await self._done(self._connection.exec_driver_sql(texts, given))
        return done.rowcount if work[0][1] else 0

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        """COPY: keys and constraints hold as for an INSERT, in two thirds of its time. Only after another statement: the
        driver's transaction begins with the first one that goes through Core.
        """
        raw = await self._connection.get_raw_connection()
        await cast("Any", raw.driver_connection).copy_records_to_table(table, records=rows, columns=columns)
        return len(rows)

    async def by_index(self) -> None:
        """For the rest of this transaction a server looks rows up by index. Left alone it counts on what it knew of a table
        when it last analysed it, and reads all of one that has grown since.
        """
        if not self.sqlite:
            await self.run(BY_INDEX)

    def unhurried(self) -> None:
        """For the rest of this transaction a statement may take its time: an operator waits for it, nobody else."""
        self._patience = None

    async def commit(self) -> None:
        """Make it so. Raises Conflict or StoreUnavailable; Unsettled when a server may have done it and cannot say so."""
        self._over = True
        failpoint("transaction.before_commit")
        try:
            with spoken():
                await self._done(self._connection.commit())
        except StoreUnavailable as error:
            if not self.sqlite and not _refused(error.__cause__):
                raise Unsettled("the database fell silent in the middle of a commit") from error
            raise
        failpoint("transaction.after_commit")

    def insert(self, table: Table) -> Upsert:
        """An INSERT that can say what is to happen on conflict."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    async def _done(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """What was asked of a server is given up after a while; what was asked of a file is carried through."""
        if self.sqlite:
            return await to_the_end(asked)
        async with asyncio.timeout(self._patience):
            return await asked

    def _begun(self) -> None:
        if self._over:
            raise RuntimeError("this unit of work has been committed; begin another")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[Transaction]:
    """Begin now, undo at the end unless committed.

    A server that has fallen silent is not waited for any longer than REACHED_WITHIN and ANSWERED_WITHIN; a file answers or
    fails by itself (`busy_timeout`).
    """
    silent = engine.dialect.name != "sqlite"
    with spoken():
        connection = engine.connect()
        try:
            if silent:
                async with asyncio.timeout(REACHED_WITHIN):
                    await connection.start()
                async with asyncio.timeout(REACHED_WITHIN):
                    await connection.begin()
            else:
                await to_the_end(_started(connection))
            yield Transaction(connection, ANSWERED_WITHIN if silent else None)
        finally:
            if connection.sync_connection is not None:  # it was reached
                await (asyncio.shield(connection.close()) if silent else to_the_end(connection.close()))


async def _started(connection: AsyncConnection) -> None:
    await connection.start()
    await connection.begin()


async def to_the_end(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer of `work`, which comes to its end even if whoever waits for it is cancelled; they hear of that then.

    SQLite runs in threads that cannot be stopped. A statement that nobody waits for would go on there, under the write
    lock, while the next unit of work believes that it is its turn; and a connection that is given up twice in the middle
    of a statement is never closed: its transaction would keep everybody out until the process ends.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
    raise cancelled


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
    silent = (OperationalError, InterfaceError, PoolTimeout, OSError, asyncpg.InterfaceError)
    if lost or state.startswith(AWAY) or isinstance(error, silent) or _of_the_file(error):
        return StoreUnavailable("the database does not answer; nothing was recorded")
    return None


def _of_the_file(error: Exception) -> bool:
    code = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in OF_THE_FILE  # the rest of the number says where it happened


def _refused(error: BaseException | None) -> bool:
    """Whether a server itself said no: what it refuses to commit is not committed. A lost connection says nothing."""
    state = sqlstate(error) if isinstance(error, Exception) else ""
    return bool(state) and not state.startswith(("08", "40003"))


def sqlstate(error: Exception) -> str:
    """The five characters of PostgreSQL, "" where there are none."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) or ""
