"""Storms: everything that is due moves one level, in order, in few transactions, and nobody has to wait behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import select

from bot.commands import Act, Actor, Open, Standing
from bot.directory import WorkspaceId
from bot.errors import Conflict
from bot.events import Acknowledged
from scheduler.batches import ABOUT, FEWEST, Batches
from storage.database import Database
from storage.tables import outbox
from storage.unit_of_work import SqlUnitOfWork
from tests.acceptance.world import World, built_world, who
from tests.builders import an_escalation, opening
from tests.fakes import NINE, CountingIds, FakeClock

ACME = WorkspaceId("acme")


async def due(database: Database, number: int) -> None:
    """So many escalations at level 1, whose windows end a quarter past nine."""
    async with database.units() as unit:
        for nth in range(1, number + 1):
            await unit.add(opening(an_escalation(nth)), at=NINE)
        await unit.commit()


async def entries(database: Database, number: int) -> set[int]:
    """The numbers of the present entries of so many escalations."""
    found = await database.archive().open_ones(ACME, person=None, limit=number + 1)
    assert len(found) == number
    return {one.entry.number for one in found}


def late() -> FakeClock:
    """Twenty past nine: five minutes late. Its monotonic clock stands still, so that batches grow as fast as they may."""
    return FakeClock(NINE + timedelta(minutes=20))


async def opened_at(world: World, level: int) -> None:
    number = next(world.requests)
    order = Open(
        request=f"r{number}",
        by=Actor(who("opener"), Standing.MEMBER),
        title=f"issue {number}",
        matrix="support-process",
        issue_type=None,
        start_level=level,
        reason="it is known",
    )
    await world.engine.service.open(order)


async def moved_in_order(database: Database) -> list[str]:
    """The escalations whose second entry has begun, in the order in which their pings were written."""
    pings = select(outbox.c.escalation).where(outbox.c.errand == "ping", outbox.c.entry == 2).order_by(outbox.c.id)
    async with database.reading() as reading:
        return [row["escalation"] for row in await reading.rows(pings)]


async def test_after_an_outage_the_highest_level_moves_first_then_the_longest_overdue(database: Database) -> None:
    world = await built_world(database, at=datetime(2026, 11, 23, 9, tzinfo=NINE.tzinfo))
    for level in (2, 1, 3, 1, 3, 2):
        await opened_at(world, level)
        world.clock.forward(minutes=1)
    issues = [await world.escalation(number) for number in range(1, 7)]
    world.clock.forward(hours=6)

    while (await world.engine.service.sweep(4)).due:
        pass

    expected = sorted(issues, key=lambda one: (-one.entry.level, one.next_due))
    assert await moved_in_order(database) == [one.id for one in expected]


async def test_one_pass_moves_each_one_level_however_long_the_outage_was(database: Database) -> None:
    world = await built_world(database)
    for level in (1, 2, 1):
        await opened_at(world, level)
    world.clock.forward(days=30)

    await world.engine.timers.sweep()

    now = [await world.escalation(number) for number in (1, 2, 3)]
    assert [(one.entry.number, one.entry.level) for one in now] == [(2, 2), (2, 3), (2, 2)]
    assert all(one.next_due and one.next_due > world.clock.now() for one in now)


async def test_a_storm_is_handled_whole_and_each_of_it_once(database: Database) -> None:
    number = 2 * FEWEST + 30
    await due(database, number)
    world = await built_world(database, clock=late())

    assert await world.engine.timers.sweep() == number

    assert await entries(database, number) == {2}
    assert await world.engine.timers.sweep() == 0


async def test_whoever_acknowledges_during_a_storm_is_answered_before_its_end(database: Database) -> None:
    await due(database, 6 * FEWEST)
    world = await built_world(database, clock=late())
    event = Acknowledged(who("rep"))
    order = Act(request="click", by=Actor(who("admin"), Standing.MEMBER), target=1, event=event)

    async with asyncio.TaskGroup() as group:
        storm = group.create_task(world.engine.timers.sweep())
        await asyncio.sleep(0)
        done = await world.engine.service.act(order)
        answered_during_the_storm = not storm.done()

    assert done.changed
    assert answered_during_the_storm
    assert storm.result() >= 6 * FEWEST - 1


class Watched(Database):
    """Counts the units that had to give way to another one."""

    conflicts = 0

    @asynccontextmanager
    async def units(self) -> AsyncIterator[SqlUnitOfWork]:  # type: ignore[override]
        try:
            async with super().units() as unit:
                yield unit
        except Conflict:
            self.conflicts += 1
            raise


@pytest.fixture
async def replicas(postgres) -> AsyncIterator[list[Watched]]:
    """Two processes on one PostgreSQL."""
    url = await postgres.migrated()
    both = [Watched.open(url, CountingIds(name)) for name in "ab"]
    yield both  # type: ignore[misc]
    for database in both:
        await database.close()


async def test_two_replicas_share_a_storm_without_getting_into_each_others_way(replicas: list[Watched]) -> None:
    number = 5 * FEWEST
    await due(replicas[0], number)
    worlds = [await built_world(database, clock=late()) for database in replicas]
    numbers = count(1, 50)

    async def acknowledges(world: World) -> None:
        event = Acknowledged(who("admin"))
        actor = Actor(who("admin"), Standing.MEMBER)
        for _ in range(5):
            target = next(numbers)
            await world.engine.service.act(Act(request=f"ack{target}", by=actor, target=target, event=event))

    clicks = [acknowledges(world) for world in worlds]
    one, two, *_ = await asyncio.gather(*(world.engine.timers.sweep() for world in worlds), *clicks)

    assert one
    assert two
    assert one + two == number
    assert await entries(replicas[0], number) == {2}
    assert [database.conflicts for database in replicas] == [0, 0]


class Working(FakeClock):
    """A clock on which every look at it takes a while."""

    def __init__(self, takes: float) -> None:
        super().__init__(NINE + timedelta(minutes=20))
        self.takes = takes

    def monotonic(self) -> float:
        self.forward(seconds=self.takes)
        return super().monotonic()


@pytest.mark.parametrize(("takes", "before", "after"), [(ABOUT / 100, 1, 2), (10 * ABOUT, 2, 1)])
async def test_batches_are_as_large_as_the_time_they_take_allows(
    database: Database, takes: float, before: int, after: int
) -> None:
    await due(database, before * FEWEST)
    clock = Working(takes)
    world = await built_world(database, clock=clock)
    batches = Batches(world.engine.service, clock, hands=1, after=lambda: None)
    batches.size = before * FEWEST

    assert await batches.drain() == before * FEWEST

    assert batches.size == after * FEWEST
