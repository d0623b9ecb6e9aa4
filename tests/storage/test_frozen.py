"""A process that stands still in the middle of a request keeps its locks for ever, unless another one looks."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import make_url, text

from bot.errors import Conflict
from storage.database import Database
from storage.frozen import end_frozen
from tests.fakes import CountingIds

TAKE = "INSERT INTO counters (workspace, last_number) VALUES ('acme', 1)"
AT_ONCE = timedelta(0)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class Client:
    """Speaks just enough of the protocol to stop in the middle of it, as a frozen process does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def heard(self, kind: bytes) -> None:
        """Wait until the server says this."""
        while (await self._next())[0] != kind:
            pass

    async def _next(self) -> tuple[bytes, bytes]:
        head = await self._reader.readexactly(5)
        return head[:1], await self._reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)

    async def ended(self) -> bool:
        """Whether the server hangs up."""
        while chunk := await self._reader.read(4096):
            del chunk
        return True

    async def query(self, sql: str) -> None:
        self._writer.write(message(b"Q", sql.encode() + b"\0"))
        await self.heard(b"Z")

    async def says_half(self) -> None:
        """Parse and Flush, and nothing after it: the first half of a statement that is new to the connection."""
        self._writer.write(message(b"P", b"half\0SELECT 1\0" + struct.pack("!h", 0)) + message(b"H", b""))
        await self.heard(b"1")


@asynccontextmanager
async def client(address: str) -> AsyncIterator[Client]:
    url = make_url(address)
    host = url.query.get("host")
    if isinstance(host, str) and host.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{url.port or 5432}")
    else:
        reader, writer = await asyncio.open_connection(url.host, url.port)
    told = {"user": url.username or "postgres", "database": url.database or "", "application_name": "echelon"}
    body = struct.pack("!i", 196608) + b"".join(f"{name}\0{value}\0".encode() for name, value in told.items()) + b"\0"
    writer.write(struct.pack("!i", len(body) + 4) + body)
    speaking = Client(reader, writer)
    await speaking.heard(b"Z")
    try:
        yield speaking
    finally:
        writer.close()


@pytest.fixture
async def url(postgres) -> str:
    return await postgres.migrated()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = Database.open(url, CountingIds())
    yield opened
    await opened.close()


async def take(database: Database) -> None:
    async with database.writing() as writing:
        await writing.run(text("SET LOCAL lock_timeout = '300ms'"))
        await writing.run(text(TAKE))
        await writing.commit()


async def test_what_a_frozen_process_keeps_locked_is_freed(url: str, database: Database, caplog) -> None:
    async with client(url) as frozen:
        await frozen.query(f"SET idle_in_transaction_session_timeout = '100ms'; BEGIN; {TAKE}")
        await frozen.says_half()
        with pytest.raises(Conflict):
            await take(database)

        assert await end_frozen(database.reading, AT_ONCE) == 1

        assert await frozen.ended()
        await take(database)
    assert "1 of its connections were ended" in caplog.text


async def test_whoever_has_only_just_begun_or_said_everything_is_left_alone(url: str, database: Database) -> None:
    async with client(url) as beginning, client(url) as between:
        await beginning.query("BEGIN")
        await beginning.says_half()
        await between.query("BEGIN")

        assert await end_frozen(database.reading) == 0
        assert await end_frozen(database.reading, AT_ONCE) == 1, "the one that has said half; not the one between two"
        await between.query("COMMIT")
