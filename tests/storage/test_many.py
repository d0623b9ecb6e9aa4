"""Many rows go to the driver without Core in between; what is stored is the same, and so are the errors."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, update

from bot.errors import Conflict
from storage.database import Database
from storage.many import Many
from storage.tables import outbox
from storage.transaction import WORTH_COPYING
from tests.builders import WORKSPACE, an_escalation, opening
from tests.fakes import NINE

SEND = Many(insert(outbox), into=outbox.name)


def parcel(number: int, **changes: object) -> dict[str, Any]:
    """A row of the outbox."""
    row = {
        "id": f"p{number:04d}",
        "key": f"key{number}",
        "workspace": WORKSPACE,
        "escalation": "esc000001",
        "entry": 1,
        "errand": "tell",
        "priority": number % 3,
        "level": 1,
        "place": None if number % 2 else "local:bob",
        "tried": "[]",
        "created_at": NINE + timedelta(milliseconds=number),
        "not_before": NINE,
        "lease_until": None,
        "attempts": 0,
        "uncertain": number % 5 == 0,
        "status": "pending",
        "effect": "{}",
    }
    return row | changes


async def stored(database: Database) -> list[Mapping[str, Any]]:
    async with database.reading() as reading:
        return [dict(row) for row in await reading.rows(select(outbox).order_by(outbox.c.id))]


@pytest.fixture
async def opened(database: Database) -> Database:
    """A database with one escalation, to which parcels may belong."""
    async with database.units() as unit:
        await unit.add(opening(an_escalation(1)), at=NINE)
        await unit.commit()
    return database


@pytest.mark.parametrize("number", [1, 3, WORTH_COPYING + 10])
async def test_rows_arrive_as_core_would_store_them(opened: Database, number: int) -> None:
    rows = [parcel(nth) for nth in range(number)]
    async with opened.writing() as writing:
        await writing.run(insert(outbox), rows)
        by_core = [dict(row) for row in await writing.rows(select(outbox).order_by(outbox.c.id))]
    assert await stored(opened) == []

    async with opened.writing() as writing:
        await writing.rows(select(outbox.c.id))
        await writing.run_many(SEND, rows)
        await writing.commit()

    assert await stored(opened) == by_core


@pytest.mark.parametrize("asked_before", [True, False])
async def test_what_is_not_committed_is_gone_however_it_was_written(opened: Database, asked_before: bool) -> None:
    async with opened.writing() as writing:
        if asked_before:
            await writing.rows(select(outbox.c.id))
        await writing.run_many(SEND, [parcel(nth) for nth in range(WORTH_COPYING)])

    assert await stored(opened) == []


@pytest.mark.parametrize("number", [2, WORTH_COPYING])
async def test_a_key_that_is_taken_is_a_conflict(opened: Database, number: int) -> None:
    rows = [parcel(nth, key="the same") for nth in range(number)]
    async with opened.writing() as writing:
        await writing.rows(select(outbox.c.id))
        with pytest.raises(Conflict):
            await writing.run_many(SEND, rows)

    assert await stored(opened) == []


async def test_what_the_statement_says_itself_counts_for_every_row(opened: Database) -> None:
    postpone = Many(
        update(outbox)
        .where(outbox.c.id == bindparam("which"), outbox.c.status == "pending")
        .values(not_before=bindparam("until"), attempts=7, lease_until=NINE)
    )
    later = NINE + timedelta(hours=1)
    async with opened.writing() as writing:
        await writing.run_many(SEND, [parcel(1), parcel(2), parcel(3, status="done")])
        changed = await writing.run_many(postpone, [{"which": f"p000{n}", "until": later} for n in (1, 2, 3)])
        await writing.commit()

    assert changed in {2, -1}
    rows = await stored(opened)
    assert [(row["attempts"], row["lease_until"], row["not_before"]) for row in rows] == [
        (7, NINE, later),
        (7, NINE, later),
        (0, None, NINE),
    ]


async def test_no_rows_ask_nothing_of_the_database(opened: Database) -> None:
    async with opened.writing() as writing:
        assert await writing.run_many(SEND, []) == 0


MOVE = Many(update(outbox).where(outbox.c.id == bindparam("which")).values(level=bindparam("new_level")))


async def test_several_statements_are_carried_out_in_their_order_and_the_first_one_is_counted(opened: Database) -> None:
    sent = [parcel(number) for number in range(3)]
    async with opened.writing() as writing:
        added = await writing.run_all([(SEND, sent), (MOVE, [{"which": "p0001", "new_level": 7}])])
        moved = await writing.run_all([(MOVE, [{"which": "p0002", "new_level": 8}]), (SEND, [parcel(9)])])
        await writing.commit()

    assert [(row["id"], row["level"]) for row in await stored(opened)] == [
        ("p0000", 1),
        ("p0001", 7),
        ("p0002", 8),
        ("p0009", 1),
    ]
    assert (added, moved) in {(3, 1), (-1, -1)}


async def test_one_of_several_statements_that_is_refused_undoes_all_of_them(opened: Database) -> None:
    async with opened.writing() as writing:
        with pytest.raises(Conflict):
            await writing.run_all([(SEND, [parcel(1)]), (SEND, [parcel(2), parcel(2)])])

    assert await stored(opened) == []


async def test_several_statements_without_rows_ask_nothing_of_the_database(opened: Database) -> None:
    async with opened.writing() as writing:
        assert await writing.run_all([(SEND, []), (MOVE, [])]) == 0


@pytest.mark.parametrize("number", [1, 2])
async def test_work_of_one_statement_is_done_like_any_other(opened: Database, number: int) -> None:
    """A card that is drawn again changes one row of the state and nothing else."""
    async with opened.writing() as writing:
        await writing.run_all([(SEND, [parcel(nth) for nth in range(number)]), (MOVE, [])])
        moved = await writing.run_all([(MOVE, [{"which": "p0000", "new_level": 7}]), (SEND, [])])
        await writing.run_all([(SEND, []), (MOVE, [{"which": "p0000", "new_level": 8}])])
        await writing.commit()

    assert moved in {1, -1}
    assert [row["level"] for row in await stored(opened)] == [8, 1][:number]
