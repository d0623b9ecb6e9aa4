"""A clock that can be moved forward and made faster. Nothing but the demo has one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SPEEDS = (1, 10, 60, 600)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored of a moved clock: the last instant that it showed, and how far ahead of the real time it was."""

    shown: datetime
    ahead: timedelta


def _wall() -> datetime:
    return datetime.now(UTC)


class MovableClock:
    """The real time until it is moved. It never goes back: not when it is moved, slowed down or started again."""

    def __init__(
        self,
        start: datetime | None = None,
        *,
        wall: Callable[[], datetime] = _wall,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._seconds = wall, seconds
        self._base = start or wall()
        self._mark = seconds()
        self._speed = 1

    @property
    def speed(self) -> int:
        """How many of its seconds go into a real one."""
        return self._speed

    def now(self) -> datetime:
        """This instant, aware, UTC."""
        return self._base + timedelta(seconds=(self._seconds() - self._mark) * self._speed)

    def monotonic(self) -> float:
        """Real seconds: whoever waits, waits in real time."""
        return self._seconds()

    def seconds_until(self, at: datetime) -> float:
        """How many real seconds it will take, at the present speed, until `now()` is `at`; negative when it is past."""
        return (at - self.now()).total_seconds() / self._speed

    def jump(self, to: datetime) -> None:
        """Go forward to an instant; one that is past changes nothing."""
        self._set(max(to, self.now()), self._speed)

    def run_at(self, speed: int) -> None:
        """Go on from here at another speed. Raises ValueError for one that is not offered."""
        if speed not in SPEEDS:
            raise ValueError(f"there is no speed {speed}; write one of {', '.join(map(str, SPEEDS))}")
        self._set(self.now(), speed)

    def kept(self) -> Kept:
        """What to store, so that another start goes on from here."""
        now = self.now()
        return Kept(shown=now, ahead=now - self._wall())

    def resume(self, kept: Kept) -> None:
        """Go on where the clock stood, plus the real time since; never earlier than what it has already shown."""
        self._set(max(self._wall() + kept.ahead, kept.shown), 1)

    def _set(self, base: datetime, speed: int) -> None:
        self._base, self._mark, self._speed = base, self._seconds(), speed
