"""What must be sent, in the imperative: stored with the state that caused it, carried out afterwards."""

from dataclasses import dataclass
from enum import StrEnum

from bot.directory import Address
from bot.facts import Fact


class Errand(StrEnum):
    """What kind of message an effect asks for."""

    PING = "ping"
    """The full card to an assignee, by the delivery route."""
    POST = "post"
    """The full card in the role's channel; the ping itself where the role has no owners."""
    CARD = "card"
    """The full card in a direct message, without the claim to wake anybody (the opener's own)."""
    REMIND = "remind"
    """A short message with buttons to one who should act, in the thread of their card."""
    TELL = "tell"
    """A fact told to one person by direct message, in the thread of their card where they have one."""
    HISTORY = "history"
    """A fact noted in the thread of the channel's card."""
    REDRAW = "redraw"
    """Every root card of the escalation brought up to date, in place."""
    ALERT = "alert"
    """A fact told to the admin channel."""


PRIORITY: dict[Errand, int] = {
    Errand.PING: 0,
    Errand.POST: 1,
    Errand.REMIND: 2,
    Errand.ALERT: 3,
    Errand.TELL: 4,
    Errand.CARD: 5,
    Errand.REDRAW: 6,
    Errand.HISTORY: 7,
}
"""Most urgent first: pings before edits, history last."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One message to be sent. `to` is a person or a channel; None for REDRAW (all root cards there are), for ALERT (the
    admins), and for what asks a role that nobody holds."""

    errand: Errand
    entry: int
    to: Address | None = None
    fact: Fact | None = None
