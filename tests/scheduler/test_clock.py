"""One time for all replicas: PostgreSQL's, whatever the machines' own clocks say."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import StoreUnavailable
from scheduler.clock import SharedClock, running
from scheduler.refresh import keep_fresh
from scheduler.timers import SilentBells, Timers
from storage.database import Database
from tests.acceptance.world import World, built_world, said, who
from tests.builders import WORKSPACE
from tests.fakes import CountingIds
from tests.scheduler.test_timers import QUICK

HOUR = 3600.0


class Machine:
    """A machine's clocks: the wall clock is wrong by `wrong_by` seconds, and it has slept for `slept`."""

    def __init__(self, wrong_by: float = 0.0) -> None:
        self.wrong_by = wrong_by
        self.slept = 0.0

    def wall(self) -> float:
        return time.time() + self.wrong_by + self.slept

    def passed(self) -> float:
        return running() + self.slept

    def clock(self) -> SharedClock:
        return SharedClock(self.wall, self.passed)


class Oracle:
    """Tells the time like a database: `ahead` of `machine`, whose clocks go on by `trip` seconds meanwhile."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead, self.trip, self.away = ahead, 0.0, False
        self.asked = 0
        self.heard = asyncio.Event()
        self.machine = Machine()

    async def time(self) -> datetime:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("the database does not answer; nothing was recorded")
        self.machine.slept += self.trip / 4
        told = datetime.fromtimestamp(self.machine.wall() + self.ahead, UTC)
        self.machine.slept += self.trip * 3 / 4
        self.heard.set()
        return told


@pytest.fixture
async def server(postgres) -> AsyncIterator[Database]:
    opened = Database.open(await postgres.migrated(), CountingIds())
    yield opened
    await opened.close()


def seconds(one: datetime, other: datetime) -> float:
    return abs((one - other).total_seconds())


@pytest.mark.parametrize("wrong_by", [-HOUR, HOUR, 365 * 24 * HOUR])
async def test_a_machine_whose_clock_is_wrong_goes_by_the_databases_time(server: Database, wrong_by: float) -> None:
    right, wrong = Machine().clock(), Machine(wrong_by).clock()
    assert seconds(right.now(), wrong.now()) > HOUR - 1, "before it has asked it cannot know better"

    asked = running()
    await right.follow(server.time)
    await wrong.follow(server.time)
    trip = timedelta(seconds=running() - asked)  # nobody knows the time better than that

    before = await server.time()
    told, left = [right.now(), wrong.now()], wrong.seconds_until(before + timedelta(minutes=15))
    after = await server.time()
    assert all(before - trip <= now <= after + trip for now in told)
    assert (before - after - trip).total_seconds() <= left - 900 <= trip.total_seconds()
    assert abs(wrong.apart - wrong_by) <= 1 + trip.total_seconds()


async def test_a_step_of_the_machines_clock_changes_nothing_and_the_time_is_asked_for_at_once() -> None:
    machine, oracle = Machine(), Oracle(ahead=10)
    clock = machine.clock()
    await clock.follow(oracle.time)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(clock.keep())
        await asyncio.sleep(0)
        before = clock.now()
        oracle.heard.clear()
        machine.wrong_by = -HOUR
        assert seconds(before, clock.now()) < HOUR / 2
        await oracle.heard.wait()
        task.cancel()

    assert seconds(before, clock.now()) < HOUR / 2


async def test_while_the_database_is_away_the_time_goes_on() -> None:
    machine, oracle = Machine(HOUR), Oracle()
    clock = machine.clock()
    await clock.follow(oracle.time)
    oracle.away, before = True, clock.now()

    with pytest.raises(StoreUnavailable):
        await clock.measure()
    machine.slept = 60

    assert 60 <= (clock.now() - before).total_seconds() < HOUR / 2


async def test_a_store_that_is_away_does_not_end_the_keeping() -> None:
    machine, oracle = Machine(), Oracle(ahead=100)
    clock = machine.clock()
    await clock.follow(oracle.time)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(clock.keep())
        await asyncio.sleep(0)
        oracle.away, asked = True, oracle.asked
        machine.wrong_by = HOUR
        while oracle.asked == asked:
            await asyncio.sleep(0.02)
        oracle.away, oracle.ahead = False, 200
        oracle.heard.clear()
        machine.wrong_by = 0.0
        await oracle.heard.wait()
        while clock.now() < datetime.now(UTC) + timedelta(seconds=199):
            await asyncio.sleep(0.02)
        task.cancel()


async def test_nobody_can_start_on_a_time_that_was_never_told() -> None:
    oracle = Oracle()
    oracle.away = True

    with pytest.raises(StoreUnavailable):
        await Machine().clock().follow(oracle.time)


async def test_a_correction_that_may_be_the_way_of_the_answer_is_none() -> None:
    machine, oracle = Machine(), Oracle()
    clock = machine.clock()
    await clock.follow(oracle.time)
    oracle.machine, oracle.trip = machine, 0.4

    first, before, second = machine.passed(), clock.now(), machine.passed()
    await clock.measure()
    third, after, fourth = machine.passed(), clock.now(), machine.passed()

    went_on = (after - before).total_seconds()
    jerk = "a tenth of a second may be the wire's; the time runs on without a jerk"
    assert third - second - 0.02 <= went_on <= fourth - first + 0.02, jerk


async def test_after_a_sleep_the_time_is_right_before_anybody_is_asked() -> None:
    machine, oracle = Machine(), Oracle()
    clock = machine.clock()
    await clock.follow(oracle.time)
    asked = oracle.asked

    machine.slept = HOUR

    assert seconds(clock.now(), datetime.now(UTC) + timedelta(hours=1)) < HOUR / 2
    assert oracle.asked == asked


async def test_a_wrong_clock_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    machine, oracle = Machine(HOUR), Oracle()
    clock = machine.clock()

    await clock.follow(oracle.time)
    await clock.measure()
    await clock.measure()

    assert caplog.text.count("set it right") == 1


async def test_a_step_of_the_databases_own_clock_is_noticed_by_the_guard(database: Database) -> None:
    oracle = Oracle()
    clock = Machine().clock()
    await clock.follow(oracle.time)
    world = await built_world(database, clock=clock)
    timers = Timers(
        service=world.engine.service, archive=database.archive(), bells=SilentBells(), clock=clock, after=lambda: None
    )
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [group.create_task(timers.run()), group.create_task(timers.guard())]
        await timers.idle()
        assert timers.stepped is None
        oracle.ahead = 300
        await clock.measure()
        while timers.stepped is None:
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()

    assert abs(timers.stepped.seconds - 300) < 30
    assert clock.monotonic() - timers.stepped.at < 30


@pytest.fixture
async def replicas(postgres) -> AsyncIterator[tuple[World, World]]:
    """Two engines on one PostgreSQL, the clock of one an hour slow, of the other an hour fast."""
    url = await postgres.migrated()
    databases = [Database.open(url, CountingIds(prefix)) for prefix in "ab"]
    clocks = [Machine(-HOUR).clock(), Machine(HOUR).clock()]
    for clock, database in zip(clocks, databases, strict=True):
        await clock.follow(database.time)
    one, two = [
        await built_world(database, clock=clock, ids=CountingIds(name), matrices={"support-process": QUICK}, bells=True)
        for database, clock, name in zip(databases, clocks, ("one", "two"), strict=True)
    ]
    yield one, two
    for database in databases:
        await database.close()


async def test_a_window_opened_on_a_slow_machine_ends_in_time_on_a_fast_one(replicas: tuple[World, World]) -> None:
    slow, fast = replicas
    asked = running()
    before = await slow.database.time()
    await slow.engine.reception.typed(slow.actor("opener"), "checkout fails", request="r1")
    after = await slow.database.time()
    opened, doubt = (await slow.escalation()).opened_at, timedelta(seconds=1 + running() - asked)
    assert before - doubt <= opened <= after + doubt

    async with fast.engine.running():
        card = await fast.chat.arrives("senior")

    moved = (await slow.escalation()).entry
    assert "Waiting · level 2 of 2 · Second" in said(card)
    assert (moved.number, moved.late) == (2, 0)
    assert moved.began_at >= opened + timedelta(seconds=1)


async def test_replicas_whose_clocks_are_two_hours_apart_move_an_issue_once(replicas: tuple[World, World]) -> None:
    slow, fast = replicas
    async with slow.engine.running(), fast.engine.running():
        for number in range(6):
            world = replicas[number % 2]
            await world.engine.reception.typed(world.actor("opener"), f"issue {number}", request=f"r{number}")
        async with asyncio.timeout(30):
            while {(await slow.escalation(number)).entry.number for number in range(1, 7)} != {2}:
                await asyncio.sleep(0.05)

    kinds = [await slow.ledger(number) for number in range(1, 7)]
    assert [sum(kind.startswith("entered") for kind in row) for row in kinds] == [2] * 6
    assert {(await fast.escalation(number)).entry.late for number in range(1, 7)} == {0}


async def test_what_one_replica_learns_the_others_know_soon(database: Database) -> None:
    mine, theirs = database.people(WORKSPACE), database.people(WORKSPACE)
    person = who("rep")
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(keep_fresh(theirs.load, every=0.02))
        await mine.choose_language(person, "fr")
        while theirs.profile(person).language != "fr":
            await asyncio.sleep(0.02)
        task.cancel()


async def test_what_cannot_be_read_now_is_read_later() -> None:
    tries: list[int] = []
    read = asyncio.Event()

    async def load() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise StoreUnavailable("away")
        if len(tries) == 2:
            raise LookupError("a bug")
        read.set()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(keep_fresh(load, every=0.01))
        await read.wait()
        task.cancel()
