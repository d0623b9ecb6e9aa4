"""Parcels on their way: taken by lease, settled when something became of them, forgotten long after their end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, func, select, update

from bot.delivery import Current, Load, Parcel, Receipt, SentCard
from bot.directory import Address
from bot.facts import Fact, FactKind
from bot.failpoints import failpoint
from bot.ports import Damaged, Ids
from bot.state import Escalation, EscalationId
from storage import lanes, marks, parcels, pruning
from storage import ledger as books
from storage.among import among
from storage.lanes import LEASE
from storage.marks import FAILED, RELEASED
from storage.record import STORED, PlanShelf
from storage.tables import FREE, PENDING, TAKEN, escalations, outbox
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

O = outbox.c  # noqa: E741
E = escalations.c
THESE = STORED.where(among(E.workspace, "places"), among(E.id, "ids"))
AT_A_TIME = 50
"""Escalations that are decoded in one go."""

LONGEST_WAIT = timedelta(minutes=1)
"""What waits longer when the clock is set back waits because of that."""


class SqlOutbox:
    """`bot.delivery.Outbox`. `owner` names the process that leases."""

    def __init__(self, writing: Transactions, reading: Transactions, plans: PlanShelf, ids: Ids, *, owner: str) -> None:
        self._writing = writing
        self._reading = reading
        self._plans = plans
        self._ids = ids
        self._owner = owner

    async def lease(self, now: datetime, *, limit: int, busy: frozenset[Address]) -> list[Load]:
        lease = f"{self._owner}.{self._ids.new()}"
        async with self._reading() as reading:
            choices = await lanes.choose(reading, now, limit=limit, busy=busy, lease=lease)
        if not choices:
            return []
        async with self._writing() as writing:
            rows, recent = await lanes.take(writing, choices, now, lease)
            await writing.commit()
        failpoint("outbox.after_lease")
        read = await self._read(rows, now)
        loads: list[Load] = []
        for choice in choices:
            taken = tuple(read[id] for id in choice.ids if id in read)
            if taken:
                loads.append(Load(taken, choice.bundle, recent.get(choice.place or "", ())))
        return loads

    async def current(self, parcels: Sequence[Parcel]) -> Mapping[EscalationId, Current]:
        ids = sorted({parcel.escalation for parcel in parcels})
        found: dict[EscalationId, Current] = {}
        async with self._reading() as reading:
            places = sorted({parcel.workspace for parcel in parcels})  # the key begins with it
            rows = await reading.rows(THESE, {"places": places, "ids": ids})
            cards = await self._cards(reading, ids)
            for start in range(0, len(rows), AT_A_TIME):
                values = await self._plans.decode(reading, rows[start : start + AT_A_TIME])
                known = (value for value in values if isinstance(value, Escalation))
                found |= {value.id: Current(value, tuple(cards.get(value.id, ()))) for value in known}
                await asyncio.sleep(0)  # others may have their turn: a bundle is about hundreds
        return found

    async def settle(self, receipts: Sequence[Receipt], *, at: datetime) -> None:
        async with self._writing() as writing:
            await marks.settle(writing, receipts, at=at, ids=self._ids)
            await writing.commit()
        failpoint("outbox.after_marks")

    async def reclaim(self, now: datetime) -> None:
        """End every lease: for a start with nobody else on this database, so that what a crash left waits no longer."""
        async with self._writing() as writing:
            await lanes.end_leases(writing, now)
            await writing.run(update(outbox).where(PENDING, O.lease_until > now).values(lease_until=now))
            await writing.commit()

    async def reset_waits(self, now: datetime) -> None:
        longest = now + LONGEST_WAIT
        async with self._writing() as writing:
            await lanes.reset_waits(writing, now, longest)
            for column, most in ((O.lease_until, now + LEASE), (O.not_before, longest)):
                await writing.run(update(outbox).where(PENDING, column > most).values({column.name: most}))
            await writing.commit()

    async def next_due(self) -> datetime | None:
        async with self._reading() as reading:
            free = (await reading.run(select(func.min(O.not_before)).where(FREE))).scalar_one()
            taken = (await reading.run(select(func.min(O.lease_until)).where(TAKEN))).scalar_one()
        return min((at for at in (free, taken) if at), default=None)

    async def cards(self, escalation: EscalationId) -> Sequence[SentCard]:
        async with self._reading() as reading:
            return (await self._cards(reading, [escalation])).get(escalation, [])

    async def prune(self, before: datetime, limit: int = 1000) -> int:
        """Forget what ended before that: parcels, answered requests, lanes that nobody uses; returns how many rows.

        One short transaction for at most `limit` rows of each kind: call it again until nothing is left. What an open
        escalation may still be asked about stays (see `storage.pruning`).
        """
        async with self._reading() as reading:
            found = await pruning.found(reading, before, limit)
        if not found.count:
            return 0
        async with self._writing() as writing:
            await pruning.forget(writing, found)
            await writing.commit()
        return found.count

    async def _cards(self, reading: Transaction, ids: Sequence[str]) -> dict[str, list[SentCard]]:
        found: dict[str, list[SentCard]] = {}
        for row in await reading.rows(parcels.CARDS_OF, {"ids": ids}):
            found.setdefault(row["escalation"], []).append(parcels.card_of(row))
        return found

    async def _read(self, rows: Sequence[RowMapping], now: datetime) -> dict[str, Parcel]:
        """The parcels by id, read when nobody waits for us any more. One that cannot be read ends here, with a row in the
        ledger: it must not stop the others.
        """
        read: dict[str, Parcel] = {}
        for nth, row in enumerate(rows, start=1):
            try:
                read[row["id"]] = parcels.parcel_of(row)
            except Damaged:
                await self._end_damaged(row, now)
            if not nth % AT_A_TIME:
                await asyncio.sleep(0)
        return read

    async def _end_damaged(self, row: RowMapping, now: datetime) -> None:
        over = {"status": FAILED, "ended_at": now} | RELEASED
        mine = (O.id == row["id"]) & (O.lease_owner == row["lease_owner"])
        async with self._writing() as writing:
            book = await books.locked(writing, row["workspace"], row["escalation"])
            if (await writing.run(update(outbox).where(mine).values(over))).rowcount:
                fact = Fact(FactKind.NOT_DELIVERED, row["entry"], to=marks.places(row["place"]), code="damaged")
                await books.note(writing, book, (fact,), at=now, ids=self._ids)
                await writing.commit()
