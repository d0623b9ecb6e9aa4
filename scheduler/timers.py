"""Overdue windows and reminders → events: sweeps when a bell rings, and every second in any case."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.errors import Conflict, StoreUnavailable
from bot.failpoints import failpoint
from bot.ports import Archive, Bell, Clock
from bot.service import Service
from bot.signals import Signals, Silence
from scheduler.batches import Batches

GUARD_SECONDS = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
"""Seconds between two attempts while the store is away; five seconds after its return everything must be well again."""

STEP = 0.5
"""Seconds that the wall clock may move against the monotonic one before it counts as a step."""

log = logging.getLogger("echelon.timers")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the wall clock: when it was noticed (monotonic seconds), and by how many seconds it went ahead."""

    at: float
    seconds: float


class Bells(Protocol):
    """What rings when something is due. A bell that fails costs a second: the guard sweeps all the same."""

    def arm(self, bells: Sequence[Bell], *, afresh: bool) -> None:
        """Ring at each of these instants, and at no others; `afresh` after a step of the clock."""
        ...


class SilentBells:
    """No bells: the guard alone keeps the promise, within a second."""

    def arm(self, bells: Sequence[Bell], *, afresh: bool) -> None:
        """Nothing to arm."""


class Timers:
    """The one task that moves escalations when their time has come.

    `trouble` is why the last sweep did not come to its end, "" if it did.
    """

    def __init__(
        self,
        *,
        service: Service,
        archive: Archive,
        bells: Bells,
        clock: Clock,
        after: Callable[[], None],
        hands: int = 1,
        signals: Signals | None = None,
    ) -> None:
        self._batches = Batches(service, clock, hands=hands, after=after)
        self._archive = archive
        self._bells = bells
        self._clock = clock
        self._signals = signals or Silence()
        self._bell = asyncio.Event()
        self._idle = asyncio.Event()
        self._stepped = False
        self.stepped: Step | None = None
        self.trouble = ""

    def ring(self) -> None:
        """Something may be due. Safe to call at any time, as often as one likes."""
        self._idle.clear()
        self._bell.set()

    @property
    def rung(self) -> bool:
        """Whether a sweep is asked for that has not begun."""
        return self._bell.is_set()

    @property
    def last_sweep(self) -> float:
        """The monotonic instant at which the last batch was stored, or found empty."""
        return self._batches.ended

    async def idle(self) -> None:
        """Wait until nothing is due any more. Only while `run` is running."""
        self.ring()
        await self._idle.wait()

    async def run(self) -> None:
        """Sweep whenever a bell rings, for ever; a store that is away is waited for."""
        delay = FIRST_WAIT
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self.sweep()
            except (StoreUnavailable, Conflict) as error:
                log.warning("The sweep waits: %s", error, extra={"action": "sweep_waits"})
                self._signals.trouble("store_away")
                self.trouble = "it waits for the store"
            except Exception:  # a bug must not end the engine: /readyz tells that no sweep has come to its end
                log.exception("The sweep failed", extra={"action": "sweep_failed"})
                self.trouble = "it failed"
            else:
                delay, self.trouble = FIRST_WAIT, ""
                continue
            await asyncio.sleep(delay)
            delay = min(LONGEST_WAIT, delay * 2)
            self._bell.set()

    async def sweep(self) -> int:
        """Handle all that is due, batch by batch, each escalation by one event a pass; then arm the bells anew."""
        handled = await self._batches.drain()
        failpoint("timers.before_arm")
        await self._arm()
        failpoint("timers.after_arm")
        if not self._bell.is_set():
            self._idle.set()
        return handled

    async def _arm(self) -> None:
        bells = await self._archive.bells()
        now = self._clock.now()
        afresh, self._stepped = self._stepped, False
        try:
            self._bells.arm([bell for bell in bells if bell.at > now], afresh=afresh)
        except Exception:  # whatever is wrong with the bells costs a second until the guard sweeps, never the engine
            log.exception("The bells could not be armed", extra={"action": "bells_failed"})
        if any(bell.at < now for bell in bells):
            self._bell.set()

    async def guard(self) -> None:
        """Ring every second by the monotonic clock, whatever the wall clock does, and notice when that one steps.

        Each second is compared with the one before: clocks that drift apart, as all do, have not stepped.
        """
        apart = self._apart()
        while True:
            await asyncio.sleep(GUARD_SECONDS)
            apart, before = self._apart(), apart
            if abs(apart - before) > STEP:
                log.warning("The wall clock stepped by %.1f s", apart - before, extra={"action": "clock_step"})
                self._signals.trouble("clock_step")
                self._stepped = True
                self.stepped = Step(self._clock.monotonic(), apart - before)
            self.ring()

    def _apart(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
