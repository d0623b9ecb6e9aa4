"""kill -9 at every fail point there is, once, in a real process on SQLite: nothing is lost, nothing happens twice.

Several stories run side by side; each waits for the platform's pace most of the time. `make drill` does the same on
PostgreSQL too, at later passages, and a thousand times at random.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drill.player import Ending
from drill.points import points
from drill.processes import warm
from drill.stories import play
from tests.conftest import PostgresServer

SIDE_BY_SIDE = 12
RESUMED_WITHIN = 15.0
"""Seconds; the drill holds the process to five, on a machine that does nothing else meanwhile."""

pytestmark = pytest.mark.timeout(300)


async def played(folder: Path, postgres: PostgresServer) -> dict[str, Ending]:
    """A story per fail point, each on its own ground."""
    gate = asyncio.Semaphore(SIDE_BY_SIDE)
    async with warm() as starter:

        async def one(point: str) -> Ending:
            async with gate:
                ground = folder / point
                return await play(point, ground, f"sqlite:///{ground}/echelon.db", starter, spare=postgres.empty)

        order = list(points())
        endings = await asyncio.gather(*(one(point) for point in order))
    return dict(zip(order, endings, strict=True))


@pytest.fixture(scope="module")
def endings(postgres: PostgresServer) -> Iterator[dict[str, Ending]]:
    """All stories at once; the first test waits for all of them."""
    with tempfile.TemporaryDirectory(prefix="echelon-points-") as folder:
        yield asyncio.run(played(Path(folder), postgres))


@pytest.mark.parametrize("point", points())
def test_a_process_that_is_killed_here_loses_nothing_and_does_nothing_twice(
    point: str, endings: dict[str, Ending]
) -> None:
    ending = endings[point]

    assert ending.wrong() == []
    assert all(seconds < RESUMED_WITHIN for seconds in ending.resumed)
