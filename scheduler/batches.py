"""All that is due, batch by batch: large enough to be quick, short enough that nobody has to wait for one."""

import asyncio
from collections.abc import Callable

from bot.failpoints import failpoint
from bot.ports import Clock
from bot.service import Service

FEWEST, MOST = 100, 500
"""Rows per transaction: 8,600 to 28,000 a second were measured in this range (docs/architecture.md)."""

ABOUT = 0.2
"""Seconds that a batch should take: people's writes get in between."""

HANDS = 2
"""Batches at a time on a server: while it stores one, the next one is decided."""


class Batches:
    """Sweeps until nothing is due any more. The size of a batch follows the time that the last full one took.

    `ended` is the monotonic instant at which the last batch was stored: a sweep that always finds more has no end.
    """

    def __init__(self, service: Service, clock: Clock, *, hands: int, after: Callable[[], None]) -> None:
        self._service = service
        self._clock = clock
        self._hands = hands
        self._after = after
        self.size = FEWEST
        self.ended = clock.monotonic()

    async def drain(self) -> int:
        """Handle all that is due; returns how many. Raises Conflict or StoreUnavailable.

        The first batch is swept alone: on most days it is the only one.
        """
        full = self.size
        first = await self._batch()
        if first < full or self._hands == 1:
            return first + (await self._until_none() if first else 0)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._until_none()) for _ in range(self._hands)]
        except BaseExceptionGroup as errors:  # whoever waits for the sweep knows what to do with one of them
            raise errors.exceptions[0] from None
        return first + sum(task.result() for task in tasks)

    async def _until_none(self) -> int:
        handled = 0
        while swept := await self._batch():
            handled += swept
        return handled

    async def _batch(self) -> int:
        size, begun = self.size, self._clock.monotonic()
        due = (await self._service.sweep(size)).due
        self.ended = self._clock.monotonic()
        if due == size:
            took = self._clock.monotonic() - begun
            self.size = max(FEWEST, min(MOST, 2 * size, int(size * ABOUT / max(took, 0.001))))
        if due:
            failpoint("timers.after_batch")
            self._after()
            await asyncio.sleep(0)  # people's writes go ahead of the next batch
        return due
