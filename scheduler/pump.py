"""Outbox → chat: lease a parcel, read the escalation as it is now, send, mark; retry, go to the next place, or give up."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from bot import letters
from bot.cards import Desk
from bot.delivery import Chat, Outbox, Parcel, SentCard, route
from bot.directory import Address, platform_of
from bot.effects import Errand
from bot.errors import Conflict, EscalationError, Refused, StoreUnavailable, Unreachable
from bot.facts import Via
from bot.ports import Archive, Clock
from bot.readers import Readers
from bot.schedule import Situation
from bot.service import Service
from bot.signals import Signals, Silence
from bot.state import Escalation

IN_FLIGHT = 32
"""How many messages are on their way at once (measured: enough for 250/s to a platform that takes 100 ms)."""

LONGEST_WAIT = 1.0
"""Seconds after which the outbox is looked at even if nobody rang."""

PATIENCE = timedelta(hours=1)
"""How long an unreachable place is tried for an entry without a running window."""

log = logging.getLogger("echelon.pump")


class Pump:
    """Carries parcels. One message at a time per place, so that each place keeps its order; places do not wait for others.

    `pace` is the least time in seconds between two messages to one place, by platform; `jitter` draws from 0..1, so that
    many messages that failed together do not come back together.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        archive: Archive,
        service: Service,
        chat: Chat,
        readers: Readers,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Mapping[str, float] | None = None,
        signals: Signals | None = None,
    ) -> None:
        self._outbox = outbox
        self._archive = archive
        self._service = service
        self._chat = chat
        self._readers = readers
        self._clock = clock
        self._jitter = jitter
        self._pace = pace or {}
        self._signals = signals or Silence()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._in_flight: set[Address | str] = set()
        self._closed: dict[Address, float] = {}

    def wake(self) -> None:
        """Something may have been put into the outbox."""
        self._quiet.clear()
        self._wake.set()

    async def quiet(self) -> None:
        """Wait until nothing that is due is left to carry. Only while `run` is running."""
        self.wake()
        await self._quiet.wait()

    async def run(self) -> None:
        """Carry for ever. A store that is away is waited for; nothing else ends the loop but cancellation."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                leased = await self._lease_safely()
                for parcel in leased:
                    group.create_task(self._carry_in_lane(parcel))
                if not leased:
                    await self._rest()

    async def drain(self) -> int:
        """Carry all that is due now, one after another; returns how many parcels were handled."""
        handled = 0
        while parcels := await self._lease():
            for parcel in parcels:
                await self._carry_safely(parcel)
                handled += 1
        return handled

    async def _rest(self) -> None:
        if not self._in_flight and not self._wake.is_set():
            self._quiet.set()
        now = self._clock.monotonic()
        opening = [until - now for until in self._closed.values() if until > now]
        try:
            async with asyncio.timeout(min([LONGEST_WAIT, *opening])):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _lease_safely(self) -> list[Parcel]:
        try:
            return await self._lease()
        except (StoreUnavailable, Conflict) as error:
            log.warning("The store is away; messages wait: %s", error, extra={"action": "pump_store_away"})
            self._signals.trouble("store_away")
        except Exception:  # a bug must not end the engine: timers run in the same group
            log.exception("The outbox could not be read", extra={"action": "pump_failed"})
        return []

    async def _lease(self) -> list[Parcel]:
        now = self._clock.monotonic()
        self._closed = {to: until for to, until in self._closed.items() if until > now}
        free = IN_FLIGHT - len(self._in_flight)
        if free <= 0:
            return []
        busy = frozenset(Address(lane) for lane in (*self._in_flight, *self._closed))
        parcels = await self._outbox.lease(self._clock.now(), limit=free, busy=busy)
        self._in_flight.update(_lane(parcel) for parcel in parcels)
        return parcels

    async def _carry_in_lane(self, parcel: Parcel) -> None:
        try:
            await self._carry_safely(parcel)
        finally:
            self._wake.set()

    async def _carry_safely(self, parcel: Parcel) -> None:
        """Carry one parcel; whatever goes wrong with it must not stop the others."""
        try:
            await self._carry(parcel)
        except EscalationError as error:
            log.warning(
                "A message waits for its lease to end: %s",
                type(error).__name__,
                extra={"action": "parcel_waits", "parcel": parcel.id},
            )
        except Exception:  # a bug with one parcel: log it, try again later, keep carrying the others
            log.exception("A message could not be made", extra={"action": "parcel_failed", "parcel": parcel.id})
            with suppress(EscalationError):  # if even that is not stored, the lease brings it back
                await self._again(parcel, Unreachable("internal_error"))
        finally:
            self._in_flight.discard(_lane(parcel))

    async def _carry(self, parcel: Parcel) -> None:
        escalation = await self._archive.get(parcel.workspace, parcel.escalation)
        if letters.outdated(parcel, escalation):
            await self._outbox.superseded(parcel, at=self._clock.now(), reason=_too_late(parcel, escalation))
            return
        situation = self._service.situation()
        to = parcel.to
        if to is None:
            await self._aim(parcel, escalation, situation)
            return
        try:
            await self._send(parcel, escalation, to, situation)
        except Refused as error:
            await self._next(parcel, escalation, to, error.reason, situation)
        except Unreachable as error:
            await self._missed(parcel, escalation, to, error, situation)

    async def _aim(self, parcel: Parcel, escalation: Escalation, at: Situation) -> None:
        """Whatever has no place yet gets one, and waits its turn there like all that goes to that place."""
        to = _next_place(parcel, escalation, at)
        if to is None:
            await self._nowhere(parcel, "no_place")
        else:
            await self._outbox.move(parcel, to, at=at.now)

    async def _send(self, parcel: Parcel, escalation: Escalation, to: Address, at: Situation) -> None:
        sent = await self._outbox.cards(escalation.id)
        desk = Desk(at, self._readers.name, letters.newest_link(sent, escalation.entry.number))
        reader = self._readers.at(to)
        shown = _shown_by(parcel, sent)
        if parcel.target is not None:
            card = letters.redrawn(shown, escalation, reader, desk) if shown else None
            if card:
                await self._chat.edit(parcel.target, card)
            ref = parcel.target
        else:
            thread = letters.thread_of(parcel, to, sent)
            if parcel.effect.errand is Errand.HISTORY and thread is None:
                await self._outbox.superseded(parcel, at=at.now)
                return
            found = await self._chat.find(to, parcel.key, thread) if parcel.uncertain else None
            message = letters.compose(parcel, escalation, to, reader, desk)
            ref = found or await self._chat.post(to, message, key=parcel.key, thread=thread)
        self._close_for(to, self._pace.get(platform_of(to), 0.0))
        await self._outbox.delivered(parcel, ref, drawn_version=escalation.version, at=self._clock.now())

    async def _next(self, parcel: Parcel, escalation: Escalation, to: Address, reason: str, at: Situation) -> None:
        """The place refused for good: on to the next one of the route, or the end of it."""
        log.info(
            "A place refused a message: %s",
            reason,
            extra={"action": "place_refused", "parcel": parcel.id, "to": to},
        )
        if parcel.target is not None:
            await self._outbox.superseded(parcel, at=at.now)
            return
        following = _next_place(parcel, escalation, at, refused=to)
        if following is None:
            await self._nowhere(parcel, reason)
        else:
            await self._outbox.move(parcel, following, at=at.now, refused=reason)

    async def _nowhere(self, parcel: Parcel, reason: str) -> None:
        await self._service.undeliverable(parcel, reason)

    async def _missed(
        self, parcel: Parcel, escalation: Escalation, to: Address, error: Unreachable, at: Situation
    ) -> None:
        """The platform may take it later: wait as long as it asks, or a little longer each time, until the window ends."""
        if error.retry_after is not None:
            self._close_for(to, error.retry_after)
            until = at.now + timedelta(seconds=error.retry_after)
            await self._outbox.postpone(parcel, until, attempted=False)
        elif parcel.attempts and at.now > _give_up_at(parcel, escalation):
            await self._next(parcel, escalation, to, "no_answer_in_time", at)
        else:
            await self._again(parcel, error)

    async def _again(self, parcel: Parcel, error: Unreachable) -> None:
        delay = min(60.0, 2.0**parcel.attempts) * (0.5 + self._jitter() / 2)
        until = self._clock.now() + timedelta(seconds=delay)
        log.info(
            "A message will be tried again: %s", error.reason, extra={"action": "parcel_retry", "parcel": parcel.id}
        )
        await self._outbox.postpone(parcel, until, attempted=True, uncertain=error.uncertain)

    def _close_for(self, to: Address, seconds: float) -> None:
        if seconds > 0:
            self._closed[to] = max(self._closed.get(to, 0.0), self._clock.monotonic() + seconds)


def _too_late(parcel: Parcel, escalation: Escalation) -> str:
    """Why a ping that nobody got is of no use any more, if that is for people to know: its window ended meanwhile."""
    moved = escalation.is_open and escalation.entry.via in {Via.WINDOW, Via.NO_DECISION}
    return "window_ended" if moved and parcel.effect.errand is Errand.PING else ""


def _lane(parcel: Parcel) -> Address | str:
    return parcel.to or parcel.id


def _next_place(
    parcel: Parcel, escalation: Escalation, at: Situation, refused: Address | None = None
) -> Address | None:
    tried = {*parcel.tried, refused}
    return next((to for to in route(parcel.effect, escalation, at.roster) if to not in tried), None)


def _shown_by(parcel: Parcel, sent: Sequence[SentCard]) -> SentCard | None:
    """The root card that a REDRAW is to edit."""
    same = (card for card in sent if parcel.target and card.ref.id == parcel.target.id)
    return next((card for card in same if parcel.target and card.ref.place == parcel.target.place), None)


def _give_up_at(parcel: Parcel, escalation: Escalation) -> datetime:
    due = escalation.entry.due
    return due.at if due else parcel.created_at + PATIENCE
