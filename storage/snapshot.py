"""Reading as of one instant: what others commit meanwhile is not seen, so that rows can be held against each other."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from storage.engine import is_sqlite
from storage.transaction import Transaction, transaction

Snapshots = Callable[[], AbstractAsyncContextManager[Transaction]]


def snapshots(engine: AsyncEngine) -> Snapshots:
    """Makes transactions that read and see one state from their first statement to their last.

    SQLite's readers always do. PostgreSQL takes a new view for every statement unless it is told otherwise.
    """
    still = engine if is_sqlite(engine) else engine.execution_options(isolation_level="REPEATABLE READ")

    @asynccontextmanager
    async def snapshot() -> AsyncGenerator[Transaction]:
        async with transaction(still) as reading:
            yield reading

    return snapshot
