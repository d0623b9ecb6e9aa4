"""Carrying messages: parcels (stored effects), the outbox that holds them, the chat that takes them, and the route."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from bot.directory import Address, WorkspaceId
from bot.effects import Effect, Errand
from bot.message import Message
from bot.roster import Roster
from bot.state import Escalation, EscalationId

ParcelId = NewType("ParcelId", str)


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A message in a chat: the address it was sent to, the platform's own place and id, and a link (https) if any."""

    to: Address
    place: str
    id: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class SentCard:
    """A root card that was delivered: which entry it shows and the version it was last drawn in."""

    ref: MessageRef
    entry: int
    errand: Errand
    drawn_version: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """One stored effect on its way. `key` is unique and stable: the idempotency key towards the platform.

    `to` is the place it goes to now (None: not yet chosen), `tried` those that have refused, `attempts` the tries at the
    present place; `uncertain` says that an earlier try may have arrived. `target` is the message to edit (REDRAW only).
    """

    id: ParcelId
    workspace: WorkspaceId
    escalation: EscalationId
    effect: Effect
    key: str
    created_at: datetime
    to: Address | None = None
    tried: tuple[Address, ...] = ()
    attempts: int = 0
    uncertain: bool = False
    target: MessageRef | None = None


CARDS = frozenset({Errand.PING, Errand.POST, Errand.CARD})
"""Errands that leave a root card, edited in place afterwards."""

NOTED_WHEN_DELIVERED = frozenset({Errand.PING, Errand.POST})
"""Deliveries that make a ledger row; failures of every errand do."""


def route(effect: Effect, escalation: Escalation, roster: Roster) -> tuple[Address, ...]:
    """Where an effect may be delivered, in order, each place once.

    A ping: direct message, a mention in the role's channel, the fallback owner, the fallback channel (product's delivery
    route). The post in the channel of a role that nobody holds is the ping itself, and goes on likewise. An alarm goes
    to the admin channel, else to the admins.
    """
    directory = roster.directory
    channel = roster.channel(escalation.level.role)
    last = (directory.fallback_owner, directory.fallback_channel)
    places: dict[Errand, tuple[Address | None, ...]] = {
        Errand.PING: (effect.to, channel, *last),
        Errand.POST: (effect.to,) if escalation.entry.assignees else (effect.to, *last),
        Errand.REMIND: (effect.to, channel, *last),
        Errand.ALERT: (directory.admin_channel, *directory.admins, directory.fallback_channel),
    }
    return tuple(dict.fromkeys(to for to in places.get(effect.errand, (effect.to,)) if to))


class Chat(Protocol):
    """One chat platform. Every method raises Refused when the place never will, Unreachable when it may later."""

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        """Send a message to a person or a channel, into the thread of `thread` if given.

        `key` is the same at every attempt, so that a platform that can tell takes it once.
        """
        ...

    async def edit(self, ref: MessageRef, message: Message) -> None:
        """Replace a message in place. Refused when it is gone or can no longer be edited."""
        ...

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        """The message that an uncertain attempt with `key` left; None when there is none or the platform can't say."""
        ...


class Outbox(Protocol):
    """The stored parcels. Every method is one short transaction of its own."""

    async def lease(self, now: datetime, *, limit: int, busy: frozenset[Address]) -> list[Parcel]:
        """Take up to `limit` parcels that are due: most urgent first (priority, then highest level, then oldest), at most
        one per place, none whose place is in `busy`.

        A leased parcel comes back by itself when its lease (30 s) runs out, then marked uncertain.
        """
        ...

    async def delivered(self, parcel: Parcel, ref: MessageRef | None, *, drawn_version: int, at: datetime) -> None:
        """It arrived: end the parcel; remember a root card (errands CARDS, not in a thread) or the version now drawn;
        note it in the ledger where people care; ask for an edit when the escalation has changed since `drawn_version`,
        and for an edit of older entries' cards when a new entry's post can now be linked.
        """
        ...

    async def superseded(self, parcel: Parcel, *, at: datetime, reason: str = "") -> None:
        """It is no longer needed: the escalation has moved on. A `reason` makes a "not delivered" row in the ledger."""
        ...

    async def postpone(self, parcel: Parcel, until: datetime, *, attempted: bool, uncertain: bool = False) -> None:
        """Try again at `until`; a rate limit is no attempt."""
        ...

    async def move(self, parcel: Parcel, to: Address, *, at: datetime, refused: str = "") -> None:
        """Send it to another place of its route. `refused` is why the present one did not take it (a ledger row)."""
        ...

    async def next_due(self) -> datetime | None:
        """The earliest instant at which a parcel waits, None when the outbox is empty."""
        ...

    async def cards(self, escalation: EscalationId) -> Sequence[SentCard]:
        """The root cards of an escalation, oldest first."""
        ...
