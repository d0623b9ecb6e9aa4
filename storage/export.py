"""Everything that proves the promise, as JSON Lines: plans, escalations, histories. docs/audit.md explains each key."""

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, text

from storage.questions import workspaces
from storage.snapshot import Snapshots
from storage.tables import escalations, ledger, plans
from storage.transaction import Transaction

FORMAT = 1
AT_ONCE = 200

E, L = escalations.c, ledger.c
COLUMNS = (
    E.workspace,
    E.id,
    E.number,
    E.status,
    E.level,
    E.entry,
    E.version,
    E.next_due,
    E.opener,
    E.title,
    E.opened_at,
)
MORE = (E.matrix, E.issue_type, E.parked, E.plan, E.ledger_seq, E.ledger_head, E.state)
PAGE = (
    select(*COLUMNS, *MORE)
    .where(E.workspace == bindparam("of"), E.id > bindparam("after"))
    .order_by(E.id)
    .limit(AT_ONCE)
)
ROWS = select(ledger).where(L.escalation.in_(bindparam("ids", expanding=True))).order_by(L.escalation, L.seq)
SHOWN = ("escalation", "seq", "recorded_at", "kind", "entry", "body", "salt", "digest", "chain")


async def lines(snapshot: Snapshots, now: datetime) -> AsyncGenerator[str]:
    """One JSON object a line, as of one instant; the last line counts the others. Raises StoreUnavailable."""
    counted = {"escalations": 0, "rows": 0}
    yield _line("export", {"format": FORMAT, "as_of": now})
    async with snapshot() as reading:
        reading.unhurried()
        if not reading.sqlite:  # whoever takes the lines may be slow, and nobody waits for a lock of ours
            await reading.run(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        for plan in await reading.rows(select(plans).order_by(plans.c.workspace, plans.c.digest)):
            yield _line("plan", {**plan, "body": _read(plan["body"])})
        for workspace in await workspaces(reading):
            async for page in _pages(reading, workspace):
                rows = await reading.rows(ROWS, {"ids": [one["id"] for one in page]})
                histories: dict[str, list[str]] = {one["id"]: [] for one in page}
                for row in rows:
                    histories[row["escalation"]].append(_line("ledger", {name: row[name] for name in SHOWN}))
                for one in page:
                    yield _line("escalation", {**one, "state": _read(one["state"])})
                    for line in histories[one["id"]]:
                        yield line
                counted["escalations"] += len(page)
                counted["rows"] += len(rows)
    yield _line("end", counted)


async def _pages(reading: Transaction, workspace: str) -> AsyncGenerator[list[Mapping[Any, Any]]]:
    after = ""
    while page := list(await reading.rows(PAGE, {"of": workspace, "after": after})):
        yield page  # pyright: ignore[reportReturnType]
        after = page[-1]["id"]


def _line(kind: str, values: Mapping[Any, Any]) -> str:
    return json.dumps({"type": kind, **values}, default=_instant, separators=(",", ":"), ensure_ascii=False)


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    raise TypeError(type(value).__name__)


def _read(stored: str) -> object:
    """Stored JSON as it is; what cannot be read, as text."""
    try:
        return json.loads(stored)
    except ValueError:
        return stored
