"""The messages of the local chat, in an SQLite file of their own: what is stored is on the disk before it is answered."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import aiosqlite

from adapters.local.clock import Kept

JsonObject = dict[str, object]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    place TEXT NOT NULL,
    thread INTEGER,
    author TEXT NOT NULL,
    only_for TEXT,
    at TEXT NOT NULL,
    edited INTEGER NOT NULL DEFAULT 0,
    change INTEGER NOT NULL UNIQUE,
    content TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_in_place ON messages (place, number);
CREATE TABLE IF NOT EXISTS seen (
    person TEXT NOT NULL,
    place TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (person, place)
);
CREATE TABLE IF NOT EXISTS clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    shown TEXT NOT NULL,
    ahead REAL NOT NULL
);
"""
_COLUMNS = "number, key, place, thread, author, only_for, at, edited, change, content"
_NEXT_CHANGE = "(SELECT coalesce(max(change), 0) + 1 FROM messages)"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be stored. The same `key` twice is one message; `only_for` hides it from everybody else."""

    key: str
    place: str
    author: str
    at: datetime
    content: Mapping[str, object]
    thread: str | None = None
    only_for: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it is. `change` grows with every new message and every edit, over all messages."""

    id: str
    place: str
    thread: str | None
    author: str
    only_for: str | None
    at: datetime
    edited: int
    change: int
    content: JsonObject


class News:
    """Wakes those who wait for a change. Take a ticket first, look second, wait third: then nothing is missed."""

    def __init__(self) -> None:
        self._ticket = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """Is set at the next change."""
        return self._ticket

    def ring(self) -> None:
        """Something has changed."""
        self._ticket.set()
        self._ticket = asyncio.Event()


class LocalStore:
    """The messages, what each person has read, and the moved clock. Every method is one statement, durable on return."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self.news = News()

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path) -> AsyncGenerator["LocalStore"]:
        """The store in a file, made if there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.executescript(_SCHEMA)
            yield cls(connection)

    async def add(self, draft: Draft) -> Stored:
        """Store a message; the one that is there already if its key was used before."""
        values = (
            draft.key,
            draft.place,
            _number(draft.thread),
            draft.author,
            draft.only_for,
            _instant(draft.at),
            json.dumps(draft.content),
        )
        rows = await self._rows(
            f"INSERT INTO messages (key, place, thread, author, only_for, at, content, change)"  # noqa: S608
            f" VALUES (?, ?, ?, ?, ?, ?, ?, {_NEXT_CHANGE}) ON CONFLICT (key) DO NOTHING RETURNING {_COLUMNS}",
            values,
        )
        if rows:
            self.news.ring()
            return _stored(rows[0])
        found = await self.by_key(draft.key)
        if found is None:
            raise sqlite3.IntegrityError(f"message {draft.key} is neither new nor there")
        return found

    async def replace(self, id: str, content: Mapping[str, object]) -> Stored | None:
        """Put other content into a message; None when there is no such message."""
        rows = await self._rows(
            f"UPDATE messages SET content = ?, edited = edited + 1, change = {_NEXT_CHANGE}"  # noqa: S608
            f" WHERE number = ? RETURNING {_COLUMNS}",
            (json.dumps(content), _number(id)),
        )
        self.news.ring()
        return _stored(rows[0]) if rows else None

    async def get(self, id: str) -> Stored | None:
        """The message with this id."""
        return await self._one("number = ?", _number(id))

    async def by_key(self, key: str) -> Stored | None:
        """The message that was stored under this key."""
        return await self._one("key = ?", key)

    async def visible(
        self, person: str, places: Iterable[str], *, since: int = 0, limit: int = 5000
    ) -> tuple[Stored, ...]:
        """What `person` may read in `places` and has changed after `since`: the latest `limit`, oldest change first."""
        wanted = tuple(places)
        rows = await self._rows(
            f"SELECT {_COLUMNS} FROM messages WHERE change > ? AND place IN ({_marks(wanted)})"  # noqa: S608
            " AND (only_for IS NULL OR only_for = ?) ORDER BY change DESC LIMIT ?",
            (since, *wanted, person, limit),
        )
        return tuple(_stored(row) for row in reversed(rows))

    async def latest_change(self) -> int:
        """The number of the last change there was."""
        rows = await self._rows("SELECT coalesce(max(change), 0) FROM messages")
        return cast("int", rows[0][0])

    async def mark_read(self, person: str, place: str, upto: str) -> None:
        """`person` has read `place` up to this message; a mark never goes back."""
        await self._rows(
            "INSERT INTO seen (person, place, number) VALUES (?, ?, ?)"
            " ON CONFLICT (person, place) DO UPDATE SET number = max(number, excluded.number)",
            (person, place, _number(upto)),
        )
        self.news.ring()

    async def unread(self, person: str) -> Mapping[str, int]:
        """How many messages of others each place holds that `person` has not read yet."""
        rows = await self._rows(
            "SELECT m.place, count(*) FROM messages m"
            " LEFT JOIN seen s ON s.person = ? AND s.place = m.place"
            " WHERE m.number > coalesce(s.number, 0) AND m.author != ? AND (m.only_for IS NULL OR m.only_for = ?)"
            " GROUP BY m.place",
            (person, person, person),
        )
        return {cast("str", row[0]): cast("int", row[1]) for row in rows}

    async def keep_clock(self, kept: Kept) -> None:
        """Remember where the clock stands."""
        await self._rows(
            "INSERT INTO clock (one, shown, ahead) VALUES (1, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET shown = max(shown, excluded.shown), ahead = excluded.ahead",
            (_instant(kept.shown), kept.ahead.total_seconds()),
        )

    async def clock(self) -> Kept | None:
        """Where the clock stood, and no earlier than the last message; None for a new store."""
        rows = await self._rows("SELECT shown, ahead FROM clock")
        if not rows:
            return None
        latest = await self._rows("SELECT max(at) FROM messages")
        shown, ahead = cast("tuple[str, float]", rows[0])
        last = cast("str | None", latest[0][0]) or shown
        return Kept(shown=datetime.fromisoformat(max(shown, last)), ahead=timedelta(seconds=ahead))

    async def _one(self, condition: str, value: object) -> Stored | None:
        rows = await self._rows(f"SELECT {_COLUMNS} FROM messages WHERE {condition}", (value,))  # noqa: S608
        return _stored(rows[0]) if rows else None

    async def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        async with self._connection.execute(statement, values) as cursor:
            return [cast("tuple[object, ...]", row) for row in await cursor.fetchall()]


def _stored(row: tuple[object, ...]) -> Stored:
    number, _, place, thread, author, only_for, at, edited, change, content = row
    return Stored(
        id=f"m{number}",
        place=cast("str", place),
        thread=None if thread is None else f"m{thread}",
        author=cast("str", author),
        only_for=cast("str | None", only_for),
        at=datetime.fromisoformat(cast("str", at)),
        edited=cast("int", edited),
        change=cast("int", change),
        content=cast("JsonObject", json.loads(cast("str", content))),
    )


def _number(id: str | None) -> int | None:
    """ "m12" → 12; None for anything else, which no message has."""
    digits = (id or "").removeprefix("m")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def _instant(at: datetime) -> str:
    """Always as long, so that later instants sort after earlier ones."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" for _ in values)
