"""The story in Slack, over Slack's own protocol: real HTTP and real web sockets to a local server that speaks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import web

from adapters.slack.gateway import web_client
from adapters.slack.line import Access, SlackLine
from bot.directory import Directory, WorkspaceId
from bot.readers import Readers
from bot.state import Escalation
from matrix.directory_file import load_directory
from matrix.fixed import FixedDirectories
from scheduler.engine import Engine
from storage.database import Database
from tests.acceptance.world import FRIDAY, a_shelf
from tests.fakes import CountingIds, FakeClock
from tests.process.bot import DIRECTORY, people_the_workspace
from tests.slack_server import Door, Message, SlackServer


@dataclass
class SlackWorld:
    """Echelon connected to a local Slack, with a clock moved by hand."""

    slack: SlackServer
    door: Door
    engine: Engine
    clock: FakeClock
    line: SlackLine

    async def ticks(self) -> None:
        """All that is due happens, and all that it led to is delivered."""
        while await self.engine.timers.sweep() + await self.engine.pump.drain():
            pass

    async def forward(self, **time: float) -> None:
        self.clock.forward(**time)
        await self.ticks()

    async def types(self, words: str, *, user: str = "UOPENER", channel: str = "CHELP") -> str:
        answer = await self.door.slash("/escalate", words, user=user, channel=channel)
        assert answer.ok, answer
        await self.ticks()
        return answer.text

    async def clicks(self, message: Message, label: str, *, user: str) -> None:
        assert (await self.door.click(message, label, user=user)).ok
        await self.ticks()

    def root(self, to: str, nth: int = -1) -> Message:
        """The newest card at an address, not counting threads."""
        return self.roots(to)[nth]

    def roots(self, to: str) -> list[Message]:
        """What Echelon posted by itself: its answers to people carry no delivery key."""
        return [said for said in self.slack.messages(to) if said.metadata and not said.thread_ts]

    def thread(self, to: str) -> list[str]:
        return [message.words for message in self.slack.messages(to) if message.thread_ts]

    def whispers(self, user: str) -> list[str]:
        return [message.words for message in self.slack.ephemerals(user)]

    async def escalation(self, number: int = 1) -> Escalation:
        return await self.engine.store.archive().by_number(WorkspaceId("acme"), number)


@pytest.fixture(params=["socket", "http"])
async def world(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[SlackWorld]:
    directory = load_directory(DIRECTORY, "directory.yaml").directory
    async with connected(database, directory, request.param) as made:
        yield made
        assert made.slack.complaints == [], "every payload is within Slack's limits"


def connected(database: Database, directory: Directory, mode: str) -> "Connection":
    return Connection(database, directory, mode)


class Connection:
    """Puts a SlackWorld together and takes it apart."""

    def __init__(self, database: Database, directory: Directory, mode: str) -> None:
        self._database, self._directory, self._mode = database, directory, mode
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> SlackWorld:
        clock = FakeClock(FRIDAY)
        slack = await self._stack.enter_async_context(SlackServer(clock=lambda: clock.now().timestamp()))
        people_the_workspace(slack)
        engine, line = await self._engine(slack, clock)
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(line.run(engine.reception, self._people))
        self._stack.callback(task.cancel)
        return SlackWorld(slack, await self._door(slack, line), engine, clock, line)

    async def __aexit__(self, *error: object) -> None:
        await self._stack.__aexit__(*error)  # type: ignore[arg-type]

    async def _engine(self, slack: SlackServer, clock: FakeClock) -> tuple[Engine, SlackLine]:
        self._people = self._database.people(self._directory.workspace)
        await self._people.load()
        directories = FixedDirectories(self._directory, self._people.members)
        readers = Readers(directories, self._people)
        client = web_client(slack.bot_token, base_url=slack.base_url, timeout=10)
        secret = {"signing_secret": slack.signing_secret} if self._mode == "http" else {"app_token": slack.app_token}
        line = SlackLine(
            client=client, access=Access(**secret), directory=directories.current, names=readers.name, clock=clock
        )
        engine = Engine.built(
            store=self._database,
            clock=clock,
            ids=CountingIds("0192"),
            plans=a_shelf(),
            people=self._people,
            directories=directories,
            readers=readers,
            chat=line.chat,
            membership=line.membership,
        )
        return engine, line

    async def _door(self, slack: SlackServer, line: SlackLine) -> Door:
        if self._mode == "socket":
            await slack.wait_for_sockets(1)
            return slack.socket_door()
        app = web.Application()
        app.router.add_route("*", "/slack/events", line.serve)
        runner = web.AppRunner(app)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        async with asyncio.timeout(30):
            while await line.ready() == "connecting":
                await asyncio.sleep(0.01)
        return slack.http_door(f"http://127.0.0.1:{port}/slack/events")


async def test_the_story_from_the_form_to_the_second_level_and_its_end(world: SlackWorld) -> None:
    await world.types("")
    form = world.slack.opened_views["UOPENER"][-1]
    await world.door.submit(form, {"title": "checkout fails", "details": "since *noon* <!channel>"}, user="UOPENER")
    await world.ticks()

    ping, post = world.root("UREP"), world.root("CREP")
    assert "ESC-1 · checkout fails" in ping.words
    assert "<@UREP>" in post.words
    assert "since" in ping.words
    await world.clicks(ping, "Acknowledge", user="UREP")
    assert "has it since" in world.root("UREP").words
    assert world.root("UREP").edited >= 1
    assert "has it since" in world.root("CREP").words
    assert any("has it" in line for line in world.thread("UOPENER"))
    assert any("ESC-1* is yours" in line for line in world.thread("UREP")), "the answer stands under the card"

    await world.forward(minutes=15, seconds=1)
    assert (await world.escalation()).entry.level == 2
    assert "Moved up to" in world.root("UREP").words
    assert "Acknowledge" not in world.root("UREP").words
    second = world.root("USENIOR")
    assert "level 2 of 7" in second.words
    await world.door.click(second, "Resolve…", user="USENIOR")
    dialog = world.slack.opened_views["USENIOR"][-1]
    await world.door.submit(dialog, {"text": "rolled back"}, user="USENIOR")
    await world.ticks()

    for address in ("UREP", "CREP", "USENIOR", "CSENIOR", "UOPENER"):
        assert "Resolved by" in world.root(address).words, address
    assert any("resolved it: rolled back" in line for line in world.thread("UOPENER"))


async def test_words_open_at_once_and_a_command_that_comes_twice_opens_one(world: SlackWorld) -> None:
    answer = await world.door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
    again = await world.door.again(answer)
    await world.ticks()

    assert "ESC-1" in answer.text
    assert again.text == answer.text
    assert len(world.roots("UREP")) == 1


async def test_mentions_and_direct_messages_understand_the_same_words(world: SlackWorld) -> None:
    assert (await world.door.mention("<@UBOT> checkout fails", user="UOPENER", channel="CHELP")).ok
    await world.ticks()
    assert any("ESC-1" in words for words in world.whispers("UOPENER"))

    post = world.root("CREP")
    await world.door.mention("<@UBOT> prendre", user="UREP", channel="CREP", thread_ts=post.ts)
    await world.ticks()
    assert (await world.escalation()).entry.acknowledged_by == "slack:UREP"

    event = await world.door.direct_message("note ESC-1 the provider is told", user="UREP")
    await world.door.again(event, retry=1)
    await world.ticks()
    assert [line for line in world.thread("CREP") if "the provider is told" in line] != []
    assert len([line for line in world.thread("CREP") if "the provider is told" in line]) == 1


async def test_a_message_can_be_escalated_with_its_text_and_link(world: SlackWorld) -> None:
    said = world.slack.say("CHELP", "UOTHER", "the *printer* is on fire")

    await world.door.shortcut("escalate_message", said, user="UOPENER")
    form = world.slack.opened_views["UOPENER"][-1]
    assert "the *printer* is on fire" in str(form.body)
    await world.door.submit(form, {}, user="UOPENER")
    await world.ticks()

    assert (await world.escalation()).origin.link
    assert "printer" in world.root("UREP").words


async def test_of_two_acknowledgements_at_once_one_wins_and_the_other_is_told(world: SlackWorld) -> None:
    await world.types("checkout fails")
    post = world.root("CREP")

    await asyncio.gather(
        world.door.click(post, "Acknowledge", user="UREP"), world.door.click(post, "Acknowledge", user="UOTHER")
    )
    await world.ticks()

    winner = (await world.escalation()).entry.acknowledged_by
    assert winner in {"slack:UREP", "slack:UOTHER"}
    if winner == "slack:UREP":
        assert any("was first" in words for words in world.whispers("UOTHER"))


async def test_a_stale_button_says_where_the_issue_is(world: SlackWorld) -> None:
    await world.types("checkout fails")
    old = deepcopy(world.root("CREP"))
    await world.forward(minutes=16)

    await world.clicks(old, "Acknowledge", user="UREP")

    assert any("has moved on: it is now at level 2" in words for words in world.whispers("UREP"))
    assert (await world.escalation()).status == "waiting"


async def test_a_rate_limit_is_honoured(world: SlackWorld) -> None:
    world.slack.faults.once("chat.postMessage", status=429, retry_after=7)
    await world.types("checkout fails")
    before = world.slack.count("chat.postMessage")

    await world.forward(seconds=6)
    assert world.slack.count("chat.postMessage") == before
    await world.forward(seconds=2)

    assert len(world.roots("UREP")) == 1
    assert len(world.roots("CREP")) == 1


@pytest.mark.parametrize("honours", [True, False])
async def test_an_answer_that_is_lost_after_the_post_was_taken(world: SlackWorld, honours: bool) -> None:
    world.slack.honours_client_msg_id = honours
    world.slack.faults.once("chat.postMessage", drop_after_accept=True)
    await world.types("checkout fails")

    await world.forward(seconds=5)

    assert len(world.roots("UREP")) == 1, "the direct message is found by its key"
    assert len(world.roots("CREP")) in ({1} if honours else {1, 2})


async def test_an_archived_channel_and_a_deactivated_owner_send_the_ping_up(world: SlackWorld) -> None:
    world.slack.person("UREP", name="urep", deleted=True)
    world.slack.channel("CREP", name="crep", archived=True)

    await world.types("checkout fails")

    escalation = await world.escalation()
    assert (escalation.entry.level, escalation.entry.via) == (2, "nobody_reached")
    assert any("Nobody could be reached" in message.words for message in world.roots("CADMIN"))
    assert len(world.roots("USENIOR")) == 1


async def test_guests_and_people_of_other_organisations_are_refused(world: SlackWorld) -> None:
    world.slack.person("UGUEST", name="guest", guest=True)
    world.slack.person("USTRANGER", name="stranger", team="T2")

    assert "Guests cannot use Echelon" in await world.types("checkout fails", user="UGUEST")
    refused = await world.door.slash("/escalate", "checkout fails", user="USTRANGER", channel="CHELP")
    await world.ticks()

    assert not refused.ok
    assert world.roots("UREP") == []


async def test_a_reader_is_written_to_in_their_own_language(world: SlackWorld) -> None:
    world.slack.person("USENIOR", name="usenior", locale="fr-FR")
    await world.types("aide", user="USENIOR")
    await world.types("checkout fails")

    await world.forward(minutes=16)

    assert "En attente · niveau 2 sur 7" in world.root("USENIOR").words
    assert "Waiting · level 2 of 7" in world.root("CSENIOR").words


async def test_a_socket_that_is_replaced_loses_nothing(world: SlackWorld) -> None:
    if world.door.mode == "http":
        await world.types("checkout fails")
    else:
        await world.slack.disconnect_sockets(reason="refresh_requested")
        await world.slack.wait_for_sockets(1)
        await world.types("checkout fails")
    await world.forward(seconds=1)

    assert len(world.roots("UREP")) == 1


async def test_the_timeline_opens_from_the_card(world: SlackWorld) -> None:
    await world.types("checkout fails")

    await world.clicks(world.root("UREP"), "Timeline", user="UREP")

    page = world.slack.opened_views["UREP"][-1]
    assert "opened it." in page.words
    assert "Level 7" in page.words
    assert (await world.escalation()).next_due == FRIDAY + timedelta(minutes=7.5)
