"""The use cases: load, decide, store, answer. No chat, no SQL, no words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.commands import LONGEST_TITLE, Act, Actor, Open, Standing
from bot.delivery import Parcel
from bot.directory import PersonId, WorkspaceId
from bot.effects import Effect, Errand
from bot.errors import Conflict, NobodyHolds, NotAllowed, NotFound, OutOfTurn, StoreUnavailable, Unreadable
from bot.escalation import advance, due_event, opened
from bot.events import Cancelled, NobodyReached
from bot.facts import FactKind, LedgerRow, Via
from bot.outcome import Outcome
from bot.plan import Calendars, Plan
from bot.ports import Archive, Clock, Damaged, Directories, Ids, Membership, Overdue, Plans, UnitOfWork, Units
from bot.roster import Roster
from bot.schedule import Situation
from bot.state import Entry, Escalation, EscalationId, Origin, Status

ATTEMPTS = 5
"""How often a use case is run again when another one got ahead of it."""

LOOKED_THROUGH = 200
"""So many open escalations, the next due first, are searched for those that somebody may see."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Done:
    """What an action led to; `before` is the value it found (the same value when nothing changed)."""

    escalation: Escalation
    before: Escalation

    @property
    def changed(self) -> bool:
        """Whether anything was stored."""
        return self.escalation is not self.before


@dataclass(frozen=True, slots=True)
class Swept:
    """One pass of the sweep: how many rows were due, and how many of them were put aside as damaged."""

    due: int
    parked: int


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
    ) -> None:
        self._workspace = workspace
        self._units = units
        self._archive = archive
        self._clock = clock
        self._ids = ids
        self._plans = plans
        self._directories = directories
        self._calendars = calendars
        self._membership = membership
        self._admitted = admitted
        self._after_commit = after_commit

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
        return await self._stored(lambda unit: self._open(unit, order, plan))

    async def act(self, order: Act) -> Done:
        """Do something to an escalation, once per request.

        Raises NotFound, NotAllowed, OutOfTurn or Unreadable; nothing is changed then.
        """
        self.admit(order.by)
        await self.visible(order.by, order.target)
        if isinstance(order.event, Cancelled) and order.event.duplicate_of:
            await self.visible(order.by, order.event.duplicate_of)
        return await self._stored(lambda unit: self._act(unit, order))

    async def _open(self, unit: UnitOfWork, order: Open, plan: Plan) -> Escalation:
        if known := await unit.seen(self._workspace, order.request):
            return await unit.get(self._workspace, known)
        draft = self._draft(order, plan, await unit.next_number(self._workspace))
        outcome = opened(draft, self.situation(), order.reason.strip())
        await unit.remember(self._workspace, order.request, draft.id)
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
        try:
            return await self._in_one_unit(lambda unit: self._sweep(unit, limit))
        except (Conflict, StoreUnavailable):
            raise
        except Exception:  # one bad row must not stop its batch
            return await self._one_by_one(limit)

    async def _sweep(self, unit: UnitOfWork, limit: int) -> Swept:
        situation = self.situation()
        rows = await unit.overdue(situation.now, limit)
        outcomes: list[Outcome] = []
        parked = 0
        for row in rows:
            outcome = _decide(row, situation)
            if isinstance(outcome, str):
                await unit.park(row, outcome, at=situation.now)
                parked += 1
            elif outcome:
                outcomes.append(outcome)
        await unit.save_all(outcomes, at=situation.now)
        return Swept(len(rows), parked)

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
            if len(seen) < limit and await self._may_see(by, escalation):
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
        if not await self._may_see(by, escalation):
            raise NotFound("not_found", given=target if isinstance(target, int) else escalation.number)
        return escalation

    def admit(self, by: Actor) -> None:
        """Raise NotAllowed for guests, bots and people of other organisations, unless a setting admits them."""
        if by.standing not in self._admitted:
            raise NotAllowed(f"not_admitted_{by.standing.value}")

    # Small parts

    async def _stored(self, use_case: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
        """Run a use case in one transaction, then say that something may be due or may be sent."""
        answer = await self._in_one_unit(use_case)
        self._after_commit()
        return answer

    async def _in_one_unit(self, use_case: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
        """Run a use case in one transaction; again from the start when another one got ahead of it."""
        for attempt in range(ATTEMPTS):
            try:
                async with self._units() as unit:
                    answer = await use_case(unit)
                    await unit.commit()
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            return answer
        raise AssertionError("unreachable")

    async def _one_by_one(self, limit: int) -> Swept:
        """A batch failed as a whole: each row in a unit of its own, the culprit put aside."""
        total = Swept(0, 0)
        for _ in range(limit):
            one = await self._alone()
            total = Swept(total.due + one.due, total.parked + one.parked)
            if not one.due:
                break
        return total

    async def _alone(self) -> Swept:
        try:
            return await self._in_one_unit(lambda unit: self._sweep(unit, 1))
        except (Conflict, StoreUnavailable):
            raise
        except Exception as error:  # this is the bad row: its name goes into the ledger
            why = type(error).__name__
        return await self._in_one_unit(lambda unit: self._park_first(unit, why))

    async def _park_first(self, unit: UnitOfWork, why: str) -> Swept:
        now = self._clock.now()
        rows = await unit.overdue(now, 1)
        for row in rows:
            await unit.park(row, why, at=now)
        return Swept(len(rows), len(rows))

    def _draft(self, order: Open, plan: Plan, number: int) -> Escalation:
        now = self._clock.now()
        title = " ".join(order.title.split())
        start = order.start_level or plan.start_level
        if not title:
            raise Unreadable("title_needed")
        if not 1 <= start <= len(plan.levels):
            raise Unreadable("no_such_level", given=start, last=len(plan.levels))
        if start > plan.start_level and not order.reason.strip():
            raise Unreadable("start_reason_needed")
        # A long first line is kept whole: what does not fit the title begins the details.
        details = order.details if len(title) <= LONGEST_TITLE else f"{title}\n\n{order.details}".strip()
        return Escalation(
            id=EscalationId(self._ids.new()),
            workspace=self._workspace,
            number=number,
            plan=plan,
            title=title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…",
            details=details,
            opener=order.by.person,
            opened_at=now,
            origin=Origin(order.by.seen_in, order.link),
            status=Status.WAITING,
            entry=Entry(number=1, level=start, via=Via.OPENED, began_at=now, assignees=(), due=None),
        )

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

    async def _may_see(self, by: Actor, escalation: Escalation) -> bool:
        """Opener, assignees and participants past and present, owners, admins, and whoever has a card before them."""
        roster = self.situation().roster
        if by.person in self._always_see(escalation) or roster.owns_any(escalation.plan, by.person):
            return True
        posted = await self._archive.posted_in(escalation.id)
        channels = [to for to in posted if roster.directory.is_channel(to)]
        if by.seen_in in channels or by.person in posted:  # a fallback owner is asked to act, and may
            return True
        return await self._membership.in_any(by.person, channels) or await self._heard_alarm(by, escalation)

    async def _heard_alarm(self, by: Actor, escalation: Escalation) -> bool:
        """Alarms are posted in the admin channel: its members may see what they are about, and nothing else."""
        admins = self._directories.current().admin_channel
        if admins is None or not (by.seen_in == admins or await self._membership.in_any(by.person, (admins,))):
            return False
        rows = await self._archive.ledger(escalation.id)
        return any(row.fact.kind is FactKind.NOBODY_REACHED for row in rows)

    def _always_see(self, escalation: Escalation) -> set[PersonId]:
        admins = self._directories.current().admins
        return {escalation.opener, *escalation.ever_assigned, *escalation.participants, *admins}


def of_old_entry(escalation: Escalation) -> OutOfTurn:
    """What a button of an earlier entry is answered: where the issue is now, or how it ended."""
    return OutOfTurn("moved_on" if escalation.is_open else f"already_{escalation.status.value}", escalation=escalation)


def _decide(row: Overdue, situation: Situation) -> Outcome | str | None:
    """What a due row leads to; a word (why) when it must be put aside; None when it is not due after all."""
    if isinstance(row.escalation, Damaged):
        return "unreadable_row"
    event = due_event(row.escalation, situation.now)
    if event is None:
        return None
    try:
        outcome = advance(row.escalation, event, situation)
    except Exception as error:  # whatever is wrong with one row must not stop the others; it is parked with its name
        return type(error).__name__
    return outcome if outcome.escalation is not row.escalation else "stale_row"
