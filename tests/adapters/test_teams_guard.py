"""Nothing that Teams did not sign for this app and tenant gets in; what makes no sense costs no more than a short 4xx."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web

from adapters.door import LARGEST, Turned
from adapters.outbound import Outbound
from adapters.teams.connector import Allowed
from adapters.teams.guard import DEEPEST, Answer, Guard, read_body
from adapters.teams.http import Http
from adapters.teams.keys import AGAIN_AFTER, Keys
from adapters.teams.tokens import Forged, Verifier
from tests.adapters.test_teams_activities import ADA, Office, an_office
from tests.fakes import FakeClock
from tests.teams_server import APP_ID, OTHER_TENANT, TENANT, TeamsServer
from tests.teams_tokens import Identity, Minter

REFUSALS = {400, 401, 403, 405, 413, 415}


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with TeamsServer() as teams:
        teams.person(ADA, name="Ada Lovelace")
        async with an_office(teams) as there:
            yield there


def forgeries() -> list[str]:
    """Their names, without a server."""
    identity = Identity(APP_ID, "", TENANT)
    return list(Minter(identity, APP_ID, "https://smba.trafficmanager.net/emea/").forgeries())


def nothing_happened(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    assert office.reception.calls == []
    assert "Traceback" not in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


def test_there_are_enough_forgeries() -> None:
    assert len(forgeries()) >= 25


@pytest.mark.parametrize("name", forgeries())
async def test_a_forged_token_is_refused(office: Office, name: str, caplog: pytest.LogCaptureFixture) -> None:
    header = office.door.forgeries()[name]

    status, body = await office.door.raw(office.door.activity(), header=header)

    assert (status, body) == (401, None)
    nothing_happened(office, caplog)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"serviceUrl": "https://evil.example/"}, 401),
        ({"serviceUrl": None}, 401),
        ({"channelId": "webchat"}, 401),
        ({"channelId": "emulator"}, 401),
        ({"channelId": None}, 401),
        ({"conversation": {"id": "a:1", "tenantId": OTHER_TENANT}}, 403),
        ({"channelData": {"tenant": {"id": OTHER_TENANT}}}, 403),
        ({"conversation": {"id": "a:1"}, "channelData": {}}, 403),
        ({"conversation": None}, 400),
        ({"conversation": "a:1"}, 400),
        ({"from": []}, 400),
        ({"type": None}, 400),
        ({"type": 7}, 400),
        ({"text": ["x"]}, 400),
        ({"entities": {"type": "mention"}}, 400),
    ],
)
async def test_an_activity_must_be_of_the_token_of_teams_and_of_ours(
    office: Office, changes: dict[str, Any], refused: int, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = await office.door.raw(office.door.activity() | changes, office.door.token())

    assert (status, body) == (refused, None)
    nothing_happened(office, caplog)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://smba.trafficmanager.net/emea/",
        "https://smba.trafficmanager.net.evil.example/",
        "https://smba.trafficmanager.net@evil.example/",
        "https://evil.example/#smba.trafficmanager.net",
        "https://evil.example\\@smba.trafficmanager.net/",
        "https://smba.trafficmanager.net:8443/",
        "https://[::1]/",
        "https://2130706433/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "https://smba.trafficmanager.net\n.evil.example/",
        "https://smba.trafficmanager.nеt/",
        "",
    ],
)
async def test_a_signed_service_url_of_a_stranger_is_refused(office: Office, url: str) -> None:
    status, _ = await office.door.raw(office.door.activity() | {"serviceUrl": url}, office.door.token(serviceurl=url))

    assert status in {401, 403}
    assert not Allowed()(url)
    assert office.reception.calls == []


def test_the_service_urls_of_microsoft_are_trusted() -> None:
    for host in ("smba.trafficmanager.net", "smba.infra.gcc.teams.microsoft.com", "smba.infra.gov.teams.microsoft.us"):
        assert Allowed()(f"https://{host}/emea/")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"[1]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"type":"message"}',
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        json.dumps({"type": "message", "conversation": {"id": "x"}, "value": "\ud800"}).encode(),
    ],
)
async def test_a_signed_body_that_makes_no_sense_is_refused(
    office: Office, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = await office.door.raw(raw, office.door.token())

    assert status in REFUSALS
    assert body is None
    nothing_happened(office, caplog)


async def test_too_large_a_body_is_refused(office: Office) -> None:
    status, _ = await office.door.raw(b" " * (LARGEST + 1), office.door.token())

    assert status == 413


async def test_other_methods_and_kinds_are_refused(office: Office) -> None:
    headers = {"Authorization": f"Bearer {office.door.token()}"}
    async with ClientSession() as session:
        async with session.get(office.door.url, headers=headers) as got:
            assert got.status == 405
        for kind in ("text/plain", "application/json; charset=bogus", "application/x-www-form-urlencoded"):
            async with session.post(office.door.url, data=b"{}", headers=headers | {"Content-Type": kind}) as got:
                assert got.status == 415
        gzip = headers | {"Content-Type": "application/json", "Content-Encoding": "br"}
        async with session.post(office.door.url, data=b"{}", headers=gzip) as got:
            assert got.status in REFUSALS


def test_depth_is_counted_outside_of_texts() -> None:
    body = {"type": "message", "conversation": {"id": "x"}, "text": "[{" * 500 + '\\" [['}

    assert read_body(json.dumps(body).encode())["text"] == body["text"]
    with pytest.raises(Turned):
        read_body(b'{"a":' * DEEPEST + b"{}" + b"}" * DEEPEST)


async def test_ten_thousand_mutations_of_a_token_are_refused(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    dice = random.Random(7)  # noqa: S311
    good, verifier = office.door.token(), office.line._guard._verifier
    assert verifier is not None
    assert await verifier.proof(f"Bearer {good}")
    refused = 0

    for _ in range(10_000):
        at = dice.randrange(len(good))
        letter = dice.choice("abcXYZ019-_.= \n\x00é")
        header = f"Bearer {good[:at]}{letter}{good[at + dice.randrange(2) :]}"
        try:
            await verifier.proof(header)
        except Forged:
            refused += 1

    assert refused > 9_900, "a changed last letter of a signature may decode to the same bytes; nothing else may pass"
    nothing_happened(office, caplog)


# Keys


async def test_a_new_key_is_found_within_one_request(office: Office) -> None:
    await office.door.direct_message("one", ADA)
    office.teams.identity.rotate()

    ack = await office.door.direct_message("two", ADA)

    assert ack.ok


async def test_unknown_keys_lead_to_one_look_in_five_minutes(clock: FakeClock) -> None:
    identity = Identity(APP_ID, "", TENANT)
    identity.start()
    http = Http(Outbound([identity.url]))
    keys = Keys(http, clock, url=identity.openid_url)
    try:
        for _ in range(20):
            assert await keys.find("nobody") is None
        before = identity.fetches["jwks"]
        clock.forward(seconds=AGAIN_AFTER)
        for _ in range(20):
            assert await keys.find("nobody") is None
        assert before <= 2
        assert identity.fetches["jwks"] == before + 1
        assert await keys.find(identity.keys[-1].kid)
    finally:
        await http.close()
        await asyncio.to_thread(identity.stop)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 500}, {"html": True, "status": 502}])
@pytest.mark.parametrize("what", ["openid", "jwks"])
async def test_without_keys_nobody_is_let_in_and_teams_may_ask_again(
    fault: dict[str, Any], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with TeamsServer() as teams:
        teams.person(ADA, name="Ada")
        teams.identity.faults.always(what, **fault)
        async with an_office(teams) as office:
            status, body = await office.door.raw(office.door.activity(), office.door.token())

    assert (status, body) == (503, None)
    nothing_happened(office, caplog)


async def test_times_are_those_of_the_clock(clock: FakeClock) -> None:
    identity = Identity(APP_ID, "", TENANT, clock=lambda: clock.now().timestamp())
    identity.start()
    http = Http(Outbound([identity.url]))
    verifier = Verifier(Keys(http, clock, url=identity.openid_url), clock, APP_ID)
    now = int(clock.now().timestamp())
    minter = Minter(identity, APP_ID, "https://smba.trafficmanager.net/")

    async def passes(**claims: int) -> bool:
        try:
            await verifier.proof(f"Bearer {minter.token(**claims)}")
        except Exception:
            return False
        return True

    try:
        assert await passes(exp=now - 299)
        assert not await passes(exp=now - 301)
        assert await passes(nbf=now + 299)
        assert not await passes(nbf=now + 301)
    finally:
        await http.close()
        await asyncio.to_thread(identity.stop)


# Anonymous mode, slowness


class Remote:
    """Just enough of a request."""

    def __init__(self, remote: str | None) -> None:
        self.remote = remote


@pytest.mark.parametrize(
    ("remote", "heard"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.7", False), ("8.8.8.8", False), (None, False), ("localhost", False)],
)
async def test_anonymous_requests_are_heard_from_this_machine_only(
    remote: str | None, heard: bool, clock: FakeClock
) -> None:
    guard = Guard(None, clock, tenants=frozenset({TENANT}), allowed=Allowed())

    if heard:
        assert await guard._proof(Remote(remote)) is None  # type: ignore[arg-type]
    else:
        with pytest.raises(Turned) as turned:
            await guard._proof(Remote(remote))  # type: ignore[arg-type]
        assert turned.value.status == 403


async def test_anonymous_mode_hears_an_emulator(caplog: pytest.LogCaptureFixture) -> None:
    async with TeamsServer() as teams:
        teams.person(ADA, name="Ada")
        async with an_office(teams, anonymous=True) as office:
            status, _ = await office.door.raw(office.door.activity("hello", ADA))
            foreign, _ = await office.door.raw(
                office.door.activity() | {"conversation": {"id": "a:1", "tenantId": OTHER_TENANT}}
            )

    assert (status, foreign) == (200, 403)
    assert teams.identity.fetches["token"] == 0


async def test_a_slow_body_is_not_waited_for(clock: FakeClock) -> None:
    guard = Guard(None, clock, tenants=frozenset({TENANT}), allowed=Allowed(), slowest=0.1)

    async def serve(request: web.Request) -> web.Response:
        async def handle(body: Any, claims: Any) -> Answer:
            raise AssertionError

        return await guard.serve(request, handle)

    site = web.Application()
    site.router.add_post("/", serve)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
    try:
        first = await asyncio.wait_for(reader.readline(), 30)
    finally:
        writer.close()
        await runner.cleanup()

    assert first.startswith(b"HTTP/1.1 400")
