"""One sender per place over all processes: what two outboxes on one database promise each other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.delivery import Delivered, Load, Receipt
from bot.directory import Address
from bot.effects import Effect, Errand
from storage.database import Database
from storage.lanes import LEASE
from storage.outbox import SqlOutbox
from storage.tables import lanes, outbox
from storage.transaction import Transaction
from tests.builders import BOB, CAROL
from tests.carrying import a_message, another_process, delivered, held, leased, sends
from tests.fakes import NINE

TELL = Effect(Errand.TELL, 1, BOB)
SECOND = timedelta(seconds=1)


@pytest.fixture
def box(database: Database) -> SqlOutbox:
    return database.outbox()


def closing(load: Load, until) -> Receipt:
    (parcel,) = load.parcels
    return Receipt(load, (Delivered(parcel, a_message(BOB, parcel.id), 1),), closed_until=until)


async def test_two_who_race_for_one_place_never_hold_it_together(database, box):
    other = another_process(database)
    await sends(database, *[TELL] * 12)
    taken = []
    holding = 0

    async def carries(one: SqlOutbox) -> None:
        nonlocal holding
        for _ in range(200):
            parcels = await leased(one)
            if parcels:
                holding += len(parcels)
                assert holding == 1
                taken.extend(parcel.key for parcel in parcels)
                await asyncio.sleep(0)
                holding -= 1
                await delivered(one, parcels[0], a_message(BOB, parcels[0].id))
            if len(taken) == 12:
                return
            await asyncio.sleep(0)

    await asyncio.gather(carries(box), carries(other), carries(box), carries(other))

    assert len(taken) == 12
    assert taken == sorted(taken, key=lambda key: int(key.rpartition(":")[2])), "in their order"


async def test_of_two_who_chose_the_same_place_one_gets_it(database, box):
    await sends(database, *[TELL] * 2, Effect(Errand.TELL, 1, Address("local:x")))
    other = another_process(database)

    both = await asyncio.gather(
        box.lease(NINE, limit=9, busy=frozenset()), other.lease(NINE, limit=9, busy=frozenset())
    )

    assert sorted(place for place, _ in held([*both[0], *both[1]])) == [BOB, "local:x"]


async def test_a_pace_holds_over_processes_and_restarts(database, box):
    await sends(database, *[TELL] * 2)
    (load,) = await box.lease(NINE, limit=9, busy=frozenset())

    await box.settle([closing(load, NINE + SECOND)], at=NINE)

    other = another_process(database)
    await other.reclaim(NINE)
    assert await leased(other, NINE + SECOND / 2) == []
    assert len(await leased(other, NINE + SECOND)) == 1


async def test_whoever_lost_the_lane_does_not_free_it(database, box):
    await sends(database, *[TELL] * 3)
    other = another_process(database)
    (mine,) = await box.lease(NINE, limit=9, busy=frozenset())
    (theirs,) = await other.lease(NINE + LEASE, limit=9, busy=frozenset())

    await box.settle([closing(mine, NINE + 9 * LEASE)], at=NINE + LEASE)
    assert await leased(box, NINE + LEASE) == []

    await other.settle([closing(theirs, None)], at=NINE + LEASE)
    assert len(await leased(box, NINE + LEASE)) == 1


async def test_a_lane_comes_back_when_its_lease_has_run_out(database, box):
    await sends(database, TELL)
    await leased(box)
    other = another_process(database)

    assert await leased(other, NINE + LEASE - SECOND) == []
    assert [parcel.uncertain for parcel in await leased(other, NINE + LEASE)] == [True]


async def test_at_a_start_nobody_else_holds_anything(database, box):
    await sends(database, TELL)
    await leased(box)

    await another_process(database).reclaim(NINE)

    assert len(await leased(box)) == 1


async def test_a_lane_whose_parcel_has_gone_is_free_again(database, box):
    await sends(database, TELL)
    (parcel,) = await leased(box)
    await delivered(box, parcel, a_message(BOB))

    assert await leased(box) == []
    await sends(database, TELL, number=2)
    assert len(await leased(another_process(database))) == 1


async def test_a_place_where_the_version_before_is_sending_is_left_alone(database, box):
    """It leases rows of the outbox and knows no lanes."""
    await sends(database, *[TELL] * 2)
    async with database.writing() as writing:
        theirs = {"lease_owner": "old", "lease_until": NINE + LEASE}
        await writing.run(update(outbox).where(outbox.c.key.like("%:0")).values(theirs))
        await writing.commit()

    assert await leased(box) == []
    assert len(await leased(box, NINE + LEASE)) == 1


@pytest.fixture
async def elsewhere(database: Database) -> AsyncIterator[Transaction]:
    """The transaction of a process that stands still in the middle of it; only a server lets others write meanwhile."""
    if database.alone:
        pytest.skip("one writer at a time: nobody can stand still in the middle of a transaction and let others write")
    async with database.writing() as standing_still:
        yield standing_still


async def test_a_locked_lane_does_not_keep_the_others_waiting(database, box, elsewhere):
    await sends(database, *[TELL] * 2, Effect(Errand.TELL, 1, CAROL))
    for parcel in await leased(box):
        await delivered(box, parcel, a_message(BOB, parcel.id))
    await sends(database, Effect(Errand.TELL, 1, CAROL), number=2)
    await elsewhere.run(update(lanes).where(lanes.c.place == BOB).values(open_at=NINE))

    async with asyncio.timeout(5):  # a lock is waited for twice as long
        loads = await box.lease(NINE, limit=9, busy=frozenset())

    assert held(loads) == [(CAROL, 1)]


async def test_a_locked_message_does_not_keep_the_others_waiting(database, box, elsewhere):
    await sends(database, TELL, Effect(Errand.TELL, 1, CAROL))
    await elsewhere.run(update(outbox).where(outbox.c.place == BOB).values(attempts=1))

    async with asyncio.timeout(5):
        loads = await box.lease(NINE, limit=9, busy=frozenset())

    assert held(loads) == [(CAROL, 1)]
    await elsewhere.commit()
    assert held(await box.lease(NINE, limit=9, busy=frozenset())) == [(BOB, 1)], "its lane was given back"
