"""What the clock does: one batch of what is due, decided and stored together; a row that cannot be handled is put aside."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bot.errors import Conflict, StoreUnavailable
from bot.escalation import advance, due_event
from bot.outcome import Outcome
from bot.ports import Clock, Damaged, Overdue, UnitOfWork, Units
from bot.schedule import Situation
from bot.signals import Signals
from bot.transactions import in_one_unit

log = logging.getLogger("echelon.sweep")

MOMENT = timedelta(seconds=1)
"""Stored instants are cut to milliseconds, so that a row may be taken a little early."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One pass of the sweep: how many rows were due, and how many of them were put aside as damaged."""

    due: int
    parked: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one transaction led to; `moved` holds (level, seconds late) of each escalation that an event was applied to."""

    swept: Swept
    moved: tuple[tuple[int, float], ...] = ()


class Turns:
    """Batches that are decided side by side are claimed, and stored, one after the other: the most urgent ones first."""

    def __init__(self) -> None:
        self._claiming = asyncio.Lock()
        self._last = asyncio.Event()
        self._last.set()

    @asynccontextmanager
    async def claiming(self) -> AsyncGenerator["Turn"]:
        """The turn of a batch whose rows are claimed inside; nobody else claims meanwhile."""
        async with self._claiming:
            turn = Turn(self._last)
            yield turn
            self._last = turn.over


@dataclass(frozen=True, slots=True)
class Turn:
    """One batch's: `over` once it was stored, or has failed."""

    before: asyncio.Event
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Sweeper:
    """Applies one event to each escalation that is due, so that one pass moves an issue one level at most."""

    def __init__(self, *, units: Units, clock: Clock, situation: Callable[[], Situation], signals: Signals) -> None:
        self._units = units
        self._clock = clock
        self._situation = situation
        self._signals = signals
        self._turns = Turns()

    async def sweep(self, limit: int) -> Swept:
        """One batch in one transaction. Raises Conflict or StoreUnavailable."""
        try:
            return await self._in_turn(limit)
        except (Conflict, StoreUnavailable):
            raise
        except Exception:  # one bad row must not stop its batch
            return await self._one_by_one(limit)

    async def _in_turn(self, limit: int) -> Swept:
        taken: list[Turn] = []

        async def work(unit: UnitOfWork) -> _Batch:
            for turn in taken:  # of an attempt that another unit got ahead of
                turn.over.set()
            async with self._turns.claiming() as turn:
                taken.append(turn)
                situation = self._situation()
                rows = await unit.overdue(situation.now, limit)
            batch = await self._move(unit, rows, situation)
            await turn.before.wait()
            return batch

        try:
            return await self._told(work)
        finally:
            for turn in taken:
                turn.over.set()

    async def _told(self, work: Callable[[UnitOfWork], Awaitable[_Batch]]) -> Swept:
        """Run in one transaction; once it is stored, tell what was done."""
        began = self._clock.monotonic()
        batch = await in_one_unit(self._units, work)
        if batch.swept.due:
            self._signals.claimed("sweep", batch.swept.due)
            self._signals.swept(batch.swept.due, self._clock.monotonic() - began)
            log.info("%d due, %d of them put aside", batch.swept.due, batch.swept.parked, extra={"action": "sweep"})
        for level, late in batch.moved:
            self._signals.moved(level, late)
        for _ in range(batch.swept.parked):
            self._signals.trouble("row_parked")
        return batch.swept

    async def _first(self, unit: UnitOfWork) -> _Batch:
        situation = self._situation()
        return await self._move(unit, await unit.overdue(situation.now, 1), situation)

    async def _move(self, unit: UnitOfWork, rows: Sequence[Overdue], situation: Situation) -> _Batch:
        outcomes: list[Outcome] = []
        moved: list[tuple[int, float]] = []
        parked = 0
        for row in rows:
            outcome = _decide(row, situation)
            if isinstance(outcome, str):
                await unit.park(row, outcome, at=situation.now)
                parked += 1
            elif outcome:
                outcomes.append(outcome)
                moved += _lateness(row, situation)
        await unit.save_all(outcomes, at=situation.now)
        return _Batch(Swept(len(rows), parked), tuple(moved))

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
            return await self._told(self._first)
        except (Conflict, StoreUnavailable):
            raise
        except Exception as error:  # this is the bad row: its name goes into the ledger
            why = type(error).__name__
        return await self._told(lambda unit: self._park_first(unit, why))

    async def _park_first(self, unit: UnitOfWork, why: str) -> _Batch:
        now = self._clock.now()
        rows = await unit.overdue(now, 1)
        for row in rows:
            await unit.park(row, why, at=now)
        return _Batch(Swept(len(rows), len(rows)))


def _lateness(row: Overdue, situation: Situation) -> list[tuple[int, float]]:
    """(level, seconds since its due time) of a row that can be read."""
    if isinstance(row.escalation, Damaged):
        return []
    due = row.escalation.next_due
    if due is None or due > situation.now:
        return []
    return [(row.escalation.entry.level, (situation.now - due).total_seconds())]


def _decide(row: Overdue, situation: Situation) -> Outcome | str | None:
    """What a due row leads to; a word (why) when it must be put aside; None when it will be due in a moment.

    A row whose stored time says "now" and whose state does not is stored anew, which puts the time right: left as it is,
    the sweep would take it again and again without an end.
    """
    if isinstance(row.escalation, Damaged):
        return "unreadable_row"
    event = due_event(row.escalation, situation.now)
    if event is None:
        planned = row.escalation.next_due
        wrong = planned is None or planned - situation.now > MOMENT
        return Outcome(row.escalation) if wrong else None
    try:
        outcome = advance(row.escalation, event, situation)
    except Exception as error:  # whatever is wrong with one row must not stop the others; it is parked with its name
        return type(error).__name__
    return outcome if outcome.escalation is not row.escalation else "stale_row"
