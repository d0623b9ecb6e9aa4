"""What is counted for the metrics is what is there."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, text
from sqlalchemy.dialects import sqlite

from bot.effects import Effect, Errand
from bot.outcome import Outcome
from bot.state import Status
from storage.database import Database
from storage.tally import LEVELS, TAKEN
from tests.builders import BOB, an_escalation
from tests.fakes import NINE, CountingIds, FakeClock


async def test_an_empty_database_has_nothing_to_count(database: Database, clock: FakeClock) -> None:
    tally = await database.counts().tally(clock.now())

    assert (dict(tally.open), tally.overdue, tally.overdue_since, dict(tally.outbox)) == ({}, 0, None, {})


async def test_open_escalations_are_counted_by_level_and_status(database: Database, clock: FakeClock) -> None:
    async with database.units() as unit:
        for number, level, status in (
            (1, 1, Status.WAITING),
            (2, 1, Status.WAITING),
            (3, 1, Status.ACKNOWLEDGED),
            (4, 3, Status.ACKNOWLEDGED),
        ):
            await unit.add(Outcome(an_escalation(number, level=level, status=status)), at=clock.now())
        await unit.commit()

    tally = await database.counts().tally(clock.now())

    assert {key: count for key, count in tally.open.items() if count} == {
        (1, "waiting"): 2,
        (1, "acknowledged"): 1,
        (3, "acknowledged"): 1,
    }
    assert tally.overdue == 0


async def test_what_is_overdue_is_counted_from_the_earliest(database: Database, clock: FakeClock) -> None:
    dues = [NINE + timedelta(minutes=minutes) for minutes in (15, 20, 60)]
    async with database.units() as unit:
        for number, due in enumerate(dues, start=1):
            await unit.add(Outcome(an_escalation(number, level=number, due=due)), at=clock.now())
        await unit.commit()

    tally = await database.counts().tally(clock.forward(minutes=30))

    assert (tally.overdue, tally.overdue_since) == (2, dues[0])


async def test_the_outbox_is_counted_by_errand_from_its_oldest_parcel(database: Database, clock: FakeClock) -> None:
    async with database.units() as unit:
        for number in (1, 2):
            effects = (Effect(Errand.PING, 1, BOB), Effect(Errand.PING, 1, BOB), Effect(Errand.POST, 1, BOB))
            await unit.add(Outcome(an_escalation(number), effects=effects[number - 1 :]), at=clock.now())
            clock.forward(minutes=1)
        await unit.commit()

    tally = await database.counts().tally(clock.now())

    assert {errand: (waiting.parcels, waiting.since) for errand, waiting in tally.outbox.items()} == {
        "ping": (3, NINE),
        "post": (2, NINE),
    }


@pytest.mark.parametrize("query", [LEVELS, TAKEN], ids=["levels", "taken"])
async def test_on_a_file_escalations_are_counted_without_reading_them(
    tmp_path: Path, ids: CountingIds, query: Select[Any]
) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/echelon.db", ids)
    await database.migrate()
    asked = str(query.params(now=NINE).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    try:
        async with database.reading() as reading:
            plan = [row["detail"] for row in await reading.rows(text(f"EXPLAIN QUERY PLAN {asked}"))]
    finally:
        await database.close()

    read = [step for step in plan if "escalations" in step]
    assert read
    assert all("COVERING INDEX" in step for step in read), read
