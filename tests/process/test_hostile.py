"""A whole process under attack: ten thousand requests that it should not have got, and a thousand that it got before."""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import unused_port

from tests.hostile_wire import LOCAL_ROUTES, Hit, Wire, hits, request
from tests.process.bot import Process, people_the_workspace, running, started
from tests.process.test_teams import settings as teams_settings
from tests.slack_server import SlackServer
from tests.teams_server import TeamsServer

AT_ONCE = 8
GROWTH = 24 * 1024 * 1024
"""Bytes by which memory may grow after the first tenth: what is remembered of strangers is bounded."""
FINE = {200, 405, 503}
"""What the routes of health may answer to a plain question."""
HEADED = {"x-content-type-options": "nosniff", "x-frame-options": "DENY"}


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


def memory(process: Process) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{process.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def wrong(hit: Hit, answer: object) -> str | None:
    """Why this is no fitting answer to a request that should not have come; None when it is."""
    status, headers, body = (getattr(answer, name, None) for name in ("status", "headers", "body"))
    if status is None:
        return f"{hit.name}: no answer"
    plain = any(path in hit.raw[:40] for path in (b"/healthz", b"/readyz", b"/metrics"))
    if not (400 <= status < 500 or (plain and status in FINE)):
        return f"{hit.name}: {status}"
    if any(headers.get(name) != value for name, value in HEADED.items()) or "cache-control" not in headers:
        return f"{hit.name}: without its headers, {headers}"
    if "aiohttp" in str(headers) or b"Traceback" in body or len(body) > 300:
        return f"{hit.name}: it tells too much, {headers} {body[:300]!r}"
    return None


async def attack(port: int, requests: Iterator[Hit], count: int) -> tuple[list[str], Counter[int]]:
    """Send `count` of them over a few connections; (what went wrong, how often each status came)."""
    failures, statuses = list[str](), Counter[int]()

    async def attacker(share: int) -> None:
        wire = Wire("127.0.0.1", port)
        for _ in range(share):
            hit = next(requests)
            try:
                answer = await wire.send(hit.raw)
            except TimeoutError:
                answer = None
                await wire.close()
            statuses[answer.status if answer else 0] += 1
            if complaint := wrong(hit, answer):
                failures.append(complaint[:300])
        await wire.close()

    await asyncio.gather(*(attacker(count // AT_ONCE) for _ in range(AT_ONCE)))
    return failures, statuses


async def test_ten_thousand_forged_requests_are_turned_away_and_leave_nothing_behind(
    slack: SlackServer, tmp_path: Path
) -> None:
    port, requests = unused_port(), hits(random.Random(4))  # noqa: S311
    async with TeamsServer() as teams:
        told = teams_settings(teams) | {"ECHELON_SLACK_MODE": "http"}
        async with running(slack, tmp_path, port, **told) as bot:
            await bot.ready()
            warm, _ = await attack(port, requests, 1_000)
            before = memory(bot)

            failures, statuses = await attack(port, requests, 9_000)

            assert sorted({*warm, *failures}) == []
            assert memory(bot) - before < GROWTH, f"{(memory(bot) - before) // 1024} KiB more"
            assert statuses[401] > 1_000, statuses
            door = slack.http_door(f"{bot.url}/slack/events")
            assert "ESC-1" in (await door.slash("/escalate", "it burns", user="UOPENER", channel="CHELP")).text
            assert await bot.stopped() == 0
    log = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert " ERROR " not in log
    assert len(log) < 100_000, "a flood must not fill the disk"


@asynccontextmanager
async def demo(folder: Path, port: int) -> AsyncIterator[Process]:
    """The local chat as a process."""
    environment = {**os.environ, "ECHELON_PORT": str(port), "ECHELON_DEMO_FOLDER": str(folder / "demo")}
    async with started(folder, port, "demo", environment) as process:
        yield process


async def test_the_local_chat_turns_the_same_away(tmp_path: Path) -> None:
    port = unused_port()
    async with demo(tmp_path, port) as bot:
        await bot.ready()

        failures, _ = await attack(port, hits(random.Random(5), LOCAL_ROUTES), 2_000)  # noqa: S311

        assert {said for said in failures if not (said.startswith("path /") and said.endswith(": 200"))} == set()
        assert await bot.stopped() == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")


async def test_a_thousand_replays_have_no_second_effect(slack: SlackServer, tmp_path: Path) -> None:
    port = unused_port()
    async with running(slack, tmp_path, port, ECHELON_SLACK_MODE="http") as bot, ClientSession() as session:
        await bot.ready()
        door, sent = slack.http_door(f"{bot.url}/slack/events"), list[tuple[bytes, dict[str, str]]]()
        for number in range(20):
            command = {"team_id": slack.team, "channel_id": "CHELP", "user_id": ("UOPENER", "UOTHER")[number % 2]}
            command |= {"command": "/escalate", "text": f"issue {number}", "trigger_id": f"1.{number}"}
            body = urlencode(command).encode()
            sent.append((body, door.headers(body, "application/x-www-form-urlencoded")))
        order = sent * 50
        random.Random(6).shuffle(order)  # noqa: S311

        statuses = Counter[int]()
        for begin in range(0, len(order), AT_ONCE):
            batch = [
                session.post(door.url, data=body, headers=headers) for body, headers in order[begin : begin + AT_ONCE]
            ]
            for answer in await asyncio.gather(*batch):
                statuses[answer.status] += 1
                answer.release()

        assert statuses == {200: 1_000}
        assert await bot.stopped() == 0
    with sqlite3.connect(tmp_path / "echelon.db") as database:
        assert database.execute("select count(*), count(distinct number) from escalations").fetchone() == (20, 20)


async def test_an_address_of_the_internet_that_is_always_wrong_is_no_longer_listened_to(
    slack: SlackServer, tmp_path: Path
) -> None:
    port = unused_port()
    told = {"ECHELON_SLACK_MODE": "http", "ECHELON_TRUSTED_PROXIES": "127.0.0.1"}
    async with running(slack, tmp_path, port, **told) as bot:
        await bot.ready()
        wire, statuses = Wire("127.0.0.1", port), Counter[int]()
        for _ in range(400):
            answer = await wire.send(request("POST", "/slack/events", b"x", X_Forwarded_For="198.18.0.1, 8.8.8.8"))
            assert answer
            statuses[answer.status] += 1
        last = await wire.send(request("GET", "/healthz", X_Forwarded_For="8.8.8.8"))
        other = await wire.send(request("GET", "/healthz", X_Forwarded_For="8.8.8.8, 9.9.9.9"))
        await wire.close()

        assert last
        assert (last.status, last.headers["retry-after"].isdigit()) == (429, True)
        assert other
        assert other.status == 200
        assert 300 <= statuses[415] <= 320, statuses
