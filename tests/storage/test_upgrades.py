"""A database of any age, lived in, is brought up to date: nothing is lost, and the work goes on where it was."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, insert, select

from bot.directory import Address, PersonId
from bot.message import Profile
from storage.database import Database
from storage.migrate import SCRIPTS, migrate
from storage.revisions import FLOOR_TABLE, VERSION_TABLE
from tests.acceptance.world import World, built_world, said, who
from tests.builders import WORKSPACE
from tests.fakes import CountingIds

Rows = Mapping[str, list[dict[str, Any]]]

REVISIONS = sorted(script.revision for script in ScriptDirectory(SCRIPTS).walk_revisions())


async def lived_in(database: Database) -> World:
    """Issues waiting, acknowledged and resolved, a message that could not be sent yet, and people who are known."""
    world = await built_world(database, ids=CountingIds("old"))
    for words in ("checkout fails", "mail is down", "the till is stuck"):
        await world.says("opener", words)
    await world.presses("rep", "Acknowledge")
    await world.forward(minutes=20)
    await world.says("senior", "resolve ESC-2 restarted")
    await database.people(WORKSPACE).remember(Profile(PersonId(who("rep")), "Rea", "fr"))
    await database.people(WORKSPACE).remember_members(Address("chat:!group"), (who("rep"),))
    await database.conversations(WORKSPACE).put(Address("chat:rep"), {"conversation": "a:1"})
    async with database.units() as unit:
        await unit.remember(WORKSPACE, "a click", (await world.escalation(1)).id)
        await unit.commit()
    await world.engine.reception.typed(world.actor("opener"), "the lift is stuck", request="late")
    return world


def dumped(connection: Connection) -> Rows:
    """Every row of every table, as the database itself has it, by table in the order of their references."""
    found = MetaData()
    found.reflect(connection)
    tables = [table for table in found.sorted_tables if table.name not in {VERSION_TABLE, FLOOR_TABLE}]
    return {table.name: [dict(row) for row in connection.execute(select(table)).mappings()] for table in tables}


def put_back(connection: Connection, rows: Rows) -> Rows:
    """Write what the tables of an older schema have room for; returns what was written."""
    found = MetaData()
    found.reflect(connection)
    written: dict[str, list[dict[str, Any]]] = {}
    for table in found.sorted_tables:
        known = [{name: row[name] for name in row.keys() & table.c.keys()} for row in rows.get(table.name, [])]
        if known:
            connection.execute(insert(table), known)
            written[table.name] = known
    return written


async def in_one_go(database: Database, work: Any, *given: Any) -> Any:
    async with database.engine.connect() as connection:
        writing = await connection.execution_options(writing=True)
        async with writing.begin():
            return await writing.run_sync(work, *given)


@pytest.fixture
async def older(database: Database, request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Database]:
    """An empty database of the same kind as `database`, without any schema."""
    if database.alone:
        opened = Database.open(f"sqlite:///{tmp_path}/older.db", CountingIds("upgraded"))
    else:
        opened = Database.open(request.getfixturevalue("postgres").empty(), CountingIds("upgraded"))
    yield opened
    await opened.close()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_whatever_an_older_version_stored_is_there_after_the_upgrade_and_goes_on(
    database: Database, older: Database, revision: str
) -> None:
    world = await lived_in(database)
    rows = await in_one_go(database, dumped)
    assert any(row["status"] == "pending" for row in rows["outbox"])
    assert {"escalations", "ledger", "outbox", "messages", "people", "requests"} <= {
        name for name in rows if rows[name]
    }
    await migrate(older.engine, to=revision)
    written = await in_one_go(older, put_back, rows)

    await older.migrate()

    after = await in_one_go(older, dumped)
    for table, before in written.items():
        kept = [{name: row[name] for name in before[0]} for row in after[table]]
        assert sorted(map(repr, kept)) == sorted(map(repr, before)), table
    await goes_on(older, world)


async def goes_on(database: Database, before: World) -> None:
    """What waited is sent, what is due moves, what people do counts, and every history is whole."""
    world = await built_world(database, clock=before.clock, chat=before.chat, ids=CountingIds("new"))
    await world.ticks()
    assert "the lift is stuck" in said(world.chat.at("rep")[-1].message)

    await world.forward(hours=2)

    levels = [(await world.escalation(number)).entry.level for number in (1, 2, 3, 4)]
    assert levels[3] > 1
    assert "ESC-5" in said(await world.says("opener", "the printer is stuck", request="new"))
    assert "ESC-1" in said(await world.says("opener", "checkout fails", request="r1")), "it was done before the upgrade"
    people = database.people(WORKSPACE)
    await people.load()
    assert people.profile(PersonId(who("rep"))).name == "Rea"
    for number in range(1, 6):
        escalation = await world.escalation(number)
        assert await database.archive().broken_at(WORKSPACE, escalation.id) is None
