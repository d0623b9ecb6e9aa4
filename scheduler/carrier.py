"""One load on its way: what it says now, whether it still should, the chat, and what became of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot import bundles, letters
from bot.cards import Desk
from bot.delivery import (
    CALLS,
    Chat,
    Current,
    Delivered,
    Load,
    Mark,
    MessageRef,
    Moved,
    Parcel,
    Postponed,
    Receipt,
    SentCard,
    Superseded,
    Told,
    Uneditable,
)
from bot.directory import Address, platform_of
from bot.effects import Errand
from bot.errors import EscalationError, Refused, Unreachable
from bot.failpoints import failpoint
from bot.ports import Clock
from bot.readers import Readers
from bot.schedule import Situation
from bot.service import Service
from bot.signals import Signals
from bot.state import Escalation
from scheduler.trip import PATIENCE, LeaseEnded, Trip, give_up_at, next_place, no_longer

SEND_WITHIN = 12.0
"""Seconds for one call to a chat, a little longer than the platforms' own time-outs (10 s)."""

CALM = timedelta(seconds=5)
"""A place that was sent a bundle takes no other for so long: what comes meanwhile is told in the next."""

log = logging.getLogger("echelon.pump")

Answer = TypeVar("Answer")


class Carrier:
    """Carries loads, one call each; keeps nothing."""

    def __init__(
        self,
        *,
        service: Service,
        chat: Chat,
        readers: Readers,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Mapping[str, float],
        signals: Signals,
    ) -> None:
        self._service = service
        self._chat = chat
        self._readers = readers
        self._clock = clock
        self._jitter = jitter
        self._pace = pace
        self._signals = signals

    async def carry(self, trip: Trip) -> Receipt:
        """What became of the load; raises nothing."""
        load, began = trip.load, self._clock.monotonic()
        try:
            trip.known = await trip.reading.now()
            if load.bundle is not None and load.to is not None:
                receipt, outcome = await self._bundle(trip, load.to)
            else:
                receipt, outcome = await self._single(trip, load.parcels[0])
        except LeaseEnded:
            log.warning("A lease ended before its message was sent", extra={"action": "lease_ended"})
            self._signals.trouble("lease_ended")
            receipt, outcome = _given_back(load, self._clock.now()), "put_off"
        except EscalationError as error:  # the store: nothing was sent, or the place refused and will again
            log.warning("A message waits for the store: %s", type(error).__name__, extra={"action": "parcel_waits"})
            receipt, outcome = _given_back(load, self._later(0)), "put_off"
        except Exception:  # a bug with one load must not stop the others, nor be tried for ever
            log.exception(
                "A message could not be made", extra={"action": "parcel_failed", "parcel": load.parcels[0].id}
            )
            receipt, outcome = await self._broken(trip), "put_off"
        trip.reading.done_with(load)
        errand = "bundle" if load.bundle else load.parcels[0].effect.errand.value
        platform = platform_of(load.to) if load.to else ""
        self._signals.carried(errand, platform, outcome, self._clock.monotonic() - began)
        return receipt

    # One parcel

    async def _single(self, trip: Trip, parcel: Parcel) -> tuple[Receipt, str]:
        known, situation = self._known(trip, parcel), self._service.situation()
        if (gone := no_longer(parcel, known.escalation)) is not None:
            return Receipt(trip.load, (Superseded(parcel, gone),)), "superseded"
        if parcel.to is None:
            return await self._aim(trip.load, parcel, known.escalation, situation)
        try:
            return await self._send(trip, parcel, known, parcel.to, situation)
        except Refused as error:
            return await self._refused(trip.load, [(parcel, known.escalation)], error.reason, situation)
        except Unreachable as error:
            return await self._missed(trip.load, [(parcel, known.escalation)], error, situation)

    async def _aim(self, load: Load, parcel: Parcel, escalation: Escalation, at: Situation) -> tuple[Receipt, str]:
        """Whatever has no place yet gets one, and waits its turn there like all that goes to that place."""
        to = next_place(parcel, escalation, at)
        if to is None:
            await self._service.undeliverable(parcel, "no_place")
            return Receipt(load, ()), "failed"
        return Receipt(load, (Moved(parcel, to),)), "aimed"

    async def _send(
        self, trip: Trip, parcel: Parcel, known: Current, to: Address, at: Situation
    ) -> tuple[Receipt, str]:
        escalation, sent = known.escalation, known.cards
        desk = Desk(at, self._readers.name, letters.newest_link(sent, escalation.entry.number))
        reader = self._readers.at(to)
        if parcel.target is not None:
            await self._redraw(trip, parcel.target, escalation, sent, desk)
            ref = parcel.target
        else:
            thread = letters.thread_of(parcel, to, sent)
            if parcel.effect.errand is Errand.HISTORY and thread is None:
                return Receipt(trip.load, (Superseded(parcel),)), "superseded"
            message = letters.compose(parcel, escalation, to, reader, desk)
            found = await self._found(trip, to, parcel.key, thread) if parcel.uncertain else None
            ref = found or await self._asked(trip, lambda: self._chat.post(to, message, key=parcel.key, thread=thread))
        failpoint("carrier.sent")
        called = int(parcel.effect.errand in CALLS)
        mark = Delivered(parcel, ref, escalation.version)
        return Receipt(trip.load, (mark,), self._closed_until(to), called=called), "delivered"

    async def _redraw(
        self, trip: Trip, target: MessageRef, escalation: Escalation, sent: tuple[SentCard, ...], desk: Desk
    ) -> None:
        shown = next((card for card in sent if (card.ref.id, card.ref.place) == (target.id, target.place)), None)
        if shown:
            message = letters.redrawn(shown, escalation, self._readers.at(target.to), desk)
            await self._asked(trip, lambda: self._chat.edit(target, message))

    # Many parcels in one message

    async def _bundle(self, trip: Trip, to: Address) -> tuple[Receipt, str]:
        load, situation = trip.load, self._service.situation()
        marks: list[Mark] = []
        held: list[tuple[Parcel, Escalation]] = []
        for parcel in load.parcels:
            known = trip.known.get(parcel.escalation)
            if known is None:
                marks += await self._given_up(parcel, None)
            elif (gone := no_longer(parcel, known.escalation)) is not None:
                marks.append(Superseded(parcel, gone))
            else:
                held.append((parcel, known.escalation))
        if not held:
            return Receipt(load, tuple(marks)), "superseded"
        if len(held) == 1 and not held[0][0].uncertain:
            receipt, outcome = await self._single(trip, held[0][0])
            return _with(receipt, marks), outcome
        try:
            receipt, outcome = await self._tell(trip, held, to, situation)
        except Refused as error:
            receipt, outcome = await self._refused(load, held, error.reason, situation)
        except Unreachable as error:
            receipt, outcome = await self._missed(load, held, error, situation)
        return _with(receipt, marks), outcome

    async def _tell(
        self, trip: Trip, held: list[tuple[Parcel, Escalation]], to: Address, at: Situation
    ) -> tuple[Receipt, str]:
        load = trip.load
        reader, desk = self._readers.at(to), Desk(at, self._readers.name, None)
        uncertain = any(parcel.uncertain for parcel, _ in held)
        found = await self._found(trip, to, load.key, None) if uncertain else None
        if found is None:
            message = bundles.compose(held, reader, desk)
            await self._asked(trip, lambda: self._chat.post(to, message, key=load.key))
        failpoint("carrier.told")
        marks = tuple(Told(parcel) for parcel, _ in held)
        calm = self._clock.now() + CALM
        return Receipt(load, marks, self._closed_until(to), calm, called=len(held)), "delivered"

    # What may go wrong

    async def _refused(
        self, load: Load, held: list[tuple[Parcel, Escalation]], reason: str, at: Situation
    ) -> tuple[Receipt, str]:
        """The place refused for good: on to the next one of the route of each, or the end of it."""
        log.info("A place refused a message: %s", reason, extra={"action": "place_refused", "to": load.to})
        marks: list[Mark] = []
        for parcel, escalation in held:
            following = next_place(parcel, escalation, at, refused=load.to)
            if parcel.target is not None:
                marks.append(Uneditable(parcel))
            elif following is not None:
                marks.append(Moved(parcel, following, reason))
            else:
                await self._service.undeliverable(parcel, reason)
        return Receipt(load, tuple(marks)), "moved" if any(isinstance(mark, Moved) for mark in marks) else "failed"

    async def _missed(
        self, load: Load, held: list[tuple[Parcel, Escalation]], error: Unreachable, at: Situation
    ) -> tuple[Receipt, str]:
        """The platform may take it later: wait as long as it asks, or a little longer each time, until the window ends."""
        if error.retry_after is not None:
            until = at.now + timedelta(seconds=error.retry_after)
            marks = tuple(Postponed(parcel, until, attempted=False) for parcel, _ in held)
            return Receipt(load, marks, closed_until=until), "limited"
        over = [one for one in held if one[0].attempts and at.now > give_up_at(*one)]
        given_up, _ = await self._refused(load, over, "no_answer_in_time", at) if over else (Receipt(load, ()), "")
        until = self._later(max(parcel.attempts for parcel, _ in held))
        log.info(
            "A message will be tried again: %s",
            error.reason,
            extra={"action": "parcel_retry", "parcel": load.parcels[0].id},
        )
        again = [Postponed(one[0], until, attempted=True, uncertain=error.uncertain) for one in held if one not in over]
        return _with(given_up, again), "again" if again else "failed"

    async def _broken(self, trip: Trip) -> Receipt:
        """A bug. One parcel alone is tried again later, and given up in the end; of a bundle, each is tried for itself."""
        marks: list[Mark] = []
        for parcel in trip.load.parcels:
            known = trip.known.get(parcel.escalation)
            sound = (
                trip.load.bundle is not None and known is not None and self._can_be_told(parcel, known, trip.load.to)
            )
            marks += (
                [Postponed(parcel, self._later(0), attempted=False)] if sound else await self._given_up(parcel, known)
            )
        return Receipt(trip.load, tuple(marks))

    async def _given_up(self, parcel: Parcel, known: Current | None) -> list[Mark]:
        """Whatever always fails is not tried for ever: until the window of its entry ends, or an hour."""
        last = give_up_at(parcel, known.escalation) if known else parcel.created_at + PATIENCE
        if not parcel.attempts or self._clock.now() <= last:
            return [Postponed(parcel, self._later(parcel.attempts), attempted=True)]
        try:
            await self._service.undeliverable(parcel, "internal_error")
        except EscalationError:
            raise
        except Exception:  # not even its escalation can be read: the row ends all the same
            log.exception("A parcel was given up", extra={"action": "parcel_given_up", "parcel": parcel.id})
            return [Superseded(parcel, "internal_error")]
        return []

    def _can_be_told(self, parcel: Parcel, known: Current, to: Address | None) -> bool:
        """Whether a bundle of this parcel alone could be made."""
        try:
            desk = Desk(self._service.situation(), self._readers.name, None)
            bundles.compose([(parcel, known.escalation)], self._readers.at(to or Address("")), desk)
        except Exception:  # this is the one that spoils its bundle
            return False
        return True

    # Small parts

    def _known(self, trip: Trip, parcel: Parcel) -> Current:
        known = trip.known.get(parcel.escalation)
        if known is None:
            raise LookupError(f"the escalation of parcel {parcel.id} cannot be read")
        return known

    async def _found(self, trip: Trip, to: Address, key: str, thread: MessageRef | None) -> MessageRef | None:
        return await self._asked(trip, lambda: self._chat.find(to, key, thread))

    async def _asked(self, trip: Trip, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """One call to the chat, unless the lease may be over before it ends. Raises LeaseEnded, or what the chat raises.

        A process that was frozen and woken finds here that it slept too long; one that freezes during the call is stopped
        by the time-out before the call can begin anything else. The wall clock is asked, too: it goes on while a machine
        is suspended, which the monotonic one does not everywhere.
        """
        trip.check(self._clock)
        failpoint("carrier.before_call")
        try:
            async with asyncio.timeout(SEND_WITHIN):
                return await call()
        except TimeoutError:
            raise Unreachable("no_answer", uncertain=True) from None

    def _closed_until(self, to: Address) -> datetime | None:
        pace = self._pace.get(platform_of(to), 0.0)
        return self._clock.now() + timedelta(seconds=pace) if pace else None

    def _later(self, attempts: int) -> datetime:
        delay = min(60.0, 2.0**attempts) * (0.5 + self._jitter() / 2)
        return self._clock.now() + timedelta(seconds=delay)


def _given_back(load: Load, until: datetime) -> Receipt:
    """Nothing became of it: whoever comes next may take it."""
    return Receipt(load, tuple(Postponed(parcel, until, attempted=False) for parcel in load.parcels))


def _with(receipt: Receipt, marks: Sequence[Mark]) -> Receipt:
    return replace(receipt, marks=(*receipt.marks, *marks))
