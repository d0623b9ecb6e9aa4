"""What `bot.ports.Archive` promises, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.delivery import MessageRef
from bot.directory import Address, WorkspaceId
from bot.effects import Effect, Errand
from bot.errors import NotFound
from bot.ports import Bell
from bot.state import EscalationId, Status
from storage.database import Database
from tests.builders import ALICE, BOB, CAROL, WORKSPACE, a_plan, an_escalation, noting, opening
from tests.carrying import delivered, leased
from tests.fakes import NINE

MINUTE = timedelta(minutes=1)
PING, POST = Effect(Errand.PING, 1, BOB), Effect(Errand.POST, 1, Address("local:support"))


async def stored(database: Database, *drafts, effects=()):
    async with database.units() as unit:
        saved = [await unit.add(opening(draft, *effects), at=NINE) for draft in drafts]
        await unit.commit()
    return saved


async def test_what_is_not_there_is_not_found(database):
    archive = database.archive()

    with pytest.raises(NotFound):
        await archive.get(WORKSPACE, EscalationId("none"))
    with pytest.raises(NotFound):
        await archive.by_number(WORKSPACE, 1)
    assert await archive.ledger(EscalationId("none")) == []


async def test_an_escalation_is_found_in_its_workspace_only(database):
    (saved,) = await stored(database, an_escalation(7))

    assert await database.archive().get(WORKSPACE, saved.id) == saved
    assert await database.archive().by_number(WORKSPACE, 7) == saved
    with pytest.raises(NotFound):
        await database.archive().by_number(WorkspaceId("other"), 7)


async def test_open_ones_come_by_what_is_due_next(database):
    await stored(
        database,
        an_escalation(1, due=NINE + 3 * MINUTE),
        an_escalation(2, due=NINE + MINUTE),
        an_escalation(3, due=NINE + 2 * MINUTE, status=Status.ACKNOWLEDGED),
        an_escalation(4, due=NINE, status=Status.RESOLVED),
        an_escalation(5, workspace=WorkspaceId("other")),
    )

    found = await database.archive().open_ones(WORKSPACE, person=None, limit=10)
    two = await database.archive().open_ones(WORKSPACE, person=None, limit=2)

    assert [escalation.number for escalation in found] == [2, 3, 1]
    assert [escalation.number for escalation in two] == [2, 3]


async def test_a_person_sees_what_they_opened_were_assigned_or_joined(database):
    opened, assigned, joined, _ = await stored(
        database,
        an_escalation(1, opener=CAROL),
        an_escalation(2, assignees=(CAROL,)),
        an_escalation(3),
        an_escalation(4),
    )
    async with database.units() as unit:
        await unit.save(noting(joined, "me too", by=CAROL), at=NINE)
        await unit.save(noting(replace(assigned, ever_assigned=assigned.ever_assigned | {BOB})), at=NINE)
        await unit.commit()

    found = await database.archive().open_ones(WORKSPACE, person=CAROL, limit=10)
    of_bob = await database.archive().open_ones(WORKSPACE, person=BOB, limit=10)

    assert {escalation.number for escalation in found} == {1, 2, 3}
    assert {escalation.number for escalation in of_bob} == {1, 2, 3, 4}
    assert opened.id in {escalation.id for escalation in found}


async def test_the_ledger_tells_everything_oldest_first(database):
    (saved,) = await stored(database, an_escalation(1))
    async with database.units() as unit:
        outcome = noting(saved, "line one\nline two ☃", by=ALICE)
        await unit.save(outcome, at=NINE + timedelta(microseconds=1500))
        await unit.commit()

    opened, noted = await database.archive().ledger(saved.id)

    assert (opened.seq, noted.seq) == (1, 2)
    assert noted.fact == outcome.facts[0]
    assert noted.recorded_at == NINE + timedelta(milliseconds=1)


async def test_cards_are_found_by_escalation_and_by_message(database):
    (saved,) = await stored(database, an_escalation(1), effects=(PING, POST))
    box, archive = database.outbox(), database.archive()
    for parcel in await leased(box):
        await delivered(box, parcel, MessageRef(parcel.to, "D7", f"in {parcel.to}"), drawn_version=1, at=NINE)

    assert set(await archive.posted_in(saved.id)) == {BOB, POST.to}
    assert await archive.of_message("D7", f"in {BOB}") == (saved.id, 1)
    assert await archive.of_message("D7", "another") is None
    assert await archive.of_message("D8", f"in {BOB}") is None


async def test_there_is_a_bell_for_each_window_and_one_for_the_reminders(database):
    plan = a_plan("15m", "1h", "none")
    await stored(
        database,
        an_escalation(1, plan=plan, due=NINE + 15 * MINUTE, remind=NINE + 7 * MINUTE),
        an_escalation(2, plan=plan, due=NINE + 14 * MINUTE, remind=NINE + 8 * MINUTE),
        an_escalation(3, plan=plan, level=2, due=NINE + 60 * MINUTE),
        an_escalation(4, plan=plan, level=3, due=None, remind=NINE + 9 * MINUTE),
        an_escalation(5, plan=a_plan("4h"), due=NINE, status=Status.CANCELLED),
    )

    bells = await database.archive().bells()

    assert set(bells) == {
        Bell("15m", NINE + 14 * MINUTE),
        Bell("1h", NINE + 60 * MINUTE),
        Bell(None, NINE + 7 * MINUTE),
    }
    assert await database.archive().next_due() == NINE + 7 * MINUTE


async def test_nothing_open_rings_nothing(database):
    await stored(database, an_escalation(1, status=Status.RESOLVED))

    assert await database.archive().bells() == []
    assert await database.archive().next_due() is None
