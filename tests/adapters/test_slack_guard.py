"""Nothing that Slack did not sign gets in, nothing that makes no sense costs more than a short 4xx, nothing runs twice."""

import asyncio
import copy
import json
import logging
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from adapters.door import LARGEST, REMEMBERED
from adapters.slack.answers import Answers
from adapters.slack.connection import bolt_app, http_handler
from adapters.slack.gateway import web_client
from adapters.slack.guard import SIGNATURE, TIMESTAMP, Answer, Guard, read_body
from adapters.slack.line import Access, SlackLine
from adapters.slack.listeners import Installation, Listeners
from adapters.slack.people import SlackPeople
from bot.directory import Directory, WorkspaceId
from tests.adapters.test_slack_listeners import SUBJECT, StandIn, Unremembering
from tests.fakes import FakeClock
from tests.slack_server import SlackServer, sign

SECRET = "canary-signing-secret"
REFUSALS = {400, 401, 403, 404, 405, 413, 415}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Gate:
    """The app behind its guard, as it stands in the world."""

    def __init__(self, url: str, session: ClientSession, reception: StandIn, clock: FakeClock, guard: Guard) -> None:
        self.url, self.session, self.reception, self.clock, self.guard = url, session, reception, clock, guard

    @property
    def now(self) -> str:
        return str(int(self.clock.now().timestamp()))

    def signed(self, body: bytes, kind: str = FORM, *, at: str | None = None) -> dict[str, str]:
        moment = at or self.now
        return {"Content-Type": kind, TIMESTAMP: moment, SIGNATURE: sign(SECRET, moment, body)}

    async def send(self, body: bytes, headers: dict[str, str], method: str = "POST") -> tuple[int, str]:
        async with self.session.request(method, self.url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def gate(clock: FakeClock) -> AsyncIterator[Gate]:
    async with SlackServer() as slack:
        slack.person("U1", name="Ada")
        slack.channel("C1", name="support", members={"U1"})
        client = web_client(slack.bot_token, base_url=slack.base_url, timeout=10)
        installation = Installation("T1", "Acme", "UBOT", "https://acme.slack.com/", frozenset())
        directory = Directory(WorkspaceId("acme"), "Acme", "office")
        people = SlackPeople(client, Unremembering(), lambda: directory, clock, team="T1")
        reception, later = StandIn(), set[Any]()

        def spawn(work: Any) -> None:
            later.add(asyncio.ensure_future(work))

        listeners = Listeners(
            reception=reception, people=people, answers=Answers(client, str), installation=installation, later=spawn
        )
        guard = Guard(SECRET, clock, slowest=0.3)
        site = web.Application()
        site.router.add_route("*", "/slack/events", http_handler(bolt_app(client, listeners, installation), guard))
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession() as session:
            yield Gate(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events", session, reception, clock, guard)
        await asyncio.gather(*later)
        await runner.cleanup()


COMMAND = {
    "team_id": "T1",
    "channel_id": "C1",
    "user_id": "U1",
    "command": "/escalate",
    "text": "help",
    "trigger_id": "1",
}
USER = {"id": "U1", "team_id": "T1"}
PRESS: dict[str, Any] = {
    "type": "block_actions",
    "team": {"id": "T1"},
    "user": USER,
    "trigger_id": "2",
    "container": {"type": "message", "message_ts": "17.1", "channel_id": "C1"},
    "actions": [
        {"type": "button", "action_id": "press:acknowledge", "block_id": "b", "value": str(SUBJECT), "action_ts": "1.2"}
    ],
}
VIEW: dict[str, Any] = {
    "type": "view_submission",
    "team": {"id": "T1"},
    "user": USER,
    "view": {
        "id": "V1",
        "type": "modal",
        "hash": "h",
        "callback_id": "note",
        "private_metadata": "C1 \nx",
        "blocks": [],
        "state": {"values": {}},
    },
}
EVENT: dict[str, Any] = {
    "type": "event_callback",
    "team_id": "T1",
    "event_id": "Ev1",
    "authorizations": [{"team_id": "T1", "user_id": "UBOT", "is_bot": True}],
    "event": {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "17.2", "text": "<@UBOT> help"},
}
SHORTCUT: dict[str, Any] = {
    "type": "message_action",
    "team": {"id": "T1"},
    "user": USER,
    "callback_id": "escalate_message",
    "trigger_id": "3",
    "channel": {"id": "C1"},
    "message": {"ts": "17.3", "text": "x"},
}
GENUINE: list[tuple[bytes, str]] = [
    (urlencode(COMMAND).encode(), FORM),
    *((urlencode({"payload": json.dumps(body)}).encode(), FORM) for body in (PRESS, VIEW, SHORTCUT)),
    (json.dumps(EVENT).encode(), JSON),
]


def forgeries(gate: Gate, dice: random.Random) -> Iterator[tuple[bytes, dict[str, str], str]]:
    """Requests that Slack did not send: one thing wrong with each."""
    while True:
        body, kind = dice.choice(GENUINE)
        headers = gate.signed(body, kind)
        match dice.randrange(13):
            case 0:
                headers[SIGNATURE] = dice.choice(
                    ["", "v0=", "v1=" + "a" * 64, "v0=" + "é" * 64, "v0=" + "0" * 64, "x" * 500]
                )
            case 1:
                headers[TIMESTAMP] = dice.choice(["", "abc", "1e9", "-1", "٣" * 10, "9" * 5000, "²", "0x10", " "])
            case 2:
                headers = gate.signed(body, kind, at=str(int(gate.now) + dice.choice([-301, 301, -86_400, 10**9])))
            case 3:
                headers.pop(dice.choice([SIGNATURE, TIMESTAMP]))
            case 4:
                headers["Content-Type"] = dice.choice(
                    ["text/plain", "multipart/form-data", "application/xml", "json; charset=x"]
                )
            case 5:
                headers["Content-Type"] = f"{kind}; charset={dice.choice(['bogus', 'utf-16', 'latin-1'])}"
            case 6:
                body += b" "
            case 7:
                at = dice.randrange(len(body))
                body = body[:at] + bytes([body[at] ^ 1 << dice.randrange(8)]) + body[at + 1 :]
            case 8:
                yield body, headers, dice.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
                continue
            case 9:
                body = b"x" * (LARGEST + 1)
                headers = gate.signed(body, kind)
            case 10:
                headers[SIGNATURE] = sign("another secret", headers[TIMESTAMP], body)
            case 11:
                body, headers = b"ssl_check=1", {"Content-Type": FORM}
            case _:
                headers["Content-Encoding"] = "gzip"
        yield body, headers, "POST"


JUNK = [
    b"",
    b"{",
    b"[1]",
    b"null",
    b"1" * 5000,
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"\xff\xfe",
    b"payload=%7B",
    b"payload=[]",
    b"payload=",
    b"payload=" + quote("[" * 50_000).encode(),
    b"&" * 1000 + b"=" * 1000,
    b"a=1&" * 500,
    b"ssl_check=1",
    b'{"type":"url_verification"}',
    b'{"type":"url_verification","challenge":7}',
    b"\x00" * 100,
]
WRONG: list[Any] = [
    None,
    0,
    -1.5,
    True,
    "",
    "x",
    [],
    [1],
    [None],
    {},
    {"id": 1},
    [{"team_id": []}],
    {"a": {"b": []}},
    "\ud800",
]


def nonsense(gate: Gate, dice: random.Random) -> Iterator[tuple[bytes, dict[str, str], str]]:
    """Signed, and yet nothing that Slack would send: junk, and genuine bodies with a part replaced."""
    while True:
        if dice.random() < 0.3:
            body, kind = dice.choice(JUNK), dice.choice([FORM, JSON])
        else:
            part = copy.deepcopy(dice.choice([PRESS, VIEW, EVENT, SHORTCUT]))
            for _ in range(dice.randint(1, 3)):
                spoil(part, dice)
            raw = json.dumps(part)
            body, kind = (raw.encode(), JSON) if dice.random() < 0.5 else (urlencode({"payload": raw}).encode(), FORM)
        yield body, gate.signed(body, kind), "POST"


def spoil(part: dict[str, Any], dice: random.Random) -> None:
    """Replace or remove something, somewhere; or add what Bolt looks for."""
    target: Any = part
    while isinstance(target, dict) and target and dice.random() < 0.6:
        inner = [value for value in target.values() if isinstance(value, dict)] + [
            one for value in target.values() if isinstance(value, list) for one in value if isinstance(one, dict)
        ]
        if not inner:
            break
        target = dice.choice(inner)
    key = dice.choice(
        [*target, "enterprise", "team", "user", "authorizations", "response_urls", "event", "view", "actions"]
    )
    if dice.random() < 0.2:
        target.pop(key, None)
    else:
        target[key] = copy.deepcopy(dice.choice(WRONG))


async def test_a_thousand_forged_requests_are_turned_away(gate: Gate, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    requests = forgeries(gate, random.Random(1))  # noqa: S311

    for _ in range(1000):
        body, headers, method = next(requests)
        status, words = await gate.send(body, headers, method)
        assert status in REFUSALS, (method, headers, body[:200], status, words)
        assert len(words) < 80
        assert "Traceback" not in words

    assert gate.reception.calls == []
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
    assert SECRET not in caplog.text
    assert "block_actions" not in caplog.text


async def test_a_thousand_signed_requests_that_make_no_sense_cost_no_error(
    gate: Gate, caplog: pytest.LogCaptureFixture
):
    requests = nonsense(gate, random.Random(2))  # noqa: S311

    for _ in range(1000):
        gate.clock.forward(seconds=1)
        body, headers, method = next(requests)
        status, words = await gate.send(body, headers, method)
        assert status in REFUSALS | {200}, (status, words, body[:400], caplog.text[-3000:])

    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("kind", [FORM, JSON])
@pytest.mark.parametrize("body", JUNK)
async def test_signed_junk_is_400(gate: Gate, body: bytes, kind: str):
    status, _ = await gate.send(body, gate.signed(body, kind))

    assert status in REFUSALS


async def test_what_slack_signed_gets_through(gate: Gate):
    for body, kind in GENUINE:
        assert (await gate.send(body, gate.signed(body, f"{kind}; charset=UTF-8")))[0] == 200

    assert [call[0] for call in gate.reception.calls] == ["typed", "pressed", "submitted", "shortcut", "typed"]


async def test_the_address_is_verified_when_it_is_set(gate: Gate):
    body = b'{"type": "url_verification", "challenge": "c4", "token": "t"}'

    assert await gate.send(body, gate.signed(body, JSON)) == (200, '{"challenge": "c4"}')


async def test_a_replay_gets_the_first_answer_and_does_nothing(gate: Gate):
    body, kind = GENUINE[0]
    headers = gate.signed(body, kind)

    answers = {await gate.send(body, headers) for _ in range(5)}
    answers |= set(await asyncio.gather(*(gate.send(body, headers) for _ in range(5))))

    assert len(answers) == 1
    assert next(iter(answers))[0] == 200
    assert len(gate.reception.calls) == 1


async def test_two_at_once_are_one(gate: Gate):
    async def store() -> None:
        await asyncio.sleep(0.1)

    gate.reception.store = store
    body, kind = GENUINE[0]
    headers = gate.signed(body, kind)

    first, second = await asyncio.gather(gate.send(body, headers), gate.send(body, headers))

    assert first == second
    assert len(gate.reception.calls) == 1


async def test_a_thousand_replays_have_no_second_effect(gate: Gate):
    sent = []
    for number in range(100):
        body = urlencode(COMMAND | {"trigger_id": str(number)}).encode()
        sent.append((body, gate.signed(body)))
    for body, headers in sent * 10:
        assert (await gate.send(body, headers))[0] == 200

    assert len(gate.reception.calls) == 100


async def test_what_failed_may_come_again(clock: FakeClock):
    statuses = iter([503, 200, 200])
    guard, body = Guard(SECRET, clock), b'{"a": 1}'

    async def handle(_: object) -> Answer:
        return Answer(next(statuses))

    answers = [(await guard._once(b"digest", read_body(body, JSON), handle)).status for _ in range(3)]
    assert answers == [503, 200, 200]
    assert next(statuses) == 200


async def test_memory_of_replays_is_bounded(clock: FakeClock):
    guard = Guard(SECRET, clock)

    async def handle(_: object) -> Answer:
        return Answer(200)

    for number in range(50):
        await guard._once(str(number).encode(), {"a": 1}, handle)
    clock.forward(seconds=REMEMBERED + 1)
    await guard._once(b"new", {"a": 1}, handle)

    assert len(guard._seen) == 1


async def test_a_body_that_dawdles_is_cut_off(gate: Gate):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gate.url.split(":")[2].split("/")[0]))
    head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 1000\r\n"
    writer.write(f"{head}{TIMESTAMP}: {gate.now}\r\n{SIGNATURE}: v0={'a' * 64}\r\n\r\nabc".encode())

    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_body_without_a_length_is_measured(gate: Gate):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async with gate.session.post(gate.url, data=endless(), headers=gate.signed(b"")) as answer:
        assert answer.status == 413


def test_no_secret_no_guard(clock: FakeClock):
    with pytest.raises(ValueError, match="signing secret"):
        Guard("", clock)


@pytest.mark.parametrize("name", [SIGNATURE, TIMESTAMP, "Content-Type", "Content-Encoding"])
async def test_a_header_that_comes_twice_is_refused(gate: Gate, name: str):
    body, kind = GENUINE[0]
    headers = CIMultiDict(gate.signed(body, kind) | {"Content-Encoding": "identity"})
    headers.add(name, headers[name])

    async with gate.session.post(
        gate.url, data=body, headers=headers, skip_auto_headers=["Content-Encoding"]
    ) as answer:
        assert answer.status == 400

    assert gate.reception.calls == []


async def test_a_flood_leaves_few_lines_in_the_log_and_none_is_uncounted(gate: Gate, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "adapters.door")
    for _ in range(200):
        await gate.send(b"x", {"Content-Type": FORM})
    gate.clock.forward(seconds=60)
    await gate.send(b"x", {"Content-Type": FORM})

    lines = [record.getMessage() for record in caplog.records if "turned away" in record.getMessage()]
    assert len(lines) == 61
    assert lines[-1].endswith("and 140 before it")


def a_slack_line(slack: SlackServer, clock: FakeClock, access: Access) -> SlackLine:
    client = web_client(slack.bot_token, base_url=slack.base_url)
    directory = Directory(WorkspaceId("acme"), "Acme", "office")
    return SlackLine(client=client, access=access, directory=lambda: directory, names=str, clock=clock)


@pytest.mark.parametrize(
    ("access", "genuine", "forged"),
    [(Access(signing_secret=SECRET), 503, 401), (Access(app_token="xapp-1"), 404, 404)],
)
async def test_before_the_workspace_is_known_only_slack_hears_that_it_may_come_again(
    clock: FakeClock, access: Access, genuine: int, forged: int
):
    async with SlackServer() as slack:
        line = a_slack_line(slack, clock, access)
        site = web.Application()
        site.router.add_route("*", "/slack/events", line.serve)
        async with TestClient(TestServer(site)) as client:
            body, kind = GENUINE[0]
            now = str(int(clock.now().timestamp()))
            headers = {"Content-Type": kind, TIMESTAMP: now, SIGNATURE: sign(SECRET, now, body)}
            told = await client.post("/slack/events", data=body, headers=headers)
            headers[SIGNATURE] = sign("another", now, body)
            refused = await client.post("/slack/events", data=body, headers=headers)

    assert (told.status, refused.status) == (genuine, forged)
