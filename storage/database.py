"""Opens a database and hands out what the core asks for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.directory import WorkspaceId
from bot.ports import Ids
from storage.archive import SqlArchive
from storage.audit import SqlAudits
from storage.conversations import SqlConversations
from storage.engine import create_engine, is_sqlite
from storage.erasure import SqlErasure, SqlHousekeeping
from storage.export import lines
from storage.frozen import end_frozen
from storage.migrate import migrate
from storage.outbox import SqlOutbox
from storage.people import SqlPeople
from storage.record import PlanShelf
from storage.snapshot import snapshots
from storage.statistics import count_rows
from storage.tally import SqlTally
from storage.transaction import Transaction, transaction
from storage.unit_of_work import SqlUnitOfWork


class Database:
    """One database. On SQLite writers queue here, first come first served, instead of fighting for the file."""

    def __init__(self, engine: AsyncEngine, ids: Ids) -> None:
        self.engine = engine
        self._ids = ids
        self._writers = engine.execution_options(writing=True)
        self._turn = asyncio.Lock() if is_sqlite(engine) else None
        self._plans = PlanShelf()
        self._owner = ids.new()

    @property
    def alone(self) -> bool:
        """Whether one process at a time uses this database: a file, locked by `storage.single`."""
        return self._turn is not None

    @classmethod
    def open(cls, url: str, ids: Ids) -> "Database":
        """For a URL; connects at first use. Raises ConfigurationError."""
        return cls(create_engine(url), ids)

    async def migrate(self) -> None:
        """Bring the schema up to date. Raises ConfigurationError or StoreUnavailable."""
        await migrate(self.engine)
        if not self.alone:
            await count_rows(self.writing)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def ping(self) -> None:
        """Raises StoreUnavailable when the database does not answer."""
        async with self.reading() as reading:
            await reading.run(select(1))

    async def time(self) -> datetime:
        """A server's time in the moment of its answer; a file has none. Raises StoreUnavailable."""
        async with self.reading() as reading:
            told: datetime = (await reading.run(select(func.clock_timestamp()))).scalar_one()
        return told.astimezone(UTC)

    async def end_frozen(self) -> None:
        """Free what a process that stands still keeps locked on a server. Raises StoreUnavailable."""
        await end_frozen(self.reading)

    @asynccontextmanager
    async def units(self) -> AsyncGenerator[SqlUnitOfWork]:
        """One unit of work."""
        async with self.writing() as writing:
            yield SqlUnitOfWork(writing, self._plans, self._ids)

    def archive(self) -> SqlArchive:
        """For reading."""
        return SqlArchive(self.reading, self._plans)

    def outbox(self) -> SqlOutbox:
        """The parcels, leased in the name of this process."""
        return SqlOutbox(self.writing, self.reading, self._plans, self._ids, owner=self._owner)

    def counts(self) -> SqlTally:
        """For the metrics."""
        return SqlTally(self.reading)

    def audits(self) -> SqlAudits:
        """The auditor's eyes and memory, of this process."""
        return SqlAudits(snapshots(self.engine), self.writing, self._ids)

    def erasure(self) -> SqlErasure:
        """For forgetting a person."""
        return SqlErasure(self.writing, self.reading, self._ids)

    def housekeeping(self) -> SqlHousekeeping:
        """What is erased or thrown away when its time has come."""
        return SqlHousekeeping(self.erasure(), self.outbox())

    def export(self, now: datetime) -> AsyncGenerator[str]:
        """Everything as JSON Lines, as of one instant."""
        return lines(snapshots(self.engine), now)

    def people(self, workspace: WorkspaceId) -> SqlPeople:
        """What is known of the people of a workspace; `await people.load()` once before use."""
        return SqlPeople(workspace, self.writing, self.reading)

    def conversations(self, workspace: WorkspaceId) -> SqlConversations:
        """Where people and channels can be reached; `await conversations.load()` once before use."""
        return SqlConversations(workspace, self.writing, self.reading)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Transaction]:
        """A transaction that only reads."""
        async with transaction(self.engine) as reading:
            yield reading

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[Transaction]:
        """A transaction that may write; keep nothing but database work inside."""
        if self._turn is None:
            async with transaction(self._writers) as writing:
                yield writing
            return
        async with self._turn, transaction(self._writers) as writing:
            yield writing
