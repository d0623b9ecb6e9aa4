"""The auditor's task: once a minute of the monotonic clock; what it finds the admins are told, and nobody outside hears."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from bot.audit import Finding, FindingKind
from bot.delivery import MessageRef
from bot.directory import Address, WorkspaceId
from bot.errors import DeliveryError, Refused, StoreUnavailable, Unreachable
from bot.message import Line, Profile
from bot.plan import FR
from bot.readers import Readers
from bot.signals import Silence
from bot.state import EscalationId
from matrix.fixed import FixedDirectories
from scheduler.auditor import Auditor, Rounds
from storage.database import Database
from storage.tables import escalations
from tests.acceptance.recording import RecordingChat
from tests.acceptance.world import FRIDAY, World, a_directory, built_world, said, who
from tests.fakes import FakeClock

ADMINS = Address("chat:#admins")


def a_finding(number: int = 7, kind: FindingKind = FindingKind.OVERDUE) -> Finding:
    return Finding(kind, WorkspaceId("acme"), EscalationId(f"esc{number}"), number, 2, FRIDAY)


@dataclass
class Books:
    """`bot.audit.Audits`, told what to find."""

    found: Sequence[Finding] = ()
    looks: list[datetime] = field(default_factory=list)
    said: list[Finding] = field(default_factory=list)
    away: bool = False
    mends: bool = False

    async def look(self, now: datetime) -> Sequence[Finding]:
        self.looks.append(now)
        if self.away:
            raise StoreUnavailable("away")
        return self.found

    async def repair(self, finding: Finding, now: datetime) -> bool:
        return self.mends

    async def news(self, found: Sequence[Finding], now: datetime) -> Sequence[Finding]:
        return [finding for finding in found if finding.key not in {known.key for known in self.said}]

    async def told(self, found: Sequence[Finding], now: datetime) -> None:
        self.said += found


@dataclass
class House:
    """`bot.audit.Housekeeping`: so many to erase and to prune."""

    old: int = 0
    ended: int = 0
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    async def erase_older(self, before: datetime, limit: int, now: datetime) -> int:
        self.asked.append(("erase", before))
        done, self.old = min(self.old, limit), max(0, self.old - limit)
        return done

    async def prune(self, before: datetime, limit: int) -> int:
        self.asked.append(("prune", before))
        done, self.ended = min(self.ended, limit), max(0, self.ended - limit)
        return done


@dataclass
class Beats:
    """`bot.audit.Heartbeat`, counted."""

    count: int = 0

    async def beat(self) -> None:
        self.count += 1


class NobodyKnown:
    """`bot.ports.People` without people."""

    def profile(self, person):
        return Profile(person, person)


@dataclass
class Office:
    """An auditor, and everything around it."""

    books: Books = field(default_factory=Books)
    chat: RecordingChat = field(default_factory=RecordingChat)
    beats: Beats = field(default_factory=Beats)
    house: House = field(default_factory=House)
    clock: FakeClock = field(default_factory=lambda: FakeClock(FRIDAY))
    woken: list[None] = field(default_factory=list)
    retention: timedelta | None = None

    def auditor(self, every: float = 60.0, **changes: object) -> Auditor:
        directories = FixedDirectories(a_directory(**changes))
        return Auditor(
            rounds=Rounds(self.books, self.house, self.beats, self.retention, every),
            chat=self.chat,
            readers=Readers(directories, NobodyKnown()),  # type: ignore[arg-type]
            directories=directories,
            zone="Europe/Paris",
            clock=self.clock,
            after=lambda: self.woken.append(None),
            signals=Silence(),
        )


@pytest.fixture
def office() -> Office:
    return Office()


@asynccontextmanager
async def running(auditor: Auditor) -> AsyncIterator[None]:
    task = asyncio.ensure_future(auditor.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_looks_once_a_minute_of_the_monotonic_clock(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("scheduler.auditor.TICK", 0.001)
    async with running(office.auditor()):
        for second in range(190):
            office.clock.forward(seconds=1)
            if second == 100:
                office.clock._now -= timedelta(hours=1)  # the wall clock steps, and nothing comes of it
            await asyncio.sleep(0.005)

    assert len(office.books.looks) == 3


async def test_all_is_well_and_something_outside_hears_it(office: Office):
    auditor = office.auditor()

    assert await auditor.audit() == []

    assert (office.beats.count, office.chat.shown, await auditor.health()) == (1, [], "ok")


async def test_a_finding_is_told_to_the_admins_shown_in_readyz_logged_and_stops_the_heartbeat(
    office: Office, caplog: pytest.LogCaptureFixture
):
    office.books.found = [a_finding(7), a_finding(9, FindingKind.PARKED)]
    auditor = office.auditor()

    with caplog.at_level(logging.ERROR, "echelon.auditor"):
        await auditor.audit()
        await auditor.audit()

    (shown,) = office.chat.at("#admins")
    assert isinstance(shown.message, Line)
    assert [said(Line(shown.message.language, item, "")) for item in shown.message.items] == [
        "ESC-7 has been due since Fri 20 Nov 16:30, Paris, and nothing has happened.",
        "ESC-9 cannot be handled and is put aside until Fri 20 Nov 16:30, Paris; nobody is pinged for it meanwhile.",
    ]
    assert await auditor.health() == "2 findings: ESC-7 overdue, ESC-9 parked"
    assert len(caplog.messages) == 2
    assert office.beats.count == 0

    office.books.found = ()
    await auditor.audit()
    assert (office.beats.count, await auditor.health()) == (1, "ok")


async def test_many_findings_are_one_alarm(office: Office):
    office.books.found = [a_finding(number) for number in range(200)]

    await office.auditor().audit()

    (shown,) = office.chat.at("#admins")
    assert isinstance(shown.message, Line)
    assert len(shown.message.items) == 11
    assert "190 more" in shown.message.fallback


async def test_an_alarm_speaks_the_language_of_its_channel(office: Office):
    office.books.found = [a_finding()]

    await office.auditor(language=FR).audit()

    assert "anomalie" in said(office.chat.at("#admins")[0].message)


@pytest.mark.parametrize(
    ("error", "heard", "told"),
    [(Refused("is_archived"), ["chat:admin"], True), (Unreachable("503"), [], False)],
)
async def test_a_channel_that_refuses_passes_the_alarm_on_and_one_that_is_away_gets_it_later(
    office: Office, error: DeliveryError, heard: list[str], told: bool
):
    office.books.found, office.chat.away[ADMINS] = [a_finding()], error
    auditor = office.auditor()

    await auditor.audit()

    assert [shown.to for shown in office.chat.shown] == heard
    assert bool(office.books.said) == told
    office.chat.away.clear()
    await auditor.audit()
    assert [shown.to for shown in office.chat.shown] == (heard or [ADMINS])


async def test_an_alarm_that_is_sent_twice_has_one_key(office: Office):
    keys: list[str] = []

    class Dropping(RecordingChat):
        async def post(self, to: Address, message, *, key: str, thread=None) -> MessageRef:
            keys.append(key)
            raise Unreachable("dropped", uncertain=True)

    office.books.found, office.chat = [a_finding()], Dropping()
    auditor = office.auditor()
    await auditor.audit()
    await auditor.audit()
    office.books.found = [a_finding(8)]
    await auditor.audit()

    assert len(keys) == 3
    assert len(set(keys)) == 2


async def test_what_it_mended_wakes_the_others(office: Office):
    office.books.found, office.books.mends = [a_finding(7, FindingKind.MISTIMED)], True

    found = await office.auditor().audit()

    assert found[0].repaired
    assert office.woken
    assert (
        "Mended" in said(office.chat.at("#admins")[0].message)
        or "Mended" in office.chat.at("#admins")[0].message.fallback
    )


async def test_a_store_that_is_away_ends_nothing_and_readyz_says_when_the_last_audit_was(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("scheduler.auditor.TICK", 0.001)
    office.books.away = True
    auditor = office.auditor()
    async with running(auditor):
        for _ in range(7):
            office.clock.forward(minutes=1)
            await asyncio.sleep(0.01)
        assert await auditor.health() == "the last audit was 420 s ago"
        assert office.beats.count == 0
        office.books.away = False
        office.clock.forward(minutes=1)
        await asyncio.sleep(0.01)

    assert await auditor.health() == "ok"


async def test_it_keeps_house_once_a_day_a_little_at_a_time(office: Office):
    office.retention, office.house.old, office.house.ended = timedelta(days=10), 1_030, 500
    auditor = office.auditor()
    await auditor.tidy()
    assert office.house.old == 30
    await auditor.tidy()
    assert (office.house.old, office.house.ended) == (0, 0)
    asked = len(office.house.asked)

    await auditor.tidy()
    assert len(office.house.asked) == asked
    office.clock.forward(hours=25)
    await auditor.tidy()
    assert office.house.asked[asked:] == [
        ("erase", office.clock.now() - timedelta(days=10)),
        ("prune", office.clock.now() - timedelta(days=10)),
    ]


async def test_without_retention_texts_stay_and_what_has_ended_goes_after_a_month(office: Office):
    office.house.old = 5

    await office.auditor().tidy()

    assert office.house.asked == [("prune", office.clock.now() - timedelta(days=30))]


# With a real store


@pytest.fixture
async def real(database: Database) -> World:
    """A world that is audited, moved by hand."""
    world = await built_world(database, rounds=Rounds(database.audits(), database.housekeeping()))
    await world.says("opener", "checkout fails")
    return world


async def test_a_row_that_another_process_holds_for_ever_is_told_within_two_minutes(real: World):
    if real.database.alone:
        pytest.skip("on a file nobody else can hold a row")
    auditor = real.engine.auditor
    assert auditor
    async with real.database.writing() as holding:
        await holding.rows(select(escalations).with_for_update())
        real.clock.forward(minutes=15)
        for _ in range(120):
            real.clock.forward(seconds=1)
            await real.engine.timers.sweep()
        await auditor.audit()

    assert "ESC-1 overdue" in await auditor.health()
    assert "ESC-1" in real.chat.at("#admins")[0].message.fallback


async def test_a_damaged_row_that_is_put_aside_is_told_although_nobody_can_read_it(real: World):
    auditor = real.engine.auditor
    assert auditor
    async with real.database.writing() as writing:
        await writing.run(update(escalations).values(state="{"))
        await writing.commit()
    await real.forward(minutes=15)

    await auditor.audit()
    for _ in range(10):
        await real.forward(minutes=20)
        await auditor.audit()

    (shown,) = real.chat.at("#admins")
    assert "cannot be read" in shown.message.fallback
    assert "put aside" in shown.message.fallback
    assert who("admin")
