"""SQLite's thread is visited once for a statement, and what it says is what the driver alone would say."""

from collections.abc import AsyncIterator
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import select, text

from bot.errors import Conflict
from storage.among import among
from storage.database import Database
from storage.tables import counters
from tests.fakes import CountingIds

ROWS = [{"workspace": f"w{nth}", "last_number": nth} for nth in range(3)]


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/echelon.db", CountingIds())
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the thread is asked to do."""
    seen: list[Any] = []
    real = aiosqlite.Connection._execute

    async def noted(self: aiosqlite.Connection, fn: Any, *given: Any, **more: Any) -> Any:
        seen.append(fn)
        return await real(self, fn, *given, **more)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", noted)
    return seen


async def test_begin_each_statement_and_commit_are_one_visit_each_and_giving_back_is_none(database, visits):
    await database.ping()
    visits.clear()

    async with database.writing() as writing:
        await writing.run(counters.insert(), ROWS[0])
        await writing.rows(select(counters))
        await writing.commit()

    assert len(visits) == 4


async def test_what_a_statement_changed_and_returned_is_told(database):
    async with database.writing() as writing:
        await writing.run(counters.insert(), ROWS)
        these = counters.update().where(among(counters.c.workspace, "some")).values(last_number=7)
        changed = await writing.run(these, {"some": ["w1", "w2"]})
        gone = await writing.run(counters.delete().where(counters.c.last_number > 0).returning(counters.c.workspace))

        assert changed.rowcount == 2
        assert sorted(gone.scalars()) == ["w1", "w2"]
        assert list(await writing.rows(select(counters))) == ROWS[:1]


async def test_what_is_not_committed_is_undone_and_an_error_leaves_the_connection_usable(database):
    async with database.writing() as writing:
        await writing.run(counters.insert(), ROWS[0])
        with pytest.raises(Conflict):
            await writing.run(counters.insert(), ROWS[0])

    async with database.writing() as writing:
        assert await writing.rows(select(counters)) == []


async def test_a_long_answer_may_be_read_piece_by_piece(database):
    async with database.engine.connect() as connection:
        answer = await connection.stream(
            text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i FROM n")
        )
        assert sum([row.i async for row in answer]) == 125250
