"""What is measured beside the work: the event loop, acknowledgements, memory; and how figures are summed up."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

BEAT = 0.005
"""Seconds between two heartbeats of the event loop."""


def share(figures: Sequence[float], part: float) -> float:
    """The figure below which `part` of all lie (nearest rank); 0.0 when there are none."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def spread(figures: Sequence[float]) -> dict[str, float]:
    """Count, median, 99th of a hundred, and the worst."""
    return {
        "n": len(figures),
        "p50": share(figures, 0.5),
        "p99": share(figures, 0.99),
        "max": max(figures, default=0.0),
    }


class Heartbeat:
    """The longest time for which the event loop did not turn, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Heartbeat"]:
        """Beat while the block runs."""
        task = asyncio.create_task(self._beat())
        try:
            yield self
        finally:
            task.cancel()

    def restart(self) -> None:
        """Forget what was."""
        self.longest = 0.0

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT)
            self.longest = max(self.longest, time.monotonic() - before - BEAT)


class People:
    """Acknowledge so many times a second, whatever the engine does: each is timed from when it was meant to begin."""

    def __init__(
        self, acknowledge: Callable[[int], Awaitable[object]], targets: Sequence[int], per_second: float
    ) -> None:
        self._acknowledge, self._targets, self._per_second = acknowledge, targets, per_second
        self.took: list[tuple[float, float]] = []
        self.failures: list[str] = []

    @asynccontextmanager
    async def pressing(self) -> AsyncIterator["People"]:
        """Press while the block runs; what was pressed is waited for at its end."""
        going = asyncio.create_task(self._press())
        try:
            yield self
        finally:
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
            await asyncio.gather(*self._pressed, return_exceptions=True)

    def sum_up(self, start: float, end: float) -> dict[str, Any]:
        """The acknowledgements pressed between two instants of the monotonic clock, and why some failed at any time."""
        why = dict(Counter(self.failures))
        return spread(self.between(start, end)) | {"failed": len(self.failures), **({"why": why} if why else {})}

    def between(self, start: float, end: float) -> list[float]:
        """Seconds that those took which were pressed between two instants of the monotonic clock."""
        return [took for began, took in self.took if start <= began <= end]

    async def _press(self) -> None:
        self._pressed: list[asyncio.Task[None]] = []
        start = time.monotonic()
        for nth, target in enumerate(self._targets):
            planned = start + nth / self._per_second
            if planned > (now := time.monotonic()):  # behind time, people press all the same
                await asyncio.sleep(planned - now)
            self._pressed.append(asyncio.create_task(self._one(planned, target)))

    async def _one(self, planned: float, target: int) -> None:
        try:
            await self._acknowledge(target)
        except Exception as error:  # counted, and said in the result
            self.failures.append(type(error).__name__)
        else:
            self.took.append((planned, time.monotonic() - planned))


def memory(pid: int | None = None) -> dict[str, float]:
    """Resident now and at most, in MiB; 0 where the system does not tell."""
    path = Path(f"/proc/{pid or os.getpid()}/status")
    found = {"rss": 0.0, "peak": 0.0}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(":")
            if name in {"VmRSS", "VmHWM"}:
                found["rss" if name == "VmRSS" else "peak"] = int(rest.split()[0]) / 1024
    return found
