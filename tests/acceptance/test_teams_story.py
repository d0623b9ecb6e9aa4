"""The story in Microsoft Teams over its own protocol: signed activities in, a Connector that answers like the real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import web

from adapters.slack.gateway import web_client
from adapters.slack.line import Access, SlackLine
from adapters.switchboard import Memberships, Switchboard
from adapters.teams.line import Registration, TeamsLine
from bot.directory import WorkspaceId
from bot.readers import Readers
from bot.state import Escalation
from matrix.directory_file import load_directory
from matrix.fixed import FixedDirectories
from scheduler.engine import Engine
from storage.database import Database
from tests.acceptance.world import FRIDAY, a_shelf
from tests.fakes import CountingIds, FakeClock
from tests.process.bot import people_the_workspace, until
from tests.slack_server import SlackServer
from tests.teams_server import Ack, Message, TeamsServer

LEVELS = ("rep", "senior", "super", "head", "tech", "coo", "vp")
ROLES = (
    "customer-support-representative",
    "senior-support-specialist",
    "support-team-supervisor",
    "department-head",
    "technical-manager",
    "chief-operating-officer",
    "vp-customer-operations",
)


def person(name: str) -> str:
    """A made-up id of Entra, the same for the same name."""
    number = [*LEVELS, "opener", "other", "guest", "admin"].index(name) + 1
    return f"00000000-0000-4000-8000-{number:012}"


def channel(name: str) -> str:
    return f"19:{name}@thread.tacv2"


def directory_text(slack_levels: int = 0) -> str:
    """The first `slack_levels` roles live in Slack, the others in Teams."""
    rows = []
    for index, (role, name) in enumerate(zip(ROLES, LEVELS, strict=True)):
        here = (f"slack:U{name.upper()}", f"slack:C{name.upper()}")
        there = (f"teams:{person(name)}", f"teams:{channel(name)}")
        owner, room = here if index < slack_levels else there
        rows.append(f'  {role}: {{owners: ["{owner}"], channel: "{room}"}}')
    return (
        "workspace: {id: acme, name: Acme, calendar: office, default_matrix: support-process, "
        f'admins: ["teams:{person("admin")}"], admin_channel: "teams:{channel("admins")}"}}\n'
        "calendars:\n"
        '  office: {zone: Europe/Paris, hours: {mon-fri: ["09:00-17:00"]}, holidays: FR}\n'
        "roles:\n" + "\n".join(rows) + "\n"
    )


@dataclass
class TeamsWorld:
    """Echelon connected to a local Teams (and a local Slack), with a clock moved by hand."""

    teams: TeamsServer
    slack: SlackServer
    door: object
    engine: Engine
    clock: FakeClock

    async def ticks(self) -> None:
        while await self.engine.timers.sweep() + await self.engine.pump.drain():
            pass

    async def forward(self, **time: float) -> None:
        self.clock.forward(**time)
        await self.ticks()

    async def does(self, answer: Ack) -> Ack:
        assert answer.ok, answer
        await self.ticks()
        return answer

    def cards(self, to: str) -> list[Message]:
        return [message for message in self.teams.messages(to) if message.card and not message.is_reply]

    def card(self, to: str) -> Message:
        return [card for card in self.cards(to) if card.words.startswith("ESC-")][-1]

    async def escalation(self, number: int = 1) -> Escalation:
        return await self.engine.store.archive().by_number(WorkspaceId("acme"), number)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[TeamsWorld]:
    async with AsyncExitStack() as stack:
        yield await connected(stack, database)


@pytest.fixture
async def crossing(database: Database) -> AsyncIterator[TeamsWorld]:
    """The first three levels in Slack, the others in Teams."""
    async with AsyncExitStack() as stack:
        yield await connected(stack, database, slack_levels=3)


async def connected(stack: AsyncExitStack, database: Database, slack_levels: int = 0) -> TeamsWorld:
    clock = FakeClock(FRIDAY)
    teams = await stack.enter_async_context(TeamsServer(clock=lambda: clock.now().timestamp()))
    slack = await stack.enter_async_context(SlackServer(clock=lambda: clock.now().timestamp()))
    people_the_workspace(slack)
    for name in LEVELS:
        slack.person(f"U{name.upper()}", name=name)
        slack.channel(f"C{name.upper()}", name=name, members={f"U{name.upper()}"})
    teams.team("team-1", name="Support")
    for name in (*LEVELS, "opener", "other", "admin"):
        teams.person(person(name), name=name.title())
    for name in (*LEVELS, "help", "admins"):
        teams.channel(channel(name), name=name, team="team-1")
    directory = load_directory(directory_text(slack_levels), "directory.yaml").directory
    people, conversations = database.people(directory.workspace), database.conversations(directory.workspace)
    directories = FixedDirectories(directory)
    readers = Readers(directories, people)
    line = TeamsLine(
        registration=Registration(
            app_id=teams.app_id,
            tenant=teams.tenant,
            secret=teams.password,
            service_urls=frozenset({teams.service_url.rsplit("/emea", 1)[0]}),
            service_url=teams.service_url,
            openid_url=teams.identity.openid_url,
            login_url=teams.identity.url,
        ),
        directory=directories.current,
        names=readers.name,
        references=conversations,
        clock=clock,
    )
    client = web_client(slack.bot_token, base_url=slack.base_url, timeout=10)
    access = Access(app_token=slack.app_token)
    slack_line = SlackLine(client=client, access=access, directory=directories.current, names=readers.name, clock=clock)
    lines = {"teams": line, "slack": slack_line}
    engine = Engine.built(
        store=database,
        clock=clock,
        ids=CountingIds("0192"),
        plans=a_shelf(),
        people=people,
        directories=directories,
        readers=readers,
        chat=Switchboard({name: one.chat for name, one in lines.items()}),
        membership=Memberships({name: one.membership for name, one in lines.items()}),
    )
    stack.push_async_callback(line.close)
    group = await stack.enter_async_context(asyncio.TaskGroup())
    for one in lines.values() if slack_levels else (line,):
        stack.callback(group.create_task(one.run(engine.reception, people)).cancel)
    app = web.Application()
    app.router.add_route("*", "/api/messages", line.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with asyncio.timeout(30):
        while await line.ready() != "ok":
            await asyncio.sleep(0.01)
    if slack_levels:
        await slack.wait_for_sockets(1)
    return TeamsWorld(teams, slack, teams.door(f"http://127.0.0.1:{port}/api/messages"), engine, clock)


async def test_the_issue_climbs_from_a_direct_message_to_the_last_level_in_teams(world: TeamsWorld) -> None:
    await world.does(await world.door.direct_message("checkout fails", person("opener")))

    await until(lambda: any("is open: checkout fails" in said.words for said in world.teams.messages(person("opener"))))
    assert "ESC-1 · checkout fails" in world.card(person("rep")).words
    assert "Waiting" in world.card(channel("rep")).words
    for level, name in enumerate(LEVELS[1:], start=2):
        due = (await world.escalation()).entry.due
        assert due is not None
        world.clock.to(due.at)
        await world.forward(seconds=1)
        assert (await world.escalation()).entry.level == level
        assert f"level {level} of 7" in world.card(person(name)).words
        assert "Moved up to" in world.card(person(LEVELS[level - 2])).words
    told = [message.words for message in world.teams.messages(person("opener"))]
    assert any("Vp pinged" in words for words in told), "people who never wrote are called by their names"
    assert world.teams.complaints == []


async def test_acknowledge_more_time_and_resolve_by_buttons_and_dialogs(world: TeamsWorld) -> None:
    await world.does(await world.door.mention("checkout fails", person("opener"), channel("help")))
    ping = world.card(person("rep"))

    answer = await world.does(await world.door.execute(ping, "Acknowledge", person("rep")))
    assert answer.seconds < 5
    assert "has it since" in world.card(person("rep")).words
    assert "has it since" in world.card(channel("rep")).words

    dialog = await world.does(await world.door.task_fetch(world.card(person("rep")), "Resolve…", person("rep")))
    await world.does(await world.door.task_submit(dialog.form, {"How was it solved?": "rolled back"}, person("rep")))
    assert "Resolved by" in world.card(channel("rep")).words
    assert (await world.escalation()).ending.text == "rolled back"  # type: ignore[union-attr]
    assert world.teams.complaints == []


async def test_a_redelivered_activity_acts_once(world: TeamsWorld) -> None:
    first = await world.does(await world.door.direct_message("checkout fails", person("opener")))
    await world.does(await world.door.again(first))

    assert len([card for card in world.cards(person("rep")) if "ESC-" in card.words]) == 1


async def test_both_languages_are_understood_in_threads(world: TeamsWorld) -> None:
    await world.does(await world.door.direct_message("checkout fails", person("opener")))
    root = world.card(channel("rep"))

    await world.does(await world.door.mention("prendre", person("rep"), channel("rep"), thread=root.id))
    await world.does(
        await world.door.mention("note the provider is told", person("rep"), channel("rep"), thread=root.id)
    )

    assert (await world.escalation()).entry.acknowledged_by == f"teams:{person('rep')}"
    assert any("the provider is told" in message.words for message in world.teams.messages(channel("rep")))


async def test_someone_without_the_app_sends_the_ping_to_the_channel(world: TeamsWorld) -> None:
    world.teams.person(person("rep"), name="Rep", installed=False)

    await world.does(await world.door.direct_message("checkout fails", person("opener")))

    assert any("could not be reached directly" in message.words for message in world.teams.messages(channel("rep")))
    rows = await world.engine.store.archive().ledger((await world.escalation()).id)
    assert any(row.fact.kind == "not_delivered" for row in rows)


async def test_every_forged_token_is_refused_and_nothing_reaches_the_core(
    world: TeamsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    activity = world.door.activity("checkout fails", person("opener"))
    forgeries = world.door.forgeries()
    assert len(forgeries) >= 20

    for name, header in forgeries.items():
        status, body = await world.door.raw(activity, header=header)
        assert status in {401, 403}, name
        assert "Traceback" not in str(body), name

    assert "Traceback" not in caplog.text
    assert await world.engine.store.archive().next_due() is None


async def test_an_escalation_crosses_from_slack_to_teams_with_one_state(crossing: TeamsWorld) -> None:
    slack = crossing.slack.socket_door()
    assert (await slack.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")).ok
    await crossing.ticks()
    assert (await slack.slash("/escalate", "up ESC-1 to 7 the board must know", user="UOPENER", channel="CHELP")).ok
    await crossing.ticks()
    form = crossing.slack.opened_views["UOPENER"][-1]
    await slack.submit(form, {}, user="UOPENER")
    await crossing.ticks()

    executive = crossing.card(person("vp"))
    assert "level 7 of 7" in executive.words
    await crossing.does(await crossing.door.execute(executive, "Acknowledge", person("vp")))

    heard = [said.words for said in crossing.slack.messages("UOPENER") if said.thread_ts]
    assert any("Vp has it." in words for words in heard), heard
    opener = next(said for said in crossing.slack.messages("UOPENER") if "ESC-1 · checkout fails" in said.words)
    assert "Vp has it since" in opener.words
    assert crossing.slack.complaints == []
    assert crossing.teams.complaints == []
