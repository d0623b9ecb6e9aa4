"""Ids for rows: sorted by time, so that an index stays compact, and nobody can guess one."""

import secrets
from uuid import UUID

from bot.ports import Clock


class RandomIds:
    """Ids that sort by time and that nobody can guess: UUIDs of version 7 (RFC 9562)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        """48 bits of milliseconds, then 74 random ones."""
        millis = int(self._clock.now().timestamp() * 1000) & (1 << 48) - 1
        number = millis << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(UUID(int=number))
