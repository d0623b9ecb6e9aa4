"""Two at once: the database lets one be first, and nothing is lost or done twice."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.errors import Conflict, StoreUnavailable
from storage.database import Database
from tests.builders import BOB, WORKSPACE, Effect, Errand, an_escalation, noting, opening
from tests.carrying import delivered, leased
from tests.fakes import NINE, CountingIds

LATER = NINE + timedelta(hours=1)
PING = Effect(Errand.PING, 1, BOB)


@pytest.fixture
async def replicas(postgres):
    """Two processes on one PostgreSQL."""
    url = await postgres.migrated()
    both = Database.open(url, CountingIds("a")), Database.open(url, CountingIds("b"))
    yield both
    for database in both:
        await database.close()


async def stored(database: Database, count: int, *effects: Effect):
    async with database.units() as unit:
        saved = [await unit.add(opening(an_escalation(n), *effects), at=NINE) for n in range(1, count + 1)]
        await unit.commit()
    return saved


async def test_two_sweeps_never_claim_the_same_row(replicas):
    one, two = replicas
    await stored(one, 30)

    async with one.units() as first, two.units() as second:
        mine = await first.overdue(LATER, 20)
        theirs = await second.overdue(LATER, 20)

    assert (len(mine), len(theirs)) == (20, 10)
    assert not {row.id for row in mine} & {row.id for row in theirs}


async def test_sweeps_side_by_side_move_everything_exactly_once(replicas):
    await stored(replicas[0], 60)

    async def sweep(database: Database) -> int:
        moved = 0
        while True:
            async with database.units() as unit:
                rows = await unit.overdue(LATER, 7)
                later = [row.escalation.with_entry(due=None) for row in rows]
                await unit.save_all([noting(value, "moved", PING) for value in later], at=LATER)
                await unit.commit()
            if not rows:
                return moved
            moved += len(rows)

    moved = await asyncio.gather(*(sweep(database) for database in (*replicas, *replicas)))

    found = await replicas[0].archive().open_ones(WORKSPACE, person=None, limit=100)
    assert sum(moved) == 60
    assert {escalation.version for escalation in found} == {2}


async def test_of_two_racing_saves_one_is_a_conflict(database):
    (saved,) = await stored(database, 1)

    async def save(words: str) -> str:
        try:
            async with database.units() as unit:
                await unit.save(noting(saved, words), at=NINE)
                await unit.commit()
        except Conflict:
            return "conflict"
        return "saved"

    answers = await asyncio.gather(*(save(f"note {n}") for n in range(5)))

    assert sorted(answers) == ["conflict"] * 4 + ["saved"]
    assert len(await database.archive().ledger(saved.id)) == 2


async def test_whoever_reads_first_is_saved_first(database):
    (saved,) = await stored(database, 1)

    async def note(n: int) -> None:
        async with database.units() as unit:
            current = await unit.get(WORKSPACE, saved.id)
            await unit.save(noting(current, f"note {n}"), at=NINE)
            await unit.commit()

    await asyncio.gather(*(note(n) for n in range(10)))

    assert (await database.archive().get(WORKSPACE, saved.id)).version == 11
    assert await database.archive().broken_at(WORKSPACE, saved.id) is None


async def test_numbers_have_no_gaps_though_some_give_up(database):
    numbers: list[int] = []

    async def take(n: int) -> None:
        async with database.units() as unit:
            number = await unit.next_number(WORKSPACE)
            if n % 3:
                await unit.commit()
                numbers.append(number)

    await asyncio.gather(*(take(n) for n in range(15)))

    assert sorted(numbers) == list(range(1, 11))


async def test_of_two_units_with_one_request_the_second_is_a_conflict(database):
    (saved,) = await stored(database, 1)

    async def act() -> str:
        try:
            async with database.units() as unit:
                await unit.remember(WORKSPACE, "click", saved.id)
                await unit.commit()
        except Conflict:
            return "conflict"
        return "acted"

    assert sorted(await asyncio.gather(act(), act(), act())) == ["acted", "conflict", "conflict"]


async def test_two_processes_never_hold_the_same_parcel(replicas):
    one, two = replicas
    effects = [Effect(Errand.PING, 1, f"local:p{n}") for n in range(20)]
    await stored(one, 3, *effects)

    async def take(database: Database) -> list[str]:
        taken: list[str] = []
        for _ in range(10):
            taken += [parcel.id for parcel in await leased(database.outbox(), limit=6)]
        return taken

    mine, theirs = await asyncio.gather(take(one), take(two))

    assert not set(mine) & set(theirs)


async def test_marks_and_saves_share_one_chain(database):
    effects = [Effect(Errand.PING, 1, f"local:p{n}") for n in range(8)]
    (saved,) = await stored(database, 1, *effects)
    box = database.outbox()
    parcels = await leased(box, limit=8)

    async def note(n: int) -> None:
        async with database.units() as unit:
            current = await unit.get(WORKSPACE, saved.id)
            await unit.save(noting(current, f"note {n}"), at=NINE)
            await unit.commit()

    marks = (delivered(box, parcel, None) for parcel in parcels)
    await asyncio.gather(*marks, *(note(n) for n in range(4)))

    assert len(await database.archive().ledger(saved.id)) == 13
    assert await database.archive().broken_at(WORKSPACE, saved.id) is None


async def test_a_unit_that_is_cancelled_leaves_nothing_and_lets_the_next_one_in(database):
    begun = asyncio.Event()

    async def never_ends() -> None:
        async with database.units() as unit:
            await unit.next_number(WORKSPACE)
            begun.set()
            await asyncio.Event().wait()

    tasks = [asyncio.ensure_future(never_ends())]
    await begun.wait()
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async with database.units() as unit:
        assert await unit.next_number(WORKSPACE) == 1


async def test_a_server_that_became_a_standby_counts_as_away(replicas):
    async with replicas[0].writing() as writing:
        await writing.run(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(StoreUnavailable):
            await writing.run(text("INSERT INTO counters (workspace, last_number) VALUES ('acme', 1)"))
