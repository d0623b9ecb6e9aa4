"""Group commit: what became of loads is stored together, one transaction for whatever waits."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bot.delivery import Outbox, Receipt
from bot.errors import Conflict, StoreUnavailable
from bot.ports import Clock
from bot.signals import Signals

GATHERING = 0.02
"""Seconds in which others may join, once there are others."""

TOGETHER = 400
"""Marks in one transaction: more would make people wait for their turn to write."""

ATTEMPTS, PATIENCE = 40, 20.0
AGAIN_AFTER = 0.5
"""How often, and for how many seconds, a store that is away is tried, every half second: about as long as a lease lasts."""

log = logging.getLogger("echelon.marks")


@dataclass(slots=True, eq=False)
class _Waiting:
    """A receipt on its way into the store; `stored` once it is there, `error` when it will not be."""

    receipt: Receipt
    stored: bool = False
    error: Exception | None = None


class Marks:
    """Stores receipts. Whoever comes first stores for all who wait; nobody has to wait for a crowd that does not come."""

    def __init__(self, outbox: Outbox, clock: Clock, signals: Signals) -> None:
        self._outbox = outbox
        self._clock = clock
        self._signals = signals
        self._waiting: list[_Waiting] = []
        self._turn = asyncio.Lock()
        self._busy = False

    async def store(self, receipt: Receipt) -> None:
        """Return when it is stored. Raises what storing it raised: then the lease will bring its parcels back."""
        mine = _Waiting(receipt)
        self._waiting.append(mine)
        async with self._turn:
            if not mine.stored and mine.error is None:
                if self._busy:
                    await asyncio.sleep(GATHERING)
                await self._store_some()
        if mine.error:
            raise mine.error

    async def _store_some(self) -> None:
        """The oldest of those who wait, as many as fit; only what is certain leaves the queue."""
        some = [self._waiting[0]]
        size = len(some[0].receipt.marks)
        for one in self._waiting[1:]:
            size += len(one.receipt.marks)
            if size > TOGETHER:
                break
            some.append(one)
        self._busy = len(some) > 1
        await self._store_together(some)
        self._waiting = [one for one in self._waiting if not one.stored and one.error is None]

    async def _store_together(self, some: Sequence[_Waiting]) -> None:
        try:
            await self._patiently([one.receipt for one in some])
        except Exception as error:  # one that cannot be stored must not spoil the others
            if len(some) == 1 or isinstance(error, StoreUnavailable):
                for one in some:
                    one.error = error
                return
            for one in some:
                await self._store_together([one])
            return
        for one in some:
            one.stored = True

    async def _patiently(self, receipts: Sequence[Receipt]) -> None:
        """A message that was sent is worth some patience: unmarked, it would be sent again. Repeating a mark is harmless."""
        until = self._clock.monotonic() + PATIENCE
        for attempt in range(ATTEMPTS):
            try:
                await self._outbox.settle(receipts, at=self._clock.now())
            except Conflict:
                if attempt > 2:
                    raise
            except StoreUnavailable:
                self._signals.trouble("store_away")
                if attempt == ATTEMPTS - 1 or self._clock.monotonic() > until:
                    raise
                log.warning("The store is away; what was sent waits to be noted", extra={"action": "marks_wait"})
                await asyncio.sleep(AGAIN_AFTER)
            else:
                return
