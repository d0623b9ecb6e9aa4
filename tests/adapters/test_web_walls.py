"""The walls around every route: headers on every answer, an end to every silence, and room for those who speak."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Iterable

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import unused_port

from adapters.web import walls
from adapters.web.serving import serve
from adapters.web.walls import HEADERS, Remotes
from scheduler.clock import SystemClock
from tests.hostile_wire import Wire, request

SILENCE = 0.2


class Everyone(Remotes):
    """For whom this machine is somebody on the internet."""

    def of(self, peer: str | None, forwarded: Iterable[str] = ()) -> str | None:
        return "somebody"


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def fail(_: web.Request) -> web.Response:
    raise RuntimeError("our own fault")


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def started(remotes: Remotes) -> tuple[web.AppRunner, int]:
    port = unused_port()
    routes = [web.get("/", hello), web.get("/fail", fail), web.post("/echo", echo)]
    return await serve(routes, "127.0.0.1", port, clock=SystemClock(), remotes=remotes), port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    runner, port = await started(Remotes())
    yield port
    await runner.cleanup()


@pytest.fixture
async def port_of_all() -> AsyncIterator[int]:
    """Where every connection counts as from one address of the internet."""
    runner, port = await started(Everyone())
    yield port
    await runner.cleanup()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("GET", "/"), 200),
        (request("POST", "/"), 405),
        (request("GET", "/nowhere"), 404),
        (request("GET", "/fail"), 500),
        (b"nonsense\r\n\r\n", 400),
        (request("GET", "/", Big="x" * 9000), 400),
        (request("POST", "/echo", Expect="the unexpected"), 417),
        (request("POST", "/echo", b"x" * 300_000), 413),
    ],
)
async def test_every_answer_carries_the_headers(port: int, raw: bytes, status: int) -> None:
    wire = Wire("127.0.0.1", port)
    answer = await wire.send(raw)
    await wire.close()

    assert answer
    assert answer.status == status
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= answer.headers.items()
    assert b"our own fault" not in answer.body


async def test_an_error_of_our_own_is_logged_and_one_of_theirs_is_not(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire("127.0.0.1", port)
    for raw in (b"nonsense\r\n\r\n", b"\x16\x03\x01\r\n\r\n", request("GET", "/", A="b\x00c"), request("GET", "/fail")):
        await wire.send(raw)
    await wire.close()

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO] == ["a request failed"]


async def test_bodies_come_as_they_were_sent(port: int) -> None:
    swelling = zlib.compress(b"\0" * 1_000_000)
    async with ClientSession(auto_decompress=False) as session:
        headers = {"Content-Encoding": "deflate"}
        async with session.post(f"http://127.0.0.1:{port}/echo", data=swelling, headers=headers) as answer:
            assert await answer.read() == swelling


async def test_who_says_nothing_or_only_half_of_it_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "FIRST_WITHIN", SILENCE)
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    pairs[1][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nSlow")

    async with asyncio.timeout(5):
        assert [await reader.read() for reader, _ in pairs] == [b"", b""]
    for _, writer in pairs:
        writer.close()


async def test_one_address_keeps_so_many_connections_and_no_more(
    port_of_all: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walls, "MOST_EACH", 3)
    kept = [Wire("127.0.0.1", port_of_all) for _ in range(3)]
    for wire in kept:
        assert await wire.send(request("GET", "/"))
    another = Wire("127.0.0.1", port_of_all)

    assert await another.send(request("GET", "/")) is None
    await kept.pop().close()
    async with asyncio.timeout(5):
        while not await another.send(request("GET", "/")):
            await asyncio.sleep(0)
    for wire in (*kept, another):
        await wire.close()


async def test_when_all_places_are_taken_the_silent_make_room(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "MOST_OPEN", 3)
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    wire = Wire("127.0.0.1", port)

    answer = await wire.send(request("GET", "/"))

    assert answer
    assert answer.body == b"hello"
    async with asyncio.timeout(5):
        assert await silent[0][0].read() == b"", "the one that has been silent longest"
    await wire.close()
    for _, writer in silent:
        writer.close()


async def test_when_everybody_speaks_one_more_is_not_let_in(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "MOST_OPEN", 2)
    talking = [Wire("127.0.0.1", port) for _ in range(2)]
    for wire in talking:
        assert await wire.send(request("GET", "/"))
    late = Wire("127.0.0.1", port)

    assert await late.send(request("GET", "/")) is None
    for wire in talking:
        answer = await wire.send(request("GET", "/"))
        assert answer
        assert answer.status == 200
        await wire.close()


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("8.8.8.8", [], "8.8.8.8"),
        ("8.8.8.8", ["9.9.9.9"], "8.8.8.8"),
        ("::ffff:8.8.8.8", [], "8.8.8.8"),
        ("2a00:1450:4001::1", [], "2a00:1450:4001::/64"),
        ("127.0.0.1", [], None),
        ("192.168.1.4", ["8.8.8.8"], None),
        ("10.0.0.5", ["8.8.8.8"], "8.8.8.8"),
        ("10.0.0.5", ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.5", ["1.1.1.1", "8.8.8.8, 10.0.0.6"], "8.8.8.8"),
        ("10.0.0.5", [], None),
        ("10.0.0.5", ["nonsense"], None),
        ("10.0.0.5", ["8.8.8.8, "], None),
        (None, [], None),
    ],
)
def test_from_where_a_request_comes(peer: str | None, forwarded: list[str], who: str | None) -> None:
    assert Remotes(["10.0.0.0/24", ""]).of(peer, forwarded) == who
