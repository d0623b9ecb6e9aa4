"""Ids for rows: sorted by time, so that an index stays compact, and nobody can guess one."""

import secrets

from bot.ports import Clock

FIXED = 0xF << 76 | 0b11 << 62
VERSION_7 = 0x7 << 76 | 0b10 << 62
"""The bits that say what kind of UUID it is."""


class RandomIds:
    """Ids that sort by time and that nobody can guess: UUIDs of version 7 (RFC 9562)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        """48 bits of milliseconds, then 74 random ones."""
        millis = int(self._clock.now().timestamp() * 1000) & (1 << 48) - 1
        chance = int.from_bytes(secrets.token_bytes(10))
        number = millis << 80 | (chance & ~FIXED) | VERSION_7
        digits = f"{number:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
