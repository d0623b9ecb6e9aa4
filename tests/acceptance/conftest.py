"""The stories run with APScheduler, or without it: `pytest --bells none`."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from tests.acceptance.world import MakeWorld, World, built_world


@pytest.fixture
async def a_world(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[MakeWorld]:
    """Makes a world of one's own: `await a_world(directory=…, matrices=…)`."""
    made: list[World] = []

    async def make(**told: object) -> World:
        bells = request.config.getoption("--bells") == "apscheduler"
        made.append(await built_world(database, bells=bells, **told))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for world in made:
        if world.engine.bells:
            world.engine.bells.stop()


@pytest.fixture
async def world(a_world: MakeWorld) -> World:
    """Friday 20 November 2026, 16:30 in Paris; each role held by one person."""
    return await a_world()
