"""A loop that stands still is noticed while it does, and its place in the code is written down."""

import asyncio
import logging
import threading
from contextlib import suppress

import pytest

from bot.signals import Silence
from scheduler.watchdog import BEAT, LONG_STALL, SHOWN_FOR, STALL, Watchdog


class SteadyClock:
    """Moved by hand from any thread."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Troubles(Silence):
    """Notes what was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def trouble(self, what: str) -> None:
        self.told.append(what)


class Told(logging.Handler):
    """Log lines as they come, and a bell for a thread that waits for one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.one = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.one.set()


@pytest.fixture
def told():
    handler, log = Told(), logging.getLogger("echelon.watchdog")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


async def beating(watchdog: Watchdog) -> "asyncio.Task[None]":
    task = asyncio.ensure_future(watchdog.run())
    await asyncio.sleep(0)
    return task


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def stand_still(clock: SteadyClock, seconds: float, told: Told) -> None:
    """Blocks the loop, as a call does that should not be there, until the thread has told of it."""
    clock.seconds += seconds
    assert told.one.wait(10), "the thread said nothing"


async def test_the_stack_is_written_down_while_the_loop_stands_still(told: Told, troubles: Troubles) -> None:
    clock = SteadyClock()
    watchdog = Watchdog(clock, troubles)  # type: ignore[arg-type]
    task = await beating(watchdog)

    stand_still(clock, STALL + 1, told)
    await ended(task)

    assert "stand_still" in told.lines[0], "the place is named"
    assert troubles.told == []


async def test_a_long_stall_is_counted_once(told: Told, troubles: Troubles) -> None:
    clock = SteadyClock()
    watchdog = Watchdog(clock, troubles)  # type: ignore[arg-type]
    task = await beating(watchdog)

    stand_still(clock, LONG_STALL + 1, told)
    threading.Event().wait(5 * BEAT)  # the thread looks several times more
    await ended(task)

    assert troubles.told == ["loop_stalled"]
    assert len([line for line in told.lines if "it is here" in line]) == 1


async def test_afterwards_readyz_says_so_for_a_while(told: Told, troubles: Troubles) -> None:
    clock = SteadyClock()
    watchdog = Watchdog(clock, troubles)  # type: ignore[arg-type]
    task = await beating(watchdog)
    assert watchdog.word() == "ok"

    stand_still(clock, 4, told)
    async with asyncio.timeout(30):
        while watchdog.word() == "ok":
            await asyncio.sleep(0.01)

    assert watchdog.word().startswith("stood still for 3.9 s")
    assert watchdog.lag() == pytest.approx(4 - BEAT)
    clock.seconds += SHOWN_FOR + 1
    assert watchdog.word() == "ok"
    await ended(task)


async def test_a_calm_loop_is_never_told_of(told: Told, troubles: Troubles) -> None:
    clock = SteadyClock()
    watchdog = Watchdog(clock, troubles)  # type: ignore[arg-type]
    task = await beating(watchdog)

    for _ in range(5):
        clock.seconds += BEAT
        await asyncio.sleep(BEAT)
    await ended(task)

    assert (told.lines, troubles.told, watchdog.word()) == ([], [], "ok")
    assert watchdog.lag() <= BEAT


async def test_the_thread_ends_with_the_loop_s_task(told: Told, troubles: Troubles) -> None:
    task = await beating(Watchdog(SteadyClock(), troubles))  # type: ignore[arg-type]
    mine = [thread for thread in threading.enumerate() if thread.name == "echelon-watchdog"]

    await ended(task)
    for thread in mine:
        thread.join(10)

    assert mine
    assert not any(thread.is_alive() for thread in mine)
