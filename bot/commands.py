"""What people ask for, in the imperative, and who asks."""

from dataclasses import dataclass
from enum import StrEnum

from bot.directory import Address, PersonId
from bot.events import PersonEvent
from bot.state import EscalationId

LONGEST_TITLE, LONGEST_TEXT = 150, 3000
"""Characters of a title, and of whatever else a person writes."""


class Standing(StrEnum):
    """What a person is to the organisation. Only members may act, unless a setting says otherwise."""

    MEMBER = "member"
    GUEST = "guest"
    BOT = "bot"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `seen_in` is the channel the request came from: its members see what was posted there."""

    person: PersonId
    standing: Standing = Standing.MEMBER
    seen_in: Address | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """Open an escalation. `request` is the platform's id of this request: the same one twice opens one escalation.

    `start_level` None takes the plan's own; a higher one needs a `reason`.
    """

    by: Actor
    request: str
    matrix: str
    issue_type: str | None
    title: str
    details: str = ""
    start_level: int | None = None
    reason: str = ""
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Do something to an escalation, named by its id or its number. `entry` is the one a button showed, if any."""

    by: Actor
    request: str
    target: EscalationId | int
    event: PersonEvent
    entry: int | None = None
