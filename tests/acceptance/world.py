"""A whole Echelon for a story: the real rules, storage and pump; a clock moved by hand and a chat that writes down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from functools import cache
from itertools import count
from typing import Protocol
from zoneinfo import ZoneInfo

from bot import wording
from bot.commands import Actor, Standing
from bot.directory import (
    Address,
    Binding,
    CalendarRules,
    ChannelSettings,
    Directory,
    PersonId,
    WorkspaceId,
)
from bot.facts import LedgerRow
from bot.message import Button, Card, FormErrors, Line, Message, Reply
from bot.plan import EN, RoleId
from bot.ports import Clock, Ids
from bot.readers import Readers
from bot.rich import Rich
from bot.signals import Signals
from bot.state import Escalation
from matrix.builtin import builtin_matrix, builtin_names
from matrix.fixed import FixedDirectories
from matrix.loader import load_matrix
from matrix.shelf import MatrixShelf
from scheduler.auditor import Rounds
from scheduler.engine import Engine
from scheduler.wiring import ApsBells
from storage.database import Database
from tests.acceptance.recording import RecordingChat
from tests.fakes import CountingIds, FakeClock

PARIS = ZoneInfo("Europe/Paris")
NINE_TO_FIVE = ((time(9), time(17)),)
OFFICE = CalendarRules(zone="Europe/Paris", weekly=(NINE_TO_FIVE,) * 5 + ((), ()), holidays="FR")
SUPPORT = {
    "customer-support-representative": "rep",
    "senior-support-specialist": "senior",
    "support-team-supervisor": "supervisor",
    "department-head": "head",
    "technical-manager": "tech",
    "chief-operating-officer": "coo",
    "vp-customer-operations": "vp",
}
PROJECT = {
    "project-team-contact": "contact",
    "project-manager": "pm",
    "account-manager": "account",
    "sales-manager": "sales",
}
FRIDAY = datetime(2026, 11, 20, 16, 30, tzinfo=PARIS)


def who(name: str) -> PersonId:
    """ "rep" → the person's address."""
    return PersonId(Address(f"chat:{name}"))


def a_directory(**changes: object) -> Directory:
    """Every role held by one person, with a channel of the same name; `changes` replace fields."""
    held = {**SUPPORT, **PROJECT}
    roles = {RoleId(role): Binding((who(name),), channel=Address(f"chat:#{name}")) for role, name in held.items()}
    directory = Directory(
        workspace=WorkspaceId("acme"),
        name="Acme",
        calendar="office",
        default_matrix="support-process",
        admins=(who("admin"),),
        admin_channel=Address("chat:#admins"),
        calendars={"office": OFFICE, "always": CalendarRules(zone="Europe/Paris", always=True)},
        roles=roles,
        channels={Address("chat:#projects"): ChannelSettings(matrix="project-matrix")},
    )
    return replace(directory, **changes)  # type: ignore[arg-type]


@cache
def a_shelf(**matrices: str) -> MatrixShelf:
    """The built-in matrices and `matrices`, name → YAML, which win. Read once: that takes longer than most stories."""
    builtin = [builtin_matrix(name) for name in builtin_names()]
    return MatrixShelf([*builtin, *(load_matrix(text, f"{name}.yaml") for name, text in matrices.items())])


@dataclass
class World:
    """The pieces of a story. Names of people are bare ("rep"); channels begin with #."""

    engine: Engine
    clock: FakeClock
    chat: RecordingChat
    database: Database
    requests: "count[int]" = field(default_factory=lambda: count(1))

    # What people do

    async def says(
        self, name: str, words: str, *, at: str | None = None, thread: str | None = None, **more: str
    ) -> Reply:
        """`/escalate words`, or a mention in the thread whose root is message `thread`."""
        root = next((shown.ref for shown in self.chat.shown if shown.ref.id == thread), None)
        reply = await self.engine.reception.typed(
            self.actor(name, at),
            words,
            request=more.get("request") or f"r{next(self.requests)}",
            thread=(root.place, root.id) if root else None,
        )
        await self.ticks()
        return reply

    async def presses(self, name: str, label: str, message: Message | None = None, **more: str) -> Reply:
        """A button of the newest card at the person's own address, or of `message`."""
        shown = message or self.chat.at(name)[-1].message
        button = find_button(shown, label)
        assert isinstance(shown, Card | Line)
        assert shown.subject is not None
        reply = await self.engine.reception.pressed(
            self.actor(name, more.get("at")),
            button.press,
            str(shown.subject),
            request=more.get("request") or f"r{next(self.requests)}",
        )
        await self.ticks()
        return reply

    async def escalates(self, name: str, words: str) -> Reply | FormErrors:
        """`up …`, and the form that shows who will hear, confirmed as it is."""
        return await self.submits(name, await self.says(name, words))

    async def escalates_by_itself(self, name: str, words: str) -> None:
        """Likewise in a world that runs by itself."""
        reception, actor = self.engine.reception, self.actor(name)
        form = (await reception.typed(actor, words, request="up")).form
        assert form is not None
        values = {one.name: one.initial for one in form.inputs}
        await reception.submitted(actor, form.name, form.context, values, request="submit")

    async def submits(self, name: str, reply: Reply, **values: str) -> Reply | FormErrors:
        """The form of a reply, with its initial values unless given."""
        assert reply.form is not None, said(reply)
        filled = {one.name: one.initial for one in reply.form.inputs} | values
        answer = await self.engine.reception.submitted(
            self.actor(name), reply.form.name, reply.form.context, filled, request=f"r{next(self.requests)}"
        )
        await self.ticks()
        return answer

    def actor(self, name: str, at: str | None = None, standing: Standing = Standing.MEMBER) -> Actor:
        return Actor(who(name), standing, Address(f"chat:{at}") if at else None)

    # What time does

    async def forward(self, **time: float) -> None:
        """Time passes: each thing that falls due on the way happens at its own instant."""
        await self.until(self.clock.now() + timedelta(**time))

    async def until(self, target: datetime) -> None:
        """Likewise, to an instant."""
        archive = self.engine.store.archive()
        while (due := await archive.next_due()) and due < target:
            self.clock.to(due + timedelta(milliseconds=1))
            await self.ticks()
        self.clock.to(target)
        await self.ticks()

    async def ticks(self) -> None:
        """All that is due happens, and all that it led to is delivered."""
        await self.engine.timers.sweep()
        while await self.engine.pump.drain() and await self.engine.timers.sweep():
            pass

    # What there is

    async def escalation(self, number: int = 1) -> Escalation:
        return await self.engine.store.archive().by_number(WorkspaceId("acme"), number)

    async def rows(self, number: int = 1) -> Sequence[LedgerRow]:
        return await self.engine.store.archive().ledger((await self.escalation(number)).id)

    async def ledger(self, number: int = 1) -> list[str]:
        """The kinds of the ledger rows, with the code where it tells more."""
        rows = await self.rows(number)
        return [f"{row.fact.kind}:{row.fact.code}" if row.fact.code else str(row.fact.kind) for row in rows]


async def built_world(
    database: Database,
    *,
    bells: bool = False,
    clock: Clock | None = None,
    directory: Directory | None = None,
    at: datetime = FRIDAY,
    matrices: Mapping[str, str] | None = None,
    chat: RecordingChat | None = None,
    ids: Ids | None = None,
    pace: Mapping[str, float] | None = None,
    signals: Signals | None = None,
    rounds: Rounds | None = None,
) -> World:
    """A world at Friday 20 November 2026, 16:30 in Paris, unless told otherwise. `matrices`: name → YAML.

    With `bells`, APScheduler takes part; the caller stops it.
    """
    clock, chat = clock or FakeClock(at), chat or RecordingChat()
    directories = FixedDirectories(directory or a_directory())
    people = database.people(WorkspaceId("acme"))
    await people.load()
    engine = Engine.built(
        store=database,
        clock=clock,
        ids=ids or CountingIds("e"),
        plans=a_shelf(**matrices or {}),
        people=people,
        directories=directories,
        readers=Readers(directories, people),
        chat=chat,
        membership=chat,
        ring=ApsBells if bells else None,
        pace=pace,
        signals=signals,
        patience=30,  # a story is about what is said, not about how busy this machine is
        rounds=rounds,
    )
    if engine.bells and isinstance(clock, FakeClock):
        engine.bells.start()
    return World(engine, clock, chat, database)  # type: ignore[arg-type]


class MakeWorld(Protocol):
    """The fixture `a_world`."""

    async def __call__(self, **told: object) -> World: ...


def find_button(message: Message, label: str) -> Button:
    """A button or menu entry by its label or the beginning of it."""
    offered = [*message.buttons, *(message.menu if isinstance(message, Card) else ())]
    found = [button for button in offered if button.label.startswith(label)]
    assert found, f"no button {label!r} among {[button.label for button in offered]}"
    return found[0]


def labels(message: Message) -> list[str]:
    """The labels of a message's buttons, the menu after them."""
    return [button.label for button in (*message.buttons, *(message.menu if isinstance(message, Card) else ()))]


def plain(rich: Rich) -> str:
    """Rich text as a reader would say it."""
    return wording.plain(EN, rich, names=lambda person: person.removeprefix("chat:"))


def said(answer: Reply | FormErrors | Message) -> str:
    """What an answer or a message says, as plain text."""
    match answer:
        case FormErrors(errors):
            return " ".join(errors.values())
        case Reply() if answer.page:
            return "\n".join(plain(line) for section in answer.page.sections for line in section.lines)
        case Reply():
            return plain(answer.text)
        case Line():
            return plain(answer.text)
        case Card():
            fields = (f"{field.label}: {plain(field.text)}" for field in answer.fields)
            parts = (answer.headline, plain(answer.status), plain(answer.lead), answer.expected, answer.body, *fields)
            return "\n".join(part for part in (*parts, plain(answer.footer)) if part)


def local(at: datetime) -> str:
    """ "Fri 20 Nov 16:45" in Paris."""
    return f"{at.astimezone(PARIS):%a %-d %b %H:%M}"
