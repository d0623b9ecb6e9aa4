"""Echelon's composition root: settings → objects → run. The only place that names concrete classes.

app.py demo     the local web chat: no account, a database of its own, a clock that can be moved
app.py run      Slack for real
app.py check    what is wrong with the settings and files; with --live, also asks the platform
app.py audit, export, forget    look into the database beside a bot that may be running on it: docs/audit.md
"""

import asyncio
import logging
import os
import sys
import zoneinfo
from argparse import Namespace
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from aiohttp import web
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from adapters.console import maintenance
from adapters.console.commands import MAINTENANCE, read_arguments
from adapters.console.logs import log_to_stderr
from adapters.console.moving import moved
from adapters.console.settings import Settings, missing, platforms, read_settings, secrets_of
from adapters.local.clock import MovableClock
from adapters.local.demo import DIRECTORY_FILE, STORY
from adapters.local.gateway import LocalChat
from adapters.local.places import Places
from adapters.local.render import Renderer
from adapters.local.routes import LocalWeb
from adapters.local.store import LocalStore
from adapters.slack.checks import problems as slack_live_problems
from adapters.slack.gateway import sending, web_client
from adapters.slack.line import Access, SlackLine
from adapters.switchboard import Memberships, Switchboard
from adapters.teams.checks import problems as teams_live_problems
from adapters.teams.credentials import IMDS_URL
from adapters.teams.line import Registration, TeamsLine
from adapters.teams.package import build as teams_package
from adapters.teams.references import References
from adapters.web.health import OK, Part
from adapters.web.health import routes as health_routes
from adapters.web.heartbeat import WebHeartbeat
from adapters.web.metrics import Metrics
from adapters.web.scrape import Reading, Readings, Stored
from adapters.web.scrape import route as metrics_route
from adapters.web.serving import serve, until_stopped
from adapters.web.spans import Spans, spans_to
from adapters.web.walls import Remotes
from bot.commands import Standing
from bot.delivery import Chat
from bot.directory import Address, Directory, PersonId
from bot.errors import ConfigurationError, Problem, StoreUnavailable
from bot.failpoints import VARIABLE as FAILPOINT
from bot.failpoints import arm, failpoint
from bot.limits import Limits
from bot.ports import Clock, Membership, People
from bot.readers import Readers
from bot.reception import Receives
from bot.signals import Signals, Together
from matrix.agreement import Files, read_files
from matrix.fixed import FixedDirectories
from scheduler.auditor import Rounds
from scheduler.calendar import BusinessCalendar
from scheduler.clock import SharedClock, SystemClock
from scheduler.engine import Engine
from scheduler.process import settle
from scheduler.refresh import LOCKS_SECONDS, Load, keep_fresh
from scheduler.watchdog import Watchdog
from scheduler.wiring import ApsBells
from storage.conversations import SqlConversations
from storage.database import Database
from storage.engine import is_file, is_new
from storage.ids import RandomIds
from storage.move import move
from storage.single import only_process
from storage.visiting import visiting

zoneinfo.reset_tzpath(to=())  # the pinned tzdata, not whatever the machine has: both must agree on every deadline

log = logging.getLogger("echelon")

SLACK_PACE = 1.0
"""Seconds between two messages to one Slack channel (docs/slack.md, limits)."""


DOORS = {"slack": "/slack/events", "teams": "/api/messages"}
VERSION = "0.1.0"
STEP_SHOWN = 3600.0
"""Seconds that a step of the wall clock is shown in /readyz."""
STALE_SWEEP = 4.0
"""Seconds without a sweep after which /readyz says so: the guard sweeps every second."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is told of the work to those who watch over it."""

    metrics: Metrics
    watchdog: Watchdog
    spans: Spans | None
    signals: Signals

    @classmethod
    def of(cls, clock: Clock, *, otel_endpoint: str | None = None) -> "Watch":
        """Raises ConfigurationError when spans are wanted and cannot be made."""
        metrics = Metrics(VERSION)
        spans = spans_to(otel_endpoint, clock, VERSION) if otel_endpoint else None
        return cls(metrics, Watchdog(clock, metrics), spans, Together(metrics, spans) if spans else metrics)

    def routes(
        self, engine: Engine, database: Database, clock: Clock, *, token: SecretStr | None = None, **more: Part
    ) -> list[web.RouteDef]:
        """/healthz, /readyz and /metrics."""
        self.metrics.registry.register(Readings(readings(engine, clock, self.watchdog)))
        stored = Stored(database.counts(), clock)
        return [
            *health_routes(
                parts_of_health(engine, clock, self.watchdog, **more), clock, {"clock": lambda: stepped(engine, clock)}
            ),
            metrics_route(self.metrics.registry, stored, token.get_secret_value() if token else None),
        ]

    async def end(self) -> None:
        """Send the last spans, outside the loop: the collector may be slow."""
        if self.spans:
            await asyncio.to_thread(self.spans.close)


def readings(engine: Engine, clock: Clock, watchdog: Watchdog) -> dict[str, tuple[str, Reading]]:
    """Gauges that are read at each scrape."""
    return {
        "sweep_age_seconds": (
            "Since the last batch of a sweep was stored",
            lambda: clock.monotonic() - engine.timers.last_sweep,
        ),
        "audit_findings": (
            "What the last audit found",
            lambda: float(len(engine.auditor.findings)) if engine.auditor else 0.0,
        ),
        "audit_age_seconds": (
            "Since the last audit came to its end",
            lambda: clock.monotonic() - engine.auditor.audited if engine.auditor else 0.0,
        ),
        "loop_lag_seconds": ("The longest that the event loop was late within the last minute", watchdog.lag),
    }


def stepped(engine: Engine, clock: Clock) -> str | None:
    """A note for /readyz: the wall clock stepped within the last hour."""
    step = engine.timers.stepped
    if step is None or (ago := clock.monotonic() - step.at) > STEP_SHOWN:
        return None
    return f"the wall clock stepped by {step.seconds:+.1f} s, {ago / 60:.0f} min ago"


def parts_of_health(engine: Engine, clock: Clock, watchdog: Watchdog, **more: Part) -> dict[str, Part]:
    """What /readyz asks."""

    async def database() -> str:
        try:
            await engine.store.ping()
        except StoreUnavailable:
            return "does not answer"
        return OK

    async def sweep() -> str:
        age = clock.monotonic() - engine.timers.last_sweep
        stale = f"the last sweep was {age:.0f} s ago" if age >= STALE_SWEEP else ""
        return engine.timers.trouble or stale or OK

    async def loop() -> str:
        return watchdog.word()

    audit: dict[str, Part] = {"audit": engine.auditor.health} if engine.auditor else {}
    return {"database": database, "sweep": sweep, "loop": loop, **audit, **more}


async def run(settings: Settings) -> None:
    """Slack and Teams for real, until SIGTERM or SIGINT. Raises ConfigurationError before anything is started."""
    problems = list(missing(settings))
    files = files_or_problems(settings, problems)
    if problems or files is None:
        raise ConfigurationError(tuple(problems))
    url, directory = settings.database_url.get_secret_value(), files.directory
    clock = clock_of(url)
    watch = Watch.of(clock, otel_endpoint=settings.otel_endpoint)
    async with opened(url, clock) as database:
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
            signals=watch.signals,
            limits=limits(settings),
            rounds=rounds(settings, database),
        )
        ready = {name: line.ready for name, line in lines.items()}
        doors = [web.route("*", DOORS[name], line.serve) for name, line in lines.items()]
        remotes = Remotes(settings.trusted_proxies.split(","))
        health = watch.routes(engine, database, clock, token=settings.metrics_token, **ready)
        runner = await serve(
            [*health, *doors], settings.host, settings.port, clock=clock, remotes=remotes, signals=watch.signals
        )
        failpoint("app.listening")
        try:
            settle()
            async with engine.running():
                heard = [line.run(engine.reception, people) for line in lines.values()]
                await until_stopped(
                    watch.watchdog.run(), *heard, *kept_with_others(clock, database, people.load, conversations.load)
                )
        finally:
            failpoint("app.stopping")
            await runner.cleanup()
            for line in lines.values():
                await line.close()
            await watch.end()


def clock_of(url: str) -> SystemClock | SharedClock:
    """The machine's time where it has the database to itself, the server's where others may disagree about theirs."""
    return SystemClock() if is_file(url) else SharedClock()


def kept_with_others(
    clock: SystemClock | SharedClock, database: Database, *loads: Load
) -> list[Coroutine[None, None, None]]:
    """What keeps this process at one with other replicas: the time, what is remembered, what is locked. None on a file."""
    if not isinstance(clock, SharedClock):
        return []
    return [clock.keep(), keep_fresh(*loads), keep_fresh(database.end_frozen, every=LOCKS_SECONDS)]


def rounds(settings: Settings, database: Database) -> Rounds:
    """What the auditor works with."""
    url, days = settings.heartbeat_url, settings.retention_days
    return Rounds(
        audits=database.audits(),
        housekeeping=database.housekeeping(),
        heartbeat=WebHeartbeat(url.get_secret_value()) if url else None,
        retention=timedelta(days=days) if days else None,
        every=float(settings.audit_seconds),
    )


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
    watch = Watch.of(clock)
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
            limits=limits(settings),
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
        health = watch.routes(engine, database, clock)
        runner = await serve(health, "127.0.0.1", settings.port, local.app(), clock=clock, signals=watch.signals)
        try:
            async with engine.running():
                print(f"Echelon's demo is open at {url} (Ctrl+C ends it)", flush=True)
                await until_stopped(watch.watchdog.run())
        finally:
            await runner.cleanup()


@asynccontextmanager
async def opened(url: str, clock: Clock) -> AsyncGenerator[Database]:
    """The database, migrated, ours alone if it is a file; closed at the end. Raises ConfigurationError."""
    with only_process(url):
        database = Database.open(url, RandomIds(clock))
        try:
            await database.migrate()
            failpoint("app.after_migrate")
            if isinstance(clock, SharedClock):
                await clock.follow(database.time)
            if database.alone:
                await database.outbox().reclaim(clock.now())
                failpoint("app.after_reclaim")
            yield database
        except StoreUnavailable as error:
            raise ConfigurationError((Problem("ECHELON_DATABASE_URL", str(error)),)) from None
        finally:
            await database.close()


def slack_client(settings: Settings) -> AsyncWebClient:
    """The Web API with the bot's token, and a session that whoever asked closes. Only within the running loop."""
    token = settings.slack_bot_token
    url = settings.slack_api_url
    return web_client(token.get_secret_value() if token else "", base_url=url, session=sending(url))


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


def limits(settings: Settings) -> Limits:
    """How much people may ask for."""
    return Limits.of(
        requests=settings.limit_requests,
        openings=settings.limit_openings,
        channel_openings=settings.limit_channel_openings,
    )


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
        client = slack_client(settings)
        async for problem in slack_live_problems(
            client,
            directory,
            token="ECHELON_SLACK_BOT_TOKEN",  # noqa: S106 - the setting's name
            app_token=app_token if settings.slack_mode == "socket" else None,
            app_token_name="ECHELON_SLACK_APP_TOKEN",  # noqa: S106
            admitted=admitted(settings),
        ):
            yield problem
        if client.session:
            await client.session.close()
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


async def maintain(settings: Settings, asked: Namespace) -> int:
    """A command that looks into the database beside a bot that may be running on it; its exit status."""
    url, clock = settings.database_url.get_secret_value(), SystemClock()
    try:
        async with visiting(url, RandomIds(clock)) as database:
            now = clock.now() if database.alone else await database.time()
            if asked.command == "audit":
                books = database.audits()
                return await (
                    maintenance.verify(books, asked.reference) if asked.what else maintenance.audit(books, now)
                )
            if asked.command == "export":
                return await maintenance.export(database.export(now), asked.out)
            problems: list[Problem] = []
            files = files_or_problems(settings, problems)
            if files is None:
                raise ConfigurationError((*missing(settings), *problems))
            directory, person = files.directory, PersonId(Address(asked.person))
            roles = [role for role, binding in directory.roles.items() if person in binding.owners]
            return await maintenance.forget(
                database.erasure(), directory.workspace, person, now, yes=asked.yes, roles=roles
            )
    except StoreUnavailable as error:
        raise ConfigurationError((Problem("ECHELON_DATABASE_URL", str(error)),)) from None


async def move_database(source: str, target: str) -> int:
    """Copy a SQLite file into a PostgreSQL database and say what to do next. Raises ConfigurationError."""
    clock = SystemClock()
    done = await move(source, target, ids=RandomIds(clock), now=clock.now())
    print(moved(done.rows, done.whole, done.broken, source=source))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, or 2 when something is to be mended first."""
    asked = read_arguments(arguments)
    os.umask(0o077)  # what Echelon writes is for its own user
    arm(os.environ.get(FAILPOINT, ""))
    try:
        settings = read_settings()
        hidden = {*secrets_of(settings), os.environ.get("IDENTITY_HEADER", "")}
        log_to_stderr(settings.log_level, settings.log_format, secrets=hidden)
        if asked.command == "teams-package":
            return write_package(settings, asked.out, asked.domain)
        if asked.command == "check":
            return report(asyncio.run(check(settings, live=asked.live)))
        if asked.command == "move":
            return asyncio.run(move_database(asked.source, asked.target or settings.database_url.get_secret_value()))
        if asked.command in MAINTENANCE:
            return asyncio.run(maintain(settings, asked))
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
