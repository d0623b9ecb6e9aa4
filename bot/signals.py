"""What the engine tells of its own work, for whoever counts: metrics and logs listen here, the work never waits for them."""

from typing import Protocol


class Signals(Protocol):
    """Counts and durations. Every method returns at once and never raises."""

    def moved(self, level: int, late: float) -> None:
        """A due time of an escalation at `level` was acted on, `late` seconds after it had come."""
        ...

    def claimed(self, kind: str, rows: int) -> None:
        """So many rows were claimed in one transaction; `kind` is "sweep" or "outbox"."""
        ...

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        """A parcel was handled: "delivered", "superseded", "moved", "limited", "again" or "failed"; it took `seconds`."""
        ...

    def trouble(self, what: str) -> None:
        """Something went wrong that was mended or will be tried again: "store_away", "bell_missed", "clock_step" …"""
        ...


class Silence:
    """Nobody listens."""

    def moved(self, level: int, late: float) -> None:
        """Nothing."""

    def claimed(self, kind: str, rows: int) -> None:
        """Nothing."""

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def trouble(self, what: str) -> None:
        """Nothing."""
