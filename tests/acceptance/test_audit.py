"""The auditor's eyes: nothing is found where nothing is wrong, every planted fault is, and what can be mended is."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from bot.audit import Finding, FindingKind
from bot.facts import FactKind
from storage import codec
from storage.audit import SqlAudits
from storage.database import Database
from storage.tables import escalations, findings, lanes, ledger, outbox
from tests.acceptance.world import World, said

E, O, L = escalations.c, outbox.c, ledger.c  # noqa: E741
FAR = timedelta(days=30000)
UNGUARDED = {
    "sqlite": ("DROP TRIGGER ledger_keeps_rows", "DROP TRIGGER ledger_keeps_chain", "DROP TRIGGER ledger_only_erases"),
    "postgresql": ("ALTER TABLE ledger DISABLE TRIGGER ALL",),
}
"""What somebody does who owns the database and wants to rewrite history."""


async def plant(database: Database, *statements: Any) -> None:
    """Change what is stored behind everybody's back."""
    async with database.writing() as writing:
        for statement in statements:
            await writing.run(statement)
        await writing.commit()


async def rewrite(database: Database, *statements: Any) -> None:
    """Likewise in the ledger, whose guards are taken away first."""
    dialect = "sqlite" if database.alone else "postgresql"
    await plant(database, *(text(statement) for statement in UNGUARDED[dialect]), *statements)


async def looked(world: World) -> list[Finding]:
    return list(await world.database.audits().look(world.clock.now()))


def kinds(found: Sequence[Finding]) -> set[str]:
    return {finding.kind.value for finding in found}


@pytest.fixture
async def open_one(world: World) -> World:
    """One escalation at its second entry, delivered to everybody."""
    await world.says("opener", "checkout fails")
    await world.forward(minutes=20)
    return world


async def test_nothing_is_found_in_a_story_from_beginning_to_end(world: World):
    looks: list[list[Finding]] = []
    for words in ("checkout fails", "login fails", "printer on fire"):
        await world.says("opener", words)
    looks.append(await looked(world))
    await world.says("rep", "ack ESC-2")
    await world.forward(minutes=20)
    looks.append(await looked(world))
    await world.says("senior", "note ESC-1 looking into it")
    await world.says("rep", "resolve ESC-2 restarted")
    await world.escalates("senior", "up ESC-1 too hard for us")
    looks.append(await looked(world))
    await world.forward(days=20)
    await world.says("opener", "cancel ESC-3 it rained")
    looks.append(await looked(world))
    statement, found = await world.database.audits().full(world.clock.now())

    assert looks == [[], [], [], []]
    assert (statement.escalations, statement.missed, list(found)) == (3, 0, [])
    assert statement.entries == sum([(await world.escalation(n)).entry.number for n in (1, 2, 3)])


FAR_AWAY = "far"
DAMAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"next_due": None}, "mistimed"),
    ({"next_due": FAR_AWAY}, "mistimed"),
    ({"next_due": FAR_AWAY, "reminder_due": FAR_AWAY}, "mistimed"),
    ({"next_due": FAR_AWAY, "deadline": FAR_AWAY, "reminder_due": FAR_AWAY}, "mistimed"),
    ({"parked": 9, "next_due": FAR_AWAY, "reminder_due": FAR_AWAY, "deadline": None}, "parked"),
    ({"parked": 1}, "parked"),
    ({"state": "{"}, "unreadable"),
    ({"state": "{}"}, "unreadable"),
    ({"level": 5}, "unlike"),
    ({"status": "acknowledged"}, "unlike"),
    ({"version": 77}, "unlike"),
    ({"opener": "chat:somebody"}, "unlike"),
    ({"entry": 3}, "begun"),
    ({"ledger_head": "0" * 64}, "ledger"),
    ({"ledger_seq": 1}, "ledger"),
)


async def found_by_damage(world: World, values: dict[str, Any]) -> set[str]:
    """What a fresh auditor finds at its first look while the row holds these values; then the row is put right again."""
    async with world.database.reading() as reading:
        ((before),) = await reading.rows(select(escalations))
    await plant(world.database, update(escalations).values(values))
    found = kinds(await looked(world))
    await plant(world.database, update(escalations).values({name: before[name] for name in values}))
    return found


async def test_every_kind_of_damage_to_a_row_is_found_at_the_first_look(open_one: World):
    far = open_one.clock.now() + FAR
    for changes, kind in DAMAGES:
        values = {name: far if value == FAR_AWAY else value for name, value in changes.items()}
        assert kind in await found_by_damage(open_one, values), changes
    assert await looked(open_one) == []


async def test_what_is_overdue_is_found_whatever_its_age_by_each_of_its_times(open_one: World):
    """Each of the three has an index of its own: two may be damaged."""
    far = open_one.clock.now() + FAR
    for days in (0.1, 3, 400, 20_000):
        for column in ("next_due", "deadline", "reminder_due"):
            past = open_one.clock.now() - timedelta(days=days)
            times = {name: past if name == column else far for name in ("next_due", "deadline", "reminder_due")}
            assert await found_by_damage(open_one, times) & {"overdue", "mistimed"}, (column, days)


async def test_what_is_damaged_and_long_past_is_suspect_without_reading_any_history(
    open_one: World, monkeypatch: pytest.MonkeyPatch
):
    """The questions that are asked of everything find it; among a million others its turn would come in hours."""
    monkeypatch.setattr("storage.audit.PART", 0)
    monkeypatch.setattr("storage.audit.CHANGES", 0)
    past, far = open_one.clock.now() - timedelta(days=20_000), open_one.clock.now() + FAR
    for column in ("next_due", "deadline", "reminder_due"):
        times = {name: past if name == column else far for name in ("next_due", "deadline", "reminder_due")}
        assert await found_by_damage(open_one, times), column
    assert await found_by_damage(open_one, {"next_due": None})
    assert await found_by_damage(open_one, {"parked": 1})


async def test_what_no_sweep_takes_is_found_after_a_minute(open_one: World):
    due = (await open_one.escalation()).next_due
    assert due
    open_one.clock.to(due + timedelta(seconds=59))
    assert await looked(open_one) == []

    open_one.clock.forward(seconds=2)

    assert [(finding.kind, finding.at) for finding in await looked(open_one)] == [(FindingKind.OVERDUE, due)]


async def test_an_entry_that_begins_twice_or_never_is_found(open_one: World):
    begun = select(L.seq).where(L.kind == "entered", L.entry == 2).scalar_subquery()
    await rewrite(open_one.database, update(ledger).where(L.seq == begun).values(entry=1))

    found = [finding for finding in await looked(open_one) if finding.kind is FindingKind.BEGUN]

    assert [finding.entry for finding in found] == [1, 2]
    assert (await open_one.database.audits().full(open_one.clock.now()))[0].missed == 2


async def test_an_entry_that_asked_nobody_is_found(open_one: World):
    await rewrite(open_one.database, delete(outbox), update(ledger).where(L.kind == "delivered").values(kind="noted"))

    assert "unasked" in kinds(await looked(open_one))


@pytest.mark.parametrize("status", ["done", "failed"])
async def test_a_message_whose_end_is_not_in_the_history_is_found(open_one: World, status: str):
    await rewrite(open_one.database, update(ledger).where(L.kind == "delivered").values(kind="noted"))
    await plant(open_one.database, update(outbox).where(O.errand == "ping").values(status=status))

    assert "untold" in kinds(await looked(open_one))


@pytest.mark.parametrize(
    ("ended", "minutes", "kind"), [(True, 66, {"stuck"}), (True, 50, set()), (False, 66, {"stuck"})]
)
async def test_a_message_that_does_not_end_is_found(open_one: World, ended: bool, minutes: int, kind: set[str]):
    begun = open_one.clock.now()
    if ended:
        await open_one.says("rep", "resolve ESC-1 restarted")
    back = {"status": "pending", "ended_at": None, "created_at": begun, "not_before": begun}
    await plant(open_one.database, update(outbox).where(O.errand == "ping", O.entry == 1).values(back))
    open_one.clock.forward(minutes=minutes)
    if not ended:
        await open_one.engine.timers.sweep()

    found = [finding for finding in await looked(open_one) if finding.about == "ping"]

    assert kinds(found) == kind


async def test_a_ping_that_is_tried_until_its_window_ends_is_no_finding(open_one: World):
    await open_one.forward(hours=1, minutes=5)  # to the third entry: four hours
    pending = {"status": "pending", "ended_at": None, "not_before": open_one.clock.now() + timedelta(hours=3)}
    await plant(open_one.database, update(outbox).where(O.errand == "ping", O.entry == 3).values(pending))
    open_one.clock.forward(hours=1, minutes=20)
    await open_one.engine.timers.sweep()

    assert await looked(open_one) == []


@pytest.mark.parametrize(
    "values",
    [{"lease_until": FAR, "lease_owner": "nobody"}, {"not_before": FAR}],
    ids=["leased", "put off"],
)
async def test_a_message_that_is_reserved_for_ever_is_found_and_released(open_one: World, values: dict[str, Any]):
    now = open_one.clock.now()
    until = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    pending = {"status": "pending", "ended_at": None} | until
    await plant(open_one.database, update(outbox).where(O.errand == "post", O.entry == 2).values(pending))
    audits = open_one.database.audits()

    found = await audits.look(now)
    assert [(finding.kind, finding.about) for finding in found] == [(FindingKind.HELD, "post")]

    assert await audits.repair(found[0], now)
    assert await audits.look(now) == []
    assert await open_one.ledger() == [*(await open_one.ledger())[:-1], "repaired:held"]


@pytest.mark.parametrize("column", ["lease_until", "open_at"])
async def test_a_place_that_is_blocked_for_ever_is_found_and_opened(open_one: World, column: str):
    now = open_one.clock.now()
    await plant(
        open_one.database,
        update(outbox).where(O.errand == "post", O.entry == 2).values(status="pending", ended_at=None, place="chat:#x"),
        insert(lanes).values(place="chat:#x", **{"lease_until": now, "open_at": now} | {column: now + FAR}),
    )
    audits = open_one.database.audits()

    found = await audits.look(now)
    assert [(finding.kind, finding.about) for finding in found] == [(FindingKind.HELD, "post")]

    assert await audits.repair(found[0], now)
    assert await audits.look(now) == []


# What is mended


async def mend(world: World) -> list[bool]:
    audits, now = world.database.audits(), world.clock.now()
    return [await audits.repair(finding, now) for finding in await audits.look(now)]


@pytest.mark.parametrize("stored", [None, FAR, -FAR])
async def test_a_lost_time_is_put_back_and_the_level_moves_when_its_window_ends(
    open_one: World, stored: timedelta | None
):
    at = open_one.clock.now() + stored if stored else None
    await plant(open_one.database, update(escalations).values(next_due=at, reminder_due=at, deadline=at))

    assert await mend(open_one) == [True]

    assert await looked(open_one) == []
    assert (await open_one.ledger())[-1] == "repaired:next_due"
    await open_one.forward(hours=1)
    assert (await open_one.escalation()).entry.number == 3
    assert await looked(open_one) == []


async def test_what_is_open_and_plans_nothing_is_asked_about_at_once(open_one: World):
    state = (await open_one.escalation()).with_entry(due=None, nudges=())
    written = codec.ESCALATION.write(state, whole=False)
    nothing = {"next_due": None, "deadline": None, "reminder_due": None, "window": None, "state": written}
    await plant(open_one.database, update(escalations).values(nothing))

    assert kinds(await looked(open_one)) == {"untimed"}
    assert await mend(open_one) == [True]
    await open_one.forward(minutes=1)

    assert "reminded:review" in await open_one.ledger()
    assert await looked(open_one) == []


async def test_what_cannot_be_read_and_has_no_time_is_put_aside_where_everybody_sees_it(open_one: World):
    await plant(
        open_one.database, update(escalations).values(state="{", next_due=None, deadline=None, reminder_due=None)
    )

    assert sorted(await mend(open_one)) == [False, True]
    open_one.clock.forward(seconds=1)
    await open_one.engine.timers.sweep()

    assert kinds(await looked(open_one)) == {"unreadable", "parked"}


async def test_what_was_put_aside_for_ever_is_taken_back(open_one: World):
    far = open_one.clock.now() + FAR
    await plant(open_one.database, update(escalations).values(parked=3, next_due=far, reminder_due=far, deadline=None))

    assert await mend(open_one) == [True]
    open_one.clock.forward(seconds=1)
    await open_one.ticks()

    assert await looked(open_one) == [], "it can be read: the sweep has put its times back"


async def test_a_ping_for_what_has_ended_is_withdrawn(open_one: World):
    await open_one.says("rep", "resolve ESC-1 restarted")
    pending = {"status": "pending", "ended_at": None, "not_before": open_one.clock.now() + timedelta(hours=20)}
    await plant(open_one.database, update(outbox).where(O.errand == "ping").values(pending))
    open_one.clock.forward(hours=2)

    assert await mend(open_one) == [True]

    async with open_one.database.reading() as reading:
        statuses = {row["status"] for row in await reading.rows(select(O.status).where(O.errand == "ping"))}
    assert statuses == {"superseded"}
    assert await looked(open_one) == []


async def test_history_is_never_mended(open_one: World):
    await plant(open_one.database, update(escalations).values(ledger_head="0" * 64))

    assert await mend(open_one) == [False]


# What is told


async def test_a_finding_is_told_once_again_when_it_changes_and_again_the_next_day(open_one: World):
    audits, now = open_one.database.audits(), open_one.clock.now()
    await plant(open_one.database, update(escalations).values(level=5))
    found = await audits.look(now)

    assert list(await audits.news(found, now)) == found
    await audits.told(found, now)
    assert await audits.news(found, now + timedelta(hours=23)) == []
    assert list(await audits.news(found, now + timedelta(hours=25))) == found
    await audits.told(found, now + timedelta(hours=25))

    await plant(open_one.database, update(escalations).values(level=5, version=99))
    changed = await audits.look(now)
    assert len(await audits.news(changed, now + timedelta(hours=26))) == 1


async def test_of_two_processes_one_tells_and_when_it_dies_the_other_does(open_one: World):
    one, other, now = open_one.database.audits(), open_one.database.audits(), open_one.clock.now()
    await plant(open_one.database, update(escalations).values(level=5))
    found = await one.look(now)
    await other.look(now)

    assert len(await one.news(found, now)) == 1
    assert await other.news(found, now) == []
    assert len(await other.news(found, now + timedelta(minutes=3))) == 1


async def test_what_was_mended_is_forgotten_and_told_again_if_it_comes_back(open_one: World):
    audits, now = open_one.database.audits(), open_one.clock.now()
    wrong, right = update(escalations).values(level=5), update(escalations).values(level=2)
    for _ in range(2):
        await plant(open_one.database, wrong)
        found = await audits.look(now)
        assert len(await audits.news(found, now)) == 1
        await audits.told(found, now)
        await plant(open_one.database, right)
        assert await audits.news(await audits.look(now), now) == []

    async with open_one.database.reading() as reading:
        assert await reading.rows(select(findings)) == []


# Going through everything, a part at a time


async def test_every_open_escalation_is_held_against_its_history_in_turn(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
):
    """Damage that no index shows: neither a time nor a new row of the history leads to it."""
    monkeypatch.setattr("storage.audit.PART", 2)
    for number in range(1, 8):
        await world.says("opener", f"issue {number}")
    await world.forward(hours=3)
    audits: SqlAudits = world.database.audits()
    await plant(world.database, update(escalations).where(E.number == 6).values(version=99))

    found = [finding for _ in range(5) for finding in await audits.look(world.clock.now())]

    assert {(finding.kind, finding.number) for finding in found} == {(FindingKind.UNLIKE, 6)}


async def test_more_changes_than_one_look_takes_are_left_to_the_next(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("storage.audit.CHANGES", 5)
    monkeypatch.setattr("storage.audit.PART", 0)
    for number in range(1, 8):
        await world.says("opener", f"issue {number}")
        world.clock.forward(seconds=1)
    audits: SqlAudits = world.database.audits()
    await plant(world.database, update(escalations).values(version=99))

    found = [finding for _ in range(12) for finding in await audits.look(world.clock.now())]

    assert {finding.number for finding in found} == {1, 2, 3, 4, 5, 6, 7}


async def test_a_repair_is_part_of_the_history_and_leaves_the_chain_valid(open_one: World):
    await plant(open_one.database, update(escalations).values(next_due=None))

    await mend(open_one)

    assert (await open_one.rows())[-1].fact.kind is FactKind.REPAIRED
    assert await open_one.database.audits().verify(None) == (1, [])
    assert "own check mended the time" in said(await open_one.says("admin", "timeline ESC-1"))


async def test_a_time_that_is_stored_too_early_is_put_right_by_the_sweep_itself(open_one: World):
    """Left as it is, the sweep would find the row again and again, and never come to its end."""
    due = (await open_one.escalation()).next_due
    await plant(open_one.database, update(escalations).values(next_due=open_one.clock.now() - timedelta(hours=1)))

    assert await open_one.engine.timers.sweep() == 1

    assert await open_one.engine.store.archive().next_due() == due
    assert await looked(open_one) == []
