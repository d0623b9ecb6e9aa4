"""The product, put together as app.py does it, around a database and a chat of the benchmark's own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.commands import Act, Actor
from bot.delivery import Chat
from bot.directory import Address, PersonId
from bot.errors import Refused
from bot.events import Acknowledged
from bot.facts import FactKind
from bot.outcome import Outcome
from bot.ports import Clock
from bot.readers import Readers
from matrix.agreement import Files, read_files
from matrix.fixed import FixedDirectories
from scheduler.calendar import BusinessCalendar
from scheduler.clock import SystemClock
from scheduler.engine import Engine
from scheduler.process import settle
from scheduler.wiring import ApsBells
from storage.database import Database
from storage.ids import RandomIds

DIRECTORY = """
workspace:
  id: acme
  name: Acme
  calendar: office
  default_matrix: support-process
  admins: [slack:UADMIN]
  admin_channel: slack:CADMIN
calendars:
  office: {zone: Europe/Paris, hours: {mon-thu: ["09:00-12:30", "13:30-17:30"], fri: ["09:00-16:00"]}, holidays: FR}
roles:
  customer-support-representative: {owners: [slack:UREP], channel: slack:CREP}
  senior-support-specialist: {owners: [slack:USENIOR], channel: slack:CSENIOR}
  support-team-supervisor: {owners: [slack:USUPER], channel: slack:CSUPER}
  department-head: {owners: [slack:UHEAD], channel: slack:CHEAD}
  technical-manager: {owners: [slack:UTECH], channel: slack:CTECH}
  chief-operating-officer: {owners: [slack:UCOO], channel: slack:CCOO}
  vp-customer-operations: {owners: [slack:UVP], channel: slack:CVP}
"""
OPENER = PersonId(Address("slack:UOPENER"))
OWNERS = tuple(PersonId(Address(f"slack:U{name}")) for name in ("REP", "SENIOR", "SUPER", "HEAD", "TECH", "COO", "VP"))
"""Who holds level 1, 2 … 7 of the support process."""


def files() -> Files:
    """The seven-level support process and an office with lunch breaks, short Fridays and public holidays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "directory.yaml"
        path.write_text(DIRECTORY, encoding="utf-8")
        return read_files(path, None, BusinessCalendar, frozenset({"slack"}))


class NoChat:
    """For benchmarks that send nothing: `bot.delivery.Chat` and `bot.ports.Membership`."""

    async def post(self, to: Address, message: Any, *, key: str, thread: Any = None) -> Any:
        """Nobody is here."""
        raise Refused("not_part_of_this_benchmark")

    async def edit(self, ref: Any, message: Any) -> None:
        """Nobody is here."""
        raise Refused("not_part_of_this_benchmark")

    async def find(self, to: Address, key: str, thread: Any = None) -> Any:
        """Nothing was sent."""
        return None

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """In no channel."""
        return False


@asynccontextmanager
async def desk(
    url: str,
    clock: Clock,
    *,
    bells: bool = True,
    chat: Chat | None = None,
    pace: dict[str, float] | None = None,
    migrate: bool = True,
    watch: "Watch | None" = None,
) -> AsyncIterator[tuple[Database, Engine]]:
    """A database that is open and an engine around it that does not run yet."""
    given = files()
    ids = RandomIds(clock)
    database = Database.open(url, ids)
    try:
        if migrate:
            await database.migrate()
        people = database.people(given.directory.workspace)
        await people.load()
        directories = FixedDirectories(given.directory, people.members)
        engine = Engine.built(
            store=watch.over(database) if watch else database,
            clock=clock,
            ids=ids,
            plans=given.plans,
            people=people,
            directories=directories,
            readers=Readers(directories, people),
            chat=chat or NoChat(),
            membership=NoChat(),
            ring=ApsBells if bells else None,
            pace=pace,
        )
        settle()
        yield database, engine
    finally:
        await database.close()


@asynccontextmanager
async def timers_running(engine: Engine) -> AsyncIterator[None]:
    """All of the engine but the pump: what is to be sent stays in the outbox, as it does with the alternatives."""
    if engine.bells:
        engine.bells.start()
    sweeping, guarding = (asyncio.create_task(part) for part in (engine.timers.run(), engine.timers.guard()))
    engine.timers.ring()
    try:
        yield
    finally:
        guarding.cancel()
        if engine.bells:
            engine.bells.stop()
        await engine.timers.idle()  # nobody is stopped in the middle of a transaction
        sweeping.cancel()
        await asyncio.gather(sweeping, guarding, return_exceptions=True)


def acknowledging(engine: Engine) -> Callable[[int], Awaitable[object]]:
    """The owner of level 1 takes the escalation with this number."""
    return lambda number: engine.service.act(Act(owner(1), f"ack-{number}", number, Acknowledged(OWNERS[0])))


async def migrated(url: str) -> None:
    """Give a database the product's tables."""
    database = Database.open(url, RandomIds(SystemClock()))
    try:
        await database.migrate()
    finally:
        await database.close()


def owner(level: int) -> Actor:
    """Whoever holds a level."""
    return Actor(OWNERS[level - 1])


class Watch:
    """Notes every window that ended, at the commit that says so: (seconds, level, seconds of lateness)."""

    def __init__(self, now: Callable[[], datetime], seconds: Callable[[], float]) -> None:
        self._now, self._seconds = now, seconds
        self.ended: list[tuple[float, int, float]] = []

    def over(self, store: Database) -> Any:
        """`store` itself, watched."""
        return _WatchedStore(store, self)

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """These are stored now."""
        seconds, now = self._seconds(), self._now()
        for outcome in outcomes:
            for fact in outcome.facts:
                if fact.kind is FactKind.WINDOW_ENDED and fact.at:
                    self.ended.append((seconds, fact.level or 0, (now - fact.at).total_seconds()))


class _WatchedStore:
    def __init__(self, store: Database, watch: Watch) -> None:
        self._store, self._watch = store, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def units(self) -> AsyncIterator[Any]:
        async with self._store.units() as unit:
            yield _WatchedUnit(unit, self._watch)


class _WatchedUnit:
    def __init__(self, unit: Any, watch: Watch) -> None:
        self._unit, self._watch = unit, watch
        self._saved: list[Outcome] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    async def save_all(self, outcomes: Sequence[Outcome], **more: Any) -> None:
        await self._unit.save_all(outcomes, **more)
        self._saved.extend(outcomes)

    async def commit(self) -> None:
        await self._unit.commit()
        self._watch.note(self._saved)
        self._saved.clear()
