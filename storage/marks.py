"""What became of loads, stored for many of them at once: rows of the outbox, the ledger, root cards, lanes.

Rows are locked first and looked at; then everything that follows is written by one statement per kind of change. The order
of locks is that of everybody else: escalations, lanes, rows of the outbox.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import RowMapping, bindparam, or_, select, update

from bot.delivery import (
    CARDS,
    NOTED_WHEN_DELIVERED,
    Delivered,
    Mark,
    MessageRef,
    Moved,
    Parcel,
    Postponed,
    Receipt,
    Superseded,
    Told,
    Uneditable,
)
from bot.directory import Address
from bot.effects import PRIORITY, Errand
from bot.facts import Fact, FactKind
from bot.failpoints import failpoint
from bot.ports import Ids
from bot.state import EscalationId
from storage import codec, lanes, parcels
from storage import ledger as books
from storage.among import among
from storage.ledger import Book
from storage.many import Many
from storage.tables import PENDING, messages, outbox
from storage.transaction import Transaction

O = outbox.c  # noqa: E741
M = messages.c
DONE, SUPERSEDED, FAILED = "done", "superseded", "failed"
RELEASED = {"lease_until": None, "lease_owner": None}
TOLD_URGENCY = PRIORITY[Errand.CARD]
"""What a bundle has told comes after all that calls on people, and before edits and history."""

THESE = among(O.id, "ids")
STANDING = select(O.id, O.status, O.lease_owner, O.lease_until, O.told_at).where(THESE)
THIS = O.id == bindparam("this")
AGAIN = Many(
    update(outbox)
    .where(THIS)
    .values(
        not_before=bindparam("until"),
        attempts=bindparam("tries"),
        uncertain=or_(O.uncertain, bindparam("maybe", type_=O.uncertain.type)),
    )
    .values(RELEASED)
)
ELSEWHERE = Many(
    update(outbox)
    .where(THIS)
    .values(place=bindparam("there"), tried=bindparam("refusing"), not_before=bindparam("until"))
    .values(RELEASED | {"attempts": 0, "uncertain": False, "bundle": None})
)
CARD = (M.escalation == bindparam("of")) & (M.place == bindparam("in_place")) & (M.message == bindparam("shown"))
NEWER = M.drawn_version < bindparam("drawn")
REDRAWN = Many(update(messages).where(CARD, NEWER).values(drawn_version=bindparam("drawn")))
REFUSED = Many(update(messages).where(CARD).values(refused_at=bindparam("at")))


@dataclass(slots=True)
class _Changes:
    """What is to be written, by kind. `ended` maps a status to ids; `drawn` holds the cards that were drawn."""

    ended: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    waiting: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    again: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    drawn: list[Delivered] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


async def settle(writing: Transaction, receipts: Sequence[Receipt], *, at: datetime, ids: Ids) -> None:
    """`bot.delivery.Outbox.settle`, within a transaction that the caller commits."""
    marks = [mark for receipt in receipts for mark in receipt.marks]
    known = await books.locked_many(writing, {(of.workspace, of.escalation) for of in _need_a_book(marks)})
    await lanes.release(writing, receipts, at)
    rows = await _standing(writing, [mark.parcel.id for mark in marks])
    changes = _Changes()
    for mark in marks:
        if row := rows.get(mark.parcel.id):
            _decide(mark, row, changes, at)
    failpoint("marks.decided")
    await _write_rows(writing, changes, at)
    noted = [(known[id], facts) for id, facts in changes.facts.items() if id in known]
    await books.note_many(writing, noted, at=at, ids=ids)
    await writing.run_many(REFUSED, changes.refused)
    drawn = [mark for mark in changes.drawn if mark.parcel.escalation in known]
    await _ask_for_edits(writing, await _remember(writing, drawn, known, at), known, at, ids)
    failpoint("marks.written")


def _need_a_book(marks: Iterable[Mark]) -> Iterable[Parcel]:
    """The parcels whose escalation must hold still: for a row in its ledger, or to compare the version drawn."""
    for mark in marks:
        match mark:
            case Delivered(parcel) | Told(parcel):
                if parcel.effect.errand in NOTED_WHEN_DELIVERED | CARDS | {Errand.REDRAW}:
                    yield parcel
            case Superseded(parcel, reason) | Moved(parcel, refused=reason):
                if reason:
                    yield parcel
            case Postponed() | Uneditable():
                pass
            case _:
                assert_never(mark)


async def _standing(writing: Transaction, wanted: Sequence[str]) -> dict[str, RowMapping]:
    """How the rows stand now; they are ours until the end."""
    if not wanted:
        return {}
    locked = STANDING.order_by(O.id).with_for_update()
    return {row["id"]: row for row in await writing.rows(locked, {"ids": sorted(wanted)})}


def _decide(mark: Mark, row: RowMapping, changes: _Changes, at: datetime) -> None:
    """What a mark changes. Only whoever holds the lease decides; that something has arrived is true for all."""
    parcel = mark.parcel
    pending = row["status"] == "pending"
    mine = pending and row["lease_owner"] == parcel.lease
    match mark:
        case Delivered() | Told():
            _arrived(mark, row, changes, at, mine=mine)
        case Superseded(_, reason) if mine:
            changes.ended[SUPERSEDED].append(parcel.id)
            if reason:
                changes.facts[parcel.escalation].append(not_delivered(parcel, reason))
        case Uneditable() if mine:
            changes.ended[SUPERSEDED].append(parcel.id)
            if parcel.target:
                changes.refused.append(_card(parcel.escalation, parcel.target) | {"at": at})
        case Postponed(_, until, attempted, uncertain) if mine:
            tries = parcel.attempts + int(attempted)
            changes.again.append({"this": parcel.id, "until": until, "tries": tries, "maybe": uncertain})
        case Moved(_, to, refused) if mine:
            tried = (*parcel.tried, parcel.to) if refused and parcel.to else parcel.tried
            there = {"there": to, "refusing": codec.ADDRESSES.write(tried), "until": at}
            changes.elsewhere.append({"this": parcel.id, **there})
            if refused:
                changes.facts[parcel.escalation].append(not_delivered(parcel, refused))
        case _:  # the lease was lost: another one decides
            pass


def _arrived(mark: Delivered | Told, row: RowMapping, changes: _Changes, at: datetime, *, mine: bool) -> None:
    """The message is there, whoever holds the lease by now: it is noted once, and nobody sends it again unless somebody is
    just doing so.
    """
    parcel = mark.parcel
    errand = parcel.effect.errand
    pending = row["status"] == "pending"
    held = pending and not mine and row["lease_until"] is not None and row["lease_until"] > at
    if errand in NOTED_WHEN_DELIVERED and row["told_at"] is None and row["status"] != DONE:
        ref = mark.ref if isinstance(mark, Delivered) else None
        changes.facts[parcel.escalation].append(_delivered(parcel, ref))
    if isinstance(mark, Delivered):
        changes.drawn.append(mark)
    ends = isinstance(mark, Delivered) or errand is Errand.REMIND
    if pending and not held and ends:
        changes.ended[DONE].append(parcel.id)
    elif row["told_at"] is None and row["status"] != DONE:
        (changes.told if held or not pending else changes.waiting).append(parcel.id)


async def _write_rows(writing: Transaction, changes: _Changes, at: datetime) -> None:
    for status, ended in changes.ended.items():
        over = {"status": status, "ended_at": at} | RELEASED
        await writing.run(update(outbox).where(THESE).values(over), {"ids": ended})
    if changes.told:
        await writing.run(update(outbox).where(THESE).values(told_at=at), {"ids": changes.told})
    if changes.waiting:
        later = {
            "told_at": at,
            "priority": TOLD_URGENCY,
            "not_before": at,
            "attempts": 0,
            "uncertain": False,
        } | RELEASED
        await writing.run(update(outbox).where(THESE).values(later), {"ids": changes.waiting})
    await writing.run_many(AGAIN, changes.again)
    await writing.run_many(ELSEWHERE, changes.elsewhere)


@dataclass(slots=True)
class _Outdated:
    """What should be drawn again, by escalation: these cards, and all of entries before this one."""

    cards: dict[str, list[MessageRef]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, int] = field(default_factory=dict[str, int])


async def _remember(
    writing: Transaction, drawn: Sequence[Delivered], known: dict[str, Book], at: datetime
) -> _Outdated:
    """Remember what was drawn; returns what should be drawn again."""
    outdated = _Outdated()
    edits = [(mark, mark.parcel.target) for mark in drawn if mark.parcel.target]
    redrawn = [_card(mark.parcel.escalation, target) | {"drawn": mark.drawn_version} for mark, target in edits]
    await writing.run_many(REDRAWN, redrawn)
    new = await _root_cards(writing, drawn, at)
    shown = edits + [(mark, mark.ref) for mark in new if mark.ref]
    for mark, ref in shown:
        if known[mark.parcel.escalation].version > mark.drawn_version:
            outdated.cards[mark.parcel.escalation].append(ref)
    for effect, id in ((mark.parcel.effect, mark.parcel.escalation) for mark in new):
        if effect.errand is Errand.POST and effect.entry > 1:
            outdated.before[id] = max(effect.entry, outdated.before.get(id, 0))
    return outdated


async def _root_cards(writing: Transaction, drawn: Sequence[Delivered], at: datetime) -> list[Delivered]:
    """Those that are root cards: the first of their entry at their address; others stand in the thread of that one."""
    cards = {_first(mark): mark for mark in reversed(drawn) if mark.parcel.effect.errand in CARDS and mark.ref}
    if not cards:
        return []
    rows = [_card_row(mark, mark.ref, at) for mark in cards.values() if mark.ref]
    new = writing.insert(messages).on_conflict_do_nothing().returning(M.escalation, M.entry, M.address)
    stored = await writing.run(new, rows)
    return [cards[row.escalation, row.entry, row.address] for row in stored]


def _first(mark: Delivered) -> tuple[str, int, str]:
    return mark.parcel.escalation, mark.parcel.effect.entry, mark.ref.to if mark.ref else ""


def _card_row(mark: Delivered, ref: MessageRef, at: datetime) -> dict[str, Any]:
    return {
        "escalation": mark.parcel.escalation,
        "entry": mark.parcel.effect.entry,
        "address": ref.to,
        "workspace": mark.parcel.workspace,
        "errand": mark.parcel.effect.errand.value,
        "place": ref.place,
        "message": ref.id,
        "link": ref.link,
        "drawn_version": mark.drawn_version,
        "sent_at": at,
    }


def _card(escalation: EscalationId, ref: MessageRef) -> dict[str, Any]:
    return {"of": escalation, "in_place": ref.place, "shown": ref.id}


async def _ask_for_edits(
    writing: Transaction, outdated: _Outdated, known: dict[str, Book], at: datetime, ids: Ids
) -> None:
    """One row for each card that can be edited and for which no edit waits."""
    cards = await parcels.cards_of(writing, outdated.cards.keys() | outdated.before.keys())
    rows: list[dict[str, Any]] = []
    for id in sorted(outdated.cards.keys() | outdated.before.keys()):
        older = cards.before(id, outdated.before.get(id, 0))
        due = set(cards.to_edit(id))
        refs = dict.fromkeys([*outdated.cards.get(id, ()), *older])
        rows += [parcels.edit_row(known[id], ref, at=at, ids=ids) for ref in refs if ref in due]
    await writing.run_many(parcels.SEND, rows)


async def end(writing: Transaction, parcel: Parcel, status: str, at: datetime) -> bool:
    """Whether it was still on its way, and ours."""
    over = {"status": status, "ended_at": at} | RELEASED
    mine = (O.id == parcel.id) & PENDING & (O.lease_owner == parcel.lease)
    ended = await writing.run(update(outbox).where(mine).values(over))
    return ended.rowcount == 1


def not_delivered(parcel: Parcel, reason: str) -> Fact:
    """What the ledger says of a place that did not take it."""
    return Fact(FactKind.NOT_DELIVERED, parcel.effect.entry, to=places(parcel.to), code=reason)


def _delivered(parcel: Parcel, ref: MessageRef | None) -> Fact:
    place = parcel.to or (ref.to if ref else None)
    return Fact(FactKind.DELIVERED, parcel.effect.entry, to=places(place), code=parcel.effect.errand.value)


def places(place: Address | None) -> tuple[Address, ...]:
    """A place as a fact names it."""
    return (place,) if place else ()
