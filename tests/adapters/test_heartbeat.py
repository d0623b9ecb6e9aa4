"""The heartbeat: heard outside, never followed elsewhere, never in the way, and its address in no log."""

import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from adapters.web.heartbeat import WebHeartbeat

SECRET = "canary-4711"


@pytest.fixture
async def outside() -> AsyncIterator[tuple[TestServer, list[str]]]:
    heard: list[str] = []

    async def listen(request: web.Request) -> web.Response:
        heard.append(request.path)
        if request.path.endswith("elsewhere"):
            raise web.HTTPFound(f"/{SECRET}/ok")
        return web.Response(status=500 if request.path.endswith("ill") else 200)

    application = web.Application()
    application.router.add_get("/{any:.*}", listen)
    async with TestServer(application) as server:
        yield server, heard


async def test_a_beat_is_heard(outside: tuple[TestServer, list[str]], caplog: pytest.LogCaptureFixture):
    server, heard = outside

    await WebHeartbeat(str(server.make_url(f"/{SECRET}/ok"))).beat()

    assert heard == [f"/{SECRET}/ok"]
    assert caplog.messages == []


@pytest.mark.parametrize("way", ["ill", "elsewhere"])
async def test_one_that_is_refused_or_sent_elsewhere_is_logged_by_its_host_alone(
    outside: tuple[TestServer, list[str]], way: str, caplog: pytest.LogCaptureFixture
):
    server, heard = outside

    await WebHeartbeat(str(server.make_url(f"/{SECRET}/{way}"))).beat()

    assert len(heard) == 1
    assert "not heard by 127.0.0.1" in caplog.text
    assert SECRET not in caplog.text


async def test_nobody_there_ends_nothing(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        await WebHeartbeat(f"http://127.0.0.1:{unused_port()}/{SECRET}").beat()

    assert "not heard by 127.0.0.1" in caplog.text
    assert SECRET not in caplog.text
