"""Forgetting a person, and everybody's words after a while: nothing of them is left anywhere, and every chain still fits."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from bot.directory import Address, PersonId, WorkspaceId
from bot.message import Profile
from storage.database import Database
from storage.scrub import Scrub
from storage.tables import conversations, ledger, metadata, outbox
from tests.acceptance.world import World, built_world, said, who

ACME = WorkspaceId("acme")
REP = who("rep")
SECRET = "my very own words"


@pytest.fixture
async def world(database: Database) -> World:
    """Rep had ESC-1, which has ended; opened ESC-2, which has ended; wrote a note on ESC-3, which is open."""
    world = await built_world(database)
    people = database.people(ACME)
    await people.load()
    await people.remember(Profile(REP, "Robin Epson", "en"))
    await people.remember_members(Address("chat:@team"), (REP, who("senior")))
    async with database.writing() as writing:
        there = {"workspace": "acme", "address": REP, "reference": '{"who":"Robin Epson"}'}
        await writing.run(insert(conversations), there)
        await writing.commit()
    await world.says("opener", "checkout fails")
    await world.says("rep", "ack ESC-1")
    await world.says("rep", f"resolve ESC-1 {SECRET}")
    await world.says("rep", f"{SECRET}: the printer burns")
    await world.says("rep", f"resolve ESC-2 {SECRET}")
    await world.says("opener", "login fails")
    await world.says("rep", f"note ESC-3 {SECRET}")
    await world.says("senior", "note ESC-3 I asked <@rep> about it")
    await world.forward(minutes=20)
    return world


async def everything(database: Database) -> list[str]:
    """Every text that is stored, in any table and column."""
    texts: list[str] = []
    async with database.reading() as reading:
        for table in metadata.tables.values():
            for row in await reading.rows(select(table)):
                texts += [f"{table.name}: {value}" for value in row.values() if isinstance(value, str)]
    return texts


def naming(texts: Sequence[str], *words: str) -> list[str]:
    return [text for text in texts if any(word in text for word in words)]


async def test_nothing_of_a_forgotten_person_is_left_and_every_chain_fits(world: World):
    assert naming(await everything(world.database), REP, SECRET, "Robin", "<@rep>")
    erasure = world.database.erasure()

    assert await erasure.in_the_way(ACME, REP) == []
    done = await erasure.forget(ACME, REP, world.clock.now())

    assert naming(await everything(world.database), REP, SECRET, "Robin", "<@rep>") == []
    assert (done.escalations, done.kept) == (3, 0)
    assert await world.database.audits().verify(None) == (3, [])
    assert await world.database.audits().look(world.clock.now()) == []
    statement, found = await world.database.audits().full(world.clock.now())
    assert (str(statement), list(found)) == ("3 escalations, 4 entries, 0 missed", [])


async def test_what_others_said_stays_and_what_happened_keeps_its_kind_entry_and_time(world: World):
    before = await world.rows(3)
    await world.database.erasure().forget(ACME, REP, world.clock.now())

    after = await world.rows(3)

    assert [(row.seq, row.recorded_at, row.fact.kind, row.fact.entry) for row in after[:-1]] == [
        (row.seq, row.recorded_at, row.fact.kind, row.fact.entry) for row in before
    ]
    assert after[-1].fact.kind == "erased"
    assert (await world.escalation(3)).title == "login fails"
    assert (await world.escalation(1)).title == "checkout fails"
    shown = said(await world.says("senior", "timeline ESC-3"))
    assert "(erased)" in shown
    assert "opener opened it" in shown
    assert "Texts and names were erased" in shown
    assert said(await world.says("opener", "show ESC-1"))


async def test_an_open_escalation_goes_on_after_somebody_in_it_was_forgotten(world: World):
    await world.database.erasure().forget(ACME, REP, world.clock.now())

    await world.forward(hours=2)
    await world.says("supervisor", "resolve ESC-3 done")

    assert (await world.escalation(3)).status == "resolved"
    assert await world.database.audits().look(world.clock.now()) == []
    assert await world.database.audits().verify(None) == (3, [])


async def test_whoever_opened_or_has_an_open_escalation_is_not_forgotten(world: World):
    erasure = world.database.erasure()

    assert await erasure.in_the_way(ACME, who("opener")) == [3]
    assert await erasure.in_the_way(ACME, who("senior")) == [3]

    done = await erasure.forget(ACME, who("opener"), world.clock.now())
    assert (done.escalations, done.kept) == (1, 1)
    assert (await world.escalation(3)).opener == who("opener")
    assert (await world.escalation(1)).title == "—"


async def test_a_message_on_its_way_to_the_person_is_not_sent_any_more(world: World):
    async with world.database.writing() as writing:
        again = {"status": "pending", "ended_at": None, "not_before": world.clock.now() + timedelta(hours=1)}
        await writing.run(update(outbox).values(again))
        await writing.commit()

    await world.database.erasure().forget(ACME, REP, world.clock.now())

    async with world.database.reading() as reading:
        left = await reading.rows(select(outbox))
    assert left
    assert [row for row in left if row["place"] == REP] == []


async def test_forgetting_twice_or_somebody_unknown_does_no_harm(world: World):
    erasure = world.database.erasure()
    await erasure.forget(ACME, REP, world.clock.now())

    assert (await erasure.forget(ACME, REP, world.clock.now())).escalations == 0
    assert (await erasure.forget(ACME, PersonId(Address("chat:nobody_%")), world.clock.now())).escalations == 0
    assert await world.database.audits().verify(None) == (3, [])


async def test_the_same_address_in_another_workspace_is_somebody_else(world: World):
    done = await world.database.erasure().forget(WorkspaceId("other"), REP, world.clock.now())

    assert done.escalations == 0
    assert naming(await everything(world.database), "Robin")


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("slack:U1", True),
        ('{"by":"slack:U1"}', True),
        ("ask <@U1> or <@U2>", True),
        ("ask <@U1|bob>", True),
        ("slack:U12", False),
        ("<@U12>", False),
        ("myslack:U1", False),
        ("U1", False),
        ("", False),
    ],
)
def test_a_person_is_recognised_by_the_whole_address(text: str, mentions: bool):
    assert Scrub(PersonId(Address("slack:U1")), "x").mentions(text) == mentions


# Retention


async def test_texts_and_names_of_what_ended_long_ago_go_and_the_rest_stays(world: World):
    house, now = world.database.housekeeping(), world.clock.now()

    assert await house.erase_older(now - timedelta(days=10), 50, now) == 0
    later = now + timedelta(days=11)
    assert await house.erase_older(later - timedelta(days=10), 50, later) == 2

    texts = await everything(world.database)
    assert naming(texts, "checkout fails", "the printer burns") == []
    ended = {(await world.escalation(n)).id for n in (1, 2)}
    async with world.database.reading() as reading:
        rows = await reading.rows(select(ledger).where(ledger.c.escalation.in_(ended), ledger.c.kind != "erased"))
    assert rows
    assert {(row["body"], row["salt"]) for row in rows} == {(None, None)}
    assert all('"noted"' in text for text in naming(texts, SECRET)), "the note on ESC-3, which is open"
    assert (await world.escalation(3)).title == "login fails"
    first = await world.escalation(1)
    assert (first.opener, first.title, first.details) == ("forgotten:1", "—", "")
    assert first.ending
    assert (first.ending.by, first.ending.text) == ("forgotten:2", "")
    assert await world.database.audits().verify(None) == (3, [])
    _, found = await world.database.audits().full(later)
    assert {finding.number for finding in found} <= {3}, "which is open, and overdue by then"
    assert said(await world.says("admin", "show ESC-1"))


async def test_it_is_done_once_in_small_batches_and_comes_round_again(world: World):
    house, later = world.database.housekeeping(), world.clock.now() + timedelta(days=40)
    before = later - timedelta(days=10)

    assert [await house.erase_older(before, 1, later) for _ in range(4)] == [1, 1, 0, 0]
    await world.says("senior", "resolve ESC-3 done")
    assert [await house.erase_older(later, 1, later) for _ in range(2)] == [1, 0]
    assert await world.database.audits().verify(None) == (3, [])
