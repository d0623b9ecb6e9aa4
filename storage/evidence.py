"""What the rows say about escalations, held against each other: state, columns, history, messages.

Independent of the code that writes them: the state is read as plain JSON here, the history counted in SQL.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, RowMapping, bindparam, func, select

from bot.audit import Finding, FindingKind
from bot.directory import WorkspaceId
from bot.state import EscalationId
from storage.tables import escalations, ledger, outbox
from storage.transaction import Transaction
from storage.types import milliseconds

GRACE = timedelta(seconds=60)
"""How late something may be before it counts as missed."""

RECENT = timedelta(days=14)
"""So long after its beginning an entry must still show whom it asked: later its messages may have been thrown away."""

PARKED_AT_MOST = timedelta(minutes=61)
OPEN_STATES = frozenset({"waiting", "acknowledged"})
COMPARED = ("status", "level", "entry", "version", "number", "opener")
ASKING = ("ping", "post")

E, L, O = escalations.c, ledger.c, outbox.c  # noqa: E741
IDS: BindParameter[Any] = bindparam("ids", expanding=True)
OF: BindParameter[Any] = bindparam("of")

ROWS = select(
    *(E.workspace, E.id, E.number, E.status, E.level, E.entry, E.version, E.opener, E.next_due, E.deadline),
    *(E.reminder_due, E.parked, E.ledger_seq, E.ledger_head, E.state),
).where(E.workspace == OF, E.id.in_(IDS))
COUNTS = (
    select(L.escalation, L.entry, L.kind, func.count().label("rows"), func.max(L.seq).label("last"))
    .where(L.escalation.in_(IDS))
    .group_by(L.escalation, L.entry, L.kind)
)
HEADS = (
    select(L.escalation, L.chain)
    .join(escalations, (E.workspace == L.workspace) & (E.id == L.escalation) & (E.ledger_seq == L.seq))
    .where(E.workspace == OF, E.id.in_(IDS))
)
PARCELS = (
    select(O.escalation, O.entry, O.errand, O.status, func.count().label("rows"))
    .where(O.escalation.in_(IDS), O.errand.in_((*ASKING, "card")))
    .group_by(O.escalation, O.entry, O.errand, O.status)
)


@dataclass(slots=True)
class Evidence:
    """One escalation: its row, and what the tables around it hold. `kinds` and `parcels` count by entry and kind."""

    row: Mapping[Any, Any]
    kinds: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    parcels: dict[tuple[int, str, str], int] = field(default_factory=dict[tuple[int, str, str], int])
    last: int = 0
    head: str = ""

    def history(self, entry: int, kind: str) -> int:
        """How many rows of a kind the history has for an entry."""
        return self.kinds.get((entry, kind), 0)

    def ended(self, entry: int, status: str) -> int:
        """How many pings and posts of an entry have this status."""
        return sum(self.parcels.get((entry, errand, status), 0) for errand in ASKING)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the state says is to happen by itself: the deadline, the first reminder; and the columns it stands for."""

    deadline: datetime | None
    reminder: datetime | None
    columns: Mapping[str, object]
    began: datetime

    @property
    def next_due(self) -> datetime | None:
        """The earlier of the two."""
        return min((at for at in (self.deadline, self.reminder) if at), default=None)


async def gathered(reading: Transaction, workspace: str, ids: Sequence[str]) -> list[Evidence]:
    """The evidence about some escalations of a workspace, asked in four statements; unknown ids are left out."""
    given = {"of": workspace, "ids": list(ids)}
    found = {row["id"]: Evidence(row) for row in await reading.rows(ROWS, given)}
    for row in await reading.rows(COUNTS, {"ids": given["ids"]}):
        if one := found.get(row["escalation"]):
            one.kinds[row["entry"], row["kind"]] = row["rows"]
            one.last = max(one.last, row["last"])
    for row in await reading.rows(HEADS, given):
        found[row["escalation"]].head = row["chain"]
    for row in await reading.rows(PARCELS, {"ids": given["ids"]}):
        if one := found.get(row["escalation"]):
            one.parcels[row["entry"], row["errand"], row["status"]] = row["rows"]
    return list(found.values())


def planned(row: RowMapping | Mapping[Any, Any]) -> Plan | None:
    """What the stored state plans; None when it cannot be read."""
    try:
        state = json.loads(row["state"])
        entry = state["entry"]
        is_open = state["status"] in OPEN_STATES
        nudges = [datetime.fromisoformat(nudge["at"]) for nudge in entry["nudges"]] if is_open else []
        due = entry["due"]
        return Plan(
            deadline=datetime.fromisoformat(due["at"]) if is_open and due else None,
            reminder=min(nudges, default=None),
            columns={**{name: state[name] for name in COMPARED if name != "level"}, **_of_entry(entry)},
            began=datetime.fromisoformat(entry["began_at"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _of_entry(entry: Mapping[str, Any]) -> Mapping[str, object]:
    return {"entry": entry["number"], "level": entry["level"]}


def is_open(row: Mapping[Any, Any]) -> bool:
    """Whether somebody still waits for it, by its column."""
    return row["status"] in OPEN_STATES


def due(row: Mapping[Any, Any]) -> datetime | None:
    """When the next thing is to happen: as the column says or as the state says, whichever is earlier."""
    plan = planned(row)
    return min((at for at in (row["next_due"], plan.next_due if plan else None) if at), default=None)


def missed_entries(one: Evidence) -> list[int]:
    """The entries that the history does not begin exactly once; entries that the escalation never had, too."""
    begun = {entry for entry, kind in one.kinds if kind == "entered"}
    return [entry for entry in sorted({*range(1, one.row["entry"] + 1), *begun}) if not _begun_once(one, entry)]


def _begun_once(one: Evidence, entry: int) -> bool:
    return one.history(entry, "entered") == 1 and 1 <= entry <= one.row["entry"]


def is_missed(row: Mapping[Any, Any], now: datetime) -> bool:
    """Whether it is open, and nothing is planned, or what was planned should have happened a minute ago."""
    at = due(row)
    return is_open(row) and (at is None or at < now - GRACE)


def examined(one: Evidence, now: datetime) -> Iterator[Finding]:
    """Everything that is wrong with one escalation."""
    row, plan = one.row, planned(one.row)

    def finding(kind: FindingKind, *, entry: int | None = None, at: datetime | None = None, about: str = "") -> Finding:
        workspace, id = WorkspaceId(row["workspace"]), EscalationId(row["id"])
        return Finding(kind, workspace, id, row["number"], row["entry"] if entry is None else entry, at, about)

    if plan is None:
        yield finding(FindingKind.UNREADABLE)
    else:
        wrong = [name for name in COMPARED if plan.columns[name] != row[name]]
        if wrong:
            yield finding(FindingKind.UNLIKE, about=", ".join(wrong))
    yield from _timing(row, plan, now, finding)
    for entry in missed_entries(one):
        yield finding(FindingKind.BEGUN, entry=entry, about=str(entry))
    yield from _messages(one, plan, now, finding)
    if one.last != row["ledger_seq"] or sum(one.kinds.values()) != one.last or one.head != row["ledger_head"]:
        yield finding(FindingKind.LEDGER)


def _timing(
    row: Mapping[Any, Any], plan: Plan | None, now: datetime, finding: Callable[..., Finding]
) -> Iterator[Finding]:
    if row["parked"] > 0 and is_open(row):
        yield finding(FindingKind.PARKED, at=row["next_due"])
        return
    at = due(row)
    if is_open(row) and at is None:
        yield finding(FindingKind.UNTIMED)
    elif plan and not _same_times(row, plan):
        yield finding(FindingKind.MISTIMED, at=plan.next_due)
    elif is_missed(row, now):
        yield finding(FindingKind.OVERDUE, at=at)


def _same_times(row: Mapping[Any, Any], plan: Plan) -> bool:
    stored = (row["next_due"], row["deadline"], row["reminder_due"])
    meant = (plan.next_due, plan.deadline, plan.reminder)
    return [at and milliseconds(at) for at in stored] == [at and milliseconds(at) for at in meant]


def _messages(one: Evidence, plan: Plan | None, now: datetime, finding: Callable[..., Finding]) -> Iterator[Finding]:
    for entry in sorted({entry for entry, _, _ in one.parcels}):
        told = one.ended(entry, "done") <= one.history(entry, "delivered")
        if not told or one.ended(entry, "failed") > one.history(entry, "not_delivered"):
            yield finding(FindingKind.UNTOLD, entry=entry, about=str(entry))
    current = one.row["entry"]
    asked = any(entry == current for entry, _, _ in one.parcels)
    why = any(one.history(current, kind) for kind in ("delivered", "not_delivered", "nobody_reached"))
    if is_open(one.row) and plan and now - plan.began < RECENT and not asked and not why:
        yield finding(FindingKind.UNASKED)
