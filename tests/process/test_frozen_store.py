"""A database server that is there and says nothing: people and probes are told in time, and nobody has to restart."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from tests.conftest import PostgresServer
from tests.process.bot import Process, people_the_workspace, running
from tests.slack_server import SlackServer

SLACKS_LIMIT = 3.0


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


@contextmanager
def frozen(postgres: PostgresServer) -> Iterator[None]:
    """The server and all that work for it, stopped as by a debugger or a starved machine."""
    stopped = [postgres.process_id]
    os.kill(postgres.process_id, signal.SIGSTOP)  # first, so that it starts nobody else
    stopped += children(postgres.process_id)
    for process in stopped[1:]:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(stopped):
            os.kill(process, signal.SIGCONT)


def children(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, fields = status.read_text().rpartition(")")
        except OSError:
            continue
        if int(fields.split()[1]) == parent:
            found.append(int(status.parent.name))
    return found


async def readiness(bot: Process) -> tuple[int, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{bot.url}/readyz") as answer:
        return answer.status, await answer.json()


async def metrics(bot: Process) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{bot.url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the server's processes through /proc")
async def test_while_the_server_is_frozen_everybody_is_told_in_time_and_it_heals_by_itself(
    slack: SlackServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = await postgres.migrated()
    async with running(slack, tmp_path, unused_port(), ECHELON_DATABASE_URL=url) as bot:
        await bot.ready()
        door = slack.socket_door()
        await door.slash("/escalate", "printer on fire", user="UOPENER", channel="CHELP")
        assert "echelon_store_up 1.0" in await metrics(bot)

        with frozen(postgres):
            began = time.monotonic()
            answer = await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
            told = time.monotonic() - began
            began = time.monotonic()
            status, said = await readiness(bot)
            asked = time.monotonic() - began
            await metrics(bot)  # a scrape never fails

        assert "NOT recorded" in answer.text
        assert told < SLACKS_LIMIT
        assert (status, asked < 5) == (503, True), said
        assert said["database"] != "ok"

        await bot.ready()
        again = await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert "ESC-2" in again.text, "what was told to be not recorded was not recorded"
        assert 'echelon_answers_total{outcome="not_recorded",way="typed"} 1.0' in await metrics(bot)
        assert await bot.stopped() == 0
