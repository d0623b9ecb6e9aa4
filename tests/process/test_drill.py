"""The drill's checks find what they are there to find: each kind of loss, planted on a ground where nothing was lost."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from drill.checks import Findings, drained, findings
from drill.people import directory, matrices, move_in
from drill.processes import Cold
from drill.world import World, ground


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One issue, opened and noted, everybody told, the process stopped."""
    url = f"sqlite:///{tmp_path}/echelon.db"
    told = matrices(("1h", "1h", "none"))
    async with ground(tmp_path, url, Cold(), directory=directory(), matrices=told) as world:
        move_in(world.slack)
        bot = await world.start()
        await bot.ready()
        async with asyncio.timeout(30):
            while await world.opens("broken thing", user="UOPENER1", channel="CROOM1") is None:
                await asyncio.sleep(0.1)
            while not await world.notes(1, "seen", user="UOPENER1", channel="CROOM1"):
                await asyncio.sleep(0.1)
        await drained(world)
        assert await world.stop() != []
        yield world


def sql(world: World, statement: str) -> None:
    with closing(sqlite3.connect(world.url.removeprefix("sqlite:///"))) as database, database:
        database.execute(statement)


def forget_a_message(world: World) -> None:
    for said in world.slack.everything():
        said.metadata = None


def repeat_a_message(world: World) -> None:
    said = next(said for said in world.slack.everything() if said.metadata)
    world.slack.say(said.channel, said.user, said.text, metadata=said.metadata, from_bot=True)


PLANTED: dict[str, tuple[Callable[[World], object], Callable[[Findings], object]]] = {
    "an opening that was answered": (lambda w: w.promises.opened.update(other=9), lambda f: len(f.lost) == 1),
    "a note that was confirmed": (lambda w: w.promises.kept.add("gone"), lambda f: len(f.lost) == 2),
    "a message that stands twice": (repeat_a_message, lambda f: (f.doubled, f.unexplained) == (1, 1)),
    "messages that nobody can read": (forget_a_message, lambda f: len(f.lost) > 2),
    "an entry that never began": (lambda w: sql(w, "UPDATE escalations SET entry = 2"), lambda f: len(f.twice) == 1),
    "a message that waits": (
        lambda w: sql(w, "UPDATE outbox SET status = 'pending' WHERE errand = 'ping'"),
        lambda f: len(f.stuck) == 1,
    ),
    "a history that does not fit": (
        lambda w: sql(w, "UPDATE escalations SET ledger_head = 'x'"),
        lambda f: len(f.chains) == 1,
    ),
}


async def test_every_kind_of_loss_is_found(world: World) -> None:
    before = await findings(world)
    assert before.clean
    assert (before.escalations, before.doubled) == (1, 0)

    for name, (plant, found) in PLANTED.items():
        assert not found(await findings(world)), f"not planted yet: {name}"
        plant(world)
        after = await findings(world)
        assert found(after), f"{name}: {after}"


async def test_a_copy_is_excused_by_a_death_between_the_two(world: World) -> None:
    world.cut()
    repeat_a_message(world)

    found = await findings(world)

    assert (found.doubled, found.unexplained) == (1, 0)
