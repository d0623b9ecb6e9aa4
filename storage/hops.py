"""SQLite's driver with one visit to its thread for each statement.

aiosqlite runs every call in a thread of the connection's own: to make a cursor, to execute, to fetch, to close is a visit
each, and each visit costs the event loop more than the statement costs SQLite. Here a statement is one visit, and undoing
nothing is none. Only SQLAlchemy's adapter is replaced; aiosqlite and sqlite3 stay what they are.
"""

import collections
import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util.concurrency import await_


class Answer:
    """All that a cursor had to say: it is closed by now."""

    arraysize = 1

    def __init__(self, cursor: sqlite3.Cursor | None = None) -> None:
        """Read `cursor` to its end."""
        self.rows: Sequence[Any] = cursor.fetchall() if cursor and cursor.description else ()
        self.description: Any = cursor.description if cursor else None
        self.rowcount = cursor.rowcount if cursor else -1
        self.lastrowid = cursor.lastrowid if cursor else None

    def close(self) -> None:
        """There is nothing left to close."""


NOTHING = Answer()


class Together(str):
    """The texts of several statements that are one visit. Each is executed for rows of its own; the count of changed rows
    is that of the first.
    """

    __slots__ = ("texts",)
    texts: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Together":
        """In this order."""
        made = cls(";\n".join(texts))
        made.texts = tuple(texts)
        return made


def visit(connection: sqlite3.Connection, operation: str, given: Any, *, many: bool) -> Answer:
    """What the thread does: execute, read all, close."""
    if isinstance(operation, Together):
        told = [visit(connection, text, rows, many=True) for text, rows in zip(operation.texts, given, strict=True)]
        return told[0]
    cursor = connection.cursor()
    try:
        if many:
            cursor.executemany(operation, given)
        else:
            cursor.execute(operation, given or ())
        return Answer(cursor)
    finally:
        cursor.close()


class OneVisitCursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor of which the thread hears once."""

    __slots__ = ()
    _awaitable_cursor_close = False

    def _make_new_cursor(self, connection: Any) -> Any:
        return NOTHING

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._visit(operation, parameters, many=False)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._visit(operation, seq_of_parameters, many=True)

    async def _visit(self, operation: str, given: Any, *, many: bool) -> None:
        thread: Any = self._connection
        adapted: Any = self._adapt_connection
        async with adapted._execute_mutex:
            answer: Answer = await thread._execute(visit, thread._conn, operation, given, many=many)
        self._cursor = answer  # pyright: ignore[reportAttributeAccessIssue]
        self._rows = collections.deque(answer.rows)


class OneVisitConnection(AsyncAdapt_aiosqlite_connection):
    """A connection that is given back without a visit when there is nothing to undo."""

    __slots__ = ()
    _cursor_cls = OneVisitCursor

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self._connection._connection and self._connection.in_transaction:
            super().rollback()


class Driver(AsyncAdapt_aiosqlite_dbapi):
    """What SQLAlchemy is given as its driver for SQLite."""

    def connect(self, *given: Any, **more: Any) -> OneVisitConnection:
        """A new connection, with a thread of its own."""
        connection: Any = aiosqlite.connect(*given, **more)
        connection._thread.daemon = True
        return OneVisitConnection(self, await_(connection))


DRIVER = Driver(aiosqlite, sqlite3)
