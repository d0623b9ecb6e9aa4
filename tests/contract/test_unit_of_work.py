"""What `bot.ports.UnitOfWork` promises, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from bot.delivery import MessageRef
from bot.directory import Address, WorkspaceId
from bot.effects import Effect, Errand
from bot.errors import Conflict, NotFound
from bot.facts import FactKind
from bot.ports import Damaged
from bot.state import EscalationId, Status
from storage.database import Database
from storage.tables import escalations, outbox
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    WORKSPACE,
    a_plan,
    a_redraw,
    an_escalation,
    noting,
    opening,
)
from tests.carrying import delivered, leased
from tests.fakes import NINE, FakeClock

PING, POST = Effect(Errand.PING, 1, BOB), Effect(Errand.POST, 1, Address("local:support"))
LATER = NINE + timedelta(hours=1)


async def stored(database: Database, *drafts, effects=()):
    """Store each draft; returns the saved values."""
    async with database.units() as unit:
        saved = [await unit.add(opening(draft, *effects), at=NINE) for draft in drafts]
        await unit.commit()
    return saved


async def saved_note(database: Database, escalation, *effects, at=NINE):
    async with database.units() as unit:
        new = await unit.save(noting(escalation, "a note", *effects), at=at)
        await unit.commit()
    return new


async def test_what_is_added_can_be_read_back_by_id_and_by_number(database):
    (saved,) = await stored(database, an_escalation(42, title="naïve \0 ☃", remind=NINE))

    async with database.units() as unit:
        assert saved.version == 1
        assert await unit.get(WORKSPACE, saved.id) == saved
        assert await unit.by_number(WORKSPACE, 42) == saved


async def test_another_workspace_does_not_see_it(database):
    (saved,) = await stored(database, an_escalation(42))
    other = WorkspaceId("other")

    async with database.units() as unit:
        with pytest.raises(NotFound):
            await unit.get(other, saved.id)
        with pytest.raises(NotFound):
            await unit.by_number(other, 42)
        with pytest.raises(NotFound):
            await unit.by_number(WORKSPACE, 43)


async def test_leaving_without_commit_undoes_everything(database):
    async with database.units() as unit:
        assert await unit.next_number(WORKSPACE) == 1
        saved = await unit.add(opening(an_escalation(1), PING), at=NINE)
        await unit.remember(WORKSPACE, "click", saved.id)

    async with database.units() as unit:
        assert await unit.next_number(WORKSPACE) == 1
        assert await unit.seen(WORKSPACE, "click") is None
        with pytest.raises(NotFound):
            await unit.get(WORKSPACE, saved.id)
    assert await leased(database.outbox()) == []


async def test_a_plan_that_was_undone_is_stored_with_the_next_escalation(database):
    async with database.units() as unit:
        await unit.add(opening(an_escalation(1)), at=NINE)

    await stored(database, an_escalation(1), an_escalation(2))
    (third,) = await stored(database, an_escalation(3))

    assert (await database.archive().get(WORKSPACE, third.id)).plan == a_plan()
    assert (await database.archive().by_number(WORKSPACE, 1)).plan == a_plan()


async def test_a_committed_unit_takes_nothing_more(database):
    async with database.units() as unit:
        await unit.commit()
        with pytest.raises(RuntimeError):
            await unit.next_number(WORKSPACE)


async def test_numbers_run_by_workspace(database):
    async with database.units() as unit:
        numbers = [await unit.next_number(WORKSPACE) for _ in range(3)]
        first_elsewhere = await unit.next_number(WorkspaceId("other"))
        await unit.commit()

    assert numbers == [1, 2, 3]
    assert first_elsewhere == 1


async def test_saving_moves_the_version_and_writes_history_and_parcels_together(database):
    (saved,) = await stored(database, an_escalation(1))

    new = await saved_note(database, saved, PING)

    parcels = await leased(database.outbox())
    assert new.version == 2
    assert await database.archive().get(WORKSPACE, saved.id) == new
    assert [row.fact.kind for row in await database.archive().ledger(saved.id)] == [FactKind.OPENED, FactKind.NOTED]
    assert [parcel.key for parcel in parcels] == [f"{saved.id}:2:0"]


async def test_saving_an_old_value_is_a_conflict_and_changes_nothing(database):
    (saved,) = await stored(database, an_escalation(1))
    new = await saved_note(database, saved)

    async with database.units() as unit:
        with pytest.raises(Conflict):
            await unit.save(noting(saved, "too late", PING), at=NINE)

    assert await database.archive().get(WORKSPACE, saved.id) == new
    assert len(await database.archive().ledger(saved.id)) == 2


async def test_a_batch_with_one_old_value_is_a_conflict(database):
    first, second = await stored(database, an_escalation(1), an_escalation(2))
    await saved_note(database, second)

    async with database.units() as unit:
        with pytest.raises(Conflict):
            await unit.save_all([noting(first), noting(second)], at=NINE)

    assert await database.archive().get(WORKSPACE, first.id) == first


async def test_saving_what_was_never_stored_is_a_conflict(database):
    async with database.units() as unit:
        with pytest.raises(Conflict):
            await unit.save(noting(an_escalation(1)), at=NINE)


async def test_one_unit_may_save_twice(database):
    (saved,) = await stored(database, an_escalation(1))

    async with database.units() as unit:
        once = await unit.save(noting(saved, "one"), at=NINE)
        twice = await unit.save(noting(once, "two"), at=NINE)
        await unit.commit()

    assert twice.version == 3
    assert [row.seq for row in await database.archive().ledger(saved.id)] == [1, 2, 3]
    assert await database.archive().broken_at(WORKSPACE, saved.id) is None


async def test_a_changed_plan_is_stored(database):
    (saved,) = await stored(database, an_escalation(1))

    new = await saved_note(database, replace(saved, plan=a_plan("30m", "2h", matrix="other")))

    assert (await database.archive().get(WORKSPACE, saved.id)).plan == new.plan


async def test_a_number_is_given_once(database):
    await stored(database, an_escalation(1, id="one"))

    async with database.units() as unit:
        with pytest.raises(Conflict):
            await unit.add(opening(an_escalation(1, id="two")), at=NINE)


async def test_the_highest_level_then_the_longest_overdue_comes_first(database):
    minutes = timedelta(minutes=1)
    await stored(
        database,
        an_escalation(1, level=1, due=NINE + minutes),
        an_escalation(2, level=2, due=NINE + 3 * minutes),
        an_escalation(3, level=2, due=NINE + 2 * minutes),
        an_escalation(4, level=3, due=LATER),
        an_escalation(5, level=1, due=None, remind=NINE),
    )

    async with database.units() as unit:
        everything = await unit.overdue(LATER, 10)
    async with database.units() as unit:
        some = await unit.overdue(LATER, 3)

    assert [row.escalation.number for row in everything] == [3, 2, 5, 1]
    assert [row.escalation.number for row in some] == [3, 2, 5]


async def test_at_the_deadline_it_is_still_in_time(database):
    await stored(database, an_escalation(1, due=NINE))

    async with database.units() as unit:
        assert await unit.overdue(NINE, 10) == []
        assert len(await unit.overdue(NINE + timedelta(milliseconds=1), 10)) == 1


async def test_what_has_ended_is_never_due(database):
    await stored(database, an_escalation(1, due=NINE, status=Status.RESOLVED))

    async with database.units() as unit:
        assert await unit.overdue(LATER, 10) == []


async def test_a_batch_is_saved_as_one(database):
    drafts = [an_escalation(n) for n in range(1, 6)]
    await stored(database, *drafts)

    async with database.units() as unit:
        rows = await unit.overdue(LATER, 10)
        moved = [replace(row.escalation, status=Status.CANCELLED) for row in rows]
        await unit.save_all([noting(value, "moved", PING) for value in moved], at=LATER)
        await unit.commit()

    async with database.units() as unit:
        assert await unit.overdue(LATER, 10) == []
        assert (await unit.by_number(WORKSPACE, 5)).version == 2
    async with database.reading() as reading:
        assert (await reading.run(select(func.count()).select_from(outbox))).scalar_one() == 5


async def test_an_unreadable_row_is_claimed_as_damaged_and_does_not_hide_the_others(database):
    broken, _ = await stored(database, an_escalation(1), an_escalation(2))
    await spoil(database, broken.id)

    async with database.units() as unit:
        rows = await unit.overdue(LATER, 10)

    assert [isinstance(row.escalation, Damaged) for row in rows] == [True, False]
    assert rows[0].id == broken.id
    assert rows[0].workspace == WORKSPACE


async def test_a_parked_row_waits_longer_each_time_and_keeps_what_it_holds(database, clock: FakeClock):
    (broken,) = await stored(database, an_escalation(1))
    await spoil(database, broken.id)

    waits = []
    for _ in range(8):
        clock.forward(hours=2)
        async with database.units() as unit:
            (row,) = await unit.overdue(clock.now(), 10)
            until = await unit.park(row, "damaged", at=clock.now())
            await unit.commit()
        waits.append((until - clock.now()) / timedelta(minutes=1))
        async with database.units() as unit:
            assert await unit.overdue(until, 10) == []

    history = await database.archive().ledger(broken.id)
    (bell,) = await database.archive().bells()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [row.fact.kind for row in history[1:]] == [FactKind.PARKED] * 8
    assert history[-1].fact.code == "damaged"
    assert (bell.window, bell.at) == (None, until)
    with pytest.raises(Damaged):
        await database.archive().get(WORKSPACE, broken.id)


async def test_after_success_parking_begins_anew(database):
    (saved,) = await stored(database, an_escalation(1))
    for _ in range(2):
        async with database.units() as unit:
            (row,) = await unit.overdue(LATER + timedelta(days=1), 1)
            await unit.park(row, "broken", at=LATER)
            await unit.commit()

    await saved_note(database, saved)

    async with database.units() as unit:
        (row,) = await unit.overdue(LATER, 1)
        assert await unit.park(row, "broken", at=LATER) == LATER + timedelta(minutes=1)


async def test_a_request_acts_once(database):
    (saved,) = await stored(database, an_escalation(1))
    async with database.units() as unit:
        await unit.remember(WORKSPACE, "click", saved.id)
        await unit.commit()

    async with database.units() as unit:
        assert await unit.seen(WORKSPACE, "click") == saved.id
        assert await unit.seen(WorkspaceId("other"), "click") is None
        assert await unit.seen(WORKSPACE, "another") is None
    async with database.units() as unit:
        with pytest.raises(Conflict):
            await unit.remember(WORKSPACE, "click", saved.id)


async def test_a_request_may_be_noted_before_what_it_opened(database):
    async with database.units() as unit:
        await unit.remember(WORKSPACE, "click", EscalationId("esc000001"))
        await unit.add(opening(an_escalation(1)), at=NINE)
        await unit.commit()

    async with database.units() as unit:
        assert await unit.seen(WORKSPACE, "click") == "esc000001"


async def test_a_request_of_nothing_is_a_conflict_at_commit(database):
    async with database.units() as unit:
        await unit.remember(WORKSPACE, "click", EscalationId("nowhere"))
        with pytest.raises(Conflict):
            await unit.commit()


async def test_nobody_is_reached_when_the_last_ping_of_the_entry_has_failed(database):
    other = Effect(Errand.PING, 1, CAROL)
    (saved,) = await stored(database, an_escalation(1), effects=(PING, other, Effect(Errand.TELL, 1, ALICE)))
    parcels = await leased(database.outbox())

    answers = []
    for parcel in parcels:
        async with database.units() as unit:
            answers.append(await unit.undeliverable(parcel, "user_not_found", at=NINE, assignees=(BOB, CAROL)))
            await unit.commit()

    last = (await database.archive().ledger(saved.id))[-2].fact
    assert answers == [False, True, False]
    assert (last.kind, last.to, last.code) == (FactKind.NOT_DELIVERED, (CAROL,), "user_not_found")
    assert await database.outbox().next_due() is None


async def test_somebody_is_reached_when_one_ping_has_arrived(database):
    await stored(database, an_escalation(1), effects=(PING, POST))
    ping, post = await leased(database.outbox())
    await delivered(database.outbox(), post, MessageRef(post.to, "C1", "1"), drawn_version=1, at=NINE)

    async with database.units() as unit:
        assert await unit.undeliverable(ping, "user_not_found", at=NINE, assignees=(BOB,)) is False


async def test_a_parcel_that_has_ended_does_not_fail_again(database):
    (saved,) = await stored(database, an_escalation(1), effects=(PING,))
    (ping,) = await leased(database.outbox())

    answers = []
    for _ in range(2):
        async with database.units() as unit:
            answers.append(await unit.undeliverable(ping, "forbidden", at=NINE, assignees=(BOB,)))
            await unit.commit()

    assert answers == [True, False]
    assert len(await database.archive().ledger(saved.id)) == 2


async def test_a_redraw_edits_every_root_card_and_ten_changes_are_one_edit(database):
    (saved,) = await stored(database, an_escalation(1), effects=(PING, POST))
    box = database.outbox()
    for parcel in await leased(box):
        await delivered(box, parcel, MessageRef(parcel.to, f"in {parcel.to}", "1"), drawn_version=1, at=NINE)

    for _ in range(10):
        saved = await saved_note(database, saved, a_redraw())

    edits = await leased(box)
    assert {edit.to for edit in edits} == {BOB, POST.to}
    assert all(edit.effect.errand is Errand.REDRAW and edit.target.to == edit.to for edit in edits)
    assert await leased(box) == []


async def test_a_change_during_an_edit_asks_for_another(database):
    (saved,) = await stored(database, an_escalation(1), effects=(PING,))
    box = database.outbox()
    (ping,) = await leased(box)
    await delivered(box, ping, MessageRef(BOB, "D1", "1"), drawn_version=1, at=NINE)
    saved = await saved_note(database, saved, a_redraw())
    (edit,) = await leased(box)

    await saved_note(database, saved, a_redraw())
    await delivered(box, edit, None, drawn_version=2, at=NINE)

    assert len(await leased(box)) == 1
    (card,) = await box.cards(saved.id)
    assert card.drawn_version == 2


async def spoil(database: Database, id: str) -> None:
    """Make a stored state unreadable."""
    async with database.writing() as writing:
        await writing.run(update(escalations).where(escalations.c.id == id).values(state='{"half":'))
        await writing.commit()
