"""Carrying messages: parcels (stored effects), the outbox that holds them, the chat that takes them, and the route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    `told` says that a bundle has already told what it says: only its own card is still to come. `lease` names the lease
    it was taken under: what is marked under a lease that was lost counts as hearsay (see `Outbox.settle`).
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
    told: bool = False
    lease: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What one place gets at once, under one lease: a parcel, or those of a bundle, most urgent first.

    `bundle` is the name of the lease under which the bundle was first put together (None: one parcel on its own);
    `recent` are the instants (UTC, oldest first) at which the place was last called on, as many as `CROWD` + 1.
    """

    parcels: tuple[Parcel, ...]
    bundle: str | None = None
    recent: tuple[datetime, ...] = ()

    @property
    def to(self) -> Address | None:
        """The place; None while a parcel has none yet."""
        return self.parcels[0].to

    @property
    def lease(self) -> str:
        """The name of the lease."""
        return self.parcels[0].lease

    @property
    def key(self) -> str:
        """The idempotency key of the bundle's message: the same as long as it is the same bundle."""
        return f"bundle:{self.bundle}:{self.to}"


@dataclass(frozen=True, slots=True)
class Current:
    """An escalation as it is now, and its root cards, oldest first: read together."""

    escalation: Escalation
    cards: tuple[SentCard, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """It arrived as `ref` (None: an edit of which the platform says nothing), drawn from version `drawn_version`."""

    parcel: Parcel
    ref: MessageRef | None
    drawn_version: int


@dataclass(frozen=True, slots=True)
class Told:
    """A bundle that says what it says has arrived."""

    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Superseded:
    """It is no longer needed: the escalation has moved on. A `reason` makes a "not delivered" row in the ledger."""

    parcel: Parcel
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Uneditable:
    """The message it was to edit is gone, or can no longer be edited: no edit of it is asked for again."""

    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Postponed:
    """Try again at `until` (UTC); a rate limit is no attempt."""

    parcel: Parcel
    until: datetime
    attempted: bool
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Send it to another place of its route. `refused` is why the present one did not take it (a ledger row)."""

    parcel: Parcel
    to: Address
    refused: str = ""


Mark = Delivered | Told | Superseded | Uneditable | Postponed | Moved


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a load: at most one mark for each of its parcels (none: it was ended elsewhere), and of its place.

    `closed_until` is when the place takes the next message, `no_bundle_until` when it takes the next bundle (both UTC;
    None: nothing new); `called` counts the messages sent that call on somebody to act.
    """

    load: Load
    marks: tuple[Mark, ...]
    closed_until: datetime | None = None
    no_bundle_until: datetime | None = None
    called: int = 0


CROWD = 3
"""More messages than this that call on somebody, waiting for a place or sent to it within `CROWDED_FOR`, are a crowd: what
waits is told in one message."""

CROWDED_FOR = timedelta(minutes=1)

CALLS = frozenset({Errand.PING, Errand.POST, Errand.REMIND, Errand.CARD})
"""Errands that a bundle may tell."""

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
    """The stored parcels. Every method is one short transaction of its own, or two."""

    async def lease(self, now: datetime, *, limit: int, busy: frozenset[Address]) -> list[Load]:
        """Take what up to `limit` places are to get next: most urgent first (priority, then highest level, then oldest),
        none whose place is in `busy`.

        A place has one sender at a time, over all processes, and none while it is closed (`Receipt.closed_until`). A crowd
        is taken as a bundle; parcels that a bundle may tell wait while their place takes none. A lease ends by itself
        (30 s); its parcels come back marked uncertain, and those of a bundle come back as the same bundle.
        """
        ...

    async def current(self, parcels: Sequence[Parcel]) -> Mapping[EscalationId, Current]:
        """What these parcels are about, as it is now, read at once; what cannot be read is missing."""
        ...

    async def settle(self, receipts: Sequence[Receipt], *, at: datetime) -> None:
        """Store what became of loads, all or nothing. Raises Conflict or StoreUnavailable; repeating it does no harm.

        Delivered parcels end; root cards (errands CARDS, not in a thread) or the version now drawn are remembered; people
        find it in the ledger where they care (NOTED_WHEN_DELIVERED), once; an edit is asked for when the escalation has
        changed since `drawn_version`, and for older entries' cards when a new entry's post can now be linked. A told
        parcel stays: less urgent, for its own card; a reminder has nothing more to say and ends.

        Whoever has lost a lease decides nothing: another one may be at work on the parcel. That a message has arrived is
        no decision but a fact, and is kept all the same: the ledger says so, the card is remembered unless the entry has
        one at that address, and the parcel ends if nobody holds it; whoever holds it will not note it a second time.
        """
        ...

    async def reset_waits(self, now: datetime) -> None:
        """The clock was set back: nothing waits longer than a minute, and no lease lasts longer than it should."""
        ...

    async def next_due(self) -> datetime | None:
        """The earliest instant at which a parcel waits, None when the outbox is empty."""
        ...

    async def cards(self, escalation: EscalationId) -> Sequence[SentCard]:
        """The root cards of an escalation, oldest first."""
        ...
