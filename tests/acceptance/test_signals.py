"""What the engine tells of its own work while a story goes its way, for the metrics."""

from typing import Any

import pytest

from bot.signals import Silence
from tests.acceptance.world import MakeWorld, World


class Written(Silence):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def moved(self, level: int, late: float) -> None:
        self.told.append(("moved", level, round(late, 3)))

    def claimed(self, kind: str, rows: int) -> None:
        self.told.append(("claimed", kind, rows))

    def swept(self, rows: int, seconds: float) -> None:
        self.told.append(("swept", rows))

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        self.told.append(("answered", way, outcome))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [told[1:] for told in self.told if told[0] == name]


@pytest.fixture
def signals() -> Written:
    return Written()


@pytest.fixture
async def world(a_world: MakeWorld, signals: Written) -> World:
    return await a_world(signals=signals)


async def opened(world: World, words: str = "checkout fails") -> None:
    await world.engine.reception.typed(world.actor("opener"), words, request=words)


async def test_a_due_time_that_is_acted_on_is_told_with_its_level_and_lateness(world: World, signals: Written) -> None:
    await opened(world)
    due = (await world.escalation()).next_due
    assert due

    world.clock.to(due)
    world.clock.forward(seconds=2)
    await world.engine.timers.sweep()

    assert signals.of("moved") == [(1, 2.0)]


async def test_a_batch_is_told_once_with_its_size(world: World, signals: Written) -> None:
    for number in range(3):
        await opened(world, f"issue {number}")
    world.clock.forward(hours=1)
    await world.engine.timers.sweep()

    assert ("sweep", 3) in signals.of("claimed")
    assert (3,) in signals.of("swept")


async def test_a_sweep_that_finds_nothing_tells_nothing(world: World, signals: Written) -> None:
    await world.engine.timers.sweep()

    assert signals.told == []


async def test_every_answer_to_a_person_is_told(world: World, signals: Written) -> None:
    await opened(world)
    await world.engine.reception.pressed(world.actor("opener"), "acknowledge", "nonsense", request="r2")

    assert signals.of("answered") == [("typed", "answered"), ("pressed", "answered")]
