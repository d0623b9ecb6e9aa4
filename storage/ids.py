"""Ids for rows: sorted by time, so that an index stays compact, and nobody can guess one."""

import os
import secrets

from bot.ports import Clock

COUNTED = 1 << 12
"""What fits between the time and the ending."""
RANDOM = 8
"""Bytes of chance for one ending, of which 62 bits are used."""
AT_ONCE = 256
"""Ids for which chance is drawn together: to ask the system for each costs more than all the rest."""


class RandomIds:
    """Ids that sort by time and that nobody can guess: UUIDs of version 7 (RFC 9562).

    48 bits of milliseconds, then 74 random ones. A process that is forked draws chance of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._endings: list[str] = []
        os.register_at_fork(after_in_child=self._endings.clear)

    def new(self) -> str:
        """36 characters: 8-4-4-4-12 digits."""
        return f"{_beginning(self._millis())}-7{secrets.randbelow(COUNTED):03x}-{_drawn(self._endings)}"

    def at_once(self) -> "IdsOfOneInstant":
        """For many things of one instant: the clock is asked once, and they sort in the order in which they are drawn."""
        return IdsOfOneInstant(self._millis(), self._endings)

    def _millis(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


class IdsOfOneInstant:
    """Ids that are counted in the twelve bits behind the time, the rest is chance (RFC 9562, 6.2: a dedicated counter)."""

    def __init__(self, millis: int, endings: list[str]) -> None:
        self._millis, self._endings = millis, endings
        self._beginning, self._count = _beginning(millis), 0

    def new(self) -> str:
        """36 characters: 8-4-4-4-12 digits."""
        if self._count == COUNTED:
            self._millis, self._count = self._millis + 1, 0
            self._beginning = _beginning(self._millis)
        number, self._count = self._count, self._count + 1
        return f"{self._beginning}-7{number:03x}-{_drawn(self._endings)}"

    def at_once(self) -> "IdsOfOneInstant":
        """These."""
        return self


def _beginning(millis: int) -> str:
    digits = f"{millis & (1 << 48) - 1:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _drawn(endings: list[str]) -> str:
    if not endings:
        endings += _endings()
    return endings.pop()


def _endings() -> list[str]:
    """What comes last: 4-12 digits of chance, two bits of which say that it is a UUID of RFC 9562."""
    chance = secrets.token_bytes(RANDOM * AT_ONCE)
    digits = chance.hex()
    return [
        f"{'89ab'[chance[at // 2] & 3]}{digits[at + 1 : at + 4]}-{digits[at + 4 : at + 16]}"
        for at in range(0, len(digits), 2 * RANDOM)
    ]
