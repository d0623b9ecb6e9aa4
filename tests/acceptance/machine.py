"""A whole Echelon on a real database, with a movable clock and a chat that misbehaves, driven by Hypothesis.

Everything that people, the clock, the platform and a dying process may do comes in any order; the promises hold all the
while. `tests/acceptance/test_machine.py` runs it: briefly with every test run, long with `make machine`.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Row, text

from bot import bundles, failpoints
from bot.delivery import MessageRef
from bot.directory import Address
from bot.errors import Refused, Unreachable
from bot.facts import FactKind
from bot.message import Card, FormErrors, Line, Message, Reply, Tone
from bot.state import Escalation
from drill.points import points
from matrix.builtin import builtin_text
from scheduler.engine import Engine
from storage.database import Database
from tests.acceptance.recording import RecordingChat
from tests.acceptance.world import SUPPORT, World, a_directory, built_world, said, who
from tests.fakes import CountingIds, FakeClock

OWNER = "owner"
"""Whoever is asked at this moment."""

PEOPLE = st.sampled_from((OWNER, OWNER, "opener", *SUPPORT.values()))
PLACES = st.sampled_from([f"{sign}{name}" for name in SUPPORT.values() for sign in ("", "#")] + ["admin", "#admins"])
NUMBERS = st.integers(0, 5)
"""Which of those there are; counted round."""

MOST = 6
WORDS = st.sampled_from(("checkout fails", "type: no", "<!channel> *x* & https://x.test", "تعطل", "list of customers"))
TIMES = st.sampled_from([timedelta(seconds=31), *(timedelta(minutes=n) for n in (8, 16, 120, 540)), timedelta(days=3)])
DEEDS = st.sampled_from(
    ("ack", "release", "more {n} 30m", "more {n} 2bh", "handover {n} @chat:coo", "handover {n} @chat:rep",
     "resolve {n} restarted it", "cancel {n} not needed", "reopen {n} it is back")
)  # fmt: skip
MATRICES = {
    window: builtin_text("support-process").replace("window: 15m", f"window: {window}", 1)
    for window in ("15m", "30bm", "5m", "none")
}
"""By the window of the first level."""

HERE = {"carrier", "marks", "outbox", "pump", "timers", "transaction", "unit"}
"""What a deed of this world passes. What starts and stops a process, and what talks to a platform, dies in the drill."""

DYING = st.sampled_from([f"{point}:{nth}" for point in points() if point.partition(".")[0] in HERE for nth in (1, 2)])
DEATHS, RARE_DEATHS = st.just("") | DYING, st.just("") | st.just("") | st.just("") | DYING
"""The place at which the process dies, and the how manyth time it comes by; "" is nowhere."""

RESULT = TypeVar("RESULT")


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


@dataclass
class FaultyChat(RecordingChat):
    """Loses replies, asks for patience, fails, and knows what was resolved before it was sent something."""

    finds: bool = True
    faults: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    over: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        fault = self._fault()
        self.asks_for_what_is_over(message)
        ref = await super().post(to, message, key=key, thread=thread)
        if fault == "lost":
            self.lost[key] += 1
            raise Unreachable("timeout", uncertain=True)
        return ref

    async def edit(self, ref: MessageRef, message: Message) -> None:
        fault = self._fault()
        await super().edit(ref, message)
        if fault == "lost":
            raise Unreachable("timeout", uncertain=True)

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        return await super().find(to, key, thread) if self.finds else None

    def heal(self) -> None:
        """All is well from now on."""
        self.faults.clear()
        self.away.clear()

    def _fault(self) -> str:
        """What goes wrong now. Raises Unreachable for what nobody will ever see."""
        fault = self.faults.pop() if self.faults else ""
        if fault == "limited":
            raise Unreachable("ratelimited", retry_after=20.0)
        if fault == "broken":
            raise Unreachable("server_error")
        return fault

    def asks_for_what_is_over(self, message: Message) -> None:
        """Nobody is asked to act on what was resolved before the message was made."""
        asked = [message.headline] if isinstance(message, Card) and message.tone is Tone.WAITING else []
        if isinstance(message, Line) and message.buttons and message.tone is Tone.WAITING:
            asked += [said(message), *("".join(map(str, item)) for item in message.items)]
        for number in {int(found) for words in asked for found in re.findall(r"ESC-(\d+)", words)} & self.over:
            self.wrong.append(f"asked for ESC-{number}, which was over: {asked}")


class Life(RuleBasedStateMachine):
    """Some escalations, from nothing to the day on which everything works again."""

    loop: asyncio.AbstractEventLoop
    fresh: Callable[[], Awaitable[Database]]
    """An empty database for each run; both are set by whoever runs the machine."""

    database: Database

    world: World
    chat: FaultyChat

    # The beginning

    @initialize(finds=st.booleans())
    def begins(self, finds: bool) -> None:
        self.requests = count(1)
        self.crashes = 0
        self.matrix = MATRICES["15m"]
        self.opened: set[int] = set()
        self.numbers: list[int] = []
        self.notes: Counter[str] = Counter()
        self.ids = CountingIds("e")
        self.clock: FakeClock | None = None
        self.chat = FaultyChat(finds=finds)
        self.others: list[Engine] = []
        self.database = self.run(type(self).fresh())
        self.run(self.starts())
        self.opens("opener", "checkout fails")  # some lives never open another one

    async def starts(self) -> None:
        """A process starts on the database as it is."""
        database = Database(self.database.engine, self.ids)
        world = await built_world(
            database, clock=self.clock, directory=a_directory(fallback_owner=who("admin")), chat=self.chat,
            ids=self.ids, matrices={"support-process": self.matrix},
        )  # fmt: skip
        world.requests = (
            self.requests
        )  # a platform goes on counting when we start anew; what it repeats is a repetition
        self.world, self.clock = world, world.clock
        if database.alone:
            await database.outbox().reclaim(world.clock.now())

    def run(self, work: Awaitable[RESULT]) -> RESULT:
        return self.loop.run_until_complete(work)  # type: ignore[arg-type]

    def does(self, deed: Callable[[], Awaitable[RESULT]], dies_at: str = "") -> RESULT | None:
        """A deed, by a process that may die in the middle of it; None then, and a new process has started."""
        failpoints.arm(dies_at, crash)
        try:
            return self.run(deed())
        except (Crash, BaseExceptionGroup) as error:
            if isinstance(error, BaseExceptionGroup) and error.split(Crash)[1] is not None:
                raise
            self.crashes += 1
        finally:
            failpoints.arm("")
        self.run(self.starts())
        return None

    def request(self) -> str:
        return f"r{next(self.requests)}"

    # What people do

    @precondition(lambda self: len(self.numbers) < MOST)
    @rule(name=PEOPLE, words=WORDS, twice=st.booleans(), dies=DEATHS)
    def someone_opens(self, name: str, words: str, twice: bool, dies: str) -> None:
        self.opens("opener" if name == OWNER else name, words, twice=twice, dies=dies)

    def opens(self, name: str, words: str, *, twice: bool = False, dies: str = "") -> None:
        """By one request, which may come twice."""
        request = self.request()
        for _ in range(1 + twice):
            reply = self.does(lambda: self.world.says(name, f"new {words}", request=request), dies)
            if reply is not None and (number := re.match(r"ESC-(\d+) is open", said(reply))):
                self.opened.add(int(number[1]))

    @rule(name=PEOPLE, number=NUMBERS, deed=DEEDS, dies=RARE_DEATHS)
    def someone_types(self, name: str, number: int, deed: str, dies: str) -> None:
        name, number = self.chosen(name, number)
        words = deed.format(n=f"ESC-{number}") if "{n}" in deed else f"{deed} ESC-{number}"
        with self.reopening(number) if deed.startswith("reopen") else nullcontext():
            self.hears(self.does(lambda: self.world.says(name, words), dies), number)

    @rule(name=PEOPLE, number=NUMBERS, twice=st.booleans(), dies=RARE_DEATHS)
    def someone_notes(self, name: str, number: int, twice: bool, dies: str) -> None:
        name, number = self.chosen(name, number)
        request = self.request()
        for _ in range(1 + twice):
            reply = self.does(
                lambda: self.world.says(name, f"note ESC-{number} about {request}", request=request), dies
            )
            if reply is not None and said(reply) == f"Added to ESC-{number}.":
                self.notes[f"{number} about {request}"] = 1

    @rule(name=PEOPLE, number=NUMBERS, dies=RARE_DEATHS)
    def someone_escalates(self, name: str, number: int, dies: str) -> None:
        name, number = self.chosen(name, number)
        reply = self.does(lambda: self.world.says(name, f"up ESC-{number} it burns"))
        if reply is not None and reply.form is not None:
            form = reply
            self.hears(self.does(lambda: self.world.submits(name, form), dies), number)

    @rule(name=PEOPLE, number=NUMBERS, back=st.integers(0, 2), press=st.sampled_from(("acknowledge", "release")))
    def someone_presses_a_button(self, name: str, number: int, back: int, press: str) -> None:
        """Of the newest card or of an old one."""
        name, number = self.chosen(name, number)
        escalation = self.run(self.world.escalation(number))
        subject = f"{escalation.id}:{max(1, escalation.entry.number - back)}"
        reception = self.world.engine.reception
        self.does(lambda: reception.pressed(self.world.actor(name), press, subject, request=self.request()))

    @rule(name=PEOPLE, dies=RARE_DEATHS)
    def someone_takes_all(self, name: str, dies: str) -> None:
        name, _ = self.chosen(name, len(self.numbers) - 1)
        subject = str(bundles.subject(self.world.clock.now()))
        press, actor = bundles.ACKNOWLEDGE_MINE, self.world.actor(name)
        self.does(lambda: self.world.engine.reception.pressed(actor, press, subject, request=self.request()), dies)
        self.does(self.world.ticks)

    def hears(self, reply: Reply | FormErrors | None, number: int) -> None:
        """What was answered is true from then on."""
        if reply is None:  # whether it was recorded, the person was not told
            self.run(self.looks(number))
            return
        words = said(reply)
        if words.startswith((f"ESC-{number} is resolved", f"ESC-{number} is cancelled")):
            self.chat.over.add(number)

    @contextmanager
    def reopening(self, number: int) -> Iterator[None]:
        """People are asked again before whoever reopens has the answer; if it was refused, they were asked wrongly."""
        before = len(self.chat.shown)
        self.chat.over.discard(number)
        yield
        self.run(self.looks(number))
        for shown in self.chat.shown[before:]:
            self.chat.asks_for_what_is_over(shown.message)

    async def looks(self, number: int) -> None:
        if (await self.world.escalation(number)).is_open:
            self.chat.over.discard(number)
        else:
            self.chat.over.add(number)

    def chosen(self, name: str, number: int) -> tuple[str, int]:
        """The name of a person, and the number of an escalation that is there."""
        number = self.numbers[number % len(self.numbers)]
        if name == OWNER:
            assignees = self.run(self.world.escalation(number)).entry.assignees
            name = assignees[0].removeprefix("chat:") if assignees else "opener"
        return name, number

    # What time and the world do

    @rule(time=TIMES, dies=RARE_DEATHS)
    def time_passes(self, time: timedelta, dies: str) -> None:
        self.does(lambda: self.world.forward(seconds=time.total_seconds()), dies)

    @rule(time=TIMES)
    def nobody_works_for_a_while(self, time: timedelta) -> None:
        self.world.clock.forward(seconds=time.total_seconds())
        self.does(self.world.ticks)

    @rule()
    def the_process_is_started_anew(self) -> None:
        self.run(self.starts())
        self.does(self.world.ticks)

    @precondition(lambda self: not self.database.alone)
    @rule()
    def another_replica_goes_on_with_the_work(self) -> None:
        """The one before keeps its leases, and never ends them."""
        self.run(self.starts())

    @rule(window=st.sampled_from(sorted(MATRICES)))
    def the_matrix_file_is_edited(self, window: str) -> None:
        before = self.run(self.deadlines())
        self.matrix = MATRICES[window]
        self.run(self.starts())
        assert self.run(self.deadlines()) == before, "an edit never moves a deadline that somebody has read"

    @rule(fault=st.sampled_from(("lost", "limited", "broken")), times=st.integers(1, 3))
    def the_platform_fails(self, fault: str, times: int) -> None:
        self.chat.faults += [fault] * times

    @rule(place=PLACES, why=st.sampled_from(("user_disabled", "is_archived", "not_in_channel")))
    def a_place_is_gone(self, place: str, why: str) -> None:
        self.chat.away[Address(f"chat:{place}")] = Refused(why)

    @rule()
    def the_platform_is_well_again(self) -> None:
        self.chat.heal()
        self.does(self.world.ticks)

    async def deadlines(self) -> list[Any]:
        return await _column(self.database, "select next_due from escalations order by number")

    # What always holds

    @invariant()
    def what_is_stored_is_whole(self) -> None:
        """Nothing is forgotten, each entry begins exactly once, and what was answered is there."""
        rows = self.run(_rows(self.database, STANDING))
        for row in rows:
            assert (row.next_due is not None) == (row.status in OPEN), f"nothing is due, or something is: {row}"
            assert row.rows == row.entries == row.entry, f"entries and their ledger rows differ: {row}"
        self.numbers = [row.number for row in rows]
        assert self.opened <= set(self.numbers), "somebody was told that it is open"
        assert self.numbers == list(range(1, len(self.numbers) + 1))
        gone = self.chat.over & {row.number for row in rows if row.status in OPEN}
        assert not gone, f"somebody was told that they are over: {gone}"

    @invariant()
    def nobody_is_asked_for_what_is_over(self) -> None:
        assert not self.chat.wrong, self.chat.wrong

    @invariant()
    def no_message_comes_twice(self) -> None:
        """A platform that can be asked is asked; another gets at most one more for each reply lost and each crash."""
        posted = Counter(shown.key for shown in self.chat.shown)
        for key, times in posted.items():
            allowed = 1 if self.chat.finds else 1 + self.chat.lost[key] + self.crashes
            assert times <= allowed, f"{key} came {times} times"

    # The end: everything works again, and nothing is left

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.chat.heal()
        self.run(self.starts())
        for _ in range(4):
            self.run(self.world.forward(minutes=31))
        self.run(self.ends_well())

    async def ends_well(self) -> None:
        now = self.world.clock.now()
        archive = self.database.archive()
        waiting = await _column(self.database, "select id from outbox where status = 'pending'")
        assert not waiting, f"messages are left: {waiting}"
        assert (due := await archive.next_due()) is None or due >= now
        for number in await _column(self.database, "select number from escalations"):
            escalation = await self.world.escalation(number)
            assert await archive.broken_at(escalation.workspace, escalation.id) is None
            rows = await archive.ledger(escalation.id)
            self.is_told(escalation, rows)
            noted = Counter(row.fact.text for row in rows if row.fact.kind is FactKind.NOTED)
            for note, times in noted.items():
                assert times == 1, f"{note} was noted {times} times"
            for note in self.notes:
                which, _, about = note.partition(" ")
                assert int(which) != number or noted[about] == 1, f"{note} was answered and is not there"

    def is_told(self, escalation: Escalation, rows: Collection[Any]) -> None:
        """Of each entry people heard, or its ledger says why not."""
        outcomes = {FactKind.DELIVERED, FactKind.NOT_DELIVERED, FactKind.NOBODY_REACHED}
        told = {row.fact.entry for row in rows if row.fact.kind in outcomes}
        begun = {row.fact.entry: row.recorded_at for row in rows if row.fact.kind is FactKind.ENTERED}
        assert sorted(begun) == list(range(1, escalation.entry.number + 1))
        silent = begun.keys() - told
        if escalation.is_open:
            assert escalation.entry.number not in silent, f"nobody heard of entry {escalation.entry.number}"


OPEN = {"waiting", "acknowledged"}
STANDING = """
select number, status, next_due, entry, coalesce(begun.rows, 0) as rows, coalesce(begun.entries, 0) as entries
from escalations left join (
    select escalation, count(*) as rows, count(distinct entry) as entries
    from ledger where kind = 'entered' group by escalation
) as begun on begun.escalation = escalations.id
order by number
"""


async def _rows(database: Database, query: str) -> Sequence[Row[Any]]:
    async with database.engine.connect() as connection:
        return (await connection.execute(text(query))).all()


async def _column(database: Database, query: str) -> list[Any]:
    return [row[0] for row in await _rows(database, query)]
