"""Text for people, before any platform: plain words and the pieces that a platform shows in its own way.

A `str` piece is plain text: whoever renders it escapes it. Nothing else in the product builds markup.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.directory import Address, PersonId


class Moment(StrEnum):
    """How much of an instant is shown."""

    TIME = "time"
    DAY_TIME = "day_time"


@dataclass(frozen=True, slots=True)
class Mention:
    """A person, addressed: the platform notifies them."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the platform, addressed."""

    group: Address


@dataclass(frozen=True, slots=True)
class Room:
    """A channel, shown by its name."""

    channel: Address


@dataclass(frozen=True, slots=True)
class When:
    """An instant (UTC). Platforms show it in the reader's zone; the fallback is in `zone` (IANA) and names it."""

    at: datetime
    zone: str
    shown: Moment = Moment.DAY_TIME


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead somewhere (https)."""

    url: str
    words: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words to be seen first."""

    words: str


Piece = str | Mention | Group | Room | When | Link | Strong
Rich = tuple[Piece, ...]
