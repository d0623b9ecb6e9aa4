"""A database URL → an engine, with the settings that each kind of database needs."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.errors import ConfigurationError, Problem
from storage.hops import DRIVER

PLACE = "ECHELON_DATABASE_URL"
FORMS = "write sqlite:///echelon.db or postgresql://user:password@host/database"

SQLITE, POSTGRESQL = "sqlite+aiosqlite", "postgresql+asyncpg"
SPELLINGS = {
    "sqlite": SQLITE,
    SQLITE: SQLITE,
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    POSTGRESQL: POSTGRESQL,
}
PRAGMAS = (
    "busy_timeout=10000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-8000",
)
"""Waiting first: two processes that open a new file together both switch the journal. What one statement would have to undo
is kept in memory, not in a temporary file, and 8 MB of pages instead of 2: together a fifth of SQLite's part of a storm.
"""

KNOWN_OPTIONS = frozenset({"host", "port", "ssl", "sslmode"})
SERVER_SETTINGS = {
    "application_name": "echelon",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",  # a stopped process must not keep its row locks: less than a lease
}


def wrong(sentence: str) -> ConfigurationError:
    """What is wrong with the database setting; never quotes the URL, which may hold a password."""
    return ConfigurationError((Problem(PLACE, sentence),))


def read_url(text: str) -> URL:
    """The URL with its driver named. Raises ConfigurationError."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong(f"this is no database URL; {FORMS}") from None
    driver = SPELLINGS.get(url.drivername)
    if driver is None:
        raise wrong(f"{url.drivername!r} is not supported; {FORMS}")
    return _sqlite(url) if driver == SQLITE else _postgresql(url)


def is_file(text: str) -> str | None:
    """The path of a SQLite database, None for a server. Raises ConfigurationError."""
    url = read_url(text)
    return url.database if url.drivername == SQLITE else None


def is_new(text: str) -> bool:
    """Whether the database is a file that is not there yet, in a folder where it can be made. Raises ConfigurationError."""
    database = is_file(text)
    if database is None or Path(database).exists():
        return False
    make_folder(database)
    return True


def make_folder(database: str) -> None:
    """SQLite makes its file, but not the folder. One beside the product is made; one that is named from the root must be
    there: a slip in it, or a volume that is not mounted, would otherwise start an empty database. Raises
    ConfigurationError.
    """
    folder = Path(database).parent
    try:
        if not folder.is_absolute():
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise wrong(f"there is no folder {str(folder)!r} for the database; make it, or mount it, first")
    except OSError as error:
        raise wrong(f"{database} cannot be used: {error.strerror}") from None


def create_engine(text: str) -> AsyncEngine:
    """The engine for a URL; nothing is opened yet. Raises ConfigurationError."""
    url = read_url(text)
    if url.drivername == SQLITE:
        engine = create_async_engine(url, hide_parameters=True, module=DRIVER)
        event.listen(engine.sync_engine, "connect", _set_pragmas)
        event.listen(engine.sync_engine, "begin", _begin)
        event.listen(engine.sync_engine, "handle_error", _drop_what_read_a_broken_file)
        return engine
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
        pool_timeout=10,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"timeout": 10, "server_settings": SERVER_SETTINGS},
    )


def is_sqlite(engine: AsyncEngine) -> bool:
    """Whether there is one writer at a time."""
    return engine.dialect.name == "sqlite"


def _sqlite(url: URL) -> URL:
    if url.host or url.query:
        raise wrong(f"an SQLite URL has three slashes and no options; {FORMS}")
    if url.database in {None, "", ":memory:"}:
        raise wrong("an in-memory database forgets everything; name a file: sqlite:///echelon.db")
    return url.set(drivername=SQLITE)


def _postgresql(url: URL) -> URL:
    unknown = sorted(set(url.query) - KNOWN_OPTIONS)
    if unknown:
        raise wrong(f"unknown option {unknown[0]!r}; known are {', '.join(sorted(KNOWN_OPTIONS))}")
    if not url.database:
        raise wrong(f"the name of the database is missing; {FORMS}")
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername=POSTGRESQL, query=query)


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # our own BEGIN: the driver's comes too late and takes no write lock
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A unit that reads first and writes later must hold the write lock from the start, or it fails at once."""
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR})


def _drop_what_read_a_broken_file(context: ExceptionContext) -> None:
    """Pages of a broken file stay in the memory of whoever has read them: once it is mended, others must read it.

    Softly, after its transaction was undone: closed in the middle of one, it could keep the write lock for a while.
    """
    code = getattr(context.original_exception, "sqlite_errorcode", None)
    if context.connection and isinstance(code, int) and code & 0xFF in BROKEN:
        context.connection.connection.invalidate(soft=True)
