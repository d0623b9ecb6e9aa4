"""Processes that are killed, frozen and stopped."""

import asyncio
import random
import signal
import statistics
import time
from dataclasses import dataclass, field

from drill.checks import Findings, drained, findings
from drill.faults import KINDS, Kind, Range, Row
from drill.people import Crowd
from drill.player import Ending
from drill.points import points
from drill.processes import Bot
from drill.stories import play

SIDE_BY_SIDE = 10
PASSAGES = (1, 4)
OF_THE_FILE = ("move.", "app.after_reclaim")
"""Fail points that only SQLite has: the way from it to PostgreSQL, and what one process alone may do at its start."""
KILLS_PER_GROUND = 40
RESUME = 5.0
STOP = 10.0
CALM_AFTER = 150.0
"""Seconds that a ground may need until the last message is out: one a second and channel, leases of 30 s."""


async def at_fail_points(where: Range) -> Row:
    """Each named point, on each database; the first passage and a later one."""
    names = list(points())
    passages = PASSAGES[:1] if where.quick else PASSAGES
    orders: list[tuple[str, Kind]] = [
        (f"{name}:{passage}", kind)
        for name in names
        for passage in passages
        for kind in KINDS
        if kind == "SQLite" or not name.startswith(OF_THE_FILE)
    ]
    gate = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(point: str, kind: Kind) -> Ending:
        async with gate:
            folder, url = where.place(kind)
            return await play(point, folder, url, where.warm, spare=where.server.new)

    endings = await asyncio.gather(*(one(point, kind) for point, kind in orders))
    died = sum(ending.died for ending in endings)
    row = Row(
        "kill -9 at every fail point",
        f"{len(names)} points x passages {', '.join(map(str, passages))} x {' and '.join(KINDS)}: {died} kills",
        f"nothing lost, nothing twice, resumed within {RESUME:g} s",
    )
    resumed = [seconds for ending in endings for seconds in ending.resumed]
    row.measured = (
        f"{sum(e.found.escalations for e in endings)} escalations, {sum(e.found.entries for e in endings)} entries; "
        f"lost {sum(len(e.found.lost) for e in endings)}, begun twice {sum(len(e.found.twice) for e in endings)}, "
        f"doubled {sum(e.found.doubled for e in endings)}; resumed in {_spread(resumed)}"
    )
    for (point, kind), ending in zip(orders, endings, strict=True):
        late = not point.endswith(":1") and not ending.died  # not every point is passed that often
        wrong = [sentence for sentence in ending.wrong() if not (late and "never passes" in sentence)]
        row.wrong += [f"{point} on {kind}: {sentence}" for sentence in wrong]
    row.demand(max(resumed, default=0) <= RESUME, f"resumed only after {max(resumed, default=0):.1f} s")
    return row


async def at_random(where: Range) -> list[Row]:
    """Kills at random moments under load, in start-up too; half of them against a platform that honours no key."""
    grounds: list[tuple[Kind, bool]] = [(kind, honours) for kind in KINDS for honours in (True, False)]
    rounds = max(len(grounds), -(-where.kills // KILLS_PER_GROUND))
    shares = [where.kills // rounds + (nth < where.kills % rounds) for nth in range(rounds)]
    gate = asyncio.Semaphore(3)

    async def one(nth: int) -> Killed:
        kind, honours = grounds[nth % len(grounds)]
        async with gate:
            return await _killing(where, kind, honours, shares[nth], where.chance("kills", nth))

    told = await asyncio.gather(*(one(nth) for nth in range(rounds)))
    return [_random_row([one for one in told if one.honours is honours], honours=honours) for honours in (True, False)]


@dataclass
class Killed:
    """A ground after its kills."""

    honours: bool
    kills: int = 0
    opened: int = 0
    noted: int = 0
    resumed: list[float] = field(default_factory=list)
    found: Findings = field(default_factory=Findings)
    row: Row = field(default_factory=lambda: Row("", "", ""))


async def _killing(where: Range, kind: Kind, honours: bool, kills: int, chance: random.Random) -> Killed:
    told = Killed(honours)
    row, resumed = told.row, told.resumed
    async with where.ground(kind, honours=honours) as world:
        bot = await world.start()
        await bot.ready()
        async with Crowd(world, chance=chance):
            while world.kills < kills:
                if chance.random() < 0.2:  # while it starts
                    await asyncio.sleep(chance.uniform(0, 0.3))
                else:
                    await _ready(bot, resumed, row)
                    await asyncio.sleep(chance.uniform(0, 1.5))
                row.demand(bot.alive, f"a process ended by itself: {world.log()[-800:]}")
                await world.kill(bot)
                bot = await world.start()
            await _ready(bot, resumed, row)
        await drained(world, CALM_AFTER)
        told.found = await findings(world)
        row.judge(told.found, honours=honours)
        row.demand("Traceback" not in world.log(), _traceback(world.log()))
        await world.stop()
        told.kills, told.opened, told.noted = world.kills, len(world.promises.opened), len(world.promises.kept)
    return told


async def _ready(bot: Bot, resumed: list[float], row: Row) -> None:
    seconds = await bot.ready()
    if seconds is None:
        row.wrong.append("a process never was ready")
    else:
        resumed.append(seconds)


def _random_row(told: list[Killed], *, honours: bool) -> Row:
    resumed = [seconds for one in told for seconds in one.resumed]
    platform = "a platform that honours the key" if honours else "a platform that does not"
    row = Row(
        f"kill -9 at random under load, {platform}",
        f"{sum(one.kills for one in told)} kills on {len(told)} grounds, SQLite and PostgreSQL",
        f"lost 0, begun twice 0, doubled {'0' if honours else 'at most once per kill each'}, resumed within {RESUME:g} s",
    )
    row.measured = (
        f"{sum(one.opened for one in told)} openings and {sum(one.noted for one in told)} notes answered; "
        f"{sum(one.found.entries for one in told)} entries, {sum(one.found.messages for one in told)} messages: "
        f"lost {sum(len(one.found.lost) for one in told)}, begun twice {sum(len(one.found.twice) for one in told)}, "
        f"doubled {sum(one.found.doubled for one in told)}, without a death between "
        f"{sum(one.found.unexplained for one in told)}; resumed in {_spread(resumed)}"
    )
    row.wrong = [sentence for one in told for sentence in one.row.wrong]
    row.demand(max(resumed, default=0) <= RESUME, f"resumed only after {max(resumed, default=0):.1f} s")
    return row


async def cold_starts(where: Range) -> Row:
    """What a restart costs when Python has to be started, too."""
    row = Row("kill -9 and a cold start", "5 kills under load on SQLite", f"resumed within {RESUME:g} s")
    resumed: list[float] = []
    async with where.ground("SQLite", starter=where.cold) as world:
        bot = await world.start()
        await bot.ready()
        async with Crowd(world, chance=where.chance("cold")):
            for _ in range(5):
                await asyncio.sleep(1)
                await world.kill(bot)
                bot = await world.start()
                await _ready(bot, resumed, row)
        await drained(world, CALM_AFTER)
        row.judge(await findings(world))
        await world.stop()
    row.measured = f"resumed in {_spread(resumed)}"
    row.demand(max(resumed, default=99) <= RESUME, f"only after {max(resumed, default=99):.1f} s")
    return row


async def sigterm(where: Range, kind: Kind) -> Row:
    """A calm stop under load, again and again."""
    times = 3 if where.quick else 10
    row = Row(f"SIGTERM under load, {kind}", f"{times} stops", f"nothing lost, ends within {STOP:g} s, status 0")
    took: list[float] = []
    async with where.ground(kind) as world:
        async with Crowd(world, chance=where.chance("sigterm", kind)):
            for _ in range(times):
                bot = await world.start()
                await bot.ready()
                await asyncio.sleep(1.5)
                ((status, seconds),) = await world.stop()
                took.append(seconds)
                row.demand(status == 0, f"it ended with {status}")
            await (await world.start()).ready()
        await drained(world, CALM_AFTER)
        found = await findings(world)
        await world.stop()
        row.judge(found)
        row.demand("Traceback" not in world.log(), _traceback(world.log()))
    row.measured = f"ended in {_spread(took)}; {found}"
    row.demand(max(took) <= STOP, f"it took {max(took):.1f} s to end")
    return row


async def frozen_replica(where: Range) -> Row:
    """Two replicas; one is stopped in the middle of its work and woken when its leases are long over."""
    row = Row(
        "a replica frozen and woken, PostgreSQL",
        f"SIGSTOP for {where.freeze:g} s under load, then SIGCONT; two replicas",
        "the other one goes on; the woken one sends nothing under its old leases, on a platform that honours no key",
    )
    async with where.ground("PostgreSQL", honours=False) as world:
        first, second = await world.start(), await world.start()
        await asyncio.gather(first.ready(), second.ready())
        world.slack.faults.always("chat.postMessage", delay=0.3)  # so that something is always under way
        async with Crowd(world, chance=where.chance("freeze"), pace=4):
            await asyncio.sleep(3)
            first.send(signal.SIGSTOP)
            world.cut()
            world.bots.remove(first)  # nobody sends requests to it meanwhile
            began = time.monotonic()
            opened = len(world.promises.opened)
            while time.monotonic() - began < where.freeze:
                await asyncio.sleep(1)
            meanwhile = len(world.promises.opened) - opened
            first.send(signal.SIGCONT)
            world.bots.append(first)
            await asyncio.sleep(3)
        world.slack.faults.clear()
        calm = await drained(world, CALM_AFTER)
        found = await findings(world)
        await world.stop()
    row.judge(found, honours=False)  # what was on the wire when it froze comes a second time, nothing else
    row.demand(meanwhile > 0, "nobody could open anything meanwhile")
    row.measured = f"{meanwhile} opened meanwhile; {found}; calm after {calm:.0f} s"
    return row


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "no time"
    return f"{statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (longest)"


def _traceback(log: str) -> str:
    return f"a traceback: {log[log.index('Traceback') :][:1500]}" if "Traceback" in log else ""
