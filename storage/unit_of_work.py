"""One transaction: state, ledger and outbox together, or nothing at all."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, RowMapping, Select, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.delivery import NOTED_WHEN_DELIVERED, Parcel
from bot.directory import PersonId, WorkspaceId
from bot.effects import Errand
from bot.errors import Conflict, NotFound
from bot.facts import Fact, FactKind
from bot.failpoints import failpoint
from bot.outcome import Outcome
from bot.ports import Ids, Overdue
from bot.state import Escalation, EscalationId
from storage import codec, parcels
from storage import ledger as books
from storage.ledger import Book
from storage.many import Many
from storage.marks import FAILED, end, not_delivered
from storage.record import BY_ID, BY_NUMBER, STORED, PlanShelf, columns, people_of
from storage.seeks import due_levels
from storage.tables import DUE, counters, escalations, involved, outbox, requests
from storage.transaction import Transaction, Upsert

E = escalations.c
PARKED_AT_MOST = 60
"""Minutes."""

AT_A_TIME = 100
"""Escalations whose rows are made in one go."""

KEPT = frozenset({"workspace", "id", "number", "opener", "opened_at", "ledger_seq", "ledger_head", "parked"})
NAMES = [column.name for column in E]
SAVE = Many(
    update(escalations)
    .where(E.workspace == bindparam("of"), E.id == bindparam("which"), E.version == bindparam("known"))
    .values({name: bindparam(name) for name in NAMES if name not in KEPT})
    .values(ledger_seq=bindparam("seq"), ledger_head=bindparam("head"), parked=0)
)
BEGIN = Many(insert(escalations))
JOIN = Many(
    sqlite.insert(involved).on_conflict_do_nothing(),
    postgresql=postgresql.insert(involved).on_conflict_do_nothing(),
)
NOT_OVER = ("pending", "done")

THIS, THIS_NUMBER = BY_ID.with_for_update(), BY_NUMBER.with_for_update()
SEEN = select(requests.c.escalation).where(
    requests.c.workspace == bindparam("of"), requests.c.request == bindparam("which")
)
REMEMBER = insert(requests)


def _next(first: Upsert) -> Executable:
    """The number after the last one of a workspace; the first one is 1."""
    counted = first.values(workspace=bindparam("workspace"), last_number=1).on_conflict_do_update(
        index_elements=["workspace"], set_={"last_number": counters.c.last_number + 1}
    )
    return counted.returning(counters.c.last_number)


NEXT_IN_FILE, NEXT_ON_SERVER = _next(sqlite.insert(counters)), _next(postgresql.insert(counters))


class SqlUnitOfWork:
    """`bot.ports.UnitOfWork` on a transaction that may write."""

    def __init__(self, writing: Transaction, plans: PlanShelf, ids: Ids) -> None:
        self._writing = writing
        self._plans = plans
        self._ids = ids
        self._held: dict[str, RowMapping] = {}
        self._read: dict[str, Escalation] = {}
        self._kept: set[tuple[str, str]] = set()

    async def get(self, workspace: WorkspaceId, id: EscalationId) -> Escalation:
        return await self._one(THIS, {"of": workspace, "which": id}, given="")

    async def by_number(self, workspace: WorkspaceId, number: int) -> Escalation:
        return await self._one(THIS_NUMBER, {"of": workspace, "which": number}, given=number)

    async def next_number(self, workspace: WorkspaceId) -> int:
        statement = NEXT_IN_FILE if self._writing.sqlite else NEXT_ON_SERVER
        number: int = (await self._writing.run(statement, {"workspace": workspace})).scalar_one()
        failpoint("unit.after_number")
        return number

    async def add(self, outcome: Outcome, *, at: datetime) -> Escalation:
        saved = replace(outcome.escalation, version=1)
        plan = await self._keep_plan(saved)
        book, rows = books.written(Book(saved.workspace, saved.id), outcome.facts, at=at, ids=self._ids)
        ledger_end = {"ledger_seq": book.seq, "ledger_head": book.head, "parked": 0}
        await self._write((BEGIN, [{**columns(saved, plan), **ledger_end}]), [(outcome, saved)], rows, at=at)
        return saved

    async def save(self, outcome: Outcome, *, at: datetime) -> Escalation:
        (saved,) = await self._save([outcome], at=at)
        return saved

    async def save_all(self, outcomes: Sequence[Outcome], *, at: datetime) -> None:
        await self._save(outcomes, at=at)

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        await self._writing.by_index()
        rows: list[RowMapping] = []
        for level in await due_levels(self._writing, now):
            if len(rows) >= limit:
                break
            due = STORED.where(DUE, E.level == level, E.next_due < now).order_by(E.next_due)
            claimed = due.limit(limit - len(rows)).with_for_update(skip_locked=True)
            rows.extend(await self._writing.rows(claimed))
        values = await self._plans.decode(self._writing, rows)
        for row, value in zip(rows, values, strict=True):
            self._hold(row, value if isinstance(value, Escalation) else None)
        failpoint("unit.after_claim")
        return [
            Overdue(EscalationId(row["id"]), WorkspaceId(row["workspace"]), value)
            for row, value in zip(rows, values, strict=True)
        ]

    async def park(self, row: Overdue, reason: str, *, at: datetime) -> datetime:
        """Until then it counts as a reminder: no window of it rings. What is stored of its state stays."""
        book = await books.locked(self._writing, row.workspace, row.id)
        mine = (E.workspace == row.workspace) & (E.id == row.id)
        failures = (await self._writing.run(select(E.parked).where(mine))).scalar_one()
        until = at + timedelta(minutes=min(PARKED_AT_MOST, 2 ** min(failures, 10)))
        fact = Fact(FactKind.PARKED, book.entry, due=until, code=reason)
        await books.note(self._writing, book, (fact,), at=at, ids=self._ids)
        aside = {"next_due": until, "reminder_due": until, "deadline": None, "window": None, "parked": failures + 1}
        await self._writing.run(update(escalations).where(mine).values(aside))
        failpoint("unit.after_park")
        self._held.pop(row.id, None)
        return until

    async def seen(self, workspace: WorkspaceId, request: str) -> EscalationId | None:
        found = (await self._writing.run(SEEN, {"of": workspace, "which": request})).scalar_one_or_none()
        return EscalationId(found) if found is not None else None

    async def remember(self, workspace: WorkspaceId, request: str, id: EscalationId) -> None:
        await self._writing.run(REMEMBER, {"workspace": workspace, "request": request, "escalation": id})
        failpoint("unit.after_request")

    async def undeliverable(
        self, parcel: Parcel, reason: str, *, at: datetime, assignees: Collection[PersonId]
    ) -> bool:
        book = await books.locked(self._writing, parcel.workspace, parcel.escalation)
        self._held.pop(parcel.escalation, None)
        if not await end(self._writing, parcel, FAILED, at):
            return False
        await books.note(self._writing, book, (not_delivered(parcel, reason),), at=at, ids=self._ids)
        failpoint("unit.after_giving_up")
        if parcel.effect.errand not in NOTED_WHEN_DELIVERED:
            return False
        asking = select(outbox.c.effect).where(
            outbox.c.escalation == parcel.escalation,
            outbox.c.entry == parcel.effect.entry,
            outbox.c.errand.in_([errand.value for errand in NOTED_WHEN_DELIVERED]),
            or_(outbox.c.status.in_(NOT_OVER), outbox.c.told_at.is_not(None)),
        )
        asked = [codec.EFFECT.read(row["effect"]) for row in await self._writing.rows(asking)]
        return not any(effect.errand is Errand.POST or effect.to in assignees for effect in asked)

    async def commit(self) -> None:
        await self._writing.commit()
        self._plans.committed(self._kept)

    # Reading

    async def _one(
        self, query: Select[*tuple[Any, ...]], which: dict[str, int | str], *, given: int | str
    ) -> Escalation:
        row = (await self._writing.run(query, which)).mappings().one_or_none()
        if row is None:
            raise NotFound("not_found", given=given)
        escalation = await self._plans.decode_one(self._writing, row)
        self._hold(row, escalation)
        return escalation

    def _hold(self, row: RowMapping, escalation: Escalation | None) -> None:
        """This row is ours until the end: what it says of the ledger stays true."""
        self._held[row["id"]] = row
        if escalation:
            self._read[row["id"]] = escalation

    # Saving

    async def _save(self, outcomes: Sequence[Outcome], *, at: datetime) -> list[Escalation]:
        """Rows are locked and compared first: an executemany does not tell every driver's caller what it changed."""
        await self._hold_all([outcome.escalation for outcome in outcomes])
        ids = self._ids.at_once()
        saved: list[tuple[Outcome, Escalation]] = []
        changes: list[dict[str, Any]] = []
        history: list[dict[str, Any]] = []
        for nth, outcome in enumerate(outcomes, start=1):
            if not nth % AT_A_TIME:
                await asyncio.sleep(0)  # others get their turn
            current = outcome.escalation
            held = self._held.pop(current.id, None)
            if held is None or held["version"] != current.version:
                raise Conflict(f"{current.reference} has moved")
            new = replace(current, version=current.version + 1)
            book = Book(current.workspace, current.id, held["ledger_seq"], held["ledger_head"])
            book, rows = books.written(book, outcome.facts, at=at, ids=ids)
            plan = await self._plan_of(new, held)
            which = {"of": new.workspace, "which": new.id, "known": current.version, "seq": book.seq, "head": book.head}
            changes.append({**_changing(columns(new, plan)), **which})
            history.extend(rows)
            saved.append((outcome, new))
        if outcomes:
            await self._write((SAVE, changes), saved, history, at=at)
        return [new for _, new in saved]

    async def _hold_all(self, values: Iterable[Escalation]) -> None:
        for value in values:
            if value.id not in self._held:
                for row in await self._writing.rows(THIS, {"of": value.workspace, "which": value.id}):
                    self._held[value.id] = row

    async def _plan_of(self, new: Escalation, held: RowMapping) -> str:
        read = self._read.get(new.id)
        same = read is not None and read.plan is new.plan
        return held["plan"] if same else await self._keep_plan(new)

    async def _keep_plan(self, escalation: Escalation) -> str:
        name = await self._plans.keep(self._writing, escalation)
        self._kept.add((escalation.workspace, name))
        return name

    async def _write(
        self,
        state: tuple[Many, list[dict[str, Any]]],
        saved: Sequence[tuple[Outcome, Escalation]],
        history: list[dict[str, Any]],
        *,
        at: datetime,
    ) -> None:
        """State, ledger, outbox and who is involved, all together."""
        ids = self._ids.at_once()
        redrawn = [new.id for outcome, new in saved if parcels.asks_for_edits(outcome.effects)]
        cards = await parcels.cards_of(self._writing, redrawn)
        sent = [row for outcome, new in saved for row in parcels.rows_of(new, outcome.effects, cards, at=at, ids=ids)]
        renewed = [edit for outcome, new in saved for edit in parcels.renewals(new, outcome.effects, cards)]
        joined = [
            {"workspace": new.workspace, "person": person, "escalation": new.id}
            for _, new in saved
            for person in sorted(people_of(new) - self._already(new.id))
        ]
        around = [(books.TELL, history), (parcels.RENEW_EDITS, renewed), (parcels.SEND, sent), (JOIN, joined)]
        changed = await self._writing.run_all([state, *around])
        failpoint("unit.after_rows")
        if changed not in {-1, len(saved)}:
            raise Conflict("an escalation of this batch has moved")
        self._read.update((new.id, new) for _, new in saved)

    def _already(self, id: EscalationId) -> frozenset[str]:
        read = self._read.get(id)
        return people_of(read) if read else frozenset[PersonId]()


def _changing(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in KEPT}
