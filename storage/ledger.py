"""The chain that makes the history provable, even after texts and names have been erased.

`digest` is a keyed digest of the text of a row, `chain` a digest over the chain before, the columns and `digest`. With
the text and its salt gone the chain still fits; without the salt nobody can guess the text from its digest.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from bot.directory import WorkspaceId
from bot.errors import NotFound
from bot.facts import Fact, FactKind, LedgerRow
from bot.ports import Damaged, Ids
from bot.state import EscalationId
from storage import codec
from storage.among import among
from storage.many import Many
from storage.tables import escalations, ledger
from storage.transaction import Transaction
from storage.types import milliseconds

BEGINNING = ""
"""What stands before the first row."""

KINDS = frozenset(kind.value for kind in FactKind)


@dataclass(frozen=True, slots=True)
class Book:
    """Where the ledger of one escalation ends, with what else a locked row tells."""

    workspace: WorkspaceId
    escalation: EscalationId
    seq: int = 0
    head: str = BEGINNING
    version: int = 0
    level: int = 0
    entry: int = 0


def digest_of(salt: str, body: str) -> str:
    """The keyed digest of a text."""
    return hmac.digest(salt.encode(), body.encode(), "sha256").hex()


def chain_of(before: str, row: Mapping[Any, Any]) -> str:
    """What ties a row to the rows before it."""
    at = milliseconds(row["recorded_at"])
    tied = (before, row["workspace"], row["escalation"], row["seq"], at, row["kind"], row["entry"], row["digest"])
    return _chained(*tied)


def _chained(*tied: object) -> str:
    """The digest of a JSON array without spaces."""
    text = ",".join([quoted(value) if isinstance(value, str) else _plain(value) for value in tied])
    return sha256(f"[{text}]".encode()).hexdigest()


def _plain(value: object) -> str:
    return str(value) if type(value) is int else dumps(value)


def written(book: Book, facts: Iterable[Fact], *, at: datetime, ids: Ids) -> tuple[Book, list[dict[str, Any]]]:
    """The rows for `facts`, and where the ledger ends then."""
    rows: list[dict[str, Any]] = []
    seq, head, recorded = book.seq, book.head, milliseconds(at)
    for fact in facts:
        seq += 1
        kind, entry, body, salt = fact.kind.value, fact.entry, codec.FACT.write(fact), ids.new()
        digest = digest_of(salt, body)
        head = _chained(head, book.workspace, book.escalation, seq, recorded, kind, entry, digest)
        rows.append(
            {
                "workspace": book.workspace,
                "escalation": book.escalation,
                "seq": seq,
                "recorded_at": at,
                "kind": kind,
                "entry": entry,
                "body": body,
                "salt": salt,
                "digest": digest,
                "chain": head,
            }
        )
    return Book(book.workspace, book.escalation, seq, head, book.version, book.level, book.entry), rows


def verify_chain(rows: Sequence[Mapping[Any, Any]], *, seq: int, head: str) -> int | None:
    """The number of the first row that was changed, removed or moved; None when all of them fit.

    `seq` and `head` say where the ledger ends: without them nobody would miss the last rows.
    """
    before = BEGINNING
    for number, row in enumerate(rows, start=1):
        text_fits = row["body"] is None or digest_of(row["salt"] or "", row["body"]) == row["digest"]
        if row["seq"] != number or row["chain"] != chain_of(before, row) or not text_fits:
            return number
        before = row["chain"]
    return None if (len(rows), before) == (seq, head) else min(len(rows), seq) + 1


def read(row: Mapping[Any, Any]) -> LedgerRow | None:
    """A stored row as a value; None for a kind that only a newer version knows.

    Of an erased or unreadable text only the kind and the entry remain.
    """
    if row["kind"] not in KINDS:
        return None
    try:
        fact = codec.FACT.read(row["body"] or "")
    except Damaged:
        fact = Fact(FactKind(row["kind"]), row["entry"])
    return LedgerRow(row["seq"], row["recorded_at"], fact, erased=row["body"] is None)


async def locked(writing: Transaction, workspace: WorkspaceId, id: EscalationId) -> Book:
    """The book of an escalation, whose row is ours until the end. Raises NotFound."""
    row = escalations.c
    chosen = select(row.ledger_seq, row.ledger_head, row.version, row.level, row.entry)
    mine = (row.workspace == workspace) & (row.id == id)
    found = (await writing.run(chosen.where(mine).with_for_update())).one_or_none()
    if found is None:
        raise NotFound("not_found", given="")
    return Book(workspace, id, *found)


async def note(writing: Transaction, book: Book, facts: Sequence[Fact], *, at: datetime, ids: Ids) -> Book:
    """Add facts that leave the state as it is: the version stays."""
    if not facts:
        return book
    ended, rows = written(book, facts, at=at, ids=ids)
    mine = (escalations.c.workspace == book.workspace) & (escalations.c.id == book.escalation)
    await writing.run(insert(ledger), rows)
    await writing.run(update(escalations).where(mine).values(ledger_seq=ended.seq, ledger_head=ended.head))
    return ended


async def locked_many(writing: Transaction, wanted: Iterable[tuple[WorkspaceId, EscalationId]]) -> dict[str, Book]:
    """The books of some escalations, whose rows are ours until the end; those that are not there are missing.

    Rows are locked in the order of their ids, so that two who want the same ones do not wait for each other.
    """
    row = escalations.c
    chosen = select(row.workspace, row.id, row.ledger_seq, row.ledger_head, row.version, row.level, row.entry)
    by_workspace: dict[WorkspaceId, set[str]] = {}
    for workspace, id in wanted:
        by_workspace.setdefault(workspace, set()).add(id)
    books: dict[str, Book] = {}
    for workspace, ids in sorted(by_workspace.items()):
        mine = chosen.where(row.workspace == workspace, among(row.id, "wanted")).order_by(row.id).with_for_update()
        rows = (await writing.run(mine, {"wanted": sorted(ids)})).all()
        books |= {found.id: Book(*found) for found in rows}
    return books


TELL = Many(insert(ledger), into=ledger.name)
NOTED = Many(
    update(escalations)
    .where(escalations.c.workspace == bindparam("of"), escalations.c.id == bindparam("which"))
    .values(ledger_seq=bindparam("seq"), ledger_head=bindparam("head"))
)


async def note_many(
    writing: Transaction, noted: Iterable[tuple[Book, Sequence[Fact]]], *, at: datetime, ids: Ids
) -> None:
    """`note` for many escalations at once; each of them stands here at most once."""
    history: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for book, facts in noted:
        ended, rows = written(book, facts, at=at, ids=ids)
        history.extend(rows)
        ends.append({"of": book.workspace, "which": book.escalation, "seq": ended.seq, "head": ended.head})
    await writing.run_many(TELL, history)
    await writing.run_many(NOTED, ends)
