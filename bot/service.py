"""The use cases: load, decide, store, answer. No chat, no SQL, no words."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from bot.commands import Act, Actor, Open, Standing
from bot.delivery import Parcel
from bot.directory import PersonId, WorkspaceId
from bot.drafting import draft
from bot.effects import Effect, Errand
from bot.errors import NobodyHolds, NotAllowed, NotFound, OutOfTurn
from bot.escalation import advance, opened
from bot.events import Acknowledged, Cancelled, NobodyReached
from bot.facts import LedgerRow
from bot.outcome import Outcome
from bot.plan import Calendars, Plan
from bot.ports import Archive, Clock, Directories, Ids, Membership, Plans, UnitOfWork, Units
from bot.roster import Roster
from bot.schedule import Situation
from bot.signals import Signals, Silence
from bot.state import Escalation, EscalationId, Status
from bot.sweeping import Sweeper, Swept
from bot.transactions import in_one_unit
from bot.visibility import Visibility

TOGETHER, MOST_TOGETHER = 100, 500
"""How many escalations are acknowledged in one transaction, and by one press."""

LOOKED_THROUGH = 200
"""So many open escalations, the next due first, are searched for those that somebody may see."""

Answer = TypeVar("Answer")

log = logging.getLogger("echelon.service")


@dataclass(frozen=True, slots=True)
class Done:
    """What an action led to; `before` is the value it found (the same value when nothing changed)."""

    escalation: Escalation
    before: Escalation

    @property
    def changed(self) -> bool:
        """Whether anything was stored."""
        return self.escalation is not self.before


class Service:
    """The escalation desk of one workspace: one short method per use case, each one transaction."""

    def __init__(
        self,
        *,
        workspace: WorkspaceId,
        units: Units,
        archive: Archive,
        clock: Clock,
        ids: Ids,
        plans: Plans,
        directories: Directories,
        calendars: Callable[[], Calendars],
        membership: Membership,
        admitted: frozenset[Standing] = frozenset({Standing.MEMBER}),
        after_commit: Callable[[], None] = lambda: None,
        signals: Signals | None = None,
    ) -> None:
        self._workspace = workspace
        self._units = units
        self._archive = archive
        self._clock = clock
        self._ids = ids
        self._plans = plans
        self._directories = directories
        self._calendars = calendars
        self._visibility = Visibility(archive, membership, directories)
        self._admitted = admitted
        self._after_commit = after_commit
        self._sweeper = Sweeper(units=units, clock=clock, situation=self.situation, signals=signals or Silence())

    def situation(self) -> Situation:
        """What the rule may ask of the world at this moment."""
        roster = Roster(self._directories.current(), self._directories.members)
        return Situation(self._clock.now(), self._calendars(), roster)

    # What people do

    async def open(self, order: Open) -> Escalation:
        """Open an escalation, once per request.

        Raises NotAllowed for someone from outside, Unreadable for arguments that make no sense, NobodyHolds when a level
        would not be heard.
        """
        self.admit(order.by)
        plan = self._plans.plan(order.matrix, order.issue_type)
        self._refuse_unheard(plan)
        escalation = await self._stored(lambda unit: self._open(unit, order, plan))
        _log(escalation, "opened")
        return escalation

    async def act(self, order: Act) -> Done:
        """Do something to an escalation, once per request.

        Raises NotFound, NotAllowed, OutOfTurn or Unreadable; nothing is changed then.
        """
        self.admit(order.by)
        await self.visible(order.by, order.target)
        if isinstance(order.event, Cancelled) and order.event.duplicate_of:
            await self.visible(order.by, order.event.duplicate_of)
        done = await self._stored(lambda unit: self._act(unit, order))
        _log(done.escalation, type(order.event).__name__.lower() if done.changed else "unchanged")
        return done

    async def acknowledge_all(self, by: Actor, until: datetime) -> tuple[Escalation, ...]:
        """Acknowledge what waits for this person and had begun by `until`; returns what was taken. Raises NotAllowed.

        By hundreds, each hundred one transaction; asking twice takes nothing twice.
        """
        self.admit(by)
        mine = await self._archive.open_ones(self._workspace, person=by.person, limit=MOST_TOGETHER)
        ids = [one.id for one in mine if _waits_for(one, by.person, until)]
        taken: list[Escalation] = []
        for start in range(0, len(ids), TOGETHER):
            some = ids[start : start + TOGETHER]
            taken += await self._stored(partial(self._acknowledge, ids=some, person=by.person, until=until))
        return tuple(taken)

    async def _acknowledge(
        self, unit: UnitOfWork, ids: Sequence[EscalationId], person: PersonId, until: datetime
    ) -> list[Escalation]:
        situation = self.situation()
        found = [await unit.get(self._workspace, id) for id in ids]
        waiting = [one for one in found if _waits_for(one, person, until)]
        outcomes = [advance(one, Acknowledged(person), situation) for one in waiting]
        await unit.save_all(outcomes, at=situation.now)
        return [outcome.escalation for outcome in outcomes]

    async def _open(self, unit: UnitOfWork, order: Open, plan: Plan) -> Escalation:
        if known := await unit.seen(self._workspace, order.request):
            return await unit.get(self._workspace, known)
        value = draft(
            order,
            plan,
            workspace=self._workspace,
            id=EscalationId(self._ids.new()),
            number=await unit.next_number(self._workspace),
            now=self._clock.now(),
        )
        outcome = opened(value, self.situation(), order.reason.strip())
        await unit.remember(self._workspace, order.request, value.id)
        return await unit.add(outcome, at=self._clock.now())

    async def _act(self, unit: UnitOfWork, order: Act) -> Done:
        current = await self._find(unit, order.target)
        if await unit.seen(self._workspace, order.request):
            return Done(current, current)
        if order.entry is not None and order.entry != current.entry.number:
            raise of_old_entry(current)
        situation = self.situation()
        outcome = advance(current, order.event, situation)
        if outcome.escalation is current:
            return Done(current, current)
        await unit.remember(self._workspace, order.request, current.id)
        return Done(await unit.save(outcome, at=situation.now), current)

    # What the clock does

    async def sweep(self, limit: int = 100) -> Swept:
        """One batch of what is due: one transaction, each escalation moved by one event. A damaged row is put aside."""
        return await self._sweeper.sweep(limit)

    async def undeliverable(self, parcel: Parcel, reason: str) -> None:
        """The whole route of a parcel refused. When nobody at all was reached, the next level begins at once."""
        await self._stored(lambda unit: self._undeliverable(unit, parcel, reason))

    async def _undeliverable(self, unit: UnitOfWork, parcel: Parcel, reason: str) -> None:
        current = await unit.get(parcel.workspace, parcel.escalation)
        situation = self.situation()
        if not await unit.undeliverable(parcel, reason, at=situation.now, assignees=current.entry.assignees):
            return
        outcome = advance(current, NobodyReached(parcel.effect.entry), situation)
        if outcome.escalation is not current:
            await unit.save(outcome, at=situation.now)

    # What people look at

    async def show(self, by: Actor, target: EscalationId | int) -> Escalation:
        """One escalation. Raises NotFound when there is none, or none that this person may see."""
        self.admit(by)
        return await self.visible(by, target)

    async def ledger(self, by: Actor, target: EscalationId | int) -> tuple[Escalation, tuple[LedgerRow, ...]]:
        """One escalation with its ledger, oldest row first."""
        escalation = await self.show(by, target)
        return escalation, tuple(await self._archive.ledger(escalation.id))

    async def open_ones(self, by: Actor, *, mine: bool, limit: int = 20) -> tuple[Escalation, ...]:
        """The open escalations that this person may see, the next due first."""
        self.admit(by)
        own = await self._archive.open_ones(self._workspace, person=by.person, limit=limit)
        if mine:
            return tuple(own)
        others = await self._archive.open_ones(self._workspace, person=None, limit=LOOKED_THROUGH)
        found = {escalation.id: escalation for escalation in (*own, *others)}
        seen: list[Escalation] = []
        for escalation in sorted(found.values(), key=lambda one: (one.next_due or one.opened_at, one.id)):
            if len(seen) < limit and await self._visibility.may_see(by, escalation):
                seen.append(escalation)
        return tuple(seen)

    async def redraw(self, target: EscalationId) -> None:
        """Bring every card of an escalation up to date: somebody pressed a button of an old one."""

        async def again(unit: UnitOfWork) -> None:
            current = await unit.get(self._workspace, target)
            effect = Effect(Errand.REDRAW, current.entry.number)
            await unit.save(Outcome(current, effects=(effect,)), at=self._clock.now())

        await self._stored(again)

    async def visible(self, by: Actor, target: EscalationId | int) -> Escalation:
        """The escalation if this person may see it. Raises NotFound otherwise: the two cases are not told apart."""
        escalation = await self._load(target)
        if not await self._visibility.may_see(by, escalation):
            raise NotFound("not_found", given=target if isinstance(target, int) else escalation.number)
        return escalation

    def admit(self, by: Actor) -> None:
        """Raise NotAllowed for guests, bots and people of other organisations, unless a setting admits them."""
        if by.standing not in self._admitted:
            raise NotAllowed(f"not_admitted_{by.standing.value}")

    # Small parts

    async def _stored(self, use_case: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
        """Run a use case in one transaction, then say that something may be due or may be sent."""
        answer = await in_one_unit(self._units, use_case)
        self._after_commit()
        return answer

    def _refuse_unheard(self, plan: Plan) -> None:
        directory = self._directories.current()
        unheard = next(directory.unheard(plan), None)
        if unheard is not None:
            raise NobodyHolds("nobody_holds", n=unheard, role=plan.level(unheard).role_label)

    async def _find(self, unit: UnitOfWork, target: EscalationId | int) -> Escalation:
        if isinstance(target, int):
            return await unit.by_number(self._workspace, target)
        return await unit.get(self._workspace, target)

    async def _load(self, target: EscalationId | int) -> Escalation:
        if isinstance(target, int):
            return await self._archive.by_number(self._workspace, target)
        return await self._archive.get(self._workspace, target)


def _waits_for(escalation: Escalation, person: PersonId, until: datetime) -> bool:
    entry = escalation.entry
    return escalation.status is Status.WAITING and person in entry.assignees and entry.began_at <= until


def _log(escalation: Escalation, what: str) -> None:
    log.info("%s: %s", escalation.reference, what, extra={"action": "stored", "escalation": escalation.reference})


def of_old_entry(escalation: Escalation) -> OutOfTurn:
    """What a button of an earlier entry is answered: where the issue is now, or how it ended."""
    return OutOfTurn("moved_on" if escalation.is_open else f"already_{escalation.status.value}", escalation=escalation)
