"""An escalation ↔ its row: the columns that are searched, the state as JSON, the plan on a shelf of its own."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import RowMapping, bindparam, select

from bot.plan import Plan
from bot.ports import Damaged
from bot.state import Escalation
from storage import codec
from storage.tables import escalations, plans
from storage.transaction import Transaction

SHELF_SIZE = 1000

E = escalations.c
STORED = select(E.workspace, E.id, E.version, E.ledger_seq, E.ledger_head, E.plan, E.state)
"""What a value is read from; the other columns only say the same again, for searching."""

BY_ID = STORED.where(E.workspace == bindparam("of"), E.id == bindparam("which"))
BY_NUMBER = STORED.where(E.workspace == bindparam("of"), E.number == bindparam("which"))

MISSING = select(plans.c.digest, plans.c.body).where(
    plans.c.workspace.in_(bindparam("workspaces", expanding=True)),
    plans.c.digest.in_(bindparam("digests", expanding=True)),
)


def digest(plan_text: str) -> str:
    """The name under which a plan is kept."""
    return hashlib.sha256(plan_text.encode()).hexdigest()


def columns(escalation: Escalation, plan_digest: str) -> dict[str, Any]:
    """All columns of the row but those of the ledger and the count of failures."""
    entry = escalation.entry
    due = entry.due if escalation.is_open else None
    reminder = min((nudge.at for nudge in entry.nudges), default=None) if escalation.is_open else None
    window = escalation.level.window if due else None
    return {
        "workspace": escalation.workspace,
        "id": escalation.id,
        "number": escalation.number,
        "status": escalation.status.value,
        "level": entry.level,
        "entry": entry.number,
        "version": escalation.version,
        "next_due": escalation.next_due,
        "deadline": due.at if due else None,
        "window": str(window) if window else None,
        "reminder_due": reminder,
        "opener": escalation.opener,
        "title": codec.storable(escalation.title),
        "opened_at": escalation.opened_at,
        "matrix": escalation.plan.matrix,
        "issue_type": escalation.plan.issue_type,
        "plan": plan_digest,
        "state": codec.ESCALATION.write(escalation, whole=False),
    }


def people_of(escalation: Escalation) -> frozenset[str]:
    """Everybody in whose list it stands."""
    return frozenset({escalation.opener}) | escalation.ever_assigned | escalation.participants


class PlanShelf:
    """Plans by digest. Thousands of escalations share a plan: it is written once and decoded once."""

    def __init__(self) -> None:
        self._known: dict[str, Plan] = {}
        self._stored: set[tuple[str, str]] = set()

    async def keep(self, writing: Transaction, escalation: Escalation) -> str:
        """Store the plan of an escalation unless it is there; returns its digest. Tell `committed` once it is sure."""
        body = codec.PLAN.write(escalation.plan)
        row = {"workspace": escalation.workspace, "digest": digest(body), "body": body}
        if (row["workspace"], row["digest"]) not in self._stored:
            await writing.run(writing.insert(plans).on_conflict_do_nothing(), row)
        return row["digest"]

    def committed(self, kept: Iterable[tuple[str, str]]) -> None:
        """These plans, (workspace, digest), need not be stored again: nothing ever deletes one."""
        if len(self._stored) > SHELF_SIZE:
            self._stored.clear()
        self._stored.update(kept)

    async def decode(self, reading: Transaction, rows: Sequence[RowMapping]) -> list[Escalation | Damaged]:
        """The escalations of these rows, or why one cannot be read."""
        await self._fetch(reading, rows)
        return [self._decode(row) for row in rows]

    async def decode_one(self, reading: Transaction, row: RowMapping) -> Escalation:
        """The escalation of a row. Raises Damaged."""
        (found,) = await self.decode(reading, [row])
        if isinstance(found, Damaged):
            raise found
        return found

    async def _fetch(self, reading: Transaction, rows: Sequence[RowMapping]) -> None:
        missing = {row["plan"] for row in rows} - self._known.keys()
        if not missing:
            return
        if len(self._known) > SHELF_SIZE:
            self._known.clear()
            missing = {row["plan"] for row in rows}
        found = await reading.run(
            MISSING, {"workspaces": sorted({row["workspace"] for row in rows}), "digests": sorted(missing)}
        )
        for row in found.mappings():
            self._put(row["digest"], row["body"])

    def _put(self, name: str, body: str) -> None:
        try:
            self._known[name] = codec.PLAN.read(body)
        except Damaged:
            self._known.pop(name, None)

    def _decode(self, row: RowMapping) -> Escalation | Damaged:
        plan = self._known.get(row["plan"])
        if plan is None:
            return Damaged("plan: cannot be read")
        try:
            escalation = codec.ESCALATION.read(row["state"], plan)
        except Damaged as error:
            return error
        return escalation if escalation.version == row["version"] else replace(escalation, version=row["version"])
