"""Named places where a drill kills the process. Unless one of them is armed, passing one does nothing.

    failpoint("service.committed")          a place, by a literal name that no other place has
    ECHELON_FAILPOINT="service.committed"   die there, the first time
    ECHELON_FAILPOINT="service.committed:3" die there, the third time

`app.py` reads the environment once, at the start, and arms what it names; importing this module reads nothing.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

VARIABLE = "ECHELON_FAILPOINT"
"""The environment's name for it."""


def killed() -> None:
    """End this process as a machine does that loses its power."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class _Armed:
    """Where this process is to die, how many passages it has left, and how it dies; "" is nowhere."""

    name: str = ""
    left: int = 0
    die: Callable[[], None] = killed


_armed = _Armed()


def failpoint(name: str) -> None:
    """Die here, as by `kill -9`, if this passage is the armed one; otherwise return at once."""
    if _armed.name == name:
        _armed.left -= 1
        if _armed.left == 0:
            _armed.die()


def arm(wanted: str, die: Callable[[], None] = killed) -> None:
    """Arm "name" or "name:passage", counted from 1; "" disarms. Raises ValueError when it cannot be read."""
    name, _, passage = wanted.partition(":")
    left = int(passage) if passage else 1
    if left < 1 or (not name and passage):
        raise ValueError(f"{wanted!r} names no passage of a fail point; write name or name:3")
    _armed.name, _armed.left, _armed.die = name, left, die
