"""Forgetting: one person everywhere, or everybody's words in what ended long ago. Every chain stays valid.

Of a ledger row the text and its salt go; the digest of both stays, and with it the proof. The facts that matter stay: kind,
entry and time. Each escalation is one short transaction under its row's lock, so that a bot may go on working beside it.
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, or_, select, text, update

from bot.audit import Forgotten
from bot.directory import PersonId, WorkspaceId
from bot.facts import Fact, FactKind
from bot.failpoints import failpoint
from bot.ports import Ids
from bot.state import EscalationId
from storage import ledger as books
from storage.codec import ADDRESSES
from storage.evidence import is_open
from storage.outbox import SqlOutbox
from storage.scrub import ERASED_TITLE, GONE, Scrub, without_texts
from storage.tables import (
    conversations,
    erasures,
    escalations,
    groups,
    involved,
    lanes,
    ledger,
    messages,
    outbox,
    people,
)
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

E, L, O, M = escalations.c, ledger.c, outbox.c, messages.c  # noqa: E741
ENDED = E.status.in_(("resolved", "cancelled"))
SCANNED = 500
"""Ended escalations looked through at once for some that ended long enough ago."""


class SqlErasure:
    """`bot.audit.Housekeeping`'s erasing half, and `forget`. `_after` is where the search for old ones goes on."""

    def __init__(self, writing: Transactions, reading: Transactions, ids: Ids) -> None:
        self._writing = writing
        self._reading = reading
        self._ids = ids
        self._after = ("", "")

    # One person

    async def in_the_way(self, workspace: WorkspaceId, person: PersonId) -> Sequence[int]:
        """The numbers of open escalations that are this person's: they must end, or be handed over, first."""
        scrub = Scrub(person, "")
        async with self._reading() as reading:
            found = await reading.rows(
                select(E.number, E.state, E.status).where(E.workspace == workspace, E.id.in_(_known(workspace, person)))
            )
        return sorted(row["number"] for row in found if is_open(row) and scrub.holds(row["state"]))

    async def traces(self, workspace: WorkspaceId, person: PersonId) -> Sequence[EscalationId]:
        """Every escalation that names this person anywhere."""
        named = _names(person)
        async with self._reading() as reading:
            reading.unhurried()
            rows = [
                *await reading.rows(_known(workspace, person)),
                *await reading.rows(select(E.id).where(E.workspace == workspace, named(E.state))),
                *await reading.rows(select(L.escalation.label("id")).where(L.workspace == workspace, named(L.body))),
                *await reading.rows(select(O.escalation.label("id")).where(O.workspace == workspace, _carries(person))),
                *await reading.rows(
                    select(M.escalation.label("id")).where(M.workspace == workspace, M.address == person)
                ),
            ]
        return sorted({EscalationId(row["id"]) for row in rows})

    async def forget(self, workspace: WorkspaceId, person: PersonId, now: datetime) -> Forgotten:
        """Erase the person; what is open and theirs by now stays as it is, and is counted. Asking again does no harm."""
        scrub = Scrub(person, f"{GONE}:{self._ids.new()[-8:]}")
        total = Forgotten(0, 0, 0)
        for id in await self.traces(workspace, person):
            async with self._erasing() as writing:
                total += await self._forget_in(writing, workspace, id, scrub, now)
                await writing.commit()
        if not total.kept:
            async with self._erasing() as writing:
                await _forget_person(writing, workspace, person)
                await writing.commit()
        return total

    async def _forget_in(
        self, writing: Transaction, workspace: WorkspaceId, id: EscalationId, scrub: Scrub, now: datetime
    ) -> Forgotten:
        book = await books.locked(writing, workspace, id)
        mine = (E.workspace == workspace) & (E.id == id)
        row = (await writing.rows(select(E.status, E.opener, E.title, E.state).where(mine)))[0]
        if is_open(row) and scrub.holds(row["state"]):
            return Forgotten(0, 0, 1)
        own = row["opener"] == scrub.person
        changed = {
            "state": scrub.state(row["state"]),
            "opener": scrub.instead if own else row["opener"],
            "title": ERASED_TITLE if own else scrub.text(row["title"]),
        }
        await writing.run(update(escalations).where(mine).values(changed))
        named = await writing.rows(select(L.seq, L.body).where(L.escalation == id, L.body.is_not(None)))
        gone = [{"of": id, "nth": one["seq"]} for one in named if scrub.mentions(one["body"])]
        await writing.run_many(_ERASE_ROW, gone)
        failpoint("erasure.after_ledger")
        await self._forget_messages(writing, id, scrub)
        await books.note(writing, book, (Fact(FactKind.ERASED, book.entry),), at=now, ids=self._ids)
        return Forgotten(1, len(gone), 0)

    async def _forget_messages(self, writing: Transaction, id: EscalationId, scrub: Scrub) -> None:
        """What has ended goes, and what was on its way to the person; what others are still to hear names nobody."""
        theirs = (O.escalation == id) & _carries(scrub.person)
        await writing.run(delete(outbox).where(theirs, or_(O.status != "pending", O.place == scrub.person)))
        for row in await writing.rows(select(O.id, O.effect, O.tried).where(theirs)):
            effect = json.loads(row["effect"])
            if effect.get("to") == scrub.person:
                await writing.run(delete(outbox).where(O.id == row["id"]))
                continue
            names = {"effect": scrub.effect(row["effect"]), "tried": scrub.text(row["tried"])}
            await writing.run(update(outbox).where(O.id == row["id"]).values(names))
        await writing.run(delete(messages).where(M.escalation == id, M.address == scrub.person))

    # What ended long ago

    async def erase_older(self, before: datetime, limit: int, now: datetime) -> int:
        found = await self._older(before, limit)
        for workspace, id in found:
            async with self._erasing() as writing:
                await self._erase_all(writing, workspace, id, now)
                await writing.commit()
        return len(found)

    async def _older(self, before: datetime, limit: int) -> list[tuple[WorkspaceId, EscalationId]]:
        """Goes through what has ended in the order of the primary key, and begins anew when it has come to the end."""
        found: list[tuple[WorkspaceId, EscalationId]] = []
        async with self._reading() as reading:
            reading.unhurried()
            while len(found) < limit:
                rows = await reading.rows(
                    _NEXT_ENDED, {"of": self._after[0], "after": self._after[1], "before": before}
                )
                for row in rows:
                    self._after = (row["workspace"], row["id"])
                    if _ended_before(row["state"], before):
                        found.append((WorkspaceId(row["workspace"]), EscalationId(row["id"])))
                    if len(found) == limit:
                        break
                if len(rows) < SCANNED and len(found) < limit:
                    self._after = ("", "")
                    break
        return found

    async def _erase_all(self, writing: Transaction, workspace: WorkspaceId, id: EscalationId, now: datetime) -> None:
        book = await books.locked(writing, workspace, id)
        mine = (E.workspace == workspace) & (E.id == id)
        row = (await writing.rows(select(E.status, E.state).where(mine)))[0]
        state = without_texts(row["state"])
        if is_open(row) or state is None:
            return
        changed = {"state": state, "opener": json.loads(state)["opener"], "title": ERASED_TITLE}
        await writing.run(update(escalations).where(mine).values(changed))
        await writing.run(update(ledger).where(L.escalation == id, L.body.is_not(None)).values(body=None, salt=None))
        for table in (outbox, messages):
            await writing.run(delete(table).where(table.c.escalation == id))
        await writing.run(delete(involved).where(involved.c.workspace == workspace, involved.c.escalation == id))
        failpoint("erasure.after_retention")
        await books.note(writing, book, (Fact(FactKind.ERASED, book.entry),), at=now, ids=self._ids)
        erased = {"workspace": workspace, "escalation": id, "erased_at": now}
        await writing.run(writing.insert(erasures).on_conflict_do_nothing(), erased)

    @asynccontextmanager
    async def _erasing(self) -> AsyncGenerator[Transaction]:
        """A writing transaction; on SQLite what is deleted is overwritten, too, instead of staying in free pages."""
        async with self._writing() as writing:
            if writing.sqlite:
                await writing.run(text("PRAGMA secure_delete=ON"))
            yield writing


class SqlHousekeeping:
    """`bot.audit.Housekeeping`."""

    def __init__(self, erasure: SqlErasure, outbox: SqlOutbox) -> None:
        self._erasure = erasure
        self._outbox = outbox

    async def erase_older(self, before: datetime, limit: int, now: datetime) -> int:
        return await self._erasure.erase_older(before, limit, now)

    async def prune(self, before: datetime, limit: int) -> int:
        return await self._outbox.prune(before, limit)


_ERASE_ROW = (
    update(ledger).where(L.escalation == bindparam("of"), L.seq == bindparam("nth")).values(body=None, salt=None)
)
_NEXT_ENDED = (
    select(E.workspace, E.id, E.state)
    .where(
        ENDED,
        E.opened_at < bindparam("before", type_=E.opened_at.type),
        or_(E.workspace > bindparam("of"), (E.workspace == bindparam("of")) & (E.id > bindparam("after"))),
        ~select(erasures.c.escalation)
        .where(erasures.c.workspace == E.workspace, erasures.c.escalation == E.id)
        .exists(),
    )
    .order_by(E.workspace, E.id)
    .limit(SCANNED)
)


def _known(workspace: WorkspaceId, person: PersonId) -> Select[Any]:
    mine = (involved.c.workspace == workspace) & (involved.c.person == person)
    return select(involved.c.escalation.label("id")).where(mine)


def _names(person: PersonId) -> Callable[[ColumnElement[Any]], ColumnElement[bool]]:
    """Whether a column holds the address, or a mention in the platform's own words; may say yes too often."""
    bare = person.partition(":")[2]
    return lambda column: or_(column.contains(person, autoescape=True), column.contains(f"<@{bare}", autoescape=True))


def _carries(person: PersonId) -> ColumnElement[bool]:
    named = _names(person)
    return or_(O.place == person, named(O.effect), named(O.tried), named(O.target))


def _ended_before(state: str, before: datetime) -> bool:
    try:
        return datetime.fromisoformat(json.loads(state)["ending"]["at"]) < before
    except (ValueError, TypeError, KeyError):  # it cannot be read: the auditor says so
        return False


async def _forget_person(writing: Transaction, workspace: WorkspaceId, person: PersonId) -> None:
    """What is known of the person beside escalations."""
    by_column: tuple[tuple[Table, ColumnElement[Any]], ...] = (
        (people, people.c.person),
        (involved, involved.c.person),
        (messages, messages.c.address),
        (conversations, conversations.c.address),
    )
    for table, column in by_column:
        await writing.run(delete(table).where(table.c.workspace == workspace, column == person))
    await writing.run(delete(lanes).where(lanes.c.place == person))
    for row in await writing.rows(select(groups).where(groups.c.workspace == workspace)):
        left = tuple(member for member in ADDRESSES.read(row["members"]) if member != person)
        mine = (groups.c.workspace == workspace) & (groups.c.address == row["address"])
        await writing.run(update(groups).where(mine).values(members=ADDRESSES.write(left)))
