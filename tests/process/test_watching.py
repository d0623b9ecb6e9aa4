"""What a running process tells those who watch over it, and how it takes a store that somebody else holds."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from tests.process.bot import people_the_workspace, running
from tests.slack_server import SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


async def test_while_the_file_is_locked_people_are_told_in_time_and_it_heals_by_itself(
    slack: SlackServer, tmp_path: Path
) -> None:
    async with running(slack, tmp_path, unused_port()) as bot:
        await bot.ready()
        door = slack.socket_door()
        await door.slash("/escalate", "printer on fire", user="UOPENER", channel="CHELP")

        other = sqlite3.connect(tmp_path / "echelon.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        told = time.monotonic() - began
        other.execute("ROLLBACK")
        other.close()

        assert "NOT recorded" in answer.text
        assert told < 3
        await bot.ready()
        again = await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert "ESC-2" in again.text, "what was told to be not recorded was not recorded"
        assert await bot.stopped() == 0


async def test_figures_are_for_who_has_the_token_and_the_log_is_json(slack: SlackServer, tmp_path: Path) -> None:
    token = "a-long-token"
    async with running(slack, tmp_path, unused_port(), ECHELON_METRICS_TOKEN=token, ECHELON_LOG_FORMAT="json") as bot:
        await bot.ready()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{bot.url}/metrics") as answer:
                assert answer.status == 401
            async with session.get(f"{bot.url}/metrics", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert "echelon_store_up 1.0" in await answer.text()
        await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert await bot.stopped() == 0

    lines = [json.loads(line) for line in (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()]
    stored = [line for line in lines if line.get("action") == "stored"]
    answered = [line for line in lines if line.get("action") == "request"]
    assert [line["escalation"] for line in stored] == ["ESC-1"]
    assert stored[0]["request"] == answered[0]["request"]
    assert "checkout" not in json.dumps(lines)


async def test_a_collector_that_cannot_be_meant_stops_the_start_with_one_sentence(
    slack: SlackServer, tmp_path: Path
) -> None:
    async with running(slack, tmp_path, unused_port(), ECHELON_OTEL_ENDPOINT="collector") as bot:
        assert await bot.process.wait() == 2

    said = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert said == "ECHELON_OTEL_ENDPOINT: 'collector' will not do; write http://host:4318\n"


async def test_a_collector_that_is_away_costs_spans_and_nothing_else(slack: SlackServer, tmp_path: Path) -> None:
    collector = f"http://127.0.0.1:{unused_port()}"
    async with running(slack, tmp_path, unused_port(), ECHELON_OTEL_ENDPOINT=collector) as bot:
        await bot.ready()
        answer = await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert "ESC-1" in answer.text
        assert await bot.stopped() == 0
