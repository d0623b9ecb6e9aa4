"""Distinct values of an indexed column with the earliest instant of each: one seek per value, however many rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from storage.tables import DUE, REMINDED, RUNNING, escalations
from storage.transaction import Transaction

E = escalations.c


def _each(column: ColumnElement[Any], instant: ColumnElement[Any], where: ColumnElement[bool]) -> Select[Any, Any]:
    """Skips through an index on (column, instant), from each value to the next lower one."""
    found = select(func.max(column).label("value")).where(where).cte("found", recursive=True)
    lower = select(func.max(column)).where(where, column < found.c.value).scalar_subquery()
    found = found.union_all(select(lower).where(found.c.value.is_not(None)))
    earliest = select(func.min(instant)).where(where, column == found.c.value).scalar_subquery()
    return select(found.c.value, earliest.label("earliest")).where(found.c.value.is_not(None))


LEVELS = _each(E.level, E.next_due, DUE)
WINDOWS = _each(E.window, E.deadline, RUNNING)
REMINDER = select(func.min(E.reminder_due)).where(REMINDED)


async def due_levels(reading: Transaction, now: datetime) -> list[int]:
    """The levels at which something is due, the highest first."""
    found = await reading.rows(LEVELS)
    return sorted((row["value"] for row in found if row["earliest"] < now), reverse=True)


async def windows(reading: Transaction) -> list[tuple[str, datetime]]:
    """The windows that run somewhere, and when the first of each ends."""
    return sorted((row["value"], row["earliest"]) for row in await reading.rows(WINDOWS))


async def earliest_reminder(reading: Transaction) -> datetime | None:
    """When somebody is to be reminded next."""
    return (await reading.run(REMINDER)).scalar_one()


async def earliest_due(reading: Transaction) -> datetime | None:
    """When anything is due next."""
    return min((row["earliest"] for row in await reading.rows(LEVELS)), default=None)
