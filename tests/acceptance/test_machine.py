"""Whatever people, the clock, the platform and a dying process do, in whatever order: the promises hold.

`make test` runs it briefly; `make machine` runs 100 lives of 100 steps on each database, `make machine LIVES=5000` a night.
What a life shows is order, not the disk: it crashes by dropping what it has in memory, so its file need not reach the disk
at each commit. What a power cut or a killed process leaves behind is shown by the drill and by `tests/process`.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import event, text

from storage.database import Database
from storage.tables import metadata
from tests.acceptance.machine import Life
from tests.conftest import PostgresServer
from tests.fakes import CountingIds


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


def sqlite(loop: asyncio.AbstractEventLoop, folder: Path) -> Callable[[], Awaitable[Database]]:
    """A copy of an empty database for each run."""
    template, used = folder / "template.db", folder / "used.db"
    opened: list[Database] = []

    def quick(path: Path) -> Database:
        database = Database.open(f"sqlite:///{path}", CountingIds())
        event.listen(database.engine.sync_engine, "connect", _does_not_wait_for_the_disk)
        return database

    async def migrated() -> None:
        database = quick(template)
        await database.migrate()
        async with database.engine.connect() as connection:
            await connection.execute(text("pragma wal_checkpoint(truncate)"))
        await database.close()

    async def fresh() -> Database:
        for database in opened:
            await database.close()
        opened.clear()
        for left in folder.glob("used.db*"):
            left.unlink()
        shutil.copy(template, used)
        opened.append(quick(used))
        return opened[0]

    loop.run_until_complete(migrated())
    return fresh


def _does_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def postgresql(loop: asyncio.AbstractEventLoop, server: PostgresServer) -> Callable[[], Awaitable[Database]]:
    """One database, emptied for each run."""
    database = Database.open(loop.run_until_complete(server.migrated()), CountingIds())
    names = ", ".join(table.name for table in metadata.sorted_tables)

    async def fresh() -> Database:
        async with database.engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))  # the ledger is guarded
            await connection.execute(text(f"truncate {names} cascade"))
        return database

    return fresh


@pytest.mark.timeout(0)
@pytest.mark.parametrize("half", [1, 2])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_promises_hold_whatever_happens(
    kind: str, half: int, request: pytest.FixtureRequest, tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    """In halves, which two cores share out."""
    lives_of_both = request.config.getoption("--lives") + half - 1
    make = sqlite(loop, tmp_path) if kind == "sqlite" else postgresql(loop, request.getfixturevalue("postgres"))
    lives = type("Lives", (Life,), {"loop": loop, "fresh": staticmethod(make)})
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=lives_of_both // 2,
            stateful_step_count=request.config.getoption("--steps"),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
        ),
    )
