"""What `bot.delivery.Outbox` promises, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.delivery import Delivered, SentCard, Uneditable
from bot.directory import Address
from bot.effects import Effect, Errand
from bot.facts import FactKind
from storage.database import Database
from storage.lanes import LEASE
from storage.outbox import SqlOutbox
from storage.tables import escalations, outbox
from tests.builders import ALICE, BOB, CAROL, WORKSPACE, a_redraw
from tests.carrying import (
    a_message,
    another_process,
    changed,
    delivered,
    leased,
    moved,
    postponed,
    sends,
    settled,
    superseded,
)
from tests.fakes import NINE

CHANNEL = Address("local:support")
PING, POST, CARD = Effect(Errand.PING, 1, BOB), Effect(Errand.POST, 1, CHANNEL), Effect(Errand.CARD, 1, ALICE)
SECOND = timedelta(seconds=1)


@pytest.fixture
def box(database: Database) -> SqlOutbox:
    return database.outbox()


async def facts(database: Database, escalation) -> list:
    return [row.fact for row in await database.archive().ledger(escalation.id)]


async def test_a_parcel_carries_its_effect(database, box):
    saved = await sends(database, PING)

    (parcel,) = await leased(box)

    assert (parcel.workspace, parcel.escalation, parcel.effect) == (WORKSPACE, saved.id, PING)
    assert (parcel.key, parcel.created_at, parcel.to) == (f"{saved.id}:1:0", NINE, BOB)
    assert (parcel.tried, parcel.attempts, parcel.uncertain, parcel.target, parcel.told) == ((), 0, False, None, False)


async def test_the_most_urgent_comes_first(database, box):
    await sends(database, Effect(Errand.HISTORY, 1, Address("local:a")), Effect(Errand.PING, 1, Address("local:b")))
    await sends(database, Effect(Errand.PING, 1, Address("local:c")), number=2, level=2, at=NINE + SECOND)
    await sends(database, Effect(Errand.PING, 1, Address("local:d")), number=3, at=NINE + SECOND)

    parcels = await leased(box, NINE + SECOND)

    assert [parcel.to for parcel in parcels] == ["local:c", "local:b", "local:d", "local:a"]


async def test_one_parcel_per_place_and_none_to_a_busy_one(database, box):
    await sends(database, PING, POST)
    await sends(database, PING, POST, number=2, at=NINE + SECOND)

    first = await leased(box, NINE + SECOND, busy=frozenset({CHANNEL}))
    second = await leased(box, NINE + SECOND)

    assert [(parcel.to, parcel.created_at) for parcel in first] == [(BOB, NINE)]
    assert [(parcel.to, parcel.created_at) for parcel in second] == [(CHANNEL, NINE)]
    assert await leased(box, NINE + SECOND) == [], "one at a time per place"
    await delivered(box, first[0], None, at=NINE + SECOND)
    assert [(parcel.to, parcel.created_at) for parcel in await leased(box, NINE + SECOND)] == [(BOB, NINE + SECOND)]


async def test_parcels_without_a_place_do_not_wait_for_each_other(database, box):
    await sends(database, Effect(Errand.ALERT, 1), Effect(Errand.ALERT, 1), PING)

    assert len(await leased(box)) == 3


async def test_a_channel_with_a_thousand_parcels_starves_nobody(database, box):
    many = [Effect(Errand.TELL, 1, BOB) for _ in range(1200)]
    await sends(database, *many, Effect(Errand.HISTORY, 1, CHANNEL), Effect(Errand.PING, 1, CAROL))

    parcels = await leased(box, limit=3)

    assert [parcel.to for parcel in parcels] == [CAROL, BOB, CHANNEL]


async def test_no_more_than_asked_for(database, box):
    await sends(database, PING, POST, CARD)

    assert len(await leased(box, limit=2)) == 2
    assert len(await leased(box, limit=2)) == 1


async def test_an_expired_lease_comes_back_uncertain(database, box):
    await sends(database, PING)
    (parcel,) = await leased(box)

    assert await leased(box, NINE + LEASE - SECOND) == []
    assert await box.next_due() == NINE + LEASE
    (again,) = await leased(box, NINE + LEASE)
    assert (again.id, again.key, again.uncertain) == (parcel.id, parcel.key, True)


async def test_another_process_leaves_the_place_alone_while_we_send(database, box):
    await sends(database, PING, Effect(Errand.TELL, 1, BOB), POST)
    other = another_process(database)

    (mine,) = await leased(box, limit=1)
    (theirs,) = await leased(other)

    assert (mine.to, theirs.to) == (BOB, CHANNEL)


async def test_whoever_lost_the_lease_decides_nothing_for_the_one_who_has_it(database, box):
    saved = await sends(database, PING)
    other = another_process(database)
    (late,) = await leased(box)
    (theirs,) = await leased(other, NINE + LEASE)

    await superseded(box, late, reason="stale")
    await postponed(box, late, NINE, attempted=True)
    await moved(box, late, CAROL, at=NINE)

    assert await leased(other, NINE + LEASE + SECOND) == []
    await postponed(other, theirs, NINE, attempted=False)
    assert [parcel.to for parcel in await leased(other, NINE + LEASE)] == [BOB]
    assert len(await facts(database, saved)) == 1


async def test_postponed_parcels_wait_and_count_their_attempts(database, box):
    await sends(database, PING)
    (parcel,) = await leased(box)

    await postponed(box, parcel, NINE + 5 * SECOND, attempted=False)
    assert await leased(box, NINE + 4 * SECOND) == []
    assert await box.next_due() == NINE + 5 * SECOND
    (parcel,) = await leased(box, NINE + 5 * SECOND)
    assert (parcel.attempts, parcel.uncertain) == (0, False)

    await postponed(box, parcel, NINE + 6 * SECOND, attempted=True, uncertain=True)
    (parcel,) = await leased(box, NINE + 6 * SECOND)
    assert (parcel.attempts, parcel.uncertain) == (1, True)


async def test_a_delivered_ping_leaves_a_card_and_a_row_in_the_ledger(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    message = a_message(BOB, link="https://chat.example/1")

    await delivered(box, parcel, message, drawn_version=1, at=NINE + SECOND)

    last = (await facts(database, saved))[-1]
    assert (last.kind, last.entry, last.to, last.code) == (FactKind.DELIVERED, 1, (BOB,), "ping")
    assert await box.cards(saved.id) == [SentCard(message, 1, Errand.PING, 1)]
    assert await box.next_due() is None
    assert (await database.archive().get(WORKSPACE, saved.id)).version == 1
    assert await database.archive().broken_at(WORKSPACE, saved.id) is None


async def test_only_pings_and_posts_are_noted_and_only_cards_are_remembered(database, box):
    saved = await sends(database, CARD, Effect(Errand.TELL, 1, BOB), Effect(Errand.HISTORY, 1, CHANNEL))
    for parcel in await leased(box):
        await delivered(box, parcel, a_message(parcel.to), drawn_version=1, at=NINE)

    assert [fact.kind for fact in await facts(database, saved)] == [FactKind.OPENED]
    assert [card.errand for card in await box.cards(saved.id)] == [Errand.CARD]


async def test_a_second_card_of_an_entry_at_the_same_address_stands_in_the_thread(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await delivered(box, parcel, a_message(BOB, "root"), drawn_version=1, at=NINE)
    await changed(database, saved, PING)
    (again,) = await leased(box)

    await delivered(box, again, a_message(BOB, "in the thread"), drawn_version=2, at=NINE)

    assert [card.ref.id for card in await box.cards(saved.id)] == ["root"]


async def test_delivered_twice_is_noted_once(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)

    for _ in range(2):
        await delivered(box, parcel, a_message(BOB), drawn_version=1, at=NINE)

    assert len(await facts(database, saved)) == 2
    assert len(await box.cards(saved.id)) == 1


async def test_a_card_that_was_old_when_it_arrived_is_edited(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await changed(database, saved, a_redraw())

    await delivered(box, parcel, a_message(BOB), drawn_version=1, at=NINE)

    (edit,) = await leased(box)
    assert (edit.effect.errand, edit.to, edit.target) == (Errand.REDRAW, BOB, a_message(BOB))


async def test_an_edit_that_shows_the_newest_state_asks_for_no_other(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await delivered(box, parcel, a_message(BOB), drawn_version=1, at=NINE)
    await changed(database, saved, a_redraw())
    (edit,) = await leased(box)

    await delivered(box, edit, edit.target, drawn_version=2, at=NINE)

    assert await box.next_due() is None
    assert [card.drawn_version for card in await box.cards(saved.id)] == [2]


async def test_the_post_of_a_new_entry_has_the_older_cards_edited(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await delivered(box, parcel, a_message(BOB), drawn_version=1, at=NINE)
    await changed(database, saved.with_entry(number=2), Effect(Errand.POST, 2, CHANNEL))
    (post,) = await leased(box)

    await delivered(box, post, a_message(CHANNEL), drawn_version=2, at=NINE)

    edits = await leased(box)
    assert [edit.target.to for edit in edits] == [BOB]
    assert [card.entry for card in await box.cards(saved.id)] == [1, 2]


async def test_what_is_superseded_ends_quietly_unless_there_is_a_reason(database, box):
    saved = await sends(database, PING, POST)
    ping, post = await leased(box)

    await superseded(box, ping, at=NINE)
    await superseded(box, post, at=NINE, reason="channel_archived")

    last = (await facts(database, saved))[-1]
    assert len(await facts(database, saved)) == 2
    assert (last.kind, last.to, last.code) == (FactKind.NOT_DELIVERED, (CHANNEL,), "channel_archived")
    assert await box.next_due() is None


async def test_a_refused_parcel_goes_to_the_next_place_and_says_so(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await postponed(box, parcel, NINE, attempted=True, uncertain=True)
    (parcel,) = await leased(box)

    await moved(box, parcel, CHANNEL, at=NINE + SECOND, refused="user_not_found")

    (there,) = await leased(box, NINE + SECOND)
    last = (await facts(database, saved))[-1]
    assert (there.to, there.tried, there.attempts, there.uncertain) == (CHANNEL, (BOB,), 0, False)
    assert (last.kind, last.to, last.code) == (FactKind.NOT_DELIVERED, (BOB,), "user_not_found")


async def test_choosing_a_first_place_is_no_refusal(database, box):
    saved = await sends(database, Effect(Errand.ALERT, 1))
    (parcel,) = await leased(box)

    await moved(box, parcel, CHANNEL, at=NINE)

    (there,) = await leased(box)
    assert (there.to, there.tried) == (CHANNEL, ())
    assert len(await facts(database, saved)) == 1


async def test_an_unreadable_parcel_ends_with_a_row_and_stops_nobody(database, box):
    saved = await sends(database, PING, POST)
    async with database.writing() as writing:
        await writing.run(update(outbox).where(outbox.c.place == BOB).values(effect="{}"))
        await writing.commit()

    parcels = await leased(box)

    last = (await facts(database, saved))[-1]
    assert [parcel.to for parcel in parcels] == [CHANNEL]
    assert (last.kind, last.code) == (FactKind.NOT_DELIVERED, "damaged")
    assert await leased(box) == []


async def test_an_empty_outbox_waits_for_nothing(box):
    assert await box.next_due() is None
    assert await leased(box) == []


async def test_what_arrived_under_a_lost_lease_is_not_lost_from_the_books(database, box):
    saved = await sends(database, PING)
    other = another_process(database)
    (late,) = await leased(box)
    (theirs,) = await leased(other, NINE + LEASE)

    await delivered(box, late, a_message(BOB, "first"), at=NINE + LEASE)
    assert await leased(box, NINE + LEASE) == [], "it is the other's to end"
    await delivered(other, theirs, a_message(BOB, "second"), at=NINE + LEASE)

    assert [fact.kind for fact in await facts(database, saved)] == [FactKind.OPENED, FactKind.DELIVERED]
    assert [card.ref.id for card in await box.cards(saved.id)] == ["first"]
    assert await box.next_due() is None
    assert await database.archive().broken_at(WORKSPACE, saved.id) is None


async def test_what_arrived_under_a_lost_lease_is_not_sent_again_when_nobody_holds_it(database, box):
    saved = await sends(database, PING)
    other = another_process(database)
    (late,) = await leased(box)
    (theirs,) = await leased(other, NINE + LEASE)
    await postponed(other, theirs, NINE + 3 * LEASE, attempted=True)

    await delivered(box, late, a_message(BOB), at=NINE + LEASE)

    assert await box.next_due() is None
    assert [fact.kind for fact in await facts(database, saved)] == [FactKind.OPENED, FactKind.DELIVERED]


async def test_a_lease_that_ran_out_unnoticed_is_still_ours(database, box):
    await sends(database, PING)
    (parcel,) = await leased(box)

    await delivered(box, parcel, a_message(BOB), at=NINE + 5 * LEASE)

    assert await box.next_due() is None


async def test_many_marks_are_one_transaction_and_each_ledger_stays_whole(database, box):
    places = [Address(f"local:p{n}") for n in range(4)]
    saved = [
        await sends(database, *(Effect(Errand.PING, 1, to) for to in places), number=number) for number in (1, 2, 3)
    ]
    rounds = 0
    while parcels := await leased(box):
        await settled(box, *(Delivered(parcel, a_message(parcel.to, parcel.id), 1) for parcel in parcels))
        rounds += 1

    assert rounds == 3
    for one in saved:
        assert [fact.kind for fact in await facts(database, one)].count(FactKind.DELIVERED) == 4
        assert await database.archive().broken_at(WORKSPACE, one.id) is None


async def test_a_card_that_can_no_longer_be_edited_is_not_tried_again(database, box):
    saved = await sends(database, PING)
    (parcel,) = await leased(box)
    await delivered(box, parcel, a_message(BOB))
    saved = await changed(database, saved, a_redraw())
    (edit,) = await leased(box)

    await settled(box, Uneditable(edit))
    await changed(database, saved, a_redraw())

    assert await leased(box) == []
    assert await box.next_due() is None


async def test_a_clock_that_was_set_back_lets_nothing_wait_for_long(database, box):
    hour = timedelta(hours=1)
    await sends(database, PING, POST, at=NINE + hour)
    await leased(box, NINE + hour, limit=1)
    assert await leased(box) == []

    await box.reset_waits(NINE)

    assert len(await leased(box, NINE + timedelta(minutes=1))) == 2


async def test_what_is_about_the_parcels_is_read_at_once_without_what_cannot_be_read(database, box):
    one, two = await sends(database, PING), await sends(database, POST, number=2)
    parcels = await leased(box)
    await delivered(box, parcels[0], a_message(BOB))
    async with database.writing() as writing:
        await writing.run(update(escalations).where(escalations.c.id == two.id).values(state="{}"))
        await writing.commit()

    known = await box.current(parcels)

    assert {id: (now.escalation.title, [card.ref.to for card in now.cards]) for id, now in known.items()} == {
        one.id: ("checkout fails", [BOB])
    }
