"""What is stored, counted: for the metrics, never for a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Waiting:
    """Parcels of one errand that are on their way: how many, and since when the oldest of them."""

    parcels: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one moment.

    `open` holds how many escalations are at (level, status); `overdue` how many due times have passed, the earliest of them
    at `overdue_since`; `outbox` what waits, by errand.
    """

    at: datetime
    open: Mapping[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    overdue: int = 0
    overdue_since: datetime | None = None
    outbox: Mapping[str, Waiting] = field(default_factory=dict[str, Waiting])


class Counts(Protocol):
    """Who can count."""

    async def tally(self, now: datetime) -> Tally:
        """The counts at `now`. Raises StoreUnavailable."""
        ...
