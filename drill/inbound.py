"""What comes in twice and out of order, over two replicas."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable

from drill.checks import drained, findings
from drill.faults import Range, Row
from drill.world import World
from tests.slack_server import Ack, Door

REFERENCE = re.compile(r"ESC-(\d+)")
ISSUES, NOTES = 20, 2
AT_ONCE = 6
ROUNDS = 6
"""How often a request that nobody could store in time is delivered again, by the network and by whoever waits."""


class Network:
    """Delivers each request three times over two replicas, the repetitions later and in any order."""

    def __init__(self, doors: list[Door], chance: random.Random) -> None:
        self._doors, self._chance = doors, chance
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def deliver(self, words: str, *, user: str, channel: str, done: Callable[[Ack], bool]) -> list[Ack]:
        """All answers. What no answer calls done is delivered again after a while."""
        async with self._gate:
            first = await self._door().slash("/escalate", words, user=user, channel=channel)
            acks = [first, *await asyncio.gather(self._later(first), self._later(first))]
            for _ in range(ROUNDS):
                if any(done(ack) for ack in acks):
                    break
                acks.append(await self._later(first))
            return acks

    async def _later(self, first: Ack) -> Ack:
        await asyncio.sleep(self._chance.uniform(0, 1.5))
        return await self._door().again(first)

    def _door(self) -> Door:
        return self._doors[self._chance.randrange(len(self._doors))]


async def duplicated(where: Range) -> Row:
    """Each request goes to both replicas, again and again."""
    row = Row(
        "inbound deliveries doubled and shuffled, two replicas",
        f"{ISSUES} commands and {ISSUES * NOTES} notes, each delivered three times over two replicas, shuffled",
        "each has one effect, whichever replica it comes to, and however often",
    )
    async with where.ground("PostgreSQL") as world:
        replicas = [await world.start(), await world.start()]
        await asyncio.gather(*(bot.ready() for bot in replicas))
        network = Network([world.door(bot) for bot in replicas], where.chance("inbound"))
        numbers = await _open(world, network, row)
        await _note(world, network, row, numbers, where.chance("notes"))
        await drained(world, 150)
        found = await findings(world)
        row.judge(found)
        row.demand(found.escalations == ISSUES, f"{found.escalations} escalations of {ISSUES} commands")
        row.demand("Traceback" not in world.log(), world.log()[-1500:])
        await world.stop()
    row.measured = str(found)
    return row


async def _open(world: World, network: Network, row: Row) -> list[int]:
    def done(ack: Ack) -> bool:
        return bool(REFERENCE.search(ack.text))

    answers = await asyncio.gather(
        *(
            network.deliver(f"broken thing {n}", user=f"UOPENER{n}", channel=f"CROOM{n}", done=done)
            for n in range(ISSUES)
        )
    )
    numbers: list[int] = []
    for nth, acks in enumerate(answers):
        told = {found[1] for ack in acks if (found := REFERENCE.search(ack.text))}
        row.demand(len(told) == 1, f"one command led to {sorted(told)}: {_said(acks)}")
        for number in told:
            world.promises.opened[f"broken thing {nth}"] = int(number)
            numbers.append(int(number))
    return numbers


async def _note(world: World, network: Network, row: Row, numbers: list[int], chance: random.Random) -> None:
    def done(ack: Ack) -> bool:
        return "Added to" in ack.text

    orders = [(number, nth, f"word{number}x{k}") for nth, number in enumerate(numbers) for k in range(NOTES)]
    chance.shuffle(orders)
    world.promises.said |= {word for _, _, word in orders}
    answers = await asyncio.gather(
        *(
            network.deliver(f"note ESC-{number} {word}", user=f"UOPENER{nth}", channel=f"CROOM{nth}", done=done)
            for number, nth, word in orders
        )
    )
    world.promises.kept |= {word for (_, _, word), acks in zip(orders, answers, strict=True) if any(map(done, acks))}
    row.demand(len(world.promises.kept) == len(orders), f"{len(world.promises.kept)} of {len(orders)} notes taken")


def _said(acks: list[Ack]) -> str:
    return "; ".join(f"{ack.status} {ack.text[:80]}" for ack in acks)


FAULTS: dict[str, Callable[[Range], Awaitable[Row | list[Row]]]] = {"inbound": duplicated}
