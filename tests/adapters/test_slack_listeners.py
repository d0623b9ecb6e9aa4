"""What people do in Slack reaches the reception once, and they are answered after it was stored: over HTTP and sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from adapters.slack import connection
from adapters.slack.answers import Answers
from adapters.slack.connection import bolt_app, http_handler, identify
from adapters.slack.gateway import SlackChat, web_client
from adapters.slack.guard import Guard
from adapters.slack.listeners import Listeners
from adapters.slack.payloads import spoken
from adapters.slack.people import SlackPeople
from adapters.slack.sockets import Sockets
from adapters.web.redaction import Redaction
from bot.commands import Actor, Standing
from bot.directory import Address, Binding, Directory, PersonId, WorkspaceId
from bot.errors import Conflict, StoreUnavailable
from bot.message import (
    Button,
    Card,
    Form,
    FormErrors,
    Input,
    Kind,
    Option,
    Page,
    Profile,
    Reply,
    Section,
    Subject,
    Tone,
)
from bot.plan import EN, Language, RoleId
from bot.state import EscalationId
from scheduler.clock import SystemClock
from tests.slack_limits import live_mentions
from tests.slack_server import Door, SlackServer, typed

SUBJECT = Subject(EscalationId("01890a5d-ac96-774b-bcce-b302099a8057"), 1)
CARD = Card(
    EN,
    Tone.WAITING,
    "ESC-1 · Checkout",
    ("Waiting",),
    SUBJECT,
    "ESC-1",
    buttons=(Button("acknowledge", "Acknowledge"),),
    menu=(Button("note", "Add a note", dialog=True), Button("timeline", "Timeline")),
)
FORM = Form(
    "note",
    EN,
    "Note on ESC-1",
    "Add",
    "Close",
    str(SUBJECT),
    (
        Input("text", "Note", Kind.TEXT),
        Input("to", "To", Kind.CHOICE, options=(Option("1", "One"), Option("2", "Two")), initial="1", reloads=True),
    ),
)
PAGE = Page(
    EN, "Timeline", (Section("So far", (("Ada opened it.",),), SUBJECT, (Button("note", "Add a note"),)),), "ESC-1"
)


class StandIn:
    """`bot.reception.Receives`: notes each call and answers what it was told to, after `store`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {}
        self.seen: set[str] = set()
        self.store: Callable[[], Awaitable[None]] | None = None

    async def _answer(self, kind: str, *about: Any) -> Any:
        if self.store:
            await self.store()
        self.calls.append((kind, *about))
        answer = self.answers.get(kind, Reply(EN, (f"{kind} done",)))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply:
        self.seen.add(request)
        return await self._answer("typed", actor, words, thread, link)

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        self.seen.add(request)
        return await self._answer("pressed", actor, press, subject)

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        return await self._answer("changed", actor, form, context, values)

    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors:
        self.seen.add(request)
        return await self._answer("submitted", actor, form, context, values)

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        self.seen.add(request)
        return await self._answer("shortcut", actor, words, link)

    async def new(self, actor: Actor, *, request: str) -> Reply:
        raise NotImplementedError

    def language(self, actor: Actor) -> Language:
        return EN


class Unremembering:
    """`bot.ports.People` that keeps nothing."""

    def profile(self, person: PersonId) -> Profile:
        return Profile(person, person)

    async def remember(self, profile: Profile) -> None:
        return None

    def members(self, group: Address) -> tuple[PersonId, ...]:
        return ()

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        return None

    async def choose_language(self, person: PersonId, language: str) -> None:
        return None


class World:
    """The local Slack, the app under test, and one door between them."""

    def __init__(self, slack: SlackServer, reception: StandIn, door: Door, chat: SlackChat, later: set[Any]) -> None:
        self.slack, self.reception, self.door, self.chat, self._later = slack, reception, door, chat, later

    async def settle(self) -> None:
        """Wait for what was left for later."""
        while self._later:
            await asyncio.gather(*self._later)

    async def posted(self, to: str = "slack:C1") -> Any:
        """A card of ours, as Slack shows it."""
        ref = await self.chat.post(Address(to), CARD, key=f"{to}{len(self.reception.calls)}")
        return next(said for said in self.slack.messages(ref.place) if said.ts == ref.id)


@asynccontextmanager
async def a_world(mode: str, *, listen: bool = True) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackServer())
        slack.person("U1", name="Ada")
        slack.person("U2", name="Grace")
        slack.channel("C1", name="support", members={"U1", "U2"})
        clock, client, later = (
            SystemClock(),
            web_client(slack.bot_token, base_url=slack.base_url, timeout=10),
            set[Any](),
        )
        installation = await identify(client)
        directory = Directory(WorkspaceId("acme"), "Acme", "office")
        people = SlackPeople(client, Unremembering(), lambda: directory, clock, team=installation.team)

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(work)
            later.add(task)
            task.add_done_callback(later.discard)

        reception = StandIn()
        listeners = Listeners(
            reception=reception, people=people, answers=Answers(client, str), installation=installation, later=spawn
        )
        app = bolt_app(client, listeners, installation)
        if mode == "http":
            site = web.Application()
            site.router.add_route("*", "/slack/events", http_handler(app, Guard(slack.signing_secret, clock)))
            runner = web.AppRunner(site, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            door: Door = slack.http_door(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        else:
            sockets = Sockets(app, client, slack.app_token, clock, stagger=0, ping_every=0.3)
            running = asyncio.create_task(sockets.run())
            stack.push_async_callback(_cancelled, running)
            await slack.wait_for_sockets(2)
            door = slack.socket_door()
        world = World(slack, reception, door, SlackChat(client, str, clock), later)
        yield world
        await world.settle()
        assert slack.complaints == []


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["http", "socket"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with a_world(request.param) as made:
        yield made


@pytest.fixture
async def over_http() -> AsyncIterator[World]:
    async with a_world("http") as made:
        yield made


def actor(user: str = "U1", channel: str | None = "C1", standing: Standing = Standing.MEMBER) -> Actor:
    return Actor(PersonId(Address(f"slack:{user}")), standing, Address(f"slack:{channel}") if channel else None)


async def test_a_command_is_answered_privately_in_its_acknowledgement(world: World):
    ack = await world.door.slash("/escalate", typed("handover ESC-1 ") + "<@U2|grace>", user="U1", channel="C1")

    assert ack.text == "typed done"
    assert ack.body["response_type"] == "ephemeral"
    assert world.reception.calls == [("typed", actor(), "handover ESC-1 @slack:U2", None, None)]
    assert [said.words for said in world.slack.ephemerals("U1")] == ["typed done"]
    assert await world.door.again(ack)
    assert len(world.reception.seen) == 1


async def test_a_command_may_open_a_form(world: World):
    world.reception.answers["typed"] = Reply(EN, form=FORM)

    ack = await world.door.slash("/escalate", user="U1", channel="C1")

    (view,) = world.slack.opened_views["U1"]
    assert (ack.ok, ack.text, view.body["callback_id"]) == (True, "", "note")


async def test_a_form_that_cannot_open_leaves_a_button_that_opens_it(world: World):
    world.reception.answers["typed"] = Reply(EN, form=FORM)
    world.slack.faults.once("views.open", code="expired_trigger_id")

    await world.door.slash("/escalate", "note ESC-1", user="U1", channel="C1")
    (offer,) = world.slack.ephemerals("U1")
    await world.door.click(offer, "Note on ESC-1…")

    assert [call[2] for call in world.reception.calls] == ["note ESC-1"] * 2
    assert len(world.slack.opened_views["U1"]) == 1


async def test_a_mention_is_answered_in_its_thread_for_its_writer_only(world: World):
    root = world.slack.say("C1", "U2", "look")
    link = "https://acme.slack.com/archives/C1/p"

    await world.door.mention("ack ESC-1 &amp; go", user="U1", channel="C1", thread_ts=root.ts)
    await world.settle()

    kind, who, words, thread, given = world.reception.calls[0]
    assert (kind, who, words, thread) == ("typed", actor(), "ack ESC-1 & go", ("C1", root.ts))
    assert given.startswith(link)
    (answer,) = world.slack.ephemerals("U1")
    assert (answer.channel, answer.thread_ts, answer.words) == ("C1", root.ts, "typed done")


async def test_a_form_asked_for_by_mention_becomes_a_button(world: World):
    world.reception.answers["typed"] = Reply(EN, form=FORM)

    await world.door.mention("", user="U1", channel="C1")
    await world.settle()
    (offer,) = world.slack.ephemerals("U1")
    await world.door.click(offer, "Note on ESC-1…")

    assert len(world.slack.opened_views["U1"]) == 1


async def test_a_direct_message_is_answered_there(world: World):
    await world.door.direct_message("list", user="U1")
    await world.settle()

    assert world.reception.calls[0][1] == actor(channel=None)
    assert [said.words for said in world.slack.messages("U1")] == ["list", "typed done"]


async def test_an_event_is_acknowledged_only_after_it_was_stored(world: World):
    order: list[str] = []

    async def store() -> None:
        await asyncio.sleep(0.1)
        order.append("stored")

    world.reception.store = store
    ack = await world.door.mention("help", user="U1", channel="C1")
    order.append("acknowledged")

    assert ack.ok
    assert order == ["stored", "acknowledged"]


async def test_the_bot_does_not_talk_to_itself_nor_to_other_bots(world: World):
    message = {"type": "message", "channel": "D1", "channel_type": "im", "ts": "17.1", "text": "hello"}
    for more in (
        {"user": "UBOT"},
        {"user": "U1", "bot_id": "B1"},
        {"user": "U1", "subtype": "message_changed", "message": {}},
        {"user": "U1", "subtype": "message_deleted"},
        {"user": "U1", "channel": "C1"},
        {},
    ):
        assert (await world.door.event(message | more)).ok
    assert (await world.door.home_opened(user="U1")).ok

    assert world.reception.calls == []
    assert (await world.door.event(message | {"user": "U1", "subtype": "file_share"})).ok
    assert len(world.reception.calls) == 1


async def test_a_press_is_answered_where_the_card_stands(world: World):
    card = await world.posted()

    ack = await world.door.click(card, "Acknowledge", user="U2")
    await world.door.again(ack)
    await world.settle()

    assert world.reception.calls[0] == ("pressed", actor("U2"), "acknowledge", str(SUBJECT))
    assert len(world.reception.seen) == 1
    assert {said.words for said in world.slack.ephemerals("U2")} == {"pressed done"}


async def test_a_press_in_a_direct_message_is_answered_there(world: World):
    await world.door.click(await world.posted("slack:U1"), "Acknowledge", user="U1")
    await world.settle()

    assert world.slack.messages("U1")[-1].words == "pressed done"


async def test_a_line_of_the_menu_opens_a_page_or_a_form(world: World):
    card = await world.posted()
    world.reception.answers["pressed"] = Reply(EN, page=PAGE)
    await world.door.click(card, "Timeline", user="U2")
    (page,) = world.slack.opened_views["U2"]
    assert "Ada opened it." in page.words
    assert world.reception.calls[-1][2:] == ("timeline", str(SUBJECT))

    world.reception.answers["pressed"] = Reply(EN, form=FORM)
    await world.door.click(page, "Add a note")
    form = world.slack.opened_views["U2"][-1]
    assert (form.body["callback_id"], form.previous) == ("note", page.id)

    world.reception.answers["pressed"] = Reply(EN, ("Moved on.",))
    await world.door.click(page, "Add a note")
    assert "Moved on." in world.slack.opened_views["U2"][-1].words
    assert world.slack.ephemerals("U2") == []


async def test_a_form_closes_when_it_was_done_and_its_answer_comes_where_it_began(world: World):
    world.reception.answers["pressed"] = Reply(EN, form=FORM)
    await world.door.click(await world.posted(), "Add a note…", user="U2")
    (form,) = world.slack.opened_views["U2"]

    world.reception.answers["submitted"] = FormErrors({"text": "Say more."})
    await world.door.submit(form, {"text": "x", "to": "2"})
    assert (form.open, form.errors) == (True, {"text": "Say more."})

    del world.reception.answers["submitted"]
    await world.door.submit(form, {"text": "rebooted <b>"})
    await world.settle()

    assert not form.open
    assert world.reception.calls[-1] == (
        "submitted",
        actor("U2"),
        "note",
        str(SUBJECT),
        {"text": "rebooted <b>", "to": "1"},
    )
    (answer,) = world.slack.ephemerals("U2")
    assert (answer.channel, answer.words) == ("C1", "submitted done")


async def test_a_form_may_lead_to_another(world: World):
    world.reception.answers["typed"] = Reply(EN, form=FORM)
    world.reception.answers["submitted"] = Reply(EN, form=replace(FORM, name="confirm", title="Sure?"))
    await world.door.slash("/escalate", user="U1", channel="C1")
    (form,) = world.slack.opened_views["U1"]

    await world.door.submit(form, {"text": "x"})

    assert (form.open, form.body["callback_id"]) == (True, "confirm")


async def test_what_others_depend_on_shows_the_form_anew(world: World):
    world.reception.answers["typed"] = Reply(EN, form=FORM)
    world.reception.answers["changed"] = replace(FORM, title="Two")
    await world.door.slash("/escalate", user="U1", channel="C1")
    (form,) = world.slack.opened_views["U1"]

    await world.door.click(form, "To", chosen="2")
    assert "Two" in form.words
    assert world.reception.calls[-1] == ("changed", actor(), "note", str(SUBJECT), {"text": "", "to": "2"})

    world.reception.answers["changed"] = StoreUnavailable("away")
    assert (await world.door.click(form, "To", chosen="1")).ok
    assert form.open


async def test_the_shortcut_takes_the_message_and_its_link(world: World):
    world.reception.answers["shortcut"] = Reply(EN, form=FORM)
    message = world.slack.say("C1", "U2", typed("checkout & co") + " <https://x.test|x.test>")

    await world.door.shortcut("escalate_message", message, user="U1")

    link = f"https://acme.slack.com/archives/C1/p{message.ts.replace('.', '')}"
    assert world.reception.calls == [("shortcut", actor(), "checkout & co https://x.test", link)]
    assert len(world.slack.opened_views["U1"]) == 1


async def test_where_echelon_is_not_a_member_the_answer_comes_directly(world: World):
    world.slack.channel("C2", name="elsewhere", members={"U1"}, bot_is_member=False)
    message = world.slack.say("C2", "U1", "help")

    await world.door.shortcut("escalate_message", message, user="U1")
    await world.settle()

    assert [said.words for said in world.slack.messages("U1")] == ["shortcut done"]


async def test_when_the_store_is_away_everybody_is_told_that_nothing_was_recorded(world: World):
    away = StoreUnavailable("away")
    world.reception.answers = {"typed": away, "pressed": away, "shortcut": away}

    ack = await world.door.slash("/escalate", "help", user="U1", channel="C1")
    assert ack.ok
    assert "NOT recorded" in ack.text
    assert (await world.door.mention("help", user="U1", channel="C1")).ok
    await world.door.click(await world.posted(), "Acknowledge", user="U1")
    await world.door.shortcut("escalate_message", world.slack.say("C1", "U2", "x"), user="U1")
    await world.settle()
    assert ["NOT recorded" in said.words for said in world.slack.ephemerals("U1")] == [True] * 4

    world.reception.answers = {"typed": Reply(EN, form=FORM), "submitted": away}
    await world.door.slash("/escalate", user="U1", channel="C1")
    (form,) = world.slack.opened_views["U1"]
    await world.door.submit(form, {"text": "long story"})
    assert form.open
    assert "NOT recorded" in form.errors["text"]


async def test_a_fault_of_ours_is_logged_once_and_told(world: World, caplog: pytest.LogCaptureFixture):
    world.reception.answers["typed"] = RuntimeError("boom")

    ack = await world.door.slash("/escalate", "help", user="U1", channel="C1")

    assert "went wrong" in ack.text
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a request of slack:U1 failed"
    ]


async def test_an_event_that_failed_unheard_is_delivered_again(over_http: World):
    over_http.reception.answers["typed"] = StoreUnavailable("away")
    over_http.slack.faults.always("*", status=503)

    first = await over_http.door.mention("help", user="U1", channel="C1")
    over_http.slack.faults.clear()
    over_http.reception.answers.clear()
    second = await over_http.door.again(first, retry=1)
    await over_http.settle()

    assert (first.status, second.status) == (503, 200)
    assert [said.words for said in over_http.slack.ephemerals("U1")] == ["typed done"]


async def test_guests_bots_and_strangers_are_told_apart(world: World):
    world.slack.person("U5", name="Guest", guest=True)
    world.slack.person("U6", name="Else", team="T2")

    await world.door.mention("help", user="U5", channel="C1")
    await world.door.mention("help", user="U6", channel="C1")
    await world.door.click(await world.posted(), "Acknowledge", user="U6")

    assert [call[1].standing for call in world.reception.calls] == [Standing.GUEST, Standing.FOREIGN, Standing.FOREIGN]


async def test_another_workspace_is_refused(over_http: World):
    over_http.slack.person("U6", name="Else", team="T2")

    ack = await over_http.door.slash("/escalate", "help", user="U6", channel="C1")

    assert ack.status == 403
    assert over_http.reception.calls == []


async def test_a_changed_group_is_asked_for_again(world: World):
    world.slack.group("S1", members=["U1"])

    ack = await world.door.event({"type": "subteam_updated", "subteam": {"id": "S1"}, "event_ts": "1.1"})
    await world.settle()

    assert ack.ok
    assert world.slack.count("usergroups.users.list") == 1


async def test_nobody_authenticates_for_each_request(over_http: World):
    for _ in range(3):
        await over_http.door.slash("/escalate", "help", user="U1", channel="C1")

    assert over_http.slack.count("auth.test") == 1
    assert over_http.slack.count("users.info") == 1


async def test_what_people_write_stays_out_of_the_logs(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(Redaction())
    connection.quieten()

    await world.door.slash("/escalate", "our secret sauce", user="U1", channel="C1")
    await world.door.mention("our secret sauce", user="U1", channel="C1")
    await world.door.event({"type": "unheard_of", "text": "our secret sauce"})
    await world.settle()

    assert "secret sauce" not in caplog.text
    assert world.slack.bot_token not in caplog.text


async def test_two_sockets_are_kept_and_come_back():
    async with a_world("socket") as world:
        await world.slack.disconnect_sockets()
        await _until(lambda: world.slack.count("apps.connections.open") >= 4 and world.slack.sockets == 2)
        assert (await world.door.slash("/escalate", "help", user="U1", channel="C1")).ok

        world.slack.cut_sockets()
        await _until(lambda: world.slack.count("apps.connections.open") >= 6 and world.slack.sockets == 2)
        assert (await world.door.slash("/escalate", "help", user="U1", channel="C1")).ok


async def test_stopping_waits_for_what_is_under_way():
    async with a_world("socket") as world:

        async def store() -> None:
            await asyncio.sleep(0.3)

        world.reception.store = store
        asked = asyncio.create_task(world.door.slash("/escalate", "help", user="U1", channel="C1"))
        await asyncio.sleep(0.1)
    assert (await asked).text == "typed done"


async def test_health_tells_sockets_and_the_token():
    async with SlackServer() as slack:
        clock, client = SystemClock(), web_client(slack.bot_token, base_url=slack.base_url, timeout=10)
        people = SlackPeople(client, Unremembering(), lambda: Directory(WorkspaceId("a"), "A", "o"), clock, team="T1")
        installation = await identify(client)
        listeners = Listeners(
            reception=StandIn(),
            people=people,
            answers=Answers(client, str),
            installation=installation,
            later=asyncio.ensure_future,
        )
        app = bolt_app(client, listeners, installation)
        sockets = Sockets(app, client, slack.app_token, clock, stagger=0, ping_every=0.2)
        assert not sockets.health().ready
        running = asyncio.create_task(sockets.run())
        await slack.wait_for_sockets(2)
        await _until(lambda: sockets.health().ready and sockets.health().sockets == 2)

        slack.token_error = "token_revoked"
        watch = connection.Watch(client, clock)
        await watch.look()
        assert (watch.health().ready, watch.health().problem) == (False, "token_revoked")
        slack.token_error = None
        await watch.look()
        assert watch.health().ready
        await _cancelled(running)
        await _until(lambda: slack.sockets == 0)


class InTheWay(Unremembering):
    """Another replica writes the same name at the same moment."""

    async def remember(self, profile: Profile) -> None:
        raise Conflict("another unit of work was faster")

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        raise Conflict("another unit of work was faster")


async def test_a_name_that_another_replica_writes_at_the_same_moment_harms_nobody():
    async with SlackServer() as slack:
        slack.person("U1", name="ada")
        client = web_client(slack.bot_token, base_url=slack.base_url, timeout=10)
        owners = Binding((PersonId(Address("slack:U1")),), groups=(Address("slack:S1"),))
        directory = Directory(WorkspaceId("a"), "A", "o", roles={RoleId("r"): owners})
        slack.group("S1", members=["U1"])
        people = SlackPeople(client, InTheWay(), lambda: directory, SystemClock(), team="T1")

        await people.refresh()

        assert (await people.actor("U1")).standing is Standing.MEMBER


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        ("<@UBOT> help", "help"),
        ("<@UBOT|echelon>: help <@UBOT>", "help @slack:UBOT"),
        ("see <#C1|support> <#C2>", "see #support #C2"),
        ("<!here> <!subteam^S1|@ops> <!subteam^S1>", "@here @ops @subteam"),
        (
            "<https://x.test|x.test> <https://x.test|docs> <mailto:a@b.c|a@b.c>",
            "https://x.test docs (https://x.test) a@b.c",
        ),
        ("&lt;@U1&gt; &amp;lt;", "<@U1> &lt;"),
        ("<!date^1^{time}|noon>", "noon"),
    ],
)
def test_words_are_read_as_people_wrote_them(wire: str, words: str):
    assert spoken(wire, "UBOT") == words


def test_an_echo_of_what_was_typed_is_inert():
    shown = Answers(web_client("x"), str).payload(Reply(EN, ("No.",), typed="<!channel> `x`"))

    assert shown
    assert live_mentions(shown) == []
    assert shown["text"] == "No."
