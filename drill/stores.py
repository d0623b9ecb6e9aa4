"""The store that fails: what people are told, what /readyz says, and whether it heals by itself."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from drill.breaking import (
    Break,
    corrupt,
    exhausted,
    frozen,
    full,
    held,
    locked,
    small_disk,
    standby,
    stopped,
    writable,
)
from drill.checks import drained, findings
from drill.faults import Range, Row
from drill.people import Crowd
from drill.processes import Bot
from drill.world import World

NOTICED = 5.0
HEALED = 5.0
CALM_AFTER = 150.0


@dataclass
class Health:
    """/readyz, asked again and again."""

    bot: Bot
    seen: list[tuple[float, int, dict[str, str]]] = field(default_factory=list)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            status, parts = await self.bot.readyz()
            self.seen.append((time.monotonic(), status, parts))
            await asyncio.sleep(0.1)

    def first(self, status: int, since: float) -> float | None:
        """Seconds from `since` until it said `status` for the first time."""
        return next((at - since for at, said, _ in self.seen if at >= since and said == status), None)

    def words(self, since: float) -> str:
        """What was wrong, at the first 503."""
        told = [parts for at, said, parts in self.seen if at >= since and said == 503]
        return _wrong_parts(told[0]) if told else ""

    def last_words(self) -> str:
        """What was wrong the last time."""
        return f"{self.seen[-1][1]} {_wrong_parts(self.seen[-1][2])}" if self.seen else ""


def _wrong_parts(parts: dict[str, str]) -> str:
    return ", ".join(f"{name} {said}" for name, said in parts.items() if name != "status" and said != "ok")


@asynccontextmanager
async def watched(bot: Bot) -> AsyncGenerator[Health]:
    """Its health, for the time of the block."""
    health = Health(bot)
    task = asyncio.ensure_future(health.watch())
    try:
        yield health
    finally:
        task.cancel()


@dataclass(frozen=True)
class StoreFault:
    """How to break a store for `seconds`, and what is said of it. `noticed` is whether /readyz must say so."""

    name: str
    kind: Any
    done: str
    breaks: Break
    seconds: float = 8.0
    noticed: bool = True

    async def __call__(self, where: Range) -> Row:
        """Break it under load, mend it, and look."""
        promised = "never a false “opened”; NOT recorded is said, nine times of ten in time; "
        promised += f"heals within {HEALED:g} s without a restart"
        promised += f"; /readyz 503 within {NOTICED:g} s" if self.noticed else ""
        row = Row(self.name, self.done, promised)
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(self._ground(where, stack))
            bot = await world.start()
            row.demand(await bot.ready(), "it never was ready")
            health = await stack.enter_async_context(watched(bot))
            async with Crowd(world, chance=where.chance(self.name), pace=8, hands=8):
                await asyncio.sleep(2)
                broken, before = time.monotonic(), dict(world.promises.answers)
                mend = await self.breaks(where, world, bot)
                await asyncio.sleep(self.seconds)
                told = {answer: n - before.get(answer, 0) for answer, n in world.promises.answers.items()}
                await mend()
                mended = time.monotonic()
                await asyncio.sleep(HEALED)
                row.demand(bot.alive, f"the process ended: {world.log()[-1000:]}")
                after = world.promises.of("done")
                await asyncio.sleep(3)
                row.demand(world.promises.of("done") > after, "nobody is served after the store came back")
            await self._judged(row, world, health, broken, mended, told)
        return row

    @asynccontextmanager
    async def _ground(self, where: Range, stack: AsyncExitStack) -> AsyncGenerator[World]:
        if self.breaks is full:
            folder = where.folder / "full"
            url = f"sqlite:///{stack.enter_context(small_disk(folder))}/echelon.db"
            async with where.at(where.place("SQLite")[0], url) as world:
                yield world
        else:
            async with where.ground(self.kind) as world:
                yield world

    async def _judged(
        self, row: Row, world: World, health: Health, broken: float, mended: float, told: dict[Any, int]
    ) -> None:
        noticed, healed = health.first(503, broken), health.first(200, mended)
        if self.noticed:
            row.demand(noticed is not None and noticed <= NOTICED, f"/readyz said 503 after {noticed} s")
        late = f"/readyz said 200 after {healed} s; now {health.last_words()}"
        row.demand(healed is not None and healed <= HEALED, late)
        row.demand(told.get("not recorded", 0) + told.get("not certain", 0), f"nobody was told: {told}")
        row.demand(told.get("silence", 0) <= sum(told.values()) / 10, f"{told.get('silence')} got no answer: {told}")
        row.demand(not told.get("refused"), f"{told.get('refused')} got another apology: {told}")
        await drained(world, CALM_AFTER)
        found = await findings(world)
        row.judge(found)
        row.measured = (
            f"503 after {_s(noticed)} ({health.words(broken)}); well {_s(healed)} after the mend; answers meanwhile: "
            f"{', '.join(f'{n} {answer}' for answer, n in sorted(told.items()) if n)}; {found}"
        )
        await world.stop()


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


async def read_only(where: Range) -> Row:
    """A file that may not be written to, at the start. A running process keeps the file that it has open."""
    row = Row(
        "SQLite read-only at the start",
        "the disk is read-only (as root: mounted so; else by its mode) when the process starts",
        "it says so in a sentence and ends with status 2; with the right to write, it starts and nothing is lost",
    )
    with small_disk(where.folder / "readonly") as folder:
        async with where.at(where.place("SQLite")[0], f"sqlite:///{folder}/echelon.db") as world:
            row.demand(await (await world.start()).ready(), "it never was ready")
            await world.opens("before it", user="UOPENER1", channel="CROOM1")
            await drained(world)
            await world.stop()
            if not writable(folder, yes=False):
                row.measured = "not tried: root may write everywhere, and nothing can be mounted here"
                return row
            try:
                status = await asyncio.wait_for((await world.start()).ended, 20)
            finally:
                writable(folder, yes=True)
            world.bots.clear()
            row.demand(status == 2, f"it ended with {status}")
            row.demand("Traceback" not in world.log(), world.log()[-1000:])
            row.demand(await (await world.start()).ready(), "it does not start with the right to write")
            await drained(world)
            found = await findings(world)
            row.judge(found)
            said = world.log().replace(str(folder), "…").splitlines() or ["no word"]
            row.measured = f"{said[-1]}; then {found}"
            await world.stop()
    return row


FAULTS: dict[str, Callable[[Range], Awaitable[Row | list[Row]]]] = {
    "postgresql-stopped": StoreFault(
        "PostgreSQL stopped immediately", "PostgreSQL", "SIGQUIT to the server under load, 8 s away, started", stopped
    ),
    "postgresql-frozen": StoreFault("PostgreSQL frozen", "PostgreSQL", "SIGSTOP to all of it for 10 s", frozen, 10.0),
    "postgresql-exhausted": StoreFault(
        "connections exhausted",
        "PostgreSQL",
        "the bot's own are ended, others take all there are for 8 s; it keeps what it gets first",
        exhausted,
        noticed=False,  # it may well get the connection that it needs
    ),
    "postgresql-locked": StoreFault(
        "locks held", "PostgreSQL", "another transaction locks the table for 15 s", locked, 15.0
    ),
    "postgresql-standby": StoreFault("PostgreSQL read-only", "PostgreSQL", "for 8 s, as after a switch", standby),
    "sqlite-full": StoreFault("SQLite: disk full", "SQLite", "no byte left for 8 s", full),
    "sqlite-locked": StoreFault("SQLite locked", "SQLite", "another program holds the write lock for 15 s", held, 15.0),
    "sqlite-corrupt": StoreFault(
        "SQLite: corrupt pages", "SQLite", "garbage over 80 % of the pages, put back", corrupt
    ),
    "sqlite-read-only": read_only,
}
