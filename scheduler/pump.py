"""Outbox → chat: lease loads, have them carried, store what became of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from bot.delivery import Chat, Load, Outbox, Receipt
from bot.directory import Address
from bot.errors import Conflict, EscalationError, StoreUnavailable
from bot.failpoints import failpoint
from bot.ports import Archive, Clock
from bot.readers import Readers
from bot.service import Service
from bot.signals import Signals, Silence
from scheduler.carrier import Carrier
from scheduler.marks import Marks
from scheduler.trip import Reading, Trip

IN_FLIGHT = 200
"""How many places are being sent to at once. A platform that takes 100 ms needs 25 of them for 250 messages/s; the
others are those whose turn in the store has not come: the more they are, the fewer transactions they need."""

LONGEST_WAIT = 1.0
"""Seconds after which the outbox is looked at even if nobody rang."""

BREATH, LONGEST_BREATH = 0.02, 0.15
"""Seconds between two looks at the outbox while there is work: what is done meanwhile makes room for more at once."""

LOOKING = 0.2
"""The share of its time that it may look: a look costs as much for two places as for two hundred."""

GRACE = 5.0
"""Seconds that messages under way get to arrive when the engine stops: what is cut off may be sent twice."""

STEP = 1.0
"""Seconds by which the wall clock may fall behind the monotonic one before it counts as set back."""

log = logging.getLogger("echelon.pump")


class Pump:
    """Carries what waits. One load at a time per place, so that each place keeps its order; places do not wait for others.

    `pace` is the least time in seconds between two messages to one place, by platform; `jitter` draws from 0..1, so that
    many messages that failed together do not come back together.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        archive: Archive,
        service: Service,
        chat: Chat,
        readers: Readers,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Mapping[str, float] | None = None,
        signals: Signals | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._signals = signals or Silence()
        self._marks = Marks(outbox, clock, self._signals)
        self._carrier = Carrier(
            service=service,
            chat=chat,
            readers=readers,
            clock=clock,
            jitter=jitter,
            pace=pace or {},
            signals=self._signals,
        )
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._in_flight: set[Address | str] = set()
        self._opens: dict[Address, float] = {}
        self._offset = self._wall()

    def wake(self) -> None:
        """Something may have been put into the outbox."""
        self._quiet.clear()
        self._wake.set()

    async def quiet(self) -> None:
        """Wait until nothing that is due is left to carry. Only while `run` is running."""
        self.wake()
        await self._quiet.wait()

    async def run(self) -> None:
        """Carry for ever. A store that is away is waited for; nothing else ends the loop but cancellation."""
        async with asyncio.TaskGroup() as group:
            under_way: set[asyncio.Task[None]] = set()
            try:
                while True:
                    self._wake.clear()
                    began = self._clock.monotonic()
                    trips = await self._lease_safely()
                    breath = (self._clock.monotonic() - began) / LOOKING
                    under_way = {task for task in under_way if not task.done()}
                    for trip in trips:
                        under_way.add(group.create_task(self._carry_in_lane(trip)))
                        await asyncio.sleep(0)  # each makes its message before the next: the loop is not held up
                    await (asyncio.sleep(min(LONGEST_BREATH, max(BREATH, breath))) if trips else self._rest())
            finally:
                if under_way:
                    await asyncio.wait(under_way, timeout=GRACE)

    async def drain(self) -> int:
        """Carry all that is due now, one after another; returns how many parcels were handled."""
        handled = 0
        while trips := await self._lease():
            for trip in trips:
                await self._carry_safely(trip)
                handled += len(trip.load.parcels)
        return handled

    async def _rest(self) -> None:
        if not self._in_flight and not self._wake.is_set():
            self._quiet.set()
        now = self._clock.monotonic()
        opening = min((until - now for until in self._opens.values()), default=LONGEST_WAIT)
        try:
            async with asyncio.timeout(min(LONGEST_WAIT, max(BREATH, opening))):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _lease_safely(self) -> list[Trip]:
        try:
            return await self._lease()
        except (StoreUnavailable, Conflict) as error:
            log.warning("The store is away; messages wait: %s", error, extra={"action": "pump_store_away"})
            self._signals.trouble("store_away")
        except Exception:  # a bug must not end the engine: timers run in the same group
            log.exception("The outbox could not be read", extra={"action": "pump_failed"})
            self._signals.trouble("pump_failed")
        return []

    async def _lease(self) -> list[Trip]:
        """What another task here is still sending is left alone, whatever the clocks say of its lease."""
        await self._look_at_the_clock()
        now, leased_at = self._clock.monotonic(), self._clock.now()
        self._opens = {to: until for to, until in self._opens.items() if until > now}
        free = IN_FLIGHT - len(self._in_flight)
        if free <= 0:
            return []
        busy = frozenset(Address(lane) for lane in self._in_flight)
        loads = await self._outbox.lease(leased_at, limit=free, busy=busy)
        if not loads:
            return []
        failpoint("pump.leased")
        self._signals.claimed("outbox", sum(len(load.parcels) for load in loads))
        self._in_flight.update(_lane(load) for load in loads)
        reading = Reading(self._outbox, self._clock, loads)
        return [Trip(load, now, leased_at, reading) for load in loads]

    async def _look_at_the_clock(self) -> None:
        """Instants in the outbox are the wall clock's: set back by an hour, it would make messages wait for an hour."""
        offset = self._wall()
        if offset < self._offset - STEP:
            await self._outbox.reset_waits(self._clock.now())
        self._offset = offset

    def _wall(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    async def _carry_in_lane(self, trip: Trip) -> None:
        try:
            await self._carry_safely(trip)
        finally:
            self._wake.set()

    async def _carry_safely(self, trip: Trip) -> None:
        """Carry one load; whatever goes wrong with it must not stop the others."""
        try:
            receipt = await self._carrier.carry(trip)
            await self._marks.store(receipt)
            self._note_opening(receipt)
        except EscalationError as error:
            self._wait_for_the_lease(trip.load, error)
        except Exception as error:  # a bug in storing: the lease brings the load back, the others go on
            log.exception("What became of a message could not be stored", extra={"action": "mark_failed"})
            self._wait_for_the_lease(trip.load, error)
        finally:
            self._in_flight.discard(_lane(trip.load))

    def _wait_for_the_lease(self, load: Load, error: Exception) -> None:
        log.warning(
            "A message waits for its lease to end: %s",
            type(error).__name__,
            extra={"action": "parcel_waits", "parcel": load.parcels[0].id},
        )
        self._signals.trouble("lease_left")

    def _note_opening(self, receipt: Receipt) -> None:
        """When this process should look at the place again, without being rung."""
        if receipt.closed_until and receipt.load.to:
            wait = (receipt.closed_until - self._clock.now()).total_seconds()
            self._opens[receipt.load.to] = self._clock.monotonic() + wait


def _lane(load: Load) -> Address | str:
    return load.to or load.parcels[0].id
