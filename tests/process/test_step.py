"""A step of the wall clock is shown for an hour, and makes nobody unready."""

from app import STEP_SHOWN, stepped
from scheduler.timers import Step
from storage.database import Database
from tests.acceptance.world import built_world


async def test_a_step_is_shown_for_an_hour(database: Database) -> None:
    world = await built_world(database)
    assert stepped(world.engine, world.clock) is None

    world.engine.timers.stepped = Step(world.clock.monotonic(), -3600.0)
    world.clock.forward(minutes=5)

    assert stepped(world.engine, world.clock) == "the wall clock stepped by -3600.0 s, 5 min ago"
    world.clock.forward(seconds=STEP_SHOWN)
    assert stepped(world.engine, world.clock) is None
