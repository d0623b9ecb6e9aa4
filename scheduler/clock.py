"""The only reader of the time; everything else is told."""

import time
from datetime import UTC, datetime


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
