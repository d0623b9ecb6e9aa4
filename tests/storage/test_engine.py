"""The settings that each database needs are really set, and a wrong URL is one sentence without a password."""

import pytest
from sqlalchemy import text

from bot.errors import ConfigurationError, StoreUnavailable
from storage.database import Database
from storage.engine import PLACE, read_url
from tests.fakes import CountingIds


async def pragma(database: Database, name: str) -> object:
    async with database.writing() as writing:
        return (await writing.run(text(f"PRAGMA {name}"))).scalar_one()


async def test_sqlite_waits_writes_through_and_checks_references(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path}/echelon.db", CountingIds())

    found = {name: await pragma(database, name) for name in ("journal_mode", "synchronous", "busy_timeout")}
    references = await pragma(database, "foreign_keys")
    await database.close()

    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 10000}
    assert references == 1


async def test_a_writer_holds_the_write_lock_from_the_start(tmp_path):
    url = f"sqlite:///{tmp_path}/echelon.db"
    database, other = Database.open(url, CountingIds()), Database.open(url, CountingIds())
    await database.migrate()

    async with database.units(), other.reading() as reading:
        await reading.run(text("PRAGMA busy_timeout=0"))
        with pytest.raises(StoreUnavailable):
            await reading.run(text("INSERT INTO counters VALUES ('acme', 1)"))

    await database.close()
    await other.close()


async def test_readers_do_not_wait_for_a_writer(database):
    async with database.units() as unit:
        await unit.next_number("acme")
        await database.ping()
        assert await database.archive().bells() == []


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("sqlite:///echelon.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////data/echelon.db", "sqlite+aiosqlite"),
        ("postgres://u:p@host/db", "postgresql+asyncpg"),
        ("postgresql://u:p@host:5433/db", "postgresql+asyncpg"),
        ("postgresql+asyncpg://host/db?host=/run/postgresql", "postgresql+asyncpg"),
    ],
)
def test_the_usual_spellings_are_understood(written, driver):
    assert read_url(written).drivername == driver


def test_the_ssl_mode_is_passed_on():
    assert read_url("postgres://u:p@host/db?sslmode=require").query == {"ssl": "require"}


@pytest.mark.parametrize(
    "written",
    [
        "",
        "echelon.db",
        "mysql://u:hunter2@host/db",
        "postgresql+psycopg2://u:hunter2@host/db",
        "postgresql://u:hunter2@host",
        "postgresql://u:hunter2@host:port/db",
        "postgresql://u:hunter2@host/db?colour=red",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://echelon.db",
        "sqlite:///echelon.db?mode=ro",
    ],
)
def test_a_wrong_url_is_one_problem_without_the_password(written):
    with pytest.raises(ConfigurationError) as caught:
        Database.open(written, CountingIds())

    (problem,) = caught.value.problems
    assert problem.place == PLACE
    assert "hunter2" not in str(caught.value)


async def test_a_path_that_cannot_be_written_is_a_wrong_setting(tmp_path):
    (tmp_path / "a file").write_text("no directory")
    (tmp_path / "letter.db").write_text("Dear database, you are a letter. " * 100)

    for path in (tmp_path, tmp_path / "nowhere" / "echelon.db", tmp_path / "a file" / "x.db", tmp_path / "letter.db"):
        database = Database.open(f"sqlite:///{path}", CountingIds())
        with pytest.raises(ConfigurationError, match=PLACE):
            await database.migrate()
        await database.close()


async def test_a_database_that_does_not_exist_is_a_wrong_setting(postgres):
    database = Database.open(postgres.url("nowhere"), CountingIds())

    with pytest.raises(ConfigurationError, match="no such database"):
        await database.migrate()
    await database.close()


async def test_a_server_that_does_not_answer_is_unavailable(unused_tcp_port):
    database = Database.open(f"postgresql://u:hunter2@127.0.0.1:{unused_tcp_port}/db", CountingIds())

    with pytest.raises(StoreUnavailable):
        await database.migrate()
    with pytest.raises(StoreUnavailable):
        await database.ping()
    with pytest.raises(StoreUnavailable) as caught:
        async with database.units() as unit:
            await unit.next_number("acme")
    await database.close()
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_connection_that_was_cut_is_unavailable_and_the_next_one_works(postgres):
    database = Database.open(await postgres.migrated(), CountingIds())
    await database.ping()

    with pytest.raises(StoreUnavailable):
        async with database.writing() as writing:
            await writing.run(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    await database.ping()
    await database.close()


async def test_the_postgresql_settings_are_really_set(postgres):
    database = Database.open(await postgres.migrated(), CountingIds())

    async with database.reading() as reading:
        name = (await reading.run(text("SHOW application_name"))).scalar_one()
        patience = (await reading.run(text("SHOW lock_timeout"))).scalar_one()
    await database.close()

    assert (name, patience) == ("echelon", "10s")
