"""Stand-ins for the world: a clock that is moved by hand, ids that count."""

from datetime import UTC, datetime, timedelta

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday morning."""


class FakeClock:
    """`bot.ports.Clock`, moved by hand."""

    def __init__(self, now: datetime = NINE) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def seconds_until(self, at: datetime) -> float:
        return (at - self._now).total_seconds()

    def forward(self, **time: float) -> datetime:
        """`clock.forward(minutes=15)`; the monotonic clock follows. Returns the new instant."""
        step = timedelta(**time)
        self._now += step
        self._monotonic += step.total_seconds()
        return self._now

    def to(self, at: datetime) -> datetime:
        """Straight to an instant, never back."""
        return self.forward(seconds=max(0.0, (at - self._now).total_seconds()))


class CountingIds:
    """`bot.ports.Ids`: unique, sorted, and the same in every run."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:08d}"

    def at_once(self) -> "CountingIds":
        return self
