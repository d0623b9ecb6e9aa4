"""Reading without a transaction of one's own."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, func, select

from bot.directory import Address, PersonId, WorkspaceId
from bot.errors import NotFound
from bot.facts import LedgerRow
from bot.ports import Bell
from bot.state import Escalation, EscalationId
from storage import ledger as books
from storage import seeks
from storage.record import BY_ID, BY_NUMBER, STORED, PlanShelf
from storage.tables import OPEN, escalations, involved, ledger, messages
from storage.transaction import Transaction

E = escalations.c
M = messages.c


class SqlArchive:
    """`bot.ports.Archive`."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[Transaction]], plans: PlanShelf) -> None:
        self._reading = reading
        self._plans = plans

    async def get(self, workspace: WorkspaceId, id: EscalationId) -> Escalation:
        return await self._one(BY_ID, {"of": workspace, "which": id}, given="")

    async def by_number(self, workspace: WorkspaceId, number: int) -> Escalation:
        return await self._one(BY_NUMBER, {"of": workspace, "which": number}, given=number)

    async def ledger(self, id: EscalationId) -> Sequence[LedgerRow]:
        read = (books.read(row) for row in await self._rows(_of(id)))
        return [row for row in read if row]

    async def broken_at(self, workspace: WorkspaceId, id: EscalationId) -> int | None:
        """The number of the first ledger row that was tampered with; None when the history is whole. Raises NotFound."""
        ends = select(E.ledger_seq, E.ledger_head).where(E.workspace == workspace, E.id == id)
        found = await self._rows(ends)
        if not found:
            raise NotFound("not_found", given="")
        return books.verify_chain(await self._rows(_of(id)), seq=found[0]["ledger_seq"], head=found[0]["ledger_head"])

    async def open_ones(self, workspace: WorkspaceId, *, person: PersonId | None, limit: int) -> Sequence[Escalation]:
        query = open_ones(workspace, person, limit)
        async with self._reading() as reading:
            rows = await reading.rows(query)
            found = await self._plans.decode(reading, rows)
        return [escalation for escalation in found if isinstance(escalation, Escalation)]

    async def posted_in(self, id: EscalationId) -> Sequence[Address]:
        rows = await self._rows(select(M.address).where(M.escalation == id).order_by(M.sent_at, M.entry))
        return list(dict.fromkeys(Address(row["address"]) for row in rows))

    async def of_message(self, place: str, message: str) -> tuple[EscalationId, int] | None:
        rows = await self._rows(select(M.escalation, M.entry).where(M.place == place, M.message == message).limit(1))
        return (EscalationId(rows[0]["escalation"]), rows[0]["entry"]) if rows else None

    async def bells(self) -> Sequence[Bell]:
        async with self._reading() as reading:
            windows = await seeks.windows(reading)
            reminder = await seeks.earliest_reminder(reading)
        return [*(Bell(window, at) for window, at in windows), *([Bell(None, reminder)] if reminder else [])]

    async def next_due(self) -> datetime | None:
        async with self._reading() as reading:
            return await seeks.earliest_due(reading)

    async def _one(
        self, query: Select[*tuple[Any, ...]], which: dict[str, int | str], *, given: int | str
    ) -> Escalation:
        async with self._reading() as reading:
            row = (await reading.run(query, which)).mappings().one_or_none()
            if row is None:
                raise NotFound("not_found", given=given)
            return await self._plans.decode_one(reading, row)

    async def _rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[RowMapping]:
        async with self._reading() as reading:
            return await reading.rows(query)


def open_ones(workspace: WorkspaceId, person: PersonId | None, limit: int) -> Select[*tuple[Any, ...]]:
    """Open escalations, the next due first; with `person` only those in whose list they stand.

    One person's rows are the way in. Ordered by a bare column, SQLite would rather go through all that is open, in order.
    """
    query = STORED.where(E.workspace == workspace, OPEN).limit(limit)
    if person is None:
        return query.order_by(E.next_due, E.id)
    theirs = (involved.c.workspace == E.workspace) & (involved.c.escalation == E.id)
    mine = query.join(involved, theirs).where(involved.c.workspace == workspace, involved.c.person == person)
    return mine.order_by(func.coalesce(E.next_due, E.opened_at), E.id)


def _of(id: EscalationId) -> Select[*tuple[Any, ...]]:
    return select(ledger).where(ledger.c.escalation == id).order_by(ledger.c.seq)
