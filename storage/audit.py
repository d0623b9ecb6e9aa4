"""The auditor's eyes and memory: what is wrong, which of it was told, and the statement over everything."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, bindparam, delete, or_, select, update

from bot.audit import Finding, Statement, Tampered
from bot.directory import WorkspaceId
from bot.ports import Ids
from storage import evidence, questions
from storage.ledger import verify_chain
from storage.questions import Key
from storage.repairs import repaired
from storage.snapshot import Snapshots
from storage.tables import escalations, findings, ledger
from storage.transaction import Transaction
from storage.types import EPOCH

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

E, L, F = escalations.c, ledger.c, findings.c
AT_ONCE = 200
"""Escalations held against their history in one transaction."""

CHANGES = 5000
"""Ledger rows looked at in one audit; more are left to the next one."""

PART = 2000
"""Open escalations looked at in one audit beside those that have changed: all of them, in the course of the day."""

MANY = 500
"""So many findings are remembered; where so much is wrong, nothing more is looked for until some of it is mended."""

OVERLAP = timedelta(minutes=2)
"""A transaction may be seen so long after the instant that its rows carry."""

AGAIN = timedelta(days=1)
TELLING = timedelta(minutes=2)
"""How long one process has for telling before another one tries."""

PAGE = (
    select(E.workspace, E.id, E.number, E.ledger_seq, E.ledger_head)
    .where(E.workspace == bindparam("of"), E.id > bindparam("after"))
    .order_by(E.id)
    .limit(AT_ONCE)
)

CLAIM = (  # of two processes one waits for the other's row here, and then finds it claimed, or told
    update(findings)
    .where(
        F.key.in_(bindparam("keys", expanding=True)),
        or_(F.telling_until.is_(None), F.telling_until <= bindparam("now", type_=F.told_at.type)),
        or_(F.told_at.is_(None), F.told_as != F.mark, F.told_at <= bindparam("yesterday", type_=F.told_at.type)),
    )
    .values(telling_until=bindparam("until", type_=F.told_at.type))
    .returning(F.key)
)


@dataclass(slots=True)
class Place:
    """Where the next look goes on: ledger rows recorded `since`; open escalations of a workspace that are due `at` an
    instant or later, but for those `seen` of that instant.
    """

    since: datetime | None = None
    workspace: str = ""
    at: datetime = EPOCH
    seen: int = 0


class SqlAudits:
    """`bot.audit.Audits`. What a look has seen so far is kept in memory: after a restart it begins with the last hour."""

    def __init__(self, snapshot: Snapshots, writing: Transactions, ids: Ids) -> None:
        self._snapshot = snapshot
        self._writing = writing
        self._ids = ids
        self._place = Place()
        self._seen: set[Key] = set()

    async def look(self, now: datetime) -> Sequence[Finding]:
        async with self._snapshot() as reading:
            await reading.by_index()
            keys = await questions.suspects(reading, now)
            known = await reading.rows(select(F.workspace, F.escalation).order_by(F.first_seen, F.key).limit(MANY))
            keys |= {(row["workspace"], row["escalation"]) for row in known}
            found = await questions.waiting_messages(reading, now)
            if len(known) < MANY:
                keys |= await self._changed(reading, now)
                keys |= await self._next_part(reading)
        async for more in self._examined(keys, now):
            found += more[: MANY - len(found)]
        self._seen = keys | {(one.workspace, one.escalation) for one in found}
        return found

    async def repair(self, finding: Finding, now: datetime) -> bool:
        async with self._writing() as writing:
            done = await repaired(writing, finding, now, self._ids)
            if done:
                await writing.commit()
        return done

    async def news(self, found: Sequence[Finding], now: datetime) -> Sequence[Finding]:
        async with self._snapshot() as reading:
            if not found and not await reading.rows(select(F.key).limit(1)):
                return ()
        async with self._writing() as writing:
            known = await writing.rows(select(findings))
            looked_at = {row["key"] for row in known if (row["workspace"], row["escalation"]) in self._seen}
            healed = looked_at - {finding.key for finding in found}
            await writing.run(delete(findings).where(F.key.in_(healed)))
            await self._remember(writing, found, now)
            claimed = await writing.rows(CLAIM, {"keys": [one.key for one in found], "now": now, **_from(now)})
            await writing.commit()
        ours = {row["key"] for row in claimed}
        return [finding for finding in found if finding.key in ours]

    async def told(self, found: Sequence[Finding], now: datetime) -> None:
        said = update(findings).where(F.key == bindparam("which"))
        rows = [{"which": finding.key, "as": finding.mark} for finding in found]
        async with self._writing() as writing:
            await writing.run_many(said.values(told_at=now, told_as=bindparam("as"), telling_until=None), rows)
            await writing.commit()

    # Over everything, by command

    async def full(self, now: datetime) -> tuple[Statement, Sequence[Finding]]:
        """Every escalation with its whole history, as of one instant."""
        total, found = Statement(0, 0, 0), list[Finding]()
        async with self._snapshot() as reading:
            reading.unhurried()
            found += await questions.waiting_messages(reading, now)
            async for page in _pages(reading):
                for one in await evidence.gathered(reading, page[0]["workspace"], [row["id"] for row in page]):
                    found += evidence.examined(one, now)
                    missed = len(evidence.missed_entries(one)) + evidence.is_missed(one.row, now)
                    total = Statement(total.escalations + 1, total.entries + one.row["entry"], total.missed + missed)
        return total, found

    async def verify(self, number: int | None) -> tuple[int, Sequence[Tampered]]:
        """Follow the chain of every history, or of the escalations with this number; (how many, what does not fit)."""
        checked, broken = 0, list[Tampered]()
        async with self._snapshot() as reading:
            reading.unhurried()
            async for page in _pages(reading):
                for row in page:
                    if number not in {None, row["number"]}:
                        continue
                    checked += 1
                    rows = await reading.rows(select(ledger).where(L.escalation == row["id"]).order_by(L.seq))
                    wrong = verify_chain(rows, seq=row["ledger_seq"], head=row["ledger_head"])
                    if wrong is not None:
                        broken.append(Tampered(WorkspaceId(row["workspace"]), row["number"], wrong))
        return checked, broken

    # Parts of a look

    async def _changed(self, reading: Transaction, now: datetime) -> set[Key]:
        since = min(self._place.since or now - questions.HOUR, now)  # a clock that stepped back must hide nothing
        rows = await reading.rows(questions.CHANGED, {"since": since, "most": CHANGES})
        if rows and len(rows) == CHANGES:
            last = rows[-1]["recorded_at"]
            self._place.since = last if last > since else since + timedelta(milliseconds=1)
        else:
            self._place.since = now - OVERLAP
        return {(row["workspace"], row["escalation"]) for row in rows}

    async def _next_part(self, reading: Transaction) -> set[Key]:
        """The next open escalations in the order of their times, workspace by workspace, round and round."""
        places = sorted(row["value"] for row in await reading.rows(questions.WORKSPACES))
        if not places:
            return set()
        place = self._place
        if place.workspace not in places:
            place.workspace, place.at, place.seen = _following(places, place.workspace), EPOCH, 0
        given = {"of": place.workspace, "since": place.at, "seen": place.seen, "most": PART}
        rows = await reading.rows(questions.NEXT_OPEN, given)
        if rows and len(rows) == PART:
            last = rows[-1]["next_due"]
            place.seen = sum(row["next_due"] == last for row in rows) + (place.seen if place.at == last else 0)
            place.at = last
        else:
            place.workspace, place.at, place.seen = _following(places, place.workspace), EPOCH, 0
        return {(row["workspace"], row["id"]) for row in rows}

    async def _examined(self, keys: Iterable[Key], now: datetime) -> AsyncGenerator[list[Finding]]:
        by_workspace: dict[str, list[str]] = {}
        for workspace, id in sorted(keys):
            by_workspace.setdefault(workspace, []).append(id)
        for workspace, ids in by_workspace.items():
            for start in range(0, len(ids), AT_ONCE):
                async with self._snapshot() as reading:
                    await reading.by_index()
                    some = await evidence.gathered(reading, workspace, ids[start : start + AT_ONCE])
                yield [finding for one in some for finding in evidence.examined(one, now)]

    # What was told

    async def _remember(self, writing: Transaction, found: Sequence[Finding], now: datetime) -> None:
        rows = [
            {
                "key": finding.key,
                "workspace": finding.workspace,
                "escalation": finding.escalation,
                "mark": finding.mark,
                "first_seen": now,
            }
            for finding in found
        ]
        told = writing.insert(findings)
        await writing.run_many(
            told.on_conflict_do_update(index_elements=["key"], set_={"mark": told.excluded.mark}), rows
        )


def _following(places: Sequence[str], place: str) -> str:
    """The next one in order, the first after the last."""
    return next((one for one in places if one > place), places[0])


def _from(now: datetime) -> dict[str, datetime]:
    return {"until": now + TELLING, "yesterday": now - AGAIN}


async def _pages(reading: Transaction) -> AsyncGenerator[Sequence[RowMapping]]:
    """Every escalation, a few hundred at a time, in the order of the primary key."""
    for workspace in await questions.workspaces(reading):
        after = ""
        while rows := await reading.rows(PAGE, {"of": workspace, "after": after}):
            yield rows
            after = rows[-1]["id"]
