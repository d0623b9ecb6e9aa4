"""The auditor's cheap questions: which escalations and messages are suspect. Every one is answered from a small index.

What is due is looked for in three indexes that the sweep does not use (it goes by level): a `next_due` that was damaged, or
a row that no sweep takes, is found by its deadline, its reminder, or the list of what is open.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Subquery, and_, bindparam, func, or_, select

from bot.audit import Finding, FindingKind
from bot.directory import WorkspaceId
from bot.state import EscalationId
from storage.evidence import GRACE
from storage.tables import FREE, OPEN, PARKED, PENDING, REMINDED, RUNNING, TAKEN, escalations, lanes, ledger, outbox
from storage.transaction import Transaction

Key = tuple[str, str]
"""(workspace, id) of an escalation."""

MOST = 200
"""So many suspects of one kind are looked at in one audit."""

HOUR = timedelta(hours=1)
SLACK = timedelta(minutes=5)
"""What a message may be late beyond its window: the last try, the wait before it."""

LONGEST_LEASE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(days=1)
ASKS = ("ping", "post", "remind", "card")
"""Errands that ask somebody to act: of no use once the escalation has ended or moved on."""

E, L, O, G = escalations.c, ledger.c, outbox.c, lanes.c  # noqa: E741
CUTOFF: BindParameter[Any] = bindparam("cutoff", type_=E.next_due.type)
NOW: BindParameter[Any] = bindparam("now", type_=E.next_due.type)


def _values(column: ColumnElement[Any], where: ColumnElement[bool]) -> Subquery:
    """The distinct values of the first column of an index, one seek each."""
    found = select(func.min(column).label("value")).where(where).cte("found", recursive=True)
    following = select(func.min(column)).where(where, column > found.c.value).scalar_subquery()
    found = found.union_all(select(following).where(found.c.value.is_not(None)))
    return select(found.c.value).where(found.c.value.is_not(None)).subquery()


KEY = (E.workspace, E.id)
WORKSPACES = select(_values(E.workspace, OPEN).c.value)
WINDOWS = select(_values(E.window, RUNNING).c.value)
OF: BindParameter[Any] = bindparam("of")

LATE = select(*KEY).where(E.workspace == OF, OPEN, E.next_due < CUTOFF).order_by(E.next_due).limit(MOST)
UNPLANNED = select(*KEY).where(E.workspace == OF, OPEN, E.next_due.is_(None)).limit(MOST)
PAST = select(*KEY).where(RUNNING, E.window == OF, E.deadline < CUTOFF).limit(MOST)
REMINDERS = select(*KEY).where(REMINDED, E.reminder_due < CUTOFF).limit(MOST)
ASIDE = select(*KEY).where(PARKED).limit(MOST)

CHANGED = (
    select(L.workspace, L.escalation, L.recorded_at)
    .where(L.recorded_at >= bindparam("since", type_=L.recorded_at.type))
    .order_by(L.recorded_at)
    .limit(bindparam("most"))
)
NEXT_OPEN = (
    select(*KEY, E.next_due)
    .where(E.workspace == OF, OPEN, E.next_due >= bindparam("since", type_=E.next_due.type))
    .order_by(E.next_due)
    .limit(bindparam("most"))
    .offset(bindparam("seen"))
)
"""In the order of an index, so that nothing is sorted: of those that share an instant, the `seen` ones are passed over."""


async def suspects(reading: Transaction, now: datetime) -> set[Key]:
    """Open escalations whose time has passed, that have none, or that are put aside."""
    given = {"cutoff": now - GRACE}
    rows = [*await reading.rows(REMINDERS, given), *await reading.rows(ASIDE)]
    for workspace in await reading.rows(WORKSPACES):
        rows += await reading.rows(LATE, given | {"of": workspace["value"]})
        rows += await reading.rows(UNPLANNED, {"of": workspace["value"]})
    for window in await reading.rows(WINDOWS):
        rows += await reading.rows(PAST, given | {"of": window["value"]})
    return {(row["workspace"], row["id"]) for row in rows}


def _parcels(*found: ColumnElement[Any], where: ColumnElement[bool]) -> Select[Any]:
    """Pending rows with what their escalation says, one line an escalation and errand."""
    named = (O.workspace, O.escalation, O.errand, E.number, func.max(O.entry).label("entry"))
    return (
        select(*named, *found)
        .join(escalations, (E.workspace == O.workspace) & (E.id == O.escalation))
        .where(where)
        .group_by(O.workspace, O.escalation, O.errand, E.number)
        .limit(MOST)
    )


USELESS = and_(O.errand.in_(ASKS), or_(O.entry < E.entry, ~OPEN))
"""Nobody waits for this message any more."""

STUCK = _parcels(
    func.min(O.created_at).label("at"),
    where=PENDING
    & (O.created_at < bindparam("begun", type_=O.created_at.type))
    & or_(E.deadline.is_(None), E.deadline < bindparam("passed", type_=E.deadline.type), USELESS),
)
HELD = _parcels(
    func.max(O.lease_until).label("at"), where=TAKEN & (O.lease_until > bindparam("lease", type_=O.lease_until.type))
)
PAUSED = _parcels(
    func.max(O.not_before).label("at"), where=FREE & (O.not_before > bindparam("pause", type_=O.not_before.type))
)
BLOCKED = (
    select(O.workspace, O.escalation, O.errand, E.number, O.entry, func.coalesce(G.lease_until, G.open_at).label("at"))
    .join(escalations, (E.workspace == O.workspace) & (E.id == O.escalation))
    .join(lanes, G.place == O.place)
    .where(
        PENDING,
        or_(
            G.lease_until > bindparam("lease", type_=G.lease_until.type),
            G.open_at > bindparam("pause", type_=G.open_at.type),
        ),
    )
    .limit(MOST)
)


async def waiting_messages(reading: Transaction, now: datetime) -> list[Finding]:
    """Messages that do not end: waiting for too long, or reserved by nobody who would ever send them."""
    stuck = await reading.rows(STUCK, {"begun": now - HOUR - SLACK, "passed": now - SLACK})
    held = [
        *await reading.rows(HELD, {"lease": now + LONGEST_LEASE}),
        *await reading.rows(PAUSED, {"pause": now + LONGEST_PAUSE}),
        *await reading.rows(BLOCKED, {"lease": now + LONGEST_LEASE, "pause": now + LONGEST_PAUSE}),
    ]
    found = [_finding(FindingKind.STUCK, row) for row in stuck] + [_finding(FindingKind.HELD, row) for row in held]
    return list({finding.key: finding for finding in found}.values())


def _finding(kind: FindingKind, row: Any) -> Finding:
    workspace, id = WorkspaceId(row["workspace"]), EscalationId(row["escalation"])
    return Finding(kind, workspace, id, row["number"], row["entry"], row["at"], row["errand"])


async def workspaces(reading: Transaction) -> list[str]:
    """Every workspace that has an escalation."""
    rows = await reading.rows(select(_values(E.workspace, E.workspace.is_not(None)).c.value))
    return [row["value"] for row in rows]
