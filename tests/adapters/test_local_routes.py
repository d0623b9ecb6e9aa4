"""The local chat over HTTP: what people do reaches the core and comes back, and nobody else may speak to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from adapters.local.clock import MovableClock
from adapters.local.demo import DIRECTORY_FILE, STORY
from adapters.local.gateway import LocalChat
from adapters.local.places import Places
from adapters.local.render import Renderer
from adapters.local.routes import LocalWeb
from adapters.local.store import LocalStore
from adapters.local.talk import words_for_echelon
from bot.errors import StoreUnavailable
from bot.readers import Readers
from matrix.directory_file import read_directory
from matrix.fixed import FixedDirectories
from scheduler.engine import Engine
from storage.database import Database
from tests.acceptance.world import a_shelf
from tests.conftest import SqliteFiles
from tests.fakes import CountingIds

FRIDAY = datetime(2026, 11, 20, 14, 0, tzinfo=ZoneInfo("Europe/Paris"))
HELPDESK, SUPPORT, ADMINS = "local:#helpdesk", "local:#support-l1", "local:#echelon-admin"
NOOR, ADA, BRUNO, CHLOE = "local:noor", "local:ada", "local:bruno", "local:chloe"

Json = dict[str, Any]


@dataclass
class Page:
    """What the page does, and what it sees."""

    client: "TestClient[Any, Any]"
    engine: Engine
    store: LocalStore
    clock: MovableClock
    requests: "count[int]" = field(default_factory=lambda: count(1))

    async def post(self, path: str, body: Json, headers: dict[str, str] | None = None) -> ClientResponse:
        return await self.client.post(f"/api/{path}", json=body, headers=headers)

    async def does(self, path: str, person: str, **body: Any) -> Json:
        sent = {"as": person, "request": f"request-{next(self.requests)}", **body}
        answer = await self.post(path, sent)
        assert answer.status == 200, await answer.text()
        await self.settle()
        return await answer.json()

    async def says(self, person: str, words: str, place: str = HELPDESK, **more: Any) -> Json:
        return await self.does("say", person, place=place, words=words, **more)

    async def state(self, person: str) -> Json:
        answer = await self.client.get("/api/state", params={"as": person})
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def sees(self, person: str, place: str) -> list[Json]:
        return [message for message in (await self.state(person))["messages"] if message["place"] == place]

    async def card(self, person: str) -> Json:
        """The newest card in the person's direct messages."""
        return [one for one in await self.sees(person, person) if one["content"]["kind"] == "card"][-1]["content"]

    async def presses(self, person: str, press: str, **more: Any) -> Json:
        subject = (await self.card(person))["subject"]
        return await self.does("press", person, place=person, press=press, subject=subject, **more)

    async def settle(self) -> None:
        while await self.engine.timers.sweep() + await self.engine.pump.drain():
            pass


@pytest.fixture
async def page(tmp_path: Path, files: SqliteFiles) -> AsyncIterator[Page]:
    """The demo at 14:00 on a Friday; the real core on SQLite, carried on by hand."""
    directory = read_directory(DIRECTORY_FILE).directory
    clock, ids, plans = MovableClock(FRIDAY, seconds=lambda: 0.0), CountingIds(), a_shelf()
    database, directories = (
        Database.open(await files.migrated(tmp_path / "echelon.db"), ids),
        FixedDirectories(directory),
    )
    people = database.people(directory.workspace)
    await people.load()
    readers = Readers(directories, people)
    async with LocalStore.opened(tmp_path / "chat.db") as store:
        chat = LocalChat(store, Places.of(directory), Renderer(readers.name), clock, "http://127.0.0.1:8080/")
        engine = Engine.built(
            store=database,
            clock=clock,
            ids=ids,
            plans=plans,
            people=people,
            directories=directories,
            readers=readers,
            chat=chat,
            membership=chat,
        )
        here: list[Page] = []
        local = LocalWeb(
            reception=engine.reception,
            chat=chat,
            clock=clock,
            plans=plans,
            archive=database.archive(),
            settle=lambda: here[0].settle(),
            story=STORY,
        )
        async with TestClient(TestServer(local.app())) as client:
            here.append(Page(client, engine, store, clock))
            yield here[0]
    await database.close()


# What people do


async def test_an_issue_opened_by_a_slash_command_pings_the_first_level(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    seen = await page.sees(NOOR, HELPDESK)
    assert [(one["author"], one["private"], one["content"]["kind"]) for one in seen] == [
        (NOOR, True, "words"),
        ("echelon", True, "reply"),
    ]
    assert "ESC-1 is open" in seen[1]["content"]["fallback"]
    assert (await page.card(ADA))["headline"] == "ESC-1 · Checkout fails"
    assert (await page.sees(ADA, SUPPORT))[0]["content"]["tone"] == "waiting"


async def test_nobody_else_sees_the_command_or_its_answer(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    assert await page.sees(BRUNO, HELPDESK) == []


async def test_a_mention_is_seen_by_all_and_its_answer_by_one(page: Page) -> None:
    await page.says(NOOR, "@Echelon who")

    assert [one["content"]["kind"] for one in await page.sees(NOOR, HELPDESK)] == ["words", "reply"]
    (seen,) = await page.sees(BRUNO, HELPDESK)
    assert seen["content"]["text"] == [{"t": "text", "text": "@Echelon who"}]


async def test_talk_among_people_is_not_read(page: Page) -> None:
    await page.says(NOOR, "Did anybody escalate this?")

    assert len(await page.sees(NOOR, HELPDESK)) == 1


async def test_everything_in_direct_messages_is_for_echelon(page: Page) -> None:
    await page.says(NOOR, "Checkout fails", place=NOOR)

    assert (await page.card(ADA))["headline"] == "ESC-1 · Checkout fails"
    assert not any(one["private"] and one["author"] == NOOR for one in await page.sees(NOOR, NOOR))


async def test_the_same_request_twice_opens_and_shows_one(page: Page) -> None:
    for _ in range(2):
        await page.says(NOOR, "/escalate Checkout fails", request="the-same-request")

    assert len(await page.sees(NOOR, HELPDESK)) == 2
    assert len([one for one in await page.sees(ADA, ADA) if one["content"]["kind"] == "card"]) == 1


async def test_the_command_alone_opens_the_form_and_leaves_no_message(page: Page) -> None:
    answer = await page.says(NOOR, " /escalate ")

    assert [field["name"] for field in answer["form"]["inputs"]][:2] == ["title", "details"]
    assert await page.sees(NOOR, HELPDESK) == []


async def test_a_channel_may_follow_another_matrix(page: Page) -> None:
    answer = await page.says(NOOR, "/escalate The dates slip", place="local:#project-aurora")

    initial = {field["name"]: field["initial"] for field in answer["form"]["inputs"]}
    assert (initial["title"], initial["matrix"]) == ("The dates slip", "project-matrix")


async def test_a_form_that_is_sent_opens_an_escalation(page: Page) -> None:
    form = (await page.does("new", NOOR, place=HELPDESK))["form"]
    values = {field["name"]: field["initial"] for field in form["inputs"]} | {"title": "Printer on fire"}

    await page.does("submit", NOOR, place=HELPDESK, form=form["name"], context=form["context"], values=values)

    assert (await page.card(ADA))["headline"] == "ESC-1 · Printer on fire"


async def test_what_is_wrong_in_a_form_is_said_at_its_field(page: Page) -> None:
    form = (await page.does("new", NOOR, place=HELPDESK))["form"]
    values = {field["name"]: field["initial"] for field in form["inputs"]} | {"title": " "}
    sent = {"place": HELPDESK, "form": form["name"], "context": form["context"], "values": values}

    answer = await page.does("submit", NOOR, **sent)

    assert list(answer["errors"]) == ["title"]


async def test_a_field_that_others_depend_on_brings_another_form(page: Page) -> None:
    form = (await page.does("new", NOOR, place=HELPDESK))["form"]
    values = {field["name"]: field["initial"] for field in form["inputs"]} | {"matrix": "project-matrix"}
    sent = {"place": HELPDESK, "form": form["name"], "context": form["context"], "values": values}

    answer = await page.does("change", NOOR, **sent)

    assert "issue_type" in [field["name"] for field in answer["form"]["inputs"]]


async def test_a_button_acts_and_the_card_says_so_in_place(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    (before,) = [one for one in await page.sees(ADA, ADA) if one["content"]["kind"] == "card"]

    await page.presses(ADA, "acknowledge")

    (after,) = [one for one in await page.sees(ADA, ADA) if one["content"]["kind"] == "card"]
    assert (after["id"], after["content"]["tone"]) == (before["id"], "acknowledged")
    assert after["change"] > before["change"]


async def test_a_page_is_shown_apart_and_leaves_no_message(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    before = await page.sees(ADA, ADA)

    answer = await page.presses(ADA, "timeline")

    assert answer["page"]["title"] == "ESC-1"
    assert await page.sees(ADA, ADA) == before


async def test_a_button_with_a_dialog_answers_with_the_form(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    answer = await page.presses(ADA, "resolve")

    assert answer["form"]["name"] == "resolve"


async def test_a_mention_in_the_thread_of_a_card_is_about_its_escalation(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    (root,) = await page.sees(ADA, SUPPORT)

    await page.says(ADA, "@Echelon resolve certificate renewed", place=SUPPORT, thread=root["id"])

    root = next(one for one in await page.sees(ADA, SUPPORT) if one["id"] == root["id"])
    assert root["content"]["tone"] == "resolved"


async def test_a_slash_command_in_a_thread_is_refused_with_the_other_way(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    (root,) = await page.sees(ADA, SUPPORT)
    body = {"as": ADA, "request": "request-x", "place": SUPPORT, "thread": root["id"], "words": "/escalate list"}

    answer = await page.post("say", body)

    assert answer.status == 400
    assert "@Echelon" in (await answer.json())["error"]


async def test_any_message_can_be_escalated(page: Page) -> None:
    await page.says(BRUNO, "Has anybody seen\nthat invoices go out twice?")
    (message,) = await page.sees(NOOR, HELPDESK)

    answer = await page.does("shortcut", NOOR, message=message["id"])

    initial = {field["name"]: field["initial"] for field in answer["form"]["inputs"]}
    assert initial["title"] == "Has anybody seen"
    assert "invoices go out twice" in initial["details"]


async def test_a_name_is_enough_to_hand_over(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    await page.says(ADA, "handover ESC-1 @Bruno Costa", place=ADA)

    assert (await page.card(BRUNO))["headline"] == "ESC-1 · Checkout fails"


async def test_each_person_reads_their_own_language(page: Page) -> None:
    state = await page.state(CHLOE)

    assert (state["lang"], state["keywords"]["list"]) == ("fr", "liste")
    assert (await page.state(NOOR))["lang"] == "en"


async def test_the_page_follows_a_language_that_was_chosen(page: Page) -> None:
    await page.says(NOOR, "lang fr", place=NOOR)

    assert (await page.state(NOOR))["lang"] == "fr"


@pytest.mark.parametrize(
    ("typed", "direct", "heard"),
    [
        ("/escalate outage", False, ("outage", True)),
        ("/ESCALATE", False, ("", True)),
        ("/escalated quickly", False, None),
        ("we should /escalate", False, None),
        ("@Echelon: list", False, ("list", False)),
        ("checkout fails @echelon", False, ("checkout fails", False)),
        ("me@echelon.example", False, None),
        ("@Echelonia", False, None),
        ("checkout fails", True, ("checkout fails", False)),
        ("/escalate outage", True, ("outage", False)),
    ],
)
def test_what_echelon_reads(typed: str, direct: bool, heard: tuple[str, bool] | None) -> None:
    assert words_for_echelon(typed, direct=direct) == heard


# The clock


async def test_a_jump_to_the_deadline_passes_the_reminders_on_the_way(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    status = await page.does("clock", NOOR, jump="deadline")

    kinds = [(one["thread"] is not None, one["content"]["kind"]) for one in await page.sees(ADA, ADA)]
    assert kinds.count((True, "line")) >= 2
    assert (await page.card(ADA))["tone"] == "moved"
    assert (await page.card(BRUNO))["tone"] == "waiting"
    assert page.clock.now() == FRIDAY + timedelta(minutes=15, milliseconds=1)
    assert status["clock"]["deadline"]["reference"] == "ESC-1"
    assert (status["clock"]["deadline"]["what"], status["clock"]["deadline"]["level"]) == ("up", 3)


async def test_a_step_goes_to_the_next_reminder(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    before = (await page.state(NOOR))["clock"]

    await page.does("clock", NOOR, jump="next")

    assert before["next"]["what"] == "reminder"
    assert page.clock.now() == FRIDAY + timedelta(minutes=7, seconds=30, milliseconds=1)


async def test_a_jump_with_nothing_to_come_changes_nothing(page: Page) -> None:
    await page.does("clock", NOOR, jump="deadline")

    assert page.clock.now() == FRIDAY


async def test_the_whole_way_up_is_seven_jumps_at_most(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    for _ in range(6):
        await page.does("clock", NOOR, jump="deadline")

    assert (await page.card("local:ines"))["tone"] == "waiting"
    clock = (await page.state(NOOR))["clock"]
    assert clock["deadline"] is None
    assert clock["next"]["what"] == "reminder"


async def test_the_speed_is_one_of_those_offered(page: Page) -> None:
    status = await page.does("clock", NOOR, speed=60)
    refused = await page.post("clock", {"as": NOOR, "request": "request-x", "speed": 61})

    assert status["clock"]["speed"] == page.clock.speed == 60
    assert refused.status == 400


async def test_a_jump_does_not_wait_for_ever(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("adapters.local.routes.PATIENCE", 0.01)
    monkeypatch.setattr(page, "settle", never)

    answer = await page.post("clock", {"as": NOOR, "request": "request-x", "speed": 10})

    assert answer.status == 200


# What is live


async def read_events(answer: ClientResponse, until: Callable[[list[Json]], bool]) -> list[Json]:
    """Events of a stream, as {id, event, data}, until there are enough."""
    events: list[Json] = []
    current: Json = {}
    async with asyncio.timeout(30):
        while not until(events):
            line = (await answer.content.readline()).decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                current[name] = value
            elif current:
                events.append(current)
                current = {}
    return events


async def test_a_message_arrives_by_itself(page: Page) -> None:
    async with page.client.get("/api/events", params={"as": BRUNO}) as stream:
        await page.says(NOOR, "Good morning")
        events = await read_events(stream, lambda seen: any(one["event"] == "message" for one in seen))

    message = next(json.loads(one["data"]) for one in events if one["event"] == "message")
    assert message["content"]["text"] == [{"t": "text", "text": "Good morning"}]


async def test_a_page_that_comes_back_gets_what_it_missed_and_no_more(page: Page) -> None:
    await page.says(NOOR, "One")
    first = (await page.state(BRUNO))["changed"]
    await page.says(NOOR, "Two")

    async with page.client.get("/api/events", params={"as": BRUNO}, headers={"Last-Event-ID": str(first)}) as stream:
        events = await read_events(stream, lambda seen: any(one["event"] == "status" for one in seen))

    said = [json.loads(one["data"])["content"]["text"][0]["text"] for one in events if one["event"] == "message"]
    assert said == ["Two"]


async def test_a_stream_shows_nothing_of_others(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")

    async with page.client.get("/api/events", params={"as": BRUNO}) as stream:
        events = await read_events(stream, lambda seen: any(one["event"] == "status" for one in seen))

    places = {json.loads(one["data"])["place"] for one in events if one["event"] == "message"}
    assert places == {SUPPORT}


async def test_what_is_unread_is_counted_until_it_is_read(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    before = await page.state(ADA)
    last = (await page.sees(ADA, ADA))[-1]["id"]

    await page.does("read", ADA, place=ADA, upto=last)

    assert before["pings"][ADA] == before["unread"][ADA] == 1
    after = await page.state(ADA)
    assert ADA not in after["pings"]
    assert ADA not in after["unread"]


async def test_the_admins_channel_is_for_admins(page: Page) -> None:
    names = {channel["id"] for channel in (await page.state(BRUNO))["channels"]}
    body = {"as": BRUNO, "request": "request-x", "place": ADMINS, "words": "hello"}

    assert ADMINS not in names
    assert (await page.post("say", body)).status == 404
    assert ADMINS in {channel["id"] for channel in (await page.state(ADA))["channels"]}


# The walls


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil", "", "10.0.0.1"]
)
async def test_another_host_name_is_refused(page: Page, host: str) -> None:
    for path in ("/", "/api/state", "/static/chat.js"):
        answer = await page.client.get(path, headers={"Host": host})
        assert answer.status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
async def test_the_names_of_this_machine_are_good(page: Page, host: str) -> None:
    assert (await page.client.get("/api/state", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_another_site_may_not_post(page: Page, headers: dict[str, str]) -> None:
    body = {"as": NOOR, "request": "request-x", "place": HELPDESK, "words": "hello"}

    answer = await page.post("say", body, headers)

    assert answer.status == 403
    assert await page.sees(NOOR, HELPDESK) == []


async def test_another_site_may_not_read(page: Page) -> None:
    for path in ("/api/state", "/api/events?as=ada"):
        assert (await page.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_form_of_another_site_cannot_pass_for_json(page: Page, kind: str) -> None:
    body = json.dumps({"as": NOOR, "request": "request-x", "place": HELPDESK, "words": "hello"})

    answer = await page.client.post("/api/say", data=body.encode(), headers={"Content-Type": kind})

    assert answer.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"as": 1}',
        b'{"as": "ada"}',
        b'{"as": "ada", "place": "local:#helpdesk", "words": "x"}',
        b'{"as": "ada", "place": "local:#helpdesk", "words": "x", "request": "short"}',
        b'{"as": "ada", "place": "local:#helpdesk", "words": "x", "request": "../../../etc/passwd"}',
        b'{"as": "ada", "place": "local:#helpdesk", "words": {}, "request": "request-1"}',
        b'{"as": "ada", "place": "local:#helpdesk", "words": "  ", "request": "request-1"}',
    ],
)
async def test_what_makes_no_sense_is_answered_with_a_sentence(page: Page, body: bytes) -> None:
    answer = await page.client.post("/api/say", data=body, headers={"Content-Type": "application/json"})

    assert answer.status == 400
    assert (await answer.json())["error"]


@pytest.mark.parametrize("values", ["x", [], {"title": 1}, {"title": None}, None])
async def test_values_of_a_form_are_texts(page: Page, values: object) -> None:
    sent = {"place": HELPDESK, "form": "open", "context": "", "values": values}

    answer = await page.post("submit", {"as": NOOR, "request": "request-x", **sent})

    assert answer.status == 400


async def test_half_characters_and_nul_are_replaced(page: Page) -> None:
    await page.says(NOOR, "broken \ud83d and \0")

    (message,) = await page.sees(NOOR, HELPDESK)
    assert "\0" not in message["content"]["fallback"]
    assert "\ud83d" not in message["content"]["fallback"]


async def test_a_body_is_at_most_64_kib(page: Page) -> None:
    body = {"as": NOOR, "request": "request-x", "place": HELPDESK, "words": "x" * 70_000}

    answer = await page.post("say", body)

    assert answer.status == 413
    assert "64 KiB" in (await answer.json())["error"]


@pytest.mark.parametrize("person", ["nobody", "local:nobody", "slack:U0123", "local:#helpdesk", ""])
async def test_an_unknown_person_is_not_found(page: Page, person: str) -> None:
    answer = await page.post("say", {"as": person, "request": "request-x", "place": HELPDESK, "words": "x"})

    assert answer.status == 404
    assert (await answer.json())["error"] == "there is no such person here"


@pytest.mark.parametrize("place", ["local:#nowhere", "local:bruno", "slack:C0123ABCD", ""])
async def test_a_place_that_a_person_cannot_see_is_not_found(page: Page, place: str) -> None:
    answer = await page.post("say", {"as": NOOR, "request": "request-x", "place": place, "words": "x"})

    assert answer.status == 404


async def test_a_message_that_a_person_cannot_see_is_not_found(page: Page) -> None:
    await page.says(NOOR, "/escalate Checkout fails")
    hidden = [one["id"] for one in [*await page.sees(NOOR, HELPDESK), *await page.sees(ADA, ADA)]]

    for message in [*hidden, "m999", "x"]:
        answer = await page.post("shortcut", {"as": BRUNO, "request": "request-x", "message": message})
        assert answer.status == 404


@pytest.mark.parametrize(
    ("press", "subject"), [("explode", "e:1"), ("resolve", "nothing"), ("resolve", "id9:1"), ("", "")]
)
async def test_a_button_that_was_made_up_is_answered_and_harmless(page: Page, press: str, subject: str) -> None:
    await page.does("press", NOOR, place=HELPDESK, press=press, subject=subject)

    (told,) = await page.sees(NOOR, HELPDESK)
    assert (told["author"], told["private"]) == ("echelon", True)


async def test_the_person_is_told_when_nothing_was_recorded(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*told: object, **more: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(type(page.engine.reception), "typed", away)

    answer = await page.post("say", {"as": NOOR, "request": "request-x", "place": HELPDESK, "words": "@Echelon list"})

    assert answer.status == 503
    assert "disk" not in (await answer.text())


async def test_every_answer_carries_the_headers_that_browsers_obey(page: Page) -> None:
    for path in ("/", "/static/chat.js", "/api/state", "/api/nowhere", "/nowhere"):
        answer = await page.client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "path", ["/static/../routes.py", "/static/%2e%2e/routes.py", "/static/..%2froutes.py", "/static/"]
)
async def test_nothing_but_the_page_is_served(page: Page, path: str) -> None:
    answer = await page.client.get(path)

    assert answer.status in {403, 404}
    assert "import" not in await answer.text()


async def test_an_unknown_route_is_answered_with_a_sentence(page: Page) -> None:
    wrong_method = await page.client.get("/api/say")
    unknown = await page.client.get("/api/nowhere")

    assert (wrong_method.status, unknown.status) == (405, 404)
    assert (await unknown.json())["error"]


async def test_the_page_and_all_that_it_loads_are_there(page: Page) -> None:
    html = await (await page.client.get("/")).text()
    loaded = [part.split('"')[0] for part in html.split('="/static/')[1:]]

    assert {"chat.css", "cards.css", "chat.js", "theme.js", "icon.svg"} <= set(loaded)
    for name in loaded:
        assert (await page.client.get(f"/static/{name}")).status == 200
