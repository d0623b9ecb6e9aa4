"""Effects → rows of the outbox. A redraw becomes one row per root card, and ten changes become one edit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, insert, select, update

from bot.delivery import MessageRef, Parcel, ParcelId, SentCard
from bot.directory import Address, WorkspaceId
from bot.effects import PRIORITY, Effect, Errand
from bot.ports import Ids
from bot.state import Escalation, EscalationId
from storage import codec
from storage.among import among
from storage.ledger import Book
from storage.many import Many
from storage.tables import EDITS, messages, outbox
from storage.transaction import Transaction

REDRAWN = EDITS & outbox.c.lease_until.is_(None)

CARDS_OF = select(messages).where(among(messages.c.escalation, "ids")).order_by(messages.c.sent_at, messages.c.entry)
LEASED = outbox.c.lease_until.is_not(None).label("leased")
WAITING_EDITS = select(outbox.c.escalation, outbox.c.target, LEASED).where(among(outbox.c.escalation, "ids"), EDITS)
"""With those that are under way: a condition on the lease would lead a server to the index of all that is free."""

SEND = Many(insert(outbox), into=outbox.name)
RENEW_EDITS = Many(
    update(outbox)
    .where(outbox.c.escalation == bindparam("renewed"), REDRAWN)
    .values(entry=bindparam("new_entry"), level=bindparam("new_level"), effect=bindparam("new_effect"))
)


@dataclass(frozen=True, slots=True)
class Cards:
    """The root cards of some escalations, and the edits of them that nobody has begun."""

    rows: Mapping[str, Sequence[RowMapping]]
    waiting: Mapping[str, frozenset[str]]

    def to_edit(self, escalation: str) -> list[MessageRef]:
        """The cards that can be edited and for which no edit waits: one that waits will show the newest state anyway."""
        waiting = self.waiting.get(escalation, frozenset())
        refs = (ref_of(row) for row in self.rows.get(escalation, ()) if row["refused_at"] is None)
        return [ref for ref in refs if codec.MESSAGE.write(ref) not in waiting]

    def before(self, escalation: str, entry: int) -> list[MessageRef]:
        """The cards of earlier entries, oldest first."""
        return [ref_of(row) for row in self.rows.get(escalation, ()) if row["entry"] < entry]


async def cards_of(reading: Transaction, ids: Iterable[str]) -> Cards:
    """Asked once for a whole batch."""
    given = {"ids": sorted(set(ids))}
    rows: dict[str, list[RowMapping]] = {}
    waiting: dict[str, set[str]] = {}
    if given["ids"]:
        for row in await reading.rows(CARDS_OF, given):
            rows.setdefault(row["escalation"], []).append(row)
        for row in await reading.rows(WAITING_EDITS, given):
            if not row["leased"]:
                waiting.setdefault(row["escalation"], set()).add(row["target"])
    return Cards(rows, {escalation: frozenset(targets) for escalation, targets in waiting.items()})


def rows_of(
    saved: Escalation, effects: Sequence[Effect], cards: Cards, *, at: datetime, ids: Ids
) -> list[dict[str, Any]]:
    """The rows for the effects of one outcome."""
    book = Book(saved.workspace, saved.id, version=saved.version, level=saved.entry.level)
    rows: list[dict[str, Any]] = []
    for position, effect in enumerate(effects):
        key = f"{saved.id}:{saved.version}:{position}"
        if effect.errand is Errand.REDRAW:
            targets = enumerate(cards.to_edit(saved.id))
            rows.extend(row_of(book, effect, f"{key}.{n}", at=at, ids=ids, target=target) for n, target in targets)
        else:
            rows.append(row_of(book, effect, key, at=at, ids=ids))
    return rows


def asks_for_edits(effects: Sequence[Effect]) -> bool:
    """Whether the cards that there are must be known."""
    return any(effect.errand is Errand.REDRAW for effect in effects)


def renewals(saved: Escalation, effects: Sequence[Effect], cards: Cards) -> list[dict[str, Any]]:
    """Parameters for RENEW_EDITS: edits that wait already now stand for the newest change."""
    edits = [effect for effect in effects if effect.errand is Errand.REDRAW]
    if not edits or saved.id not in cards.waiting:
        return []
    effect = codec.EFFECT.write(edits[-1])
    return [
        {"renewed": saved.id, "new_entry": edits[-1].entry, "new_level": saved.entry.level, "new_effect": effect},
    ]


def edit_row(book: Book, target: MessageRef, *, at: datetime, ids: Ids) -> dict[str, Any]:
    """A redraw of one card that no effect asked for: it was drawn before the last change."""
    effect = Effect(Errand.REDRAW, book.entry)
    return row_of(book, effect, f"{book.escalation}:{book.version}:{ids.new()}", at=at, ids=ids, target=target)


def row_of(
    book: Book, effect: Effect, key: str, *, at: datetime, ids: Ids, target: MessageRef | None = None
) -> dict[str, Any]:
    """One row, due at once."""
    return {
        "id": ids.new(),
        "key": key,
        "workspace": book.workspace,
        "escalation": book.escalation,
        "entry": effect.entry,
        "errand": effect.errand.value,
        "priority": PRIORITY[effect.errand],
        "level": book.level,
        "place": target.to if target else effect.to,
        "tried": "[]",
        "created_at": at,
        "not_before": at,
        "attempts": 0,
        "uncertain": False,
        "status": "pending",
        "effect": codec.EFFECT.write(effect),
        "target": codec.MESSAGE.write(target) if target else None,
    }


def parcel_of(row: RowMapping) -> Parcel:
    """The value of a row. Raises Damaged."""
    return Parcel(
        id=ParcelId(row["id"]),
        workspace=WorkspaceId(row["workspace"]),
        escalation=EscalationId(row["escalation"]),
        effect=codec.EFFECT.read(row["effect"]),
        key=row["key"],
        created_at=row["created_at"],
        to=Address(row["place"]) if row["place"] is not None else None,
        tried=codec.ADDRESSES.read(row["tried"]),
        attempts=row["attempts"],
        uncertain=row["uncertain"],
        target=codec.MESSAGE.read(row["target"]) if row["target"] else None,
        told=row["told_at"] is not None,
        lease=row["lease_owner"] or "",
    )


def ref_of(row: RowMapping) -> MessageRef:
    """The message of a stored root card."""
    return MessageRef(Address(row["address"]), row["place"], row["message"], row["link"])


def card_of(row: RowMapping) -> SentCard:
    """A stored root card."""
    return SentCard(ref_of(row), row["entry"], Errand(row["errand"]), row["drawn_version"])
