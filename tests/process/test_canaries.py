"""A secret in every setting, and trouble everywhere: none of them is ever seen in what Echelon says, writes or answers."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import run

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import unused_port
from pydantic import SecretStr

from adapters.console.settings import Settings, secrets_of, variable
from tests.process.bot import DIRECTORY, ROOT, Process, people_the_workspace, running, until
from tests.process.test_teams import settings as teams_settings
from tests.slack_server import SlackServer
from tests.teams_server import TeamsServer

CANARY = "cAnArY7531"
"""Part of every secret below."""
BOT, APP = f"xoxb-1-{CANARY}bot", f"xapp-1-{CANARY}app"
SIGNING, PASSWORD, METRICS = f"{CANARY}signing", f"{CANARY}~entra/+secret", f"{CANARY}metrics"
HEARTBEAT = f"/ping/{CANARY}heartbeat?key={CANARY}key"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(bot_token=BOT, app_token=APP, signing_secret=SIGNING) as server:
        people_the_workspace(server)
        yield server


def secrets(teams: TeamsServer) -> dict[str, str]:
    """Every secret that is no database; heartbeats go to a server that does not know them."""
    return teams_settings(teams) | {
        "ECHELON_HEARTBEAT_URL": f"http://127.0.0.1:{teams.port}{HEARTBEAT}",
        "ECHELON_METRICS_TOKEN": METRICS,
        "ECHELON_LOG_LEVEL": "debug",
        "IDENTITY_HEADER": f"{CANARY}identity",
    }


def seen_in(folder: Path) -> list[str]:
    """The files that hold a canary, with the place."""
    found = list[str]()
    for file in folder.rglob("*"):
        raw = file.read_bytes() if file.is_file() else b""
        found += [
            f"{file.name}: {raw[max(0, at.start() - 200) : at.end() + 60]!r}"
            for at in re.finditer(CANARY.encode(), raw)
        ]
    return found


async def told_by(bot: Process) -> str:
    """All that a stranger can read over HTTP, the answers to nonsense included."""
    said = list[str]()
    async with ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/slack/events", "/api/messages", "/nowhere"):
            for method in ("GET", "POST"):
                async with session.request(method, f"{bot.url}{path}", data=b"{}") as answer:
                    said.append(f"{answer.headers} {await answer.text()}")
        async with session.get(f"{bot.url}/metrics", headers={"Authorization": f"Bearer {METRICS}"}) as answer:
            said.append(await answer.text())
    return "\n".join(said)


def test_every_secret_setting_has_its_canary() -> None:
    held = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}

    assert held == {
        *("database_url", "slack_bot_token", "slack_app_token", "slack_signing_secret", "teams_app_password"),
        *("metrics_token", "heartbeat_url"),
    }, "a new secret: put a canary into it above"
    assert secrets_of(Settings(slack_bot_token=SecretStr(BOT), _env_file=None)) >= {BOT}  # type: ignore[call-arg]
    assert variable("slack_bot_token") == "ECHELON_SLACK_BOT_TOKEN"


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_trouble_with_the_platforms_shows_no_secret(slack: SlackServer, tmp_path: Path, mode: str) -> None:
    async with TeamsServer(password=PASSWORD) as teams:
        settings = secrets(teams) | {"ECHELON_SLACK_MODE": mode}
        async with running(slack, tmp_path, unused_port(), **settings) as bot:
            await bot.ready()
            door = slack.http_door(f"{bot.url}/slack/events") if mode == "http" else slack.socket_door()
            for number, fault in enumerate(
                (
                    {"status": 500},
                    {"status": 502, "html": True},
                    {"drop": True},
                    {"code": "invalid_auth"},
                    {"delay": 0.1},
                )
            ):
                slack.faults.clear()
                slack.faults.always("*", **fault)
                teams.identity.faults.always("*", status=500)
                teams.faults.always("*", status=500)
                await door.slash("/escalate", f"issue {number}", user="UOPENER", channel="CHELP")
                seen = len(slack.calls)
                await until(lambda before=seen: len(slack.calls) > before)
            answered = await told_by(bot)

            assert await bot.stopped() == 0

    assert CANARY not in answered
    assert (tmp_path / "log.txt").stat().st_size > 1_000
    assert seen_in(tmp_path) == []


async def test_a_platform_that_refuses_from_the_start_shows_no_secret(slack: SlackServer, tmp_path: Path) -> None:
    slack.token_error = "invalid_auth"
    async with TeamsServer(password="another") as teams:
        settings = secrets(teams) | {"ECHELON_TEAMS_APP_PASSWORD": PASSWORD, "ECHELON_LOG_FORMAT": "json"}
        settings["ECHELON_SLACK_MODE"] = "socket"
        teams.identity.faults.always("jwks", html=True)
        async with running(slack, tmp_path, unused_port(), **settings) as bot:
            await until(lambda: "no token for Teams" in (tmp_path / "log.txt").read_text(encoding="utf-8"))
            await until(lambda: "does not accept the token" in (tmp_path / "log.txt").read_text(encoding="utf-8"))
            answered = await told_by(bot)
            assert await bot.stopped() == 0

    assert CANARY not in answered
    assert seen_in(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("run", f"postgresql://echelon:{CANARY}%40%2Fx@127.0.0.1:9/echelon"),
        ("check", f"postgresql://{CANARY}@127.0.0.1:9/echelon?password={CANARY}database"),
        ("check", f"postgresql://echelon:{CANARY}@[broken/echelon"),
        ("run", f"{CANARY}nonsense"),
    ],
)
def test_a_wrong_database_shows_no_secret(tmp_path: Path, command: str, url: str) -> None:
    (tmp_path / "directory.yaml").write_text(DIRECTORY, encoding="utf-8")
    environment = {
        "ECHELON_DATABASE_URL": url,
        "ECHELON_SLACK_BOT_TOKEN": BOT,
        "ECHELON_SLACK_APP_TOKEN": APP,
        "ECHELON_SLACK_SIGNING_SECRET": SIGNING,
        "ECHELON_SLACK_API_URL": "http://127.0.0.1:9/api/",
        "ECHELON_TEAMS_APP_PASSWORD": PASSWORD,
        "ECHELON_LOG_LEVEL": "debug",
        "ECHELON_PORT": str(unused_port()),
        "HOME": str(tmp_path),
    }
    ended = run(
        [sys.executable, str(ROOT / "app.py"), command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2, ended.stderr
    assert CANARY not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "ECHELON_DATABASE_URL" in ended.stderr


STRAY = """
import asyncio, gc, logging, sys, threading, warnings
sys.path.insert(0, {root!r})
from adapters.console.logs import log_to_stderr
canary = {canary!r}
log_to_stderr("debug", secrets=[canary])

class Worse:
    def __repr__(self):
        raise AttributeError(canary)

class Leaves:
    def __del__(self):
        raise ValueError(canary)

async def fail():
    raise ValueError("failed with " + canary)

async def main():
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(lambda: (_ for _ in ()).throw(ValueError(canary)))
    await asyncio.sleep(0)

logging.getLogger("slack_sdk.web").error("token %s", canary)
logging.getLogger("sqlalchemy.engine").error("parameters %r", {{"password": canary}})
logging.getLogger("asyncpg").error("%s", Worse())
logging.getLogger("aiohttp.server").error("%d", canary)
logging.getLogger("msal").error("given", extra={{"secret": [canary]}})
warnings.warn("warned of " + canary, ResourceWarning)
thread = threading.Thread(target=lambda: (_ for _ in ()).throw(ValueError(canary)))
thread.start(); thread.join()
left = Leaves(); del left
asyncio.run(main())
raise RuntimeError("ended with " + canary)
"""


def test_what_nobody_caught_shows_no_secret(tmp_path: Path) -> None:
    program = STRAY.format(root=str(ROOT), canary=CANARY)
    ended = run(
        [sys.executable, "-W", "always", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 1
    assert CANARY not in ended.stdout + ended.stderr
    for said in (
        "token",
        "parameters",
        "do not fit",
        "warned of",
        "a thread ended",
        "nobody could be told",
        "ended with",
    ):
        assert said in ended.stderr, said
    assert "Task exception was never retrieved" in ended.stderr
    assert ended.stderr.count("[redacted]") >= 9
