"""Counts what is stored by indexes alone: a pass over a million open escalations takes a tenth of a second or two."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy import bindparam, case, func, select

from bot.tally import Tally, Waiting
from storage.tables import ACKNOWLEDGED, DUE, PENDING, escalations, outbox
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

E = escalations.c
O = outbox.c  # noqa: E741
NOW = bindparam("now", type_=E.next_due.type)

LEVELS = (
    select(
        E.level,
        func.count().label("open"),
        func.sum(case((E.next_due < NOW, 1), else_=0)).label("overdue"),
        func.min(E.next_due).label("earliest"),
    )
    .where(DUE)
    .group_by(E.level)
)
"""Every open escalation has a `next_due`; the index on (level, next_due) holds all that is asked for."""

TAKEN = select(E.level, func.count().label("acknowledged")).where(ACKNOWLEDGED).group_by(E.level)
OUTBOX = (
    select(O.errand, func.count().label("parcels"), func.min(O.created_at).label("since"))
    .where(PENDING)
    .group_by(O.errand)
)


class SqlTally:
    """`bot.tally.Counts`."""

    def __init__(self, reading: Transactions) -> None:
        self._reading = reading

    async def tally(self, now: datetime) -> Tally:
        async with self._reading() as reading:
            levels = await reading.rows(LEVELS, {"now": now})
            acknowledged = {row["level"]: row["acknowledged"] for row in await reading.rows(TAKEN)}
            waiting = await reading.rows(OUTBOX)
        counts: dict[tuple[int, str], int] = {}
        for row in levels:
            taken = min(acknowledged.get(row["level"], 0), row["open"])
            counts[row["level"], "waiting"] = row["open"] - taken
            counts[row["level"], "acknowledged"] = taken
        return Tally(
            at=now,
            open=counts,
            overdue=sum(row["overdue"] for row in levels),
            overdue_since=min((row["earliest"] for row in levels if row["overdue"]), default=None),
            outbox={row["errand"]: Waiting(row["parcels"], row["since"]) for row in waiting},
        )
