"""Units of work that are given up in the middle, once or twice, leave nobody waiting and nothing half done."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.transaction import to_the_end
from tests.fakes import CountingIds

ADD = "INSERT INTO counters (workspace, last_number) VALUES (:name, 1)"
RAISE = "UPDATE counters SET last_number = 2 WHERE workspace = :name"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """One file: a unit that keeps its lock keeps everybody out."""
    opened = Database.open(f"sqlite:///{tmp_path}/echelon.db", CountingIds())
    await opened.migrate()
    yield opened
    await opened.close()


async def unit(database: Database, name: str) -> None:
    async with database.writing() as writing:
        await writing.run(text(ADD), {"name": name})
        await writing.rows(text("SELECT count(*) FROM counters"))
        await writing.run(text(RAISE), {"name": name})
        await writing.commit()


@pytest.mark.parametrize("seed", range(3))
async def test_many_that_are_given_up_at_any_moment_never_lock_the_others_out(database: Database, seed: int) -> None:
    chance, loop = random.Random(seed), asyncio.get_running_loop()  # noqa: S311
    given_up: set[str] = set()
    tasks: dict[str, asyncio.Task[None]] = {}
    for number in range(150):
        name = f"unit{number}"
        tasks[name] = asyncio.create_task(unit(database, name))
        if chance.random() < 0.4:
            given_up.add(name)
            for _ in range(chance.randrange(1, 4)):
                loop.call_later(chance.uniform(0, 0.05), tasks[name].cancel)
        await asyncio.sleep(chance.uniform(0, 0.01))
    async with asyncio.timeout(30):
        await asyncio.wait(tasks.values())

    async with database.reading() as reading:
        rows = await reading.rows(text("SELECT workspace, last_number FROM counters"))
    stored = {row["workspace"] for row in rows}
    assert {row["last_number"] for row in rows} == {2}, "a unit is there as a whole, or not at all"
    assert stored >= tasks.keys() - given_up
    assert all(name in stored for name, task in tasks.items() if not task.cancelled())


async def test_one_that_is_given_up_twice_while_it_waits_for_the_lock_leaves_the_file_free(
    database: Database, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "echelon.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(unit(database, "first"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.sleep(0.1)
        other.execute("ROLLBACK")

    with suppress(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(30):
        await unit(database, "second")


async def test_whoever_is_cancelled_hears_of_it_when_the_work_is_done() -> None:
    done: list[str] = []

    async def work() -> str:
        await asyncio.sleep(0.05)
        done.append("all of it")
        return "answer"

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["all of it"]
    assert await to_the_end(work()) == "answer"
