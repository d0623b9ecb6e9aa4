"""A server plans by what it has counted. Tables that were restored or copied it never counted: the start asks for it."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import text

from bot.errors import Conflict, StoreUnavailable
from storage.tables import metadata
from storage.transaction import Transaction

log = logging.getLogger("echelon.storage")

LARGE = 1_000_000
"""Bytes: of a smaller table any plan is good."""

COARSELY = text("SET LOCAL default_statistics_target = 10")
NEVER_COUNTED = text(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
    " AND reltuples < 0 AND pg_relation_size(oid) > :large AND relname = ANY(:ours)"
)


async def count_rows(writing: Callable[[], AbstractAsyncContextManager[Transaction]]) -> list[str]:
    """Have PostgreSQL look at our large tables that it has never counted; returns their names, none if it would not.

    It looks at 3,000 rows of each: its own daily count is finer, but this one is waited for. A table at which somebody else
    is just looking is left to them.
    """
    try:
        return await _count(writing)
    except (
        Conflict,
        StoreUnavailable,
    ) as error:  # slow for some minutes, until it counts by itself, is better than down
        log.warning("The tables could not be counted: %s", error, extra={"action": "tables_not_counted"})
        return []


async def _count(writing: Callable[[], AbstractAsyncContextManager[Transaction]]) -> list[str]:
    async with writing() as transaction:
        await transaction.run(COARSELY)
        found = await transaction.rows(NEVER_COUNTED, {"large": LARGE, "ours": list(metadata.tables)})
        names = sorted(row["relname"] for row in found)
        for name in names:
            await transaction.run(text(f"ANALYZE (SKIP_LOCKED) {name}"))
        await transaction.commit()
    return names
