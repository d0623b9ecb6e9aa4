"""A load under way, and the rules of the way: may it still be sent, must it still, where to next, until when."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot import letters
from bot.delivery import Current, Load, Outbox, Parcel, route
from bot.directory import Address
from bot.effects import Errand
from bot.errors import EscalationError
from bot.facts import Via
from bot.ports import Clock
from bot.schedule import Situation
from bot.state import Escalation, EscalationId, Status

FRESH_FOR = 15.0
"""Seconds since the lease (30 s) in which a call to a chat may still be begun: it must end well before the lease does."""

KNOWN_FOR = 1.0
"""Seconds for which what was read of an escalation counts as "now"."""

PATIENCE = timedelta(hours=1)
"""How long an unreachable place is tried for an entry without a running window."""

SHOWN_BY_CARD = frozenset({Errand.PING, Errand.POST, Errand.CARD})


class LeaseEnded(EscalationError):
    """So much time has passed since the lease that another process may be sending this already."""


class Reading:
    """What the loads of one lease are about: read for all of them at once, and again when it is no longer "now"."""

    def __init__(self, outbox: Outbox, clock: Clock, loads: Iterable[Load]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._waiting = {load.parcels[0].id: load for load in loads}
        self._known: Mapping[EscalationId, Current] = {}
        self._read: float | None = None
        self._turn = asyncio.Lock()

    async def now(self) -> Mapping[EscalationId, Current]:
        """What is known, at most KNOWN_FOR old; what cannot be read is missing. Raises StoreUnavailable."""
        async with self._turn:
            if self._read is None or self._clock.monotonic() - self._read > KNOWN_FOR:
                began = self._clock.monotonic()
                parcels = [parcel for load in self._waiting.values() for parcel in load.parcels]
                self._known = await self._outbox.current(parcels)
                self._read = began
            return self._known

    def done_with(self, load: Load) -> None:
        """This load needs no reading any more."""
        self._waiting.pop(load.parcels[0].id, None)


@dataclass(slots=True)
class Trip:
    """`leased` and `leased_at` are the monotonic time (s) and the instant right before the load was leased; `known` is
    what `reading` said last.
    """

    load: Load
    leased: float
    leased_at: datetime
    reading: Reading
    known: Mapping[EscalationId, Current] = field(default_factory=dict[EscalationId, Current])

    def check(self, clock: Clock) -> None:
        """Raise LeaseEnded unless a call may still be begun: a process that was frozen and woken finds out here.

        The wall clock is asked, too: it goes on while a machine is suspended, which the monotonic one does not everywhere.
        """
        passed = max(clock.monotonic() - self.leased, (clock.now() - self.leased_at).total_seconds())
        if passed > FRESH_FOR:
            raise LeaseEnded


def no_longer(parcel: Parcel, escalation: Escalation) -> str | None:
    """Why this is not to be sent any more; "" when nobody needs to read why, None when it is to be sent.

    What a bundle has told needs no card of its own once somebody has taken it, or it has moved on or ended. A ping that
    nobody got is noted when its window ended meanwhile.
    """
    if parcel.told and parcel.effect.errand in SHOWN_BY_CARD:
        moved_on = parcel.effect.entry != escalation.entry.number or escalation.status is not Status.WAITING
        return "" if moved_on or letters.outdated(parcel, escalation) else None
    if not letters.outdated(parcel, escalation):
        return None
    ended = escalation.is_open and escalation.entry.via in {Via.WINDOW, Via.NO_DECISION}
    return "window_ended" if ended and parcel.effect.errand is Errand.PING else ""


def next_place(parcel: Parcel, escalation: Escalation, at: Situation, refused: Address | None = None) -> Address | None:
    """The first place of its route that has not been tried."""
    tried = {*parcel.tried, refused}
    return next((to for to in route(parcel.effect, escalation, at.roster) if to not in tried), None)


def give_up_at(parcel: Parcel, escalation: Escalation) -> datetime:
    """Until when a place is tried again and again: until the window ends, or for an hour."""
    due = escalation.entry.due
    return due.at if due else parcel.created_at + PATIENCE
