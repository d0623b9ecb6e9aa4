"""What ended long ago is forgotten; what is still open is not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.delivery import Delivered, Load, Receipt
from bot.effects import Effect, Errand
from bot.state import Status
from storage.database import Database
from storage.outbox import SqlOutbox
from storage.tables import lanes, outbox, requests
from tests.builders import BOB, CAROL, WORKSPACE, noting
from tests.carrying import a_message, delivered, leased, sends, superseded
from tests.fakes import NINE

PING, TELL = Effect(Errand.PING, 1, BOB), Effect(Errand.TELL, 1, CAROL)
DAY = timedelta(days=1)


@pytest.fixture
def box(database: Database) -> SqlOutbox:
    return database.outbox()


async def rows(database: Database, table) -> int:
    async with database.reading() as reading:
        return (await reading.run(select(func.count()).select_from(table))).scalar_one()


async def resolved(database: Database, escalation, at) -> None:
    async with database.units() as unit:
        current = await unit.get(WORKSPACE, escalation.id)
        await unit.save(noting(replace(current, status=Status.RESOLVED), "over"), at=at)
        await unit.commit()


async def asked(database: Database, escalation, request: str) -> None:
    async with database.units() as unit:
        await unit.remember(WORKSPACE, request, escalation.id)
        await unit.commit()


async def all_delivered(box: SqlOutbox, at=NINE) -> None:
    while parcels := await leased(box, at):
        for parcel in parcels:
            await delivered(box, parcel, a_message(parcel.to, parcel.id), at=at)


async def test_parcels_of_what_has_ended_are_forgotten_once_they_are_old(database, box):
    saved = await sends(database, PING, TELL)
    await all_delivered(box)
    await resolved(database, saved, NINE)

    assert await box.prune(NINE) == 0
    await box.prune(NINE + DAY)

    assert await rows(database, outbox) == 0
    assert await box.prune(NINE + DAY) == 0


async def test_pings_of_what_is_still_open_stay_for_they_say_who_was_reached(database, box):
    await sends(database, PING, TELL)
    await all_delivered(box)

    await box.prune(NINE + 90 * DAY)

    assert await rows(database, outbox) == 1


async def test_what_has_not_ended_is_never_forgotten(database, box):
    saved = await sends(database, PING, TELL)
    await resolved(database, saved, NINE)

    await box.prune(NINE + 90 * DAY)

    assert await rows(database, outbox) == 2


async def test_answered_requests_go_when_nothing_has_happened_since(database, box):
    quiet, busy = await sends(database, PING), await sends(database, PING, number=2)
    await asked(database, quiet, "click1")
    await asked(database, busy, "click2")
    await resolved(database, busy, NINE + 2 * DAY)

    await box.prune(NINE + DAY)

    async with database.reading() as reading:
        left = [row["request"] for row in await reading.rows(select(requests.c.request))]
    assert left == ["click2"]


async def test_so_many_at_a_time_until_nothing_is_left(database, box):
    saved = await sends(database, *[TELL] * 5)
    while parcels := await leased(box):
        for parcel in parcels:
            await superseded(box, parcel)
    await resolved(database, saved, NINE)

    counts = [await box.prune(NINE + DAY, limit=2) for _ in range(4)]

    assert counts == [2, 2, 1, 0]


async def test_lanes_that_nobody_has_used_for_long_go_and_those_in_use_stay(database, box):
    await sends(database, TELL, PING)
    told, ping = sorted(await leased(box), key=lambda parcel: parcel.effect.errand, reverse=True)
    await box.settle([Receipt(Load((told,)), (Delivered(told, None, 1),), closed_until=NINE)], at=NINE)
    assert ping.to == BOB

    await box.prune(NINE + DAY)

    async with database.reading() as reading:
        assert [row["place"] for row in await reading.rows(select(lanes.c.place))] == [BOB]
