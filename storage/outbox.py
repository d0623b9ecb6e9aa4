"""Parcels on their way: taken by lease, marked when something became of them; the root cards they left."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, Update, bindparam, func, insert, literal, or_, select, update

from bot.delivery import CARDS, NOTED_WHEN_DELIVERED, MessageRef, Parcel, SentCard
from bot.directory import Address
from bot.effects import Errand
from bot.facts import Fact, FactKind
from bot.ports import Damaged, Ids
from bot.state import EscalationId
from storage import codec, parcels
from storage import ledger as books
from storage.ledger import Book
from storage.tables import FREE, PENDING, TAKEN, messages, outbox
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

O = outbox.c  # noqa: E741
M = messages.c
LEASE = timedelta(seconds=30)
WITHIN = 500
"""How many of the most urgent parcels are looked at together for different places."""

DONE, SUPERSEDED, FAILED = "done", "superseded", "failed"
RELEASED = {"lease_until": None, "lease_owner": None}


class SqlOutbox:
    """`bot.delivery.Outbox`. `owner` names the process that leases."""

    def __init__(self, writing: Transactions, reading: Transactions, ids: Ids, *, owner: str) -> None:
        self._writing = writing
        self._reading = reading
        self._ids = ids
        self._owner = owner

    async def lease(self, now: datetime, *, limit: int, busy: frozenset[Address]) -> list[Parcel]:
        async with self._writing() as writing:
            chosen = await self._choose(writing, now, limit, busy)
            if not chosen:
                return []
            taken = await writing.rows(
                update(outbox)
                .where(O.id.in_(chosen), PENDING, or_(O.lease_until.is_(None), O.lease_until <= now))
                .values(
                    lease_until=now + LEASE,
                    lease_owner=self._owner,
                    uncertain=or_(O.uncertain, O.lease_until.is_not(None)),
                )
                .returning(outbox)
            )
            order = {name: nth for nth, name in enumerate(chosen)}
            rows = sorted(taken, key=lambda row: order[row["id"]])
            read = [await self._read(writing, row, now) for row in rows]
            await writing.commit()
        return [parcel for parcel in read if parcel]

    async def reclaim(self, now: datetime) -> None:
        """End every lease: for a start with nobody else on this database, so that what a crash left waits no longer."""
        async with self._writing() as writing:
            await writing.run(update(outbox).where(PENDING, O.lease_until > now).values(lease_until=now))
            await writing.commit()

    async def delivered(self, parcel: Parcel, ref: MessageRef | None, *, drawn_version: int, at: datetime) -> None:
        async with self._writing() as writing:
            book = await books.locked(writing, parcel.workspace, parcel.escalation)
            first = await end(writing, parcel, DONE, at)
            if first and parcel.effect.errand in NOTED_WHEN_DELIVERED:
                await books.note(writing, book, (_delivered(parcel, ref),), at=at, ids=self._ids)
            outdated = await self._drawn(writing, parcel, ref, book, drawn_version, at)
            await self._edit(writing, book, outdated, at)
            await writing.commit()

    async def superseded(self, parcel: Parcel, *, at: datetime, reason: str = "") -> None:
        async with self._writing() as writing:
            book = await books.locked(writing, parcel.workspace, parcel.escalation)
            if await end(writing, parcel, SUPERSEDED, at) and reason:
                await books.note(writing, book, (not_delivered(parcel, reason),), at=at, ids=self._ids)
            await writing.commit()

    async def postpone(self, parcel: Parcel, until: datetime, *, attempted: bool, uncertain: bool = False) -> None:
        again = {
            "not_before": until,
            "attempts": O.attempts + int(attempted),
            "uncertain": or_(O.uncertain, literal(uncertain)),
        }
        async with self._writing() as writing:
            await writing.run(update(outbox).where(self._mine(parcel)).values(again | RELEASED))
            await writing.commit()

    async def move(self, parcel: Parcel, to: Address, *, at: datetime, refused: str = "") -> None:
        tried = (*parcel.tried, parcel.to) if refused and parcel.to else parcel.tried
        there = {"place": to, "tried": codec.ADDRESSES.write(tried), "not_before": at}
        fresh = {"attempts": 0, "uncertain": False}
        async with self._writing() as writing:
            book = await books.locked(writing, parcel.workspace, parcel.escalation)
            moved = await writing.run(update(outbox).where(self._mine(parcel)).values(there | fresh | RELEASED))
            if moved.rowcount and refused:
                await books.note(writing, book, (not_delivered(parcel, refused),), at=at, ids=self._ids)
            await writing.commit()

    async def next_due(self) -> datetime | None:
        async with self._reading() as reading:
            free = (await reading.run(select(func.min(O.not_before)).where(FREE))).scalar_one()
            taken = (await reading.run(select(func.min(O.lease_until)).where(TAKEN))).scalar_one()
        return min((at for at in (free, taken) if at), default=None)

    async def cards(self, escalation: EscalationId) -> Sequence[SentCard]:
        async with self._reading() as reading:
            return [parcels.card_of(row) for row in await reading.rows(parcels.CARDS_OF, {"ids": [escalation]})]

    # Choosing

    async def _choose(self, writing: Transaction, now: datetime, limit: int, busy: frozenset[Address]) -> list[str]:
        """Ids of the most urgent parcels, one per place; looks further only while one place fills the whole view."""
        chosen: list[str] = []
        nameless: list[str] = []
        places: set[str] = set(busy)
        while len(chosen) < limit:
            query = _urgent(sorted(places), nameless, self._owner)
            seen = await writing.rows(query, {"now": now, "limit": limit - len(chosen)})
            chosen += [row["id"] for row in seen]
            nameless += [row["id"] for row in seen if row["place"] is None]
            places |= {row["place"] for row in seen if row["place"] is not None}
            if not seen or seen[0]["seen"] < WITHIN:
                break
        return chosen

    async def _read(self, writing: Transaction, row: RowMapping, now: datetime) -> Parcel | None:
        """A parcel that cannot be read ends here, with a row in the ledger: it must not stop the others."""
        try:
            return parcels.parcel_of(row)
        except Damaged:
            over = {"status": FAILED, "ended_at": now} | RELEASED
            await writing.run(update(outbox).where(O.id == row["id"]).values(over))
            book = await books.locked(writing, row["workspace"], row["escalation"])
            fact = Fact(FactKind.NOT_DELIVERED, row["entry"], to=_places(row["place"]), code="damaged")
            await books.note(writing, book, (fact,), at=now, ids=self._ids)
            return None

    def _mine(self, parcel: Parcel) -> ColumnElement[bool]:
        """Whoever took it after our lease had run out has it now."""
        return (O.id == parcel.id) & PENDING & or_(O.lease_owner.is_(None), O.lease_owner == self._owner)

    # Root cards

    async def _drawn(
        self, writing: Transaction, parcel: Parcel, ref: MessageRef | None, book: Book, drawn: int, at: datetime
    ) -> list[MessageRef]:
        """Remember what was drawn; returns the cards that should be drawn again."""
        errand = parcel.effect.errand
        if errand is Errand.REDRAW and parcel.target:
            await writing.run(_redrawn(parcel.escalation, parcel.target, drawn))
            return [parcel.target] if book.version > drawn else []
        if errand not in CARDS or ref is None or not await self._remember(writing, parcel, ref, drawn, at):
            return []
        own = [ref] if book.version > drawn else []
        return [*own, *(await self._older(writing, parcel) if errand is Errand.POST else [])]

    async def _remember(self, writing: Transaction, parcel: Parcel, ref: MessageRef, drawn: int, at: datetime) -> bool:
        """Whether it is a root card: the first of its entry at this address; others stand in its thread."""
        row = {
            "escalation": parcel.escalation,
            "entry": parcel.effect.entry,
            "address": ref.to,
            "workspace": parcel.workspace,
            "errand": parcel.effect.errand.value,
            "place": ref.place,
            "message": ref.id,
            "link": ref.link,
            "drawn_version": drawn,
            "sent_at": at,
        }
        stored = await writing.run(writing.insert(messages).values(row).on_conflict_do_nothing())
        return stored.rowcount == 1

    async def _older(self, writing: Transaction, parcel: Parcel) -> list[MessageRef]:
        older = parcels.CARDS_OF.where(M.entry < parcel.effect.entry)
        return [parcels.ref_of(row) for row in await writing.rows(older, {"ids": [parcel.escalation]})]

    async def _edit(self, writing: Transaction, book: Book, outdated: Sequence[MessageRef], at: datetime) -> None:
        if not outdated:
            return
        cards = await parcels.cards_of(writing, [book.escalation])
        due = set(cards.to_edit(book.escalation)) & set(outdated)
        rows = [parcels.edit_row(book, ref, at=at, ids=self._ids) for ref in outdated if ref in due]
        await writing.run_many(insert(outbox), rows)


async def end(writing: Transaction, parcel: Parcel, status: str, at: datetime) -> bool:
    """Whether it was still on its way."""
    over = {"status": status, "ended_at": at} | RELEASED
    ended = await writing.run(update(outbox).where(O.id == parcel.id, PENDING).values(over))
    return ended.rowcount == 1


def not_delivered(parcel: Parcel, reason: str) -> Fact:
    """What the ledger says of a place that did not take it."""
    return Fact(FactKind.NOT_DELIVERED, parcel.effect.entry, to=_places(parcel.to), code=reason)


def _delivered(parcel: Parcel, ref: MessageRef | None) -> Fact:
    place = parcel.to or (ref.to if ref else None)
    return Fact(FactKind.DELIVERED, parcel.effect.entry, to=_places(place), code=parcel.effect.errand.value)


def _places(place: Address | None) -> tuple[Address, ...]:
    return (place,) if place else ()


def _redrawn(escalation: EscalationId, target: MessageRef, drawn: int) -> Update:
    mine = (M.escalation == escalation) & (M.place == target.place) & (M.message == target.id)
    return update(messages).where(mine, M.drawn_version < drawn).values(drawn_version=drawn)


def _urgent(places: Sequence[str], nameless: Sequence[str], owner: str) -> Select[Any, Any, Any]:
    """(id, place, how many were looked at): the first of each place among the most urgent that are due."""
    now = bindparam("now", type_=O.not_before.type)
    others = select(O.place).where(TAKEN, O.lease_until > now, O.lease_owner != owner, O.place.is_not(None))
    elsewhere = O.place.not_in(others) & O.place.not_in(places)
    urgency = (O.priority, O.level.desc(), O.created_at, O.id)
    due = (
        select(O.id, O.place, O.priority, O.level, O.created_at)
        .where(
            PENDING,
            O.not_before <= now,
            or_(O.lease_until.is_(None), O.lease_until <= now),
            or_(O.place.is_(None), elsewhere),
            O.id.not_in(nameless),
        )
        .order_by(*urgency)
        .limit(literal(WITHIN))
        .subquery("due")
    )
    order = (due.c.priority, due.c.level.desc(), due.c.created_at, due.c.id)
    place = func.row_number().over(partition_by=func.coalesce(due.c.place, due.c.id), order_by=order)
    ranked = select(due, place.label("nth"), func.count().over().label("seen")).subquery("ranked")
    first = select(ranked.c.id, ranked.c.place, ranked.c.seen).where(ranked.c.nth == 1)
    return first.order_by(ranked.c.priority, ranked.c.level.desc(), ranked.c.created_at, ranked.c.id).limit(
        bindparam("limit")
    )
