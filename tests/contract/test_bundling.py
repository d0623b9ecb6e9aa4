"""When a place is crowded, what waits for it is leased together; what was told stays for its own card."""

from datetime import timedelta

import pytest

from bot.delivery import CROWD, Delivered, Load, Moved, Postponed, Receipt, Told
from bot.directory import Address
from bot.effects import Effect, Errand
from bot.facts import FactKind
from storage.database import Database
from storage.lanes import BUNDLED, BUNDLES, LEASE
from storage.outbox import SqlOutbox
from tests.builders import BOB, CAROL, WORKSPACE
from tests.carrying import a_message, another_process, held, leased, sends, settled
from tests.fakes import NINE

PING, REMIND = Effect(Errand.PING, 1, BOB), Effect(Errand.REMIND, 1, BOB)
SECOND = timedelta(seconds=1)


@pytest.fixture
def box(database: Database) -> SqlOutbox:
    return database.outbox()


async def pings(database: Database, count: int, *, first: int = 1, effect: Effect = PING, at=NINE) -> list:
    return [await sends(database, effect, number=number, at=at) for number in range(first, first + count)]


async def loads(box: SqlOutbox, at=NINE, limit: int = 10) -> list[Load]:
    return await box.lease(at, limit=limit, busy=frozenset())


async def tell(box: SqlOutbox, load: Load, at=NINE, calm=None) -> None:
    marks = tuple(Told(parcel) for parcel in load.parcels)
    await box.settle([Receipt(load, marks, no_bundle_until=calm, called=len(marks))], at=at)


async def kinds(database: Database, escalation) -> list[FactKind]:
    return [row.fact.kind for row in await database.archive().ledger(escalation.id)]


async def test_a_few_go_one_by_one_and_a_crowd_goes_together(database, box):
    await pings(database, CROWD)
    await pings(database, CROWD + 1, first=10, effect=Effect(Errand.POST, 1, CAROL))

    assert held(await loads(box)) == [(BOB, 1), (CAROL, CROWD + 1)]


async def test_only_what_calls_on_people_is_bundled(database, box):
    await sends(database, *[Effect(Errand.TELL, 1, BOB)] * 9, *[Effect(Errand.HISTORY, 1, CAROL)] * 9)

    assert held(await loads(box)) == [(BOB, 1), (CAROL, 1)]


async def test_two_more_after_a_crowd_within_a_minute_are_a_crowd(database, box):
    await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await settled_as_delivered(box, load)
    await pings(database, 1, first=10)
    assert held(await loads(box, NINE + SECOND)) == [(BOB, 1)]
    await pings(database, 2, first=20)

    later = NINE + LEASE + 2 * SECOND
    assert held(await loads(another_process(database), later)) == [(BOB, 1)], "what may have arrived goes alone"
    await pings(database, 1, first=30)
    assert await loads(box, later) == []


async def settled_as_delivered(box: SqlOutbox, load: Load) -> None:
    marks = tuple(Delivered(parcel, a_message(BOB, parcel.id), 1) for parcel in load.parcels)
    await box.settle([Receipt(load, marks, called=len(marks))], at=NINE)


async def test_two_who_wait_where_a_crowd_was_told_a_moment_ago_are_told_together(database, box):
    await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await settled_as_delivered(box, load)
    await pings(database, 2, first=10)

    assert held(await loads(box, NINE + timedelta(seconds=59))) == [(BOB, 2)]


async def test_after_a_minute_two_are_no_crowd_any_more(database, box):
    await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await settled_as_delivered(box, load)
    await pings(database, 2, first=10)

    assert held(await loads(box, NINE + timedelta(seconds=61))) == [(BOB, 1)]


async def test_what_was_told_is_noted_once_and_stays_for_its_own_card(database, box):
    saved = await pings(database, CROWD + 1)
    (load,) = await loads(box)

    await tell(box, load)
    await tell(box, load)

    (own,) = await loads(box)
    (parcel,) = own.parcels
    assert (parcel.told, parcel.key, own.bundle) == (True, f"{saved[0].id}:1:0", None)
    await settled(box, Delivered(parcel, a_message(BOB), 1))
    assert await kinds(database, saved[0]) == [FactKind.OPENED, FactKind.DELIVERED]
    assert await database.archive().broken_at(WORKSPACE, saved[0].id) is None
    assert [card.ref.id for card in await box.cards(saved[0].id)] == ["1"]


async def test_a_reminder_that_was_told_has_nothing_more_to_say(database, box):
    await pings(database, CROWD + 1, effect=REMIND)
    (load,) = await loads(box)

    await tell(box, load)

    assert await box.next_due() is None


async def test_fresh_pings_come_before_the_cards_of_those_told_and_these_before_history(database, box):
    await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await tell(box, load)
    history = Effect(Errand.HISTORY, 1, BOB)
    await sends(database, history, PING, number=50)

    seen = []
    while found := await leased(box, NINE + timedelta(minutes=2)):
        seen += [(parcel.effect.errand, parcel.told) for parcel in found]
        await settled(box, *(Delivered(parcel, a_message(BOB, parcel.id), 1) for parcel in found))

    assert seen == [(Errand.PING, False), *[(Errand.PING, True)] * (CROWD + 1), (Errand.HISTORY, False)]


async def test_a_place_takes_no_other_bundle_for_a_while_but_the_cards_of_those_told(database, box):
    await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await tell(box, load, calm=NINE + 5 * SECOND)
    await pings(database, CROWD + 1, first=10)

    (own,) = await loads(box, NINE + SECOND)
    assert own.parcels[0].told
    await box.settle([Receipt(own, (Delivered(own.parcels[0], a_message(BOB), 1),))], at=NINE + SECOND)

    assert held(await loads(box, NINE + 5 * SECOND)) == [(BOB, CROWD + 1)]


async def test_a_bundle_that_may_have_arrived_comes_back_as_the_same_bundle(database, box):
    await pings(database, CROWD + 1)
    (first,) = await loads(box)
    await pings(database, 3, first=10)

    (again,) = await loads(another_process(database), NINE + LEASE)

    assert again.key == first.key
    assert [parcel.id for parcel in again.parcels] == [parcel.id for parcel in first.parcels]
    assert all(parcel.uncertain for parcel in again.parcels)


async def test_a_bundle_whose_answer_was_lost_comes_back_as_the_same_bundle(database, box):
    await pings(database, CROWD + 1)
    (first,) = await loads(box)
    again = tuple(Postponed(parcel, NINE + SECOND, attempted=True, uncertain=True) for parcel in first.parcels)
    await box.settle([Receipt(first, again)], at=NINE)
    await sends(database, PING, number=20, level=3)

    later = await loads(box, NINE + SECOND)
    assert held(later) == [(BOB, 1)], "the new one is more urgent and does not wait for those that may have arrived"
    await settled(box, Delivered(later[0].parcels[0], a_message(BOB), 1))

    (same,) = await loads(box, NINE + SECOND)
    assert (same.key, len(same.parcels)) == (first.key, CROWD + 1)


async def test_a_bundle_that_certainly_did_not_arrive_takes_up_what_came_since(database, box):
    await pings(database, CROWD + 1)
    (first,) = await loads(box)
    again = tuple(Postponed(parcel, NINE + SECOND, attempted=True) for parcel in first.parcels)
    await box.settle([Receipt(first, again)], at=NINE)
    await pings(database, 2, first=20)

    assert held(await loads(box, NINE + SECOND)) == [(BOB, CROWD + 3)]


async def test_a_refused_bundle_goes_on_as_single_parcels_to_their_next_places(database, box):
    saved = await pings(database, CROWD + 1)
    (load,) = await loads(box)
    marks = tuple(Moved(parcel, Address(f"local:x{nth}"), "is_archived") for nth, parcel in enumerate(load.parcels))

    await box.settle([Receipt(load, marks)], at=NINE)

    assert held(await loads(box)) == [(Address(f"local:x{nth}"), 1) for nth in range(CROWD + 1)]
    assert await kinds(database, saved[0]) == [FactKind.OPENED, FactKind.NOT_DELIVERED]


async def test_a_bundle_has_an_end_and_so_has_one_lease(database, box):
    places = [Address(f"local:p{nth}") for nth in range(BUNDLES + 2)]
    await sends(database, *[PING] * (BUNDLED + 5))
    for nth, place in enumerate(places):
        await sends(database, *[Effect(Errand.PING, 1, place)] * (CROWD + 1), number=nth + 2)

    taken = await loads(box, limit=99)

    assert len(taken) == BUNDLES
    assert held(taken)[0] == (BOB, BUNDLED)
    assert len(await loads(box, limit=99)) == len(places) + 1 - BUNDLES


async def test_whoever_was_told_by_a_bundle_counts_as_reached(database, box):
    saved = await pings(database, CROWD + 1)
    (load,) = await loads(box)
    await tell(box, load)
    (own,) = await leased(box)

    async with database.units() as unit:
        assert await unit.undeliverable(own, "is_archived", at=NINE, assignees=(BOB,)) is False
        await unit.commit()
    assert await kinds(database, saved[0]) == [FactKind.OPENED, FactKind.DELIVERED, FactKind.NOT_DELIVERED]
