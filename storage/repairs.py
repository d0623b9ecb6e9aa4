"""What the auditor may mend: only what loses nothing. Each repair looks again under the row's lock, and is a ledger row."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, select, update

from bot.audit import Finding, FindingKind
from bot.facts import Fact, FactKind
from bot.failpoints import failpoint
from bot.ports import Ids
from bot.state import NudgeKind
from storage import evidence
from storage import ledger as books
from storage.questions import ASKS, LONGEST_LEASE, LONGEST_PAUSE
from storage.tables import FREE, PENDING, TAKEN, escalations, lanes, outbox
from storage.transaction import Transaction

E, O, G = escalations.c, outbox.c, lanes.c  # noqa: E741


async def repaired(writing: Transaction, finding: Finding, now: datetime, ids: Ids) -> bool:
    """Mend what a finding is about, within a transaction that the caller commits; False when it is not to be mended."""
    book = await books.locked(writing, finding.workspace, finding.escalation)
    row = (await writing.rows(select(escalations).where(_mine(finding))))[0]
    match finding.kind:
        case FindingKind.UNTIMED | FindingKind.MISTIMED:
            code, done = "next_due", await _set_times(writing, finding, row, now)
        case FindingKind.PARKED:
            code, done = "parked", await _take_back(writing, finding, row, now)
        case FindingKind.HELD:
            code, done = "held", await _release(writing, finding, now)
        case FindingKind.STUCK:
            code, done = "stuck", await _withdraw(writing, finding, row, now)
        case _:
            return False
    if done:
        await books.note(writing, book, (Fact(FactKind.REPAIRED, book.entry, code=code),), at=now, ids=ids)
        failpoint("audit.after_repair")
    return done


def _mine(finding: Finding) -> ColumnElement[bool]:
    return (E.workspace == finding.workspace) & (E.id == finding.escalation)


async def _set_times(writing: Transaction, finding: Finding, row: RowMapping, now: datetime) -> bool:
    """The columns as the state means them. Where that cannot be read it is due now: the sweep will put it aside."""
    plan = evidence.planned(row)
    if plan is None:
        stored = {"next_due": now, "reminder_due": now}
    elif evidence.is_open(row) and plan.next_due is None:
        stored = {"next_due": now, "reminder_due": now, "state": _reviewed(row["state"], now)}
    else:
        stored = {"next_due": plan.next_due, "deadline": plan.deadline, "reminder_due": plan.reminder}
    if all(row[name] == value for name, value in stored.items()):
        return False
    await writing.run(update(escalations).where(_mine(finding)).values(stored))
    return True


def _reviewed(state: str, now: datetime) -> str:
    """An open escalation that plans nothing would be forgotten: whoever should act is asked how it stands, and weekly."""
    read = json.loads(state)
    read["entry"]["nudges"] = [{"at": now.isoformat(), "kind": NudgeKind.REVIEW.value}]
    return json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


async def _take_back(writing: Transaction, finding: Finding, row: RowMapping, now: datetime) -> bool:
    """Nothing is put aside for longer than an hour."""
    if not row["parked"] or (row["next_due"] and row["next_due"] <= now + evidence.PARKED_AT_MOST):
        return False
    await writing.run(update(escalations).where(_mine(finding)).values(next_due=now, reminder_due=now))
    return True


async def _release(writing: Transaction, finding: Finding, now: datetime) -> bool:
    """Whoever leased it until then cannot have meant it: leases last half a minute, pauses some minutes."""
    theirs = (O.escalation == finding.escalation) & (O.errand == finding.about)
    places = select(O.place).where(theirs, PENDING, O.place.is_not(None))
    changes: list[Any] = [
        update(outbox).where(theirs, TAKEN, O.lease_until > now + LONGEST_LEASE).values(lease_until=now),
        update(outbox).where(theirs, FREE, O.not_before > now + LONGEST_PAUSE).values(not_before=now),
        update(lanes).where(G.place.in_(places), G.lease_until > now + LONGEST_LEASE).values(lease_until=now),
        update(lanes).where(G.place.in_(places), G.open_at > now + LONGEST_PAUSE).values(open_at=now),
    ]
    counts = [(await writing.run(change)).rowcount for change in changes]
    return any(counts)


async def _withdraw(writing: Transaction, finding: Finding, row: RowMapping, now: datetime) -> bool:
    """What asks somebody to act is of no use once the escalation has ended or moved on; who holds it sends it or not."""
    if finding.about not in ASKS:
        return False
    useless = PENDING & (O.escalation == finding.escalation) & (O.errand == finding.about)
    if evidence.is_open(row):
        useless &= O.entry < row["entry"]
    over = {"status": "superseded", "ended_at": now, "lease_until": None, "lease_owner": None}
    free = O.lease_until.is_(None) | (O.lease_until <= now)
    return (await writing.run(update(outbox).where(useless, free).values(over))).rowcount > 0
