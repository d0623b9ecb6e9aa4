"""The auditor in a process of its own, and the commands that look into the database beside it."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tests.process.bot import ROOT, people_the_workspace, running, until
from tests.slack_server import SlackServer

SECRET = "canary-heartbeat-4711"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The bot's file, opened beside it by somebody who should not."""
    with closing(sqlite3.connect(folder / "echelon.db", timeout=10)) as connection, connection:
        yield connection


async def app(folder: Path, *words: str) -> tuple[int, str]:
    """Exit status and output of a command, with the running bot's settings."""
    settings = {"DIRECTORY_FILE": folder / "directory.yaml", "DATABASE_URL": f"sqlite:///{folder}/echelon.db"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "app.py"),
        *words,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **{f"ECHELON_{name}": str(value) for name, value in settings.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def readiness(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        return answer.status, (await answer.json())["audit"]


async def test_a_planted_fault_is_told_shown_and_no_longer_heard_outside(slack: SlackServer, tmp_path: Path) -> None:
    beats: list[str] = []

    async def heard(request: web.Request) -> web.Response:
        beats.append(request.path)
        return web.Response()

    outside = web.Application()
    outside.router.add_get(f"/{SECRET}", heard)
    async with TestServer(outside) as server:
        listening = {"ECHELON_HEARTBEAT_URL": str(server.make_url(f"/{SECRET}")), "ECHELON_AUDIT_SECONDS": "1"}
        async with running(slack, tmp_path, unused_port(), **listening) as bot:
            await bot.ready()
            await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
            await until(lambda: len(beats) >= 2)
            assert await readiness(bot.url) == (200, "ok")

            with database(tmp_path) as file:  # ten years overdue, and nobody can read it
                file.execute("UPDATE escalations SET state = '{', next_due = next_due - 315360000000")
            await until(lambda: any("cannot be read" in said.words for said in slack.messages("CADMIN")))
            await until(lambda: any("put aside" in said.words for said in slack.messages("CADMIN")))

            status, word = await readiness(bot.url)
            assert status == 503
            assert "ESC-1 unreadable" in word
            quiet = len(beats)
            await slack.socket_door().slash("/escalate", "login fails", user="UOPENER", channel="CHELP")
            await until(lambda: any("login fails" in said.words for said in slack.messages("UREP")))
            assert len(beats) <= quiet + 1, "a beat may have been on its way"
            assert (await app(tmp_path, "audit"))[0] == 1
            assert await bot.stopped() == 0

    log = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "The audit found: ESC-1 cannot be read." in log
    assert SECRET not in log
    assert "Traceback" not in log


async def test_a_lost_time_is_put_back_while_the_bot_runs(slack: SlackServer, tmp_path: Path) -> None:
    async with running(slack, tmp_path, unused_port(), ECHELON_AUDIT_SECONDS="1") as bot:
        await bot.ready()
        await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        with database(tmp_path) as file:
            (due,) = file.execute("SELECT next_due FROM escalations").fetchone()
            file.execute("UPDATE escalations SET next_due = NULL, deadline = NULL, reminder_due = NULL")

        def mended() -> bool:
            with database(tmp_path) as file:
                return file.execute("SELECT next_due FROM escalations").fetchone() == (due,)

        await until(mended)
        await until(lambda: any("(Mended.)" in said.words for said in slack.messages("CADMIN")))
        assert await bot.stopped() == 0


@pytest.mark.timeout(180)  # seven processes, each of which imports everything
async def test_the_commands_work_beside_a_running_bot(slack: SlackServer, tmp_path: Path) -> None:
    async with running(slack, tmp_path, unused_port()) as bot:
        await bot.ready()
        door = slack.socket_door()
        await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        await door.slash("/escalate", "resolve ESC-1 by a restart", user="UREP", channel="CREP")
        await door.slash("/escalate", "login fails", user="UOTHER", channel="CHELP")
        await until(lambda: any("login fails" in said.words for said in slack.messages("UREP")))

        at_once = (("audit",), ("audit", "verify"), ("export", "--out", "all.jsonl"), ("forget", "slack:UREP", "--yes"))
        audited, verified, _, held = await asyncio.gather(*(app(tmp_path, *words) for words in at_once))
        assert audited == (0, "2 escalations, 2 entries, 0 missed\n")
        assert verified == (0, "2 histories checked, 0 tampered with\n")
        written = (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(written[-1])["escalations"] == 2
        assert (held[0], "ESC-2" in held[1]) == (1, True)

        assert (await app(tmp_path, "forget", "slack:UOPENER", "--yes"))[0] == 0
        await door.slash("/escalate", "resolve ESC-2 as well", user="UREP", channel="CREP")
        (verified, exported) = await asyncio.gather(app(tmp_path, "audit", "verify"), app(tmp_path, "export"))
        assert verified[0] == 0
        assert len(exported[1].splitlines()) > len(written)
        assert "UOPENER" not in exported[1]
        assert await bot.stopped() == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")


async def test_a_tampered_history_is_named(slack: SlackServer, tmp_path: Path) -> None:
    async with running(slack, tmp_path, unused_port()) as bot:
        await bot.ready()
        await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert await bot.stopped() == 0
    with database(tmp_path) as file:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            file.execute("UPDATE ledger SET kind = 'resolved' WHERE seq = 2")
        file.execute("DROP TRIGGER ledger_keeps_chain")
        file.execute("UPDATE ledger SET kind = 'resolved' WHERE seq = 2")

    status, said = await app(tmp_path, "audit", "verify")

    assert status == 1
    assert said.startswith("ESC-1: row 2 of its history does not fit")


async def test_without_a_database_a_command_says_so_and_makes_none(tmp_path: Path) -> None:
    status, said = await app(tmp_path, "audit")

    assert status == 2
    assert "there is no database yet" in said
    assert not (tmp_path / "echelon.db").exists()
