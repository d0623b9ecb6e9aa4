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

    def swept(self, rows: int, seconds: float) -> None:
        """One batch of the sweep was stored: it had so many rows and took so long."""
        ...

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        """A parcel was handled, or a "bundle" of them; it took `seconds`. What came of it: "delivered", "superseded", or
        "aimed" (it has a place now); "moved", "limited", "again", "failed" by the platform's doing, "put_off" by ours.
        """
        ...

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        """A person was answered: `way` is how they asked ("typed", "pressed" …), `outcome` "answered", "not_recorded",
        "perhaps_recorded" or "failed".
        """
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

    def swept(self, rows: int, seconds: float) -> None:
        """Nothing."""

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def trouble(self, what: str) -> None:
        """Nothing."""


class Together:
    """Several listeners as one."""

    def __init__(self, *listeners: Signals) -> None:
        self._listeners = listeners

    def moved(self, level: int, late: float) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.moved(level, late)

    def claimed(self, kind: str, rows: int) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.claimed(kind, rows)

    def swept(self, rows: int, seconds: float) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.swept(rows, seconds)

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.carried(errand, platform, outcome, seconds)

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.answered(way, outcome, seconds)

    def trouble(self, what: str) -> None:
        """To each of them."""
        for listener in self._listeners:
            listener.trouble(what)
