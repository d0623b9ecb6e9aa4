"""The cost of a look at the outbox, and of storing what became of loads, does not grow with what else waits."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text, update

from bot.delivery import CROWD, Delivered, Receipt, Told
from bot.directory import Address
from bot.effects import Effect, Errand
from storage import lanes
from storage.database import Database
from storage.tables import outbox
from storage.transaction import Transaction
from tests.carrying import a_message, sends
from tests.fakes import NINE

PLACES = [Address(f"local:p{nth}") for nth in range(5)]
GIVEN = {"now": NINE, "limit": 200, "busy": ["local:busy"]}
SECOND = timedelta(seconds=1)


async def waits(database: Database, each: int, *, number: int) -> None:
    """So many calls for each place."""
    await sends(database, *[Effect(Errand.PING, 1, place) for place in PLACES for _ in range(each)], number=number)


async def effort(reading: Transaction) -> float:
    """What a look costs: instructions of SQLite's machine, rows that a server touches."""
    if reading.sqlite:
        return await _instructions(reading)
    await reading.by_index()
    written = {"literal_binds": True, "render_postcompile": True}
    looked = str(lanes.TOPS.params(**GIVEN).compile(dialect=_dialect(reading), compile_kwargs=written))
    answer = await reading.rows(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {looked}".replace(":", "\\:")))
    (told,) = json.loads(told) if isinstance(told := answer[0]["QUERY PLAN"], str) else told
    return _touched(told["Plan"])


def _dialect(reading: Transaction) -> Any:
    return reading._connection.dialect


async def _instructions(reading: Transaction) -> int:
    steps = 0

    def stepped() -> None:
        nonlocal steps
        steps += 1

    raw: Any = (await reading._connection.get_raw_connection()).driver_connection
    await raw.set_progress_handler(stepped, 10)
    await reading.rows(lanes.TOPS, GIVEN)
    await raw.set_progress_handler(None, 0)
    return steps


def _touched(plan: dict[str, Any]) -> float:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    mine = own * plan["Actual Loops"] if plan.get("Relation Name") == "outbox" else 0.0
    return mine + sum(_touched(part) for part in plan.get("Plans", []))


async def look(database: Database) -> float:
    async with database.reading() as reading:
        return await effort(reading)


async def test_a_look_at_many_that_wait_costs_what_a_look_at_few_does(database):
    await waits(database, CROWD + 2, number=1)
    few = await look(database)

    await waits(database, 200, number=2)

    assert few > 0
    assert await look(database) <= few * 1.2


async def test_a_look_past_all_that_was_told_already_costs_no_more(database):
    await waits(database, CROWD + 2, number=1)
    few = await look(database)
    await waits(database, 200, number=2)
    async with database.writing() as writing:
        await writing.run(update(outbox).values(told_at=NINE, priority=5))
        await writing.commit()

    assert await look(database) <= few * 1.2


async def test_a_look_while_no_bundle_may_go_costs_no_more_for_what_it_may_not_take(database):
    await waits(database, CROWD + 2, number=1)
    few = await look(database)
    box = database.outbox()
    loads = await box.lease(NINE, limit=9, busy=frozenset())
    told = [Receipt(load, tuple(map(Told, load.parcels)), no_bundle_until=NINE + 5 * SECOND) for load in loads]
    await box.settle(told, at=NINE)

    await waits(database, 200, number=2)

    assert await look(database) <= few * 1.2
    assert {len(load.parcels) for load in await box.lease(NINE, limit=9, busy=frozenset())} == {1}


@asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[str]]:
    """Those that the database is asked meanwhile."""
    asked: list[str] = []

    def noted(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", noted)
    try:
        yield asked
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", noted)


@pytest.mark.parametrize("errand", [Errand.PING, Errand.POST])
async def test_what_became_of_many_is_stored_in_as_many_statements_as_of_one(database, errand):
    box = database.outbox()
    counts: list[int] = []
    for round, size in enumerate((1, 40)):
        for nth in range(size):
            await sends(database, Effect(errand, 2, Address(f"local:{round}.{nth}")), number=100 * round + nth + 1)
        async with statements(database) as asked:
            loads = await box.lease(NINE, limit=99, busy=frozenset())
            marks = [Delivered(one.parcels[0], a_message(Address(str(one.to)), one.parcels[0].id), 1) for one in loads]
            await box.settle([Receipt(load, (mark,)) for load, mark in zip(loads, marks, strict=True)], at=NINE)
        assert len(loads) == size
        counts.append(len(asked))

    assert counts[1] == counts[0]


async def test_many_bundles_are_found_by_one_question_and_each_has_a_key_of_its_own(database):
    box = database.outbox()
    await waits(database, CROWD + 1, number=1)

    async with statements(database) as asked:
        loads = await box.lease(NINE, limit=99, busy=frozenset())

    assert [len(load.parcels) for load in loads] == [CROWD + 1] * len(PLACES)
    assert len({load.key for load in loads}) == len(PLACES)
    assert sum("aggregate" in said or "string_agg" in said or "group_concat" in said for said in asked) == 1
