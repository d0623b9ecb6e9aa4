"""How much somebody may do in a while: a bucket of tokens for each, refilled steadily, in bounded memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

MOST_KEPT = 10_000
"""Buckets kept at once, about 2 MB; the one that was asked for longest ago is forgotten first, which makes it full."""

_DUST = 1e-9
"""What adding up small pieces may lose of a token."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`each_minute` in the long run, `at_once` after a pause. Raises ValueError unless both are above zero."""

    each_minute: float
    at_once: float

    def __post_init__(self) -> None:
        if self.each_minute <= 0 or self.at_once < 1:
            raise ValueError("a rate lets something through: more than 0 a minute, at least 1 at once")


class Buckets:
    """One bucket for each key. `monotonic` tells the seconds, as `Clock.monotonic` does."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float], *, kept: int = MOST_KEPT) -> None:
        self._rate, self._monotonic, self._kept = rate, monotonic, kept
        self._held: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def wait(self, key: Hashable) -> float:
        """Seconds until `key` may take one; 0.0 for now. Takes nothing."""
        short = 1.0 - self._tokens(key)
        return short * 60.0 / self._rate.each_minute if short > _DUST else 0.0

    def take(self, key: Hashable) -> None:
        """One token less, whether there is one or not: ask `wait` first. It never falls below nothing."""
        self._put(key, max(0.0, self._tokens(key) - 1.0))

    def give_back(self, key: Hashable) -> None:
        """What was taken led to nothing."""
        self._put(key, min(self._rate.at_once, self._tokens(key) + 1.0))

    def _tokens(self, key: Hashable) -> float:
        held = self._held.get(key)
        if held is None:
            return self._rate.at_once
        tokens, since = held
        return min(self._rate.at_once, tokens + (self._monotonic() - since) * self._rate.each_minute / 60.0)

    def _put(self, key: Hashable, tokens: float) -> None:
        self._held[key] = (tokens, self._monotonic())
        self._held.move_to_end(key)
        while len(self._held) > self._kept:
            self._held.popitem(last=False)
