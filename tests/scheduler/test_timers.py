"""The engine at work in a real loop: bells that ring, bells that fail, a clock that steps."""

import asyncio
import selectors
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import StoreUnavailable
from bot.ports import Bell
from bot.sweeping import Swept
from scheduler.clock import SystemClock
from scheduler.timers import Timers
from scheduler.wiring import ApsBells
from storage.database import Database
from tests.acceptance.world import World, built_world, said
from tests.fakes import CountingIds, FakeClock

QUICK = """
matrix: support-process
title: Quick
roles:
  customer-support-representative: {label: First, mandate: Answers}
  senior-support-specialist: {label: Second, mandate: Decides}
levels:
  - {level: 1, role: customer-support-representative, window: 1s, action: Look, condition: Not solved}
  - {level: 2, role: senior-support-specialist, window: none, action: Decide, condition: None}
"""


@pytest.fixture(params=["apscheduler", "none"])
async def live(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[World]:
    """A world that runs by itself, by the real clock, with a first window of one second."""
    bells = request.param == "apscheduler" and request.config.getoption("--bells") == "apscheduler"
    world = await built_world(database, clock=SystemClock(), matrices={"support-process": QUICK}, bells=bells)
    async with world.engine.running():
        yield world


async def test_a_window_of_a_second_moves_the_issue_up_by_itself(live: World) -> None:
    await live.engine.reception.typed(live.actor("opener"), "checkout fails", request="r1")

    card = await live.chat.arrives("senior")

    assert "Waiting · level 2 of 2 · Second" in said(card)
    assert (await live.escalation()).entry.late == 0


async def test_jobs_are_named_after_the_windows_of_the_matrix(database: Database) -> None:
    world = await built_world(database, clock=SystemClock(), bells=True)
    assert isinstance(world.engine.bells, ApsBells)
    async with world.engine.running():
        for request, words in (("r1", "checkout fails"), ("r2", "mail is down")):
            await world.engine.reception.typed(world.actor("opener"), words, request=request)
        await world.escalates_by_itself("opener", "up ESC-2 to 3 urgent")
        await world.engine.settle()

        jobs = dict(world.engine.bells.jobs())

    assert set(jobs) == {"window 15 min", "window 4 h", "reminders"}
    first, third = await world.escalation(1), await world.escalation(2)
    assert abs(jobs["window 15 min"] - first.entry.due.at) < timedelta(seconds=1)  # type: ignore[union-attr]
    assert abs(jobs["window 4 h"] - third.entry.due.at) < timedelta(seconds=1)  # type: ignore[union-attr]


async def test_a_bell_without_anything_to_ring_for_is_taken_down(clock: FakeClock) -> None:
    bells = ApsBells(clock, lambda: None)
    bells.start()
    bells.arm([Bell("15m", clock.now() + timedelta(minutes=15)), Bell(None, clock.now())], afresh=False)

    bells.arm([Bell("3bd", clock.now() + timedelta(days=3))], afresh=False)

    assert [name for name, _ in bells.jobs()] == ["window 3 business days"]
    bells.stop()


async def test_a_bell_rings_in_the_loop_and_the_same_name_can_be_armed_again_at_once() -> None:
    clock, rung = SystemClock(), asyncio.Event()
    bells = ApsBells(clock, rung.set)
    bells.start()
    for _ in range(3):
        rung.clear()
        bells.arm([Bell("30s", clock.now() + timedelta(milliseconds=20))], afresh=False)
        async with asyncio.timeout(30):
            await rung.wait()
    assert bells.missed == 0
    bells.stop()


async def test_when_only_the_machines_clock_has_stepped_the_jobs_are_planned_anew(clock: FakeClock) -> None:
    """On PostgreSQL the product goes by the database's time; APScheduler goes by the machine's, whatever that says."""
    machine = SteppingClock()
    bells = ApsBells(clock, lambda: None, wall=machine.now)
    bells.start()
    bell = Bell("15m", clock.now() + timedelta(minutes=15))
    bells.arm([bell], afresh=False)
    ((_, before),) = bells.jobs()
    bells.arm([bell], afresh=False)
    assert bells.jobs() == [("window 15 min", before)]

    machine.wrong_by = timedelta(hours=3)
    bells.arm([bell], afresh=False)

    ((_, after),) = bells.jobs()
    assert timedelta(hours=3) <= after - before < timedelta(hours=3, seconds=5)
    bells.stop()


class NotedBells:
    """`scheduler.timers.Bells` that only notes; nothing ever rings."""

    def __init__(self) -> None:
        self.armed: list[Sequence[Bell]] = []
        self.afresh = asyncio.Event()

    def arm(self, bells: Sequence[Bell], *, afresh: bool) -> None:
        self.armed.append(bells)
        if afresh:
            self.afresh.set()


class SteppingClock(SystemClock):
    """The real clock, set wrong by hand."""

    wrong_by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.wrong_by


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=365)])
async def test_a_step_of_the_wall_clock_arms_every_bell_afresh(database: Database, step: timedelta) -> None:
    clock, bells = SteppingClock(), NotedBells()
    world = await built_world(database, clock=clock)
    timers = Timers(
        service=world.engine.service, archive=database.archive(), bells=bells, clock=clock, after=lambda: None
    )
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [group.create_task(timers.run()), group.create_task(timers.guard())]
        await timers.idle()
        clock.wrong_by = step
        await bells.afresh.wait()
        for task in tasks:
            task.cancel()


async def test_after_a_step_forward_what_is_due_moves_without_any_bell(database: Database) -> None:
    clock = SteppingClock()
    world = await built_world(database, clock=clock)
    async with world.engine.running():
        await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="r1")
        clock.wrong_by = timedelta(hours=1)
        card = await world.chat.arrives("senior")

    assert "Moved up 45 min late." in said(card)
    assert (await world.escalation()).entry.level == 2


async def test_after_a_step_back_nothing_moves_twice_and_nothing_is_lost(database: Database) -> None:
    clock = SteppingClock()
    world = await built_world(database, clock=clock, matrices={"support-process": QUICK})
    async with world.engine.running():
        await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="r1")
        await world.chat.arrives("senior")
        clock.wrong_by = timedelta(hours=-1)
        await world.engine.reception.typed(world.actor("opener"), "mail is down", request="r2")
        await world.chat.arrives("senior", count=2)

    assert [(await world.escalation(n)).entry.number for n in (1, 2)] == [2, 2]


class BrokenBells:
    """`scheduler.timers.Bells` that fail whenever they are touched."""

    def arm(self, bells: Sequence[Bell], *, afresh: bool) -> None:
        raise RuntimeError("no bells today")


async def test_bells_that_fail_stop_nothing(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    clock = SystemClock()
    world = await built_world(database, clock=clock, matrices={"support-process": QUICK})
    timers = Timers(
        service=world.engine.service,
        archive=database.archive(),
        bells=BrokenBells(),
        clock=clock,
        after=world.engine.pump.wake,
    )
    await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="r1")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part) for part in (timers.run(), timers.guard(), world.engine.pump.run())]
        await timers.idle()
        await world.chat.arrives("senior")
        for task in tasks:
            task.cancel()

    assert "The bells could not be armed" in caplog.text


async def test_an_empty_sweep_rings_nothing(database: Database) -> None:
    world = await built_world(database, clock=SystemClock())
    async with asyncio.timeout(30), world.engine.running():
        await world.engine.timers.idle()

        assert not world.engine.timers.rung


class Failing:
    """Fails once in a way that nobody has thought of, then does what the real one does."""

    def __init__(self, real: object, method: str) -> None:
        self._real, self._method, self.failed = real, method, False

    def __getattr__(self, name: str) -> object:
        if name == self._method and not self.failed:
            self.failed = True
            return self._fail
        return getattr(self._real, name)

    async def _fail(self, *_: object, **__: object) -> object:
        raise LookupError("a bug")


async def test_a_bug_in_the_sweep_or_in_the_outbox_does_not_end_the_engine(database: Database) -> None:
    world = await built_world(database, clock=SystemClock(), matrices={"support-process": QUICK})
    archive, outbox = Failing(database.archive(), "bells"), Failing(database.outbox(), "lease")
    world.engine.timers._archive = archive  # type: ignore[assignment]
    world.engine.pump._outbox = outbox  # type: ignore[assignment]

    async with world.engine.running():
        await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="r1")
        await world.chat.arrives("senior")

    assert archive.failed
    assert outbox.failed


async def test_a_sweep_that_waits_for_the_store_says_so_at_once_and_only_until_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "echelon.db"
    database = Database.open(f"sqlite:///{file}", CountingIds())
    await database.migrate()
    world = await built_world(database, clock=SystemClock())
    timers = world.engine.timers

    async def says(trouble: bool) -> None:
        async with asyncio.timeout(30):
            while bool(timers.trouble) is not trouble:
                timers.ring()
                await asyncio.sleep(0.02)

    async with world.engine.running():
        await says(False)
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            whole = file.read_bytes()
            with file.open("r+b") as spoilt:
                spoilt.seek(4096)
                spoilt.write(b"\xa5" * (len(whole) - 4096))
            other.execute("PRAGMA user_version = 1")  # whoever has pages in memory reads them again
        await says(True)

        with file.open("r+b") as mended:
            mended.seek(4096)
            mended.write(whole[4096:])
        await says(False)
    await database.close()


class Leaps(selectors.DefaultSelector):
    """Instead of waiting, it moves a clock of its own."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time."""

    def __init__(self) -> None:
        self.leaps = Leaps()
        super().__init__(self.leaps)

    def time(self) -> float:
        return self.leaps.now


class AwayUntil:
    """A store that cannot be reached before an instant of the loop; `tried` holds when somebody tried."""

    def __init__(self, back: float) -> None:
        self.back, self.tried = back, list[float]()

    async def sweep(self, limit: int) -> Swept:
        self.tried.append(asyncio.get_running_loop().time())
        if self.tried[-1] < self.back:
            raise StoreUnavailable("away")
        return Swept(0, 0)

    async def bells(self) -> Sequence[Bell]:
        return ()


@pytest.mark.parametrize("away", [0.5, 7.0, 8.0, 61.7])
def test_a_store_that_is_back_is_swept_within_two_seconds_however_long_it_was_away(
    away: float, clock: FakeClock
) -> None:
    async def outage() -> list[float]:
        store = AwayUntil(away)
        timers = Timers(service=store, archive=store, bells=NotedBells(), clock=clock, after=lambda: None)  # type: ignore[arg-type]
        task = asyncio.ensure_future(timers.run())
        await timers.idle()
        task.cancel()
        return store.tried

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        tried = runner.run(outage())

    assert away <= tried[-1] <= away + 2.0
    assert len(tried) < 8 + away
