"""The only readers of the time; everything else is told."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from bot.errors import Conflict, StoreUnavailable

LOOK_SECONDS = 0.5
"""How often the machine's wall clock is compared with its monotonic one."""
MEASURE_SECONDS = 5.0
"""How often the shared time is asked for while nothing is out of the ordinary."""
SAMPLES = 4
STEP = 0.5
"""Seconds that the machine's wall clock may move against the monotonic one before it counts as a step."""
APART = 2.0
"""Seconds between the machine's wall clock and the shared time that are worth a warning."""
LONGEST_TRIP = 1.0
"""Seconds that a question may take on average; a database that is slower is asked again later."""

log = logging.getLogger("echelon.clock")


class SystemClock:
    """The machine's clocks: the wall clock for instants, the monotonic one for waiting."""

    def now(self) -> datetime:
        """This instant, aware and UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow, whatever is done to the wall clock; good for differences only."""
        return time.monotonic()

    def seconds_until(self, at: datetime) -> float:
        """How long until `at`; negative once it has passed."""
        return (at - self.now()).total_seconds()


def running() -> float:
    """Seconds that only ever grow, and, where the machine can tell, grow while it is suspended, too."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class SharedClock:
    """One time for many machines: what the database said last, plus what has passed since by a clock that never steps.

    A machine whose wall clock is wrong, or is set, behaves like the others; while the database is away the time goes on.
    Until `follow` has had an answer it is the machine's own. `wall` and `passed` are the machine's clocks, in seconds.
    """

    def __init__(self, wall: Callable[[], float] = time.time, passed: Callable[[], float] = running) -> None:
        self._wall = wall
        self._passed = passed
        self._ask: Callable[[], Awaitable[datetime]] | None = None
        self._at = datetime.fromtimestamp(wall(), UTC)
        self._since = passed()
        self._warned = False

    def now(self) -> datetime:
        """This instant, aware and UTC."""
        return self._at + timedelta(seconds=self._passed() - self._since)

    def monotonic(self) -> float:
        """Seconds that only ever grow, whatever is done to any wall clock; good for differences only."""
        return time.monotonic()

    def seconds_until(self, at: datetime) -> float:
        """How long until `at`; negative once it has passed."""
        return (at - self.now()).total_seconds()

    @property
    def apart(self) -> float:
        """Seconds that this machine's wall clock is ahead of the shared time; negative when it is behind."""
        return self._wall() - self.now().timestamp()

    async def follow(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Ask for the shared time from now on, and at once. Raises StoreUnavailable when there is no answer."""
        self._ask = ask
        await self.measure()

    async def measure(self) -> None:
        """Ask a few times and believe the quickest answer. Raises StoreUnavailable.

        The instant was told somewhere between question and answer, so half the round trip is the most that it can be
        wrong by; a correction that is smaller than that is noise, and changes nothing.
        """
        if self._ask is None:
            return
        at, since, unsure = await self._quickest(self._ask)
        correction = (at - self._at).total_seconds() - (since - self._since)
        if abs(correction) > unsure:
            self._at, self._since = at, since
        self._compare()

    async def keep(self) -> None:
        """Measure every few seconds, and at once when the machine's wall clock steps. A store that is away is waited for.

        The same comparison finds a machine that was suspended while its monotonic clock stood still.
        """
        measured, gap = self._passed(), self._gap()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            gap, before = self._gap(), gap
            stepped = abs(gap - before) > STEP
            if stepped:
                said = "The wall clock of this machine stepped by %.1f s; the database's time goes on"
                log.warning(said, gap - before, extra={"action": "machine_clock_step"})
            if stepped or self._passed() - measured >= MEASURE_SECONDS:
                measured = self._passed()
                await self._measure_safely()

    async def _quickest(self, ask: Callable[[], Awaitable[datetime]]) -> tuple[datetime, float, float]:
        """(instant, when that was by `passed`, half the round trip in seconds)."""
        samples: list[tuple[float, datetime, float]] = []
        for _ in range(SAMPLES):
            asked = self._passed()
            told = await ask()
            heard = self._passed()
            samples.append((heard - asked, told, (asked + heard) / 2))
        trip, told, since = min(samples)
        return told, since, trip / 2

    async def _measure_safely(self) -> None:
        try:
            async with asyncio.timeout(SAMPLES * LONGEST_TRIP):
                await self.measure()
        except (StoreUnavailable, Conflict, TimeoutError):  # sweep and pump say it; the time goes on meanwhile
            log.debug("The database does not tell the time", extra={"action": "clock_waits"})
        except Exception:  # a bug here must not end the engine: the time goes on
            log.exception("The time could not be measured", extra={"action": "clock_failed"})

    def _gap(self) -> float:
        return self._wall() - time.monotonic()

    def _compare(self) -> None:
        """Say once that this machine's wall clock is wrong: its logs and certificates depend on it, Echelon does not."""
        wrong = abs(self.apart) > APART
        if wrong and not self._warned:
            said = "The clock of this machine is %+.1f s from the database's, which counts for Echelon; set it right"
            log.warning(said, self.apart, extra={"action": "machine_clock_wrong"})
        self._warned = wrong
