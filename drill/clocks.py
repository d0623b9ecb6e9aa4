"""A wall clock that steps: libfaketime moves it under a running process, the monotonic clock stays as it is."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from drill.checks import drained, findings
from drill.faults import Kind, Range, Row
from drill.processes import Bot
from drill.world import World
from storage.engine import create_engine
from storage.tables import escalations

WINDOWS = ("2s", "2s", "none")
SEEN_AFTER = 2.5
"""Seconds until the process has seen a step."""
ON_TIME = 1.5 + 1.0
"""Seconds that a window may end late, and what looking at it costs here on a busy machine."""
PATIENCE = 60.0
"""Seconds until something is said not to happen at all."""


def library() -> str | None:
    """libfaketime, where Debian's package `faketime` or another one has put it."""
    found = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), *Path("/usr/lib/faketime").glob("libfaketimeMT*")]
    return str(found[0]) if found else None


@dataclass
class Clock:
    """The wall clock of one process: the machine's, and so many seconds more."""

    file: Path

    def ahead(self, seconds: float) -> None:
        """From now on, at once."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}s\n", encoding="ascii")
        new.replace(self.file)

    def settings(self) -> dict[str, str]:
        """For the environment of the process."""
        return {
            "LD_PRELOAD": library() or "",
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",  # reading the file at each look at the clock makes the process crawl
            "DONT_FAKE_MONOTONIC": "1",
        }


async def _moved(world: World, number: int) -> float | None:
    """Seconds from now until an issue has left its first level; None when that did not happen within `PATIENCE`."""
    began, entry = time.monotonic(), select(escalations.c.entry).where(escalations.c.number == number)
    engine = create_engine(world.url)
    try:
        while time.monotonic() - began < PATIENCE:
            with suppress(DBAPIError):  # a file may be locked for a moment
                async with engine.connect() as connection:
                    if (await connection.execute(entry)).scalar_one() > 1:
                        return time.monotonic() - began
            await asyncio.sleep(0.02)
    finally:
        await engine.dispose()
    return None


async def _window(world: World, row: Row, title: str, team: int) -> float:
    """Open an issue and see its first window of two seconds end: how late, in seconds."""
    number, began = None, time.monotonic()
    while number is None and time.monotonic() - began < PATIENCE:  # a busy machine may make somebody ask again
        number = await world.opens(title, user=f"UOPENER{team}", channel=f"CROOM{team}")
    row.demand(number, f"{title!r} could not be opened: {world.promises.answers}")
    if number is None:
        return 0.0
    moved = await _moved(world, number)
    late = PATIENCE if moved is None else moved - 2.0
    row.demand(late <= ON_TIME, f"after {title}, a window ended {late:.1f} s late, or never")
    return late


@dataclass(frozen=True)
class Step:
    """Steps of the clock, in seconds; new windows must end in time after each, and nothing may begin twice."""

    name: str
    steps: tuple[float, ...]
    kind: Kind = "SQLite"
    apart: float = 0.0

    async def __call__(self, where: Range) -> Row:
        """Step, open, wait for the window."""
        row = Row(
            f"wall clock {self.name}, {self.kind}",
            "by libfaketime under a running process; windows of 2 s before and after",
            f"a window that begins after the step ends at most {ON_TIME:g} s late; nothing lost, nothing twice",
        )
        if not library():
            row.measured = "not tried: libfaketime is not installed"
            return row
        worst = 0.0
        async with where.ground(self.kind, mode="socket", starter=where.cold, windows=WINDOWS) as world:
            clock = Clock(world.folder / "clock")
            clock.ahead(0)
            bot = await world.start(more=clock.settings())
            row.demand(await bot.ready(), f"it never was ready: {world.log()[-500:]}")
            for nth, seconds in enumerate(self.steps):
                await world.opens(f"before step {nth}", user="UOPENER9", channel="CROOM9")
                await asyncio.sleep(0.5)
                clock.ahead(seconds)
                await asyncio.sleep(SEEN_AFTER)
                if self.apart:
                    await asyncio.sleep(self.apart)
                else:
                    worst = max(worst, await _window(world, row, f"step {nth} to {seconds:+g} s", nth % 9))
            worst = max(worst, await _window(world, row, "the last step", 10))
            await self._end(row, world, bot, clock)
            row.measured = f"latest window {worst:.2f} s late; {row.measured}"
        return row

    async def _end(self, row: Row, world: World, bot: Bot, clock: Clock) -> None:
        clock.ahead(max(0.0, *self.steps))  # what was opened by a clock that was ahead is due again
        await asyncio.sleep(SEEN_AFTER)
        row.demand(bot.alive, f"the process ended: {world.log()[-800:]}")
        row.demand((await bot.readyz())[0] == 200, f"/readyz says {await bot.readyz()}")
        await drained(world)
        found = await findings(world)
        row.judge(found)
        row.demand("Traceback" not in world.log(), world.log()[-1500:])
        row.measured = str(found)
        await world.stop()


@dataclass(frozen=True)
class Change:
    """A clock change of an office in Paris: the process lives through it."""

    name: str
    instant: datetime

    async def __call__(self, where: Range) -> Row:
        """Start twenty seconds before it, open, see windows end on both sides of it."""
        row = Row(
            f"clock change {self.name}",
            f"the process lives through {self.instant:%Y-%m-%d %H:%M} UTC; windows of 2 s across it",
            f"each window ends at most {ON_TIME:g} s late; nothing lost, nothing twice",
        )
        if not library():
            row.measured = "not tried: libfaketime is not installed"
            return row
        async with where.ground("SQLite", mode="socket", starter=where.cold, windows=WINDOWS) as world:
            clock = Clock(world.folder / "clock")
            clock.ahead((self.instant - timedelta(seconds=9) - datetime.now(UTC)).total_seconds())
            bot = await world.start(more=clock.settings())
            row.demand(await bot.ready(), f"it never was ready: {world.log()[-500:]}")
            late = [await _window(world, row, f"window {nth}", nth) for nth in range(5)]
            row.demand(bot.alive, "the process ended")
            await drained(world)
            found = await findings(world)
            row.judge(found)
            await world.stop()
        row.measured = f"latest window {max(late):.2f} s late; {found}"
        return row


def installed() -> str:
    """The version of libfaketime, for a report."""
    tool = shutil.which("faketime")
    told = subprocess.run([tool, "--version"], check=False, capture_output=True, text=True) if tool else None
    return told.stdout.splitlines()[0] if told and told.stdout else "not installed"


FAULTS: dict[str, Callable[[Range], Awaitable[Row | list[Row]]]] = {
    "clock-back": Step("-1 h", (-3600.0,)),
    "clock-forward": Step("+1 h", (3600.0,)),
    "clock-flapping": Step("±5 min, every three seconds", (300.0, -300.0) * 6, apart=0.8),
    "clock-postgresql": Step("-1 h, then +1 h", (-3600.0, 3600.0), kind="PostgreSQL"),
    "clock-spring": Change("in spring", datetime(2027, 3, 28, 1, tzinfo=UTC)),
    "clock-autumn": Change("in autumn", datetime(2027, 10, 31, 1, tzinfo=UTC)),
}
