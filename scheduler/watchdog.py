"""Notices when the event loop stands still, from a thread of its own, and says where.

Nothing in this process can answer while its loop is blocked, `/healthz` neither: a probe from outside sees a time-out. What
the thread can do is to write down, while it lasts, what the loop is busy with.
"""

import asyncio
import logging
import sys
import threading
import traceback
from collections import deque

from bot.ports import Clock
from bot.signals import Signals

BEAT = 0.1
"""Seconds between two beats of the loop."""

STALL, LONG_STALL = 2.0, 5.0
"""Seconds without a beat after which the stack is logged, and after which the stall is counted."""

MINUTE = 60.0
"""Seconds that the lateness of a beat is remembered: longer than Prometheus waits between two scrapes."""

SHOWN_FOR = 30.0
"""Seconds that a stall is shown in /readyz after its end: while it lasts nobody can be answered."""

log = logging.getLogger("echelon.watchdog")


class Watchdog:
    """`beat` runs in the loop, `watched` around it holds the thread."""

    def __init__(self, clock: Clock, signals: Signals) -> None:
        self._clock, self._signals = clock, signals
        self._last = clock.monotonic()
        self._over = threading.Event()
        self._late: deque[tuple[float, float]] = deque()
        self._stalled: tuple[float, float] | None = None

    async def run(self) -> None:
        """Beat for ever, and watch; until cancelled."""
        self._last = self._clock.monotonic()
        thread = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="echelon-watchdog", daemon=True
        )
        thread.start()
        try:
            while True:
                await asyncio.sleep(BEAT)
                self._beat()
        finally:
            self._over.set()

    def lag(self) -> float:
        """The longest that the loop kept anybody waiting within the last minute, in seconds."""
        return max((late for _, late in self._late), default=0.0)

    def word(self) -> str:
        """A part of /readyz: "ok", or how long the loop stood still a moment ago."""
        if self._stalled:
            at, seconds = self._stalled
            ago = self._clock.monotonic() - at
            if ago < SHOWN_FOR:
                return f"stood still for {seconds:.1f} s, {ago:.0f} s ago"
        return "ok"

    def _beat(self) -> None:
        now = self._clock.monotonic()
        late = now - self._last - BEAT
        self._late.append((now, late))
        while self._late[0][0] < now - MINUTE:
            self._late.popleft()
        if late > STALL:
            self._stalled = (now, late)
            log.warning("The event loop stood still for %.1f s", late, extra={"action": "loop_stalled"})
        self._last = now

    def _watch(self, loop: int) -> None:
        """In the thread: one log entry a stall, one count a long one."""
        told = counted = -1.0
        while not self._over.wait(BEAT):
            last = self._last
            silent = self._clock.monotonic() - last
            if silent > STALL and told != last:
                told = last
                log.error(
                    "The event loop has not moved for %.1f s; it is here:\n%s",
                    silent,
                    _stack(loop),
                    extra={"action": "loop_stack"},
                )
            if silent > LONG_STALL and counted != last:
                counted = last
                self._signals.trouble("loop_stalled")


def _stack(thread: int) -> str:
    """Where a thread is; names of files and lines of code, no values."""
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    return "".join(traceback.format_stack(frame)).rstrip() if frame else "(it has gone)"
