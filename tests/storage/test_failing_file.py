"""A database file that fails under a running process: everything that is asked of it is answered "nothing was recorded"."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.errors import StoreUnavailable
from storage.database import Database
from tests.fakes import CountingIds

PAGE = 4096


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[tuple[Path, Database]]:
    """A migrated database, all of it in its main file, nothing of it in memory."""
    path = tmp_path / "echelon.db"
    first = Database.open(f"sqlite:///{path}", CountingIds())
    await first.migrate()
    await first.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    opened = Database.open(f"sqlite:///{path}", CountingIds())
    yield path, opened
    await opened.close()


async def asks(database: Database) -> None:
    async with database.writing() as writing:
        await writing.run(text("INSERT INTO counters (workspace, last_number) VALUES ('acme', 1)"))
        await writing.run(text("SELECT count(*) FROM escalations"))
        await writing.commit()


async def test_garbage_in_the_middle_of_the_file(file: tuple[Path, Database]) -> None:
    path, database = file
    whole = path.read_bytes()
    path.write_bytes(whole[:PAGE] + b"\xa5" * (len(whole) - PAGE))

    with pytest.raises(StoreUnavailable):
        await asks(database)

    path.write_bytes(whole)
    await asks(database)


async def test_another_file_in_its_place(file: tuple[Path, Database]) -> None:
    path, database = file
    path.write_bytes(b"this was never a database " * 400)

    with pytest.raises(StoreUnavailable):
        await asks(database)


async def test_a_file_that_may_grow_no_more(file: tuple[Path, Database]) -> None:
    _, database = file
    async with database.reading() as reading:
        pages = (await reading.run(text("PRAGMA page_count"))).scalar_one()
    async with database.writing() as writing:
        await writing.run(text(f"PRAGMA max_page_count = {pages}"))
        rows = [{"workspace": f"w{number}" * 100, "last_number": number} for number in range(200)]
        with pytest.raises(StoreUnavailable):
            await writing.run(text("INSERT INTO counters VALUES (:workspace, :last_number)"), rows)
