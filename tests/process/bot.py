"""Echelon as a process of its own: started as an operator starts it, and killed as machines do."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.slack_server import SlackServer

ROOT = Path(__file__).parents[2]

DIRECTORY = """
workspace:
  id: acme
  name: Acme
  calendar: office
  default_matrix: support-process
  admins: [slack:UADMIN]
  admin_channel: slack:CADMIN
calendars:
  office: {zone: Europe/Paris, hours: {mon-fri: ["09:00-17:00"]}, holidays: FR}
roles:
  customer-support-representative: {owners: [slack:UREP], channel: slack:CREP}
  senior-support-specialist: {owners: [slack:USENIOR], channel: slack:CSENIOR}
  support-team-supervisor: {owners: [slack:USUPER], channel: slack:CSUPER}
  department-head: {owners: [slack:UHEAD], channel: slack:CHEAD}
  technical-manager: {owners: [slack:UTECH], channel: slack:CTECH}
  chief-operating-officer: {owners: [slack:UCOO], channel: slack:CCOO}
  vp-customer-operations: {owners: [slack:UVP], channel: slack:CVP}
"""
PEOPLE = ("UADMIN", "UREP", "USENIOR", "USUPER", "UHEAD", "UTECH", "UCOO", "UVP", "UOPENER", "UOTHER")
CHANNELS = ("CADMIN", "CREP", "CSENIOR", "CSUPER", "CHEAD", "CTECH", "CCOO", "CVP", "CHELP")


def people_the_workspace(slack: SlackServer) -> None:
    """Everyone and every channel of DIRECTORY, and a few more."""
    for person in PEOPLE:
        slack.person(person, name=person.lower())
    for channel in CHANNELS:
        slack.channel(channel, name=channel.lower(), members=set(PEOPLE))


@dataclass
class Process:
    """A running `app.py run`. `url` is its web server."""

    process: asyncio.subprocess.Process
    url: str

    async def ready(self) -> None:
        """Wait until /readyz says that everything works."""
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def killed(self) -> None:
        """kill -9: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stopped(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def running(
    slack: SlackServer,
    folder: Path,
    port: int,
    *,
    bells: str = "apscheduler",
    directory: str = DIRECTORY,
    code: Path = ROOT,
    **settings: str,
) -> AsyncIterator[Process]:
    """Start Echelon against `slack` with its files in `folder`; killed at the end if it still runs. `code` is the tree."""
    (folder / "directory.yaml").write_text(directory, encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ECHELON_")},
        "ECHELON_DIRECTORY_FILE": str(folder / "directory.yaml"),
        "ECHELON_DATABASE_URL": f"sqlite:///{folder}/echelon.db",
        "ECHELON_SLACK_BOT_TOKEN": slack.bot_token,
        "ECHELON_SLACK_APP_TOKEN": slack.app_token,
        "ECHELON_SLACK_SIGNING_SECRET": slack.signing_secret,
        "ECHELON_SLACK_API_URL": slack.base_url,
        "ECHELON_PORT": str(port),
        "ECHELON_BELLS": bells,
        **settings,
    }
    async with started(folder, port, "run", environment, code=code) as process:
        yield process


@asynccontextmanager
async def started(
    folder: Path, port: int, command: str, environment: dict[str, str], *, code: Path = ROOT
) -> AsyncIterator[Process]:
    """A command that serves at `port`; what it says goes to log.txt. Killed at the end if it still runs."""
    with (folder / "log.txt").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(code / "app.py"), command, env=environment, cwd=folder, stdout=log, stderr=log
        )
        try:
            yield Process(process, f"http://127.0.0.1:{port}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def until(truth: object, seconds: float = 40) -> None:
    """Wait until a condition (a callable without arguments) holds."""
    async with asyncio.timeout(seconds):
        while not truth():  # type: ignore[operator]
            await asyncio.sleep(0.02)
