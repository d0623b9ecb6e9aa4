"""What may be forgotten: it has ended long ago, and nothing that is still open asks about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, tuple_

from bot.delivery import NOTED_WHEN_DELIVERED
from storage.tables import ENDED, OPEN, PENDING, escalations, lanes, ledger, outbox, requests
from storage.transaction import Transaction

O = outbox.c  # noqa: E741
E = escalations.c
L = lanes.c
R = requests.c


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The keys of what may go."""

    parcels: Sequence[str]
    requests: Sequence[tuple[str, str]]
    lanes: Sequence[str]

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.parcels) + len(self.requests) + len(self.lanes)


async def found(reading: Transaction, before: datetime, limit: int) -> Forgotten:
    """Up to `limit` of each kind.

    A ping or post of an open escalation stays: whether anybody was reached is asked of it. A request goes when nothing has
    happened to its escalation since `before`: each request that was answered left a row in that ledger.
    """
    of = and_(E.workspace == O.workspace, E.id == O.escalation)
    asked = O.errand.in_(sorted(errand.value for errand in NOTED_WHEN_DELIVERED))
    ended = select(O.id).join(escalations, of).where(ENDED, O.ended_at < before, or_(~asked, ~OPEN))
    last = and_(ledger.c.escalation == E.id, ledger.c.seq == E.ledger_seq)
    of = and_(E.workspace == R.workspace, E.id == R.escalation)
    answered = select(R.workspace, R.request).join(escalations, of).join(ledger, last)
    answered = answered.where(ledger.c.recorded_at < before)
    waits = select(O.id).where(O.place == L.place, PENDING).exists()
    unused = select(L.place).where(or_(L.lease_until.is_(None), L.lease_until < before), L.open_at < before, ~waits)
    return Forgotten(
        [row["id"] for row in await reading.rows(ended.order_by(O.ended_at).limit(limit))],
        [(row["workspace"], row["request"]) for row in await reading.rows(answered.limit(limit))],
        [row["place"] for row in await reading.rows(unused.limit(limit))],
    )


async def forget(writing: Transaction, gone: Forgotten) -> None:
    """Delete these rows."""
    if gone.parcels:
        await writing.run(delete(outbox).where(O.id.in_(gone.parcels)))
    if gone.requests:
        await writing.run(delete(requests).where(tuple_(R.workspace, R.request).in_(gone.requests)))
    if gone.lanes:
        free = or_(L.lease_until.is_(None), L.lease_until < L.open_at)
        await writing.run(delete(lanes).where(L.place.in_(gone.lanes), free))
