"""Who goes through a story: one process after the other, the first of which dies at a fail point."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from bot.failpoints import VARIABLE
from drill.checks import Findings, drained
from drill.processes import Bot
from drill.world import World
from storage.engine import create_engine

PATIENCE = 90.0
"""Seconds for each step of a story, deaths and leases included."""


@dataclass
class Ending:
    """How a story with a fail point went. `died` at the point, or the story never passed it."""

    point: str
    died: bool = False
    resumed: list[float] = field(default_factory=list)
    found: Findings = field(default_factory=Findings)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def wrong(self) -> list[str]:
        """Everything that was not as promised."""
        wrong = [*self.problems]
        if not self.died:
            wrong.append(f"the story never passes {self.point}")
        if not self.found.clean or self.found.doubled:
            wrong.append(str(self.found))
        return wrong


class Player:
    """Keeps one process going: when it dies at its fail point, another one is started without.

    `spare` gives the URL of an empty database on a server, for whoever moves there.
    """

    def __init__(
        self, world: World, point: str, *, words: tuple[str, ...] = ("run",), spare: Callable[[], str] | None = None
    ) -> None:
        self.world, self.ending, self.spare = world, Ending(point), spare
        self.armed = True
        self._words = words
        self._bot: Bot | None = None

    async def bot(self) -> Bot:
        """A process that is ready."""
        if self._bot is None:
            self._bot = await self.world.start(words=self._words, more=self._point())
            await self._bot.ready()
        while not self._bot.alive:
            self._mourn(self._bot)
            self._bot = await self.world.start(words=self._words)
            seconds = await self._bot.ready()
            if seconds is not None:
                self.ending.resumed.append(seconds)
        return self._bot

    def _point(self) -> dict[str, str]:
        return {VARIABLE: self.ending.point} if self.armed else {}

    async def command(self, *words: str) -> None:
        """Run another command of `app.py`, armed; once more without, when it has died of that."""
        bot = await self.world.start(words=words, more=self._point())
        if await bot.ended != 0:
            self._mourn(bot)
            bot = await self.world.start(words=words)
            if await bot.ended != 0:
                self.ending.problems.append(f"{words[0]} ended with {bot.ended.result()}: {self.world.log()[-1000:]}")
        self.world.bots.clear()

    def _mourn(self, bot: Bot) -> None:
        status = bot.ended.result()
        if status == -9 and not self.ending.died:
            self.ending.died = True
            self.world.kills += 1
            self.world.cut()
        else:
            self.ending.problems.append(f"a process ended with {status}: {self.world.log()[-1500:]}")
            if len(self.ending.problems) > 3:
                raise RuntimeError("; ".join(self.ending.problems))
        self.world.bots.remove(bot)

    async def until(self, truth: Callable[[], object]) -> None:
        """Wait until something holds. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not truth():
                await self.bot()
                await asyncio.sleep(0.03)

    async def insist(self, attempt: Callable[[Bot], Awaitable[object]]) -> None:
        """Try until it succeeds, as people do."""
        async with asyncio.timeout(PATIENCE):
            while not await attempt(await self.bot()):
                await asyncio.sleep(0.05)

    async def drained(self) -> None:
        """Wait until the outbox is empty, deaths and all."""
        async with asyncio.timeout(PATIENCE):
            waiting = asyncio.ensure_future(drained(self.world, PATIENCE))
            while not waiting.done():
                await self.bot()
                await asyncio.sleep(0.03)
            await waiting

    async def bow(self) -> None:
        """SIGTERM; whoever dies of a fail point on the way out is started once more and stopped again."""
        for _ in range(2):
            status, seconds = await (await self.bot()).stopped()
            if status == 0:
                self.world.bots.clear()
                self._bot = None
                if seconds > 10:
                    self.ending.problems.append(f"it took {seconds:.1f} s to stop")
                return
            await self.bot()
            await self.drained()
        self.ending.problems.append("it does not stop")


async def awaited(player: Player, question: str) -> None:
    """Wait until the database answers a question with something other than zero. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not await asked(player.world, question):
            await player.bot()
            await asyncio.sleep(0.2)


async def rows(world: World, query: Any) -> list[Any]:
    engine = create_engine(world.url)
    try:
        async with engine.connect() as connection:
            return list((await connection.execute(query)).mappings().all())
    finally:
        await engine.dispose()


async def asked(world: World, question: str) -> int:
    """The one number that a question is answered with."""
    ((_, number),) = (await rows(world, text(question)))[0].items()
    return int(number)


async def changed(world: World, change: Any) -> None:
    engine = create_engine(world.url)
    try:
        async with engine.execution_options(writing=True).begin() as connection:
            await connection.execute(change)
    finally:
        await engine.dispose()
