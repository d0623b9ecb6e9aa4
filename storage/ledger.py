"""The chain that makes the history provable, even after texts and names have been erased.

`digest` is a keyed digest of the text of a row, `chain` a digest over the chain before, the columns and `digest`. With
the text and its salt gone the chain still fits; without the salt nobody can guess the text from its digest.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from bot.directory import WorkspaceId
from bot.errors import NotFound
from bot.facts import Fact, FactKind, LedgerRow
from bot.ports import Damaged, Ids
from bot.state import EscalationId
from storage import codec
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
    return hmac.new(salt.encode(), body.encode(), hashlib.sha256).hexdigest()


def chain_of(before: str, row: Mapping[Any, Any]) -> str:
    """What ties a row to the rows before it."""
    at = milliseconds(row["recorded_at"])
    tied = [before, row["workspace"], row["escalation"], row["seq"], at, row["kind"], row["entry"], row["digest"]]
    return hashlib.sha256(json.dumps(tied, separators=(",", ":")).encode()).hexdigest()


def written(book: Book, facts: Iterable[Fact], *, at: datetime, ids: Ids) -> tuple[Book, list[dict[str, Any]]]:
    """The rows for `facts`, and where the ledger ends then."""
    rows: list[dict[str, Any]] = []
    seq, head = book.seq, book.head
    for fact in facts:
        seq += 1
        body, salt = codec.FACT.write(fact), ids.new()
        row = {
            "workspace": book.workspace,
            "escalation": book.escalation,
            "seq": seq,
            "recorded_at": at,
            "kind": fact.kind.value,
            "entry": fact.entry,
            "body": body,
            "salt": salt,
            "digest": digest_of(salt, body),
        }
        head = chain_of(head, row)
        rows.append({**row, "chain": head})
    return replace(book, seq=seq, head=head), rows


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
    return LedgerRow(row["seq"], row["recorded_at"], fact)


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
