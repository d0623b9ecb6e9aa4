"""Echelon's composition root: settings → objects → run. The only place that names concrete classes.

app.py demo     the local web chat: no account, a database of its own, a clock that can be moved
app.py run      Slack for real
app.py check    what is wrong with the settings and files; with --live, also asks the platform
"""

import argparse
import asyncio
import logging
import os
import sys
import zoneinfo
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from adapters.console.logs import log_to_stderr
from adapters.console.settings import Settings, missing, platforms, read_settings
from adapters.local.clock import MovableClock
from adapters.local.demo import DIRECTORY_FILE, STORY
from adapters.local.gateway import LocalChat
from adapters.local.places import Places
from adapters.local.render import Renderer
from adapters.local.routes import LocalWeb
from adapters.local.store import LocalStore
from adapters.slack.checks import problems as slack_live_problems
from adapters.slack.gateway import web_client
from adapters.slack.line import Access, SlackLine
from adapters.switchboard import Memberships, Switchboard
from adapters.teams.checks import problems as teams_live_problems
from adapters.teams.credentials import IMDS_URL
from adapters.teams.line import Registration, TeamsLine
from adapters.teams.package import build as teams_package
from adapters.teams.references import References
from adapters.web.health import OK, Part
from adapters.web.health import routes as health_routes
from adapters.web.serving import serve, until_stopped
from bot.commands import Standing
from bot.delivery import Chat
from bot.directory import Directory
from bot.errors import ConfigurationError, Problem, StoreUnavailable
from bot.ports import Clock, Membership, People
from bot.readers import Readers
from bot.reception import Receives
from matrix.agreement import Files, read_files
from matrix.fixed import FixedDirectories
from scheduler.calendar import BusinessCalendar
from scheduler.clock import SystemClock
from scheduler.engine import Engine
from scheduler.wiring import ApsBells
from storage.conversations import SqlConversations
from storage.database import Database
from storage.engine import is_new
from storage.ids import RandomIds
from storage.single import only_process

zoneinfo.reset_tzpath(to=())  # the pinned tzdata, not whatever the machine has: both must agree on every deadline

log = logging.getLogger("echelon")

SLACK_PACE = 1.0
"""Seconds between two messages to one Slack channel (docs/slack.md, limits)."""


DOORS = {"slack": "/slack/events", "teams": "/api/messages"}
VERSION = "0.1.0"
STALE_SWEEP = 10.0
"""Seconds without a sweep after which /readyz says so: the guard sweeps every second."""


def parts_of_health(engine: Engine, clock: Clock, **more: Part) -> dict[str, Part]:
    """What /readyz asks."""

    async def database() -> str:
        try:
            await engine.store.ping()
        except StoreUnavailable:
            return "does not answer"
        return OK

    async def sweep() -> str:
        age = clock.monotonic() - engine.timers.last_sweep
        return OK if age < STALE_SWEEP else f"the last sweep was {age:.0f} s ago"

    return {"database": database, "sweep": sweep, **more}


async def run(settings: Settings) -> None:
    """Slack and Teams for real, until SIGTERM or SIGINT. Raises ConfigurationError before anything is started."""
    problems = list(missing(settings))
    files = files_or_problems(settings, problems)
    if problems or files is None:
        raise ConfigurationError(tuple(problems))
    clock, directory = SystemClock(), files.directory
    async with opened(settings.database_url.get_secret_value(), clock) as database:
        people, conversations = database.people(directory.workspace), database.conversations(directory.workspace)
        await people.load()
        await conversations.load()
        directories = FixedDirectories(directory, people.members)
        readers = Readers(directories, people)
        lines = connected(settings, directories, readers, conversations, clock)
        engine = Engine.built(
            store=database,
            clock=clock,
            ids=RandomIds(clock),
            plans=files.plans,
            people=people,
            directories=directories,
            readers=readers,
            chat=Switchboard({name: line.chat for name, line in lines.items()}),
            membership=Memberships({name: line.membership for name, line in lines.items()}),
            ring=ApsBells if settings.bells == "apscheduler" else None,
            admitted=admitted(settings),
            pace={"slack": SLACK_PACE},
        )
        ready = {name: line.ready for name, line in lines.items()}
        doors = [web.route("*", DOORS[name], line.serve) for name, line in lines.items()]
        runner = await serve(
            [*health_routes(parts_of_health(engine, clock, **ready)), *doors], settings.host, settings.port
        )
        try:
            async with engine.running():
                await until_stopped(*(line.run(engine.reception, people) for line in lines.values()))
        finally:
            await runner.cleanup()
            for line in lines.values():
                await line.close()


class Line(Protocol):
    """One platform, both ways."""

    @property
    def chat(self) -> Chat:
        """The way out."""
        ...

    @property
    def membership(self) -> Membership:
        """Who is in which channel."""
        ...

    async def run(self, reception: Receives, people: People) -> None:
        """Listen until cancelled."""
        ...

    async def serve(self, request: web.Request) -> web.Response:
        """What the platform sends over HTTP."""
        ...

    async def ready(self) -> str:
        """A part of /readyz."""
        ...

    async def close(self) -> None:
        """Close the connections, after the last message."""
        ...


def connected(
    settings: Settings, directories: FixedDirectories, readers: Readers, conversations: SqlConversations, clock: Clock
) -> dict[str, Line]:
    """The line to each platform that the settings connect."""
    lines: dict[str, Line] = {}
    if settings.slack_mode != "off":
        lines["slack"] = SlackLine(
            client=slack_client(settings),
            access=slack_access(settings),
            directory=directories.current,
            names=readers.name,
            clock=clock,
        )
    if "teams" in platforms(settings):
        lines["teams"] = teams_line(settings, directories, readers, conversations, clock)
    return lines


def teams_line(
    settings: Settings, directories: FixedDirectories, readers: Readers, conversations: References, clock: Clock
) -> TeamsLine:
    """The line to the tenant of the settings."""
    secret = settings.teams_app_password
    service = settings.teams_service_url
    registration = Registration(
        app_id=settings.teams_app_id or "",
        tenant=settings.teams_tenant_id or "",
        secret=secret.get_secret_value() if secret and settings.teams_app_type == "SingleTenant" else None,
        service_urls=frozenset({service.partition("://")[0] + "://" + service.partition("://")[2].partition("/")[0]}),
        service_url=service,
        openid_url=settings.teams_openid_url,
        login_url=settings.teams_login_url,
        identity_endpoint=os.environ.get("IDENTITY_ENDPOINT", IMDS_URL),
        identity_header=os.environ.get("IDENTITY_HEADER", ""),
        anonymous=settings.teams_anonymous,
    )
    return TeamsLine(
        registration=registration,
        directory=directories.current,
        names=readers.name,
        references=conversations,
        clock=clock,
    )


async def demo(settings: Settings) -> None:
    """The local web chat, on loopback, with a database, messages and a clock of its own."""
    files = read_files(DIRECTORY_FILE, None, BusinessCalendar, frozenset({"local"}))
    logging.getLogger("echelon.timers").setLevel(logging.ERROR)  # its clock steps because people move it
    folder = settings.demo_folder
    folder.mkdir(parents=True, exist_ok=True)
    clock, directories = MovableClock(), FixedDirectories(files.directory)
    url = f"http://127.0.0.1:{settings.port}/"
    async with (
        opened(f"sqlite:///{folder / 'echelon.db'}", clock) as database,
        LocalStore.opened(folder / "chat.db") as store,
    ):
        if kept := await store.clock():
            clock.resume(kept)
        people = database.people(files.directory.workspace)
        await people.load()
        readers = Readers(directories, people)
        chat = LocalChat(store, Places.of(files.directory), Renderer(readers.name), clock, url)
        engine = Engine.built(
            store=database,
            clock=clock,
            ids=RandomIds(clock),
            plans=files.plans,
            people=people,
            directories=directories,
            readers=readers,
            chat=Switchboard({"local": chat}),
            membership=Memberships({"local": chat}),
            ring=ApsBells,
        )
        local = LocalWeb(
            reception=engine.reception,
            chat=chat,
            clock=clock,
            plans=files.plans,
            archive=database.archive(),
            settle=engine.settle,
            story=STORY,
        )
        runner = await serve(health_routes(parts_of_health(engine, clock)), "127.0.0.1", settings.port, local.app())
        try:
            async with engine.running():
                print(f"Echelon's demo is open at {url} (Ctrl+C ends it)", flush=True)
                await until_stopped()
        finally:
            await runner.cleanup()


@asynccontextmanager
async def opened(url: str, clock: Clock) -> AsyncGenerator[Database]:
    """The database, migrated, ours alone if it is a file; closed at the end. Raises ConfigurationError."""
    with only_process(url):
        database = Database.open(url, RandomIds(clock))
        try:
            await database.migrate()
            if database.alone:
                await database.outbox().reclaim(clock.now())
            yield database
        except StoreUnavailable as error:
            raise ConfigurationError((Problem("ECHELON_DATABASE_URL", str(error)),)) from None
        finally:
            await database.close()


def slack_client(settings: Settings) -> AsyncWebClient:
    """The Web API with the bot's token."""
    token = settings.slack_bot_token
    return web_client(token.get_secret_value() if token else "", base_url=settings.slack_api_url)


def slack_access(settings: Settings) -> Access:
    """The app token or the signing secret, by the mode."""
    socket = settings.slack_mode == "socket"
    secret = settings.slack_app_token if socket else settings.slack_signing_secret
    value = secret.get_secret_value() if secret else ""
    return Access(app_token=value) if socket else Access(signing_secret=value)


def admitted(settings: Settings) -> frozenset[Standing]:
    """Who may act: members, and those whom a setting admits."""
    also = {Standing.GUEST: settings.admit_guests, Standing.FOREIGN: settings.admit_foreign}
    return frozenset({Standing.MEMBER, *(standing for standing, may in also.items() if may)})


async def check(settings: Settings, *, live: bool) -> tuple[Problem, ...]:
    """Everything that is wrong; with `live`, Slack is asked, too."""
    problems = list(missing(settings))
    files = files_or_problems(settings, problems)
    problems += await database_problems(settings.database_url.get_secret_value())
    if live and files and not any("SLACK" in problem.place or "TEAMS" in problem.place for problem in problems):
        problems += [problem async for problem in live_problems(settings, files.directory)]
    return tuple(problems)


async def live_problems(settings: Settings, directory: Directory) -> AsyncIterator[Problem]:
    """What the platforms themselves say."""
    if settings.slack_mode != "off":
        app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
        async for problem in slack_live_problems(
            slack_client(settings),
            directory,
            token="ECHELON_SLACK_BOT_TOKEN",  # noqa: S106 - the setting's name
            app_token=app_token if settings.slack_mode == "socket" else None,
            app_token_name="ECHELON_SLACK_APP_TOKEN",  # noqa: S106
            admitted=admitted(settings),
        ):
            yield problem
    if settings.teams_app_id and not settings.teams_anonymous:
        async for problem in teams_live(settings, directory):
            yield problem


async def teams_live(settings: Settings, directory: Directory) -> AsyncIterator[Problem]:
    """Teams, with the conversations that are stored."""
    clock = SystemClock()
    database = Database.open(settings.database_url.get_secret_value(), RandomIds(clock))
    conversations = database.conversations(directory.workspace)
    people = database.people(directory.workspace)
    try:
        with suppress(StoreUnavailable):  # said already; without it, everyone counts as not met
            await conversations.load()
        directories = FixedDirectories(directory)
        line = teams_line(settings, directories, Readers(directories, people), conversations, clock)
        async for problem in teams_live_problems(
            line,
            directory,
            app="ECHELON_TEAMS_APP_ID",
            secret="ECHELON_TEAMS_APP_PASSWORD",  # noqa: S106 - the setting's name
        ):
            yield problem
        await line.close()
    finally:
        await database.close()


def files_or_problems(settings: Settings, problems: list[Problem]) -> Files | None:
    """The files; when they are wrong, None, and what is wrong is added to `problems`."""
    if not settings.directory_file.exists():  # said already, by the setting's name
        return None
    try:
        return read_files(settings.directory_file, settings.matrix_folder, BusinessCalendar, platforms(settings))
    except ConfigurationError as error:
        problems += error.problems
        return None


async def database_problems(url: str) -> tuple[Problem, ...]:
    """Whether the database can be opened. A file that is not there yet only needs its folder; nothing is written."""
    try:
        if is_new(url):
            return ()
        database = Database.open(url, RandomIds(SystemClock()))
        try:
            await database.ping()
        finally:
            await database.close()
    except ConfigurationError as error:
        return error.problems
    except StoreUnavailable as error:
        return (Problem("ECHELON_DATABASE_URL", str(error)),)
    return ()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 when something is to be mended first."""
    parser = argparse.ArgumentParser(prog="app.py", description="Echelon: on-call escalation in chat.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="the local web chat: no account needed")
    commands.add_parser("run", help="connect to Slack and work")
    packing = commands.add_parser("teams-package", help="make the zip that is uploaded to Teams")
    packing.add_argument("--out", type=Path, default=Path("echelon-teams.zip"), help="where to write it")
    packing.add_argument("--domain", help="the public host of the messaging endpoint")
    checking = commands.add_parser("check", help="say everything that is wrong with settings and files")
    checking.add_argument("--live", action="store_true", help="also ask Slack: token, scopes, channels, people")
    asked = parser.parse_args(arguments)
    os.umask(0o077)  # what Echelon writes is for its own user
    try:
        settings = read_settings()
        log_to_stderr(settings.log_level)
        if asked.command == "teams-package":
            return write_package(settings, asked.out, asked.domain)
        if asked.command == "check":
            return report(asyncio.run(check(settings, live=asked.live)))
        asyncio.run(demo(settings) if asked.command == "demo" else run(settings))
    except ConfigurationError as error:
        return report(error.problems)
    return 0


def write_package(settings: Settings, out: Path, domain: str | None) -> int:
    """Write the installable zip. Raises ConfigurationError."""
    content = teams_package(settings.teams_app_id or "", name="Echelon", domain=domain, version=VERSION)
    out.write_bytes(content)
    print(f"{out} is ready: upload it in the Teams admin centre (docs/teams.md)")
    return 0


def report(problems: Sequence[Problem]) -> int:
    """Print every problem, or that there is none; the exit status."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print("Everything is in order.")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
