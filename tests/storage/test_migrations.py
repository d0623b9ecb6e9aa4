"""The steps lead to the schema of `tables.py`, and back."""

import asyncio
import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, TableClause, column, inspect, text, update

from bot.errors import ConfigurationError
from storage.database import Database
from storage.migrate import SCRIPTS, configuration
from storage.revisions import COMPARED, FLOOR_TABLE, OLDEST, VERSION_TABLE, oldest_code, taken
from storage.tables import metadata
from tests.fakes import CountingIds


def differences(connection: Connection) -> list:
    context = MigrationContext.configure(connection, opts=COMPARED)
    return compare_metadata(context, metadata)


def partial_indexes(connection: Connection) -> set[str]:
    found = inspect(connection)
    dialect = connection.dialect.name
    return {
        index["name"]
        for table in found.get_table_names()
        for index in found.get_indexes(table)
        if index.get("dialect_options", {}).get(f"{dialect}_where") is not None
    }


async def test_the_migrated_schema_is_the_one_that_the_code_expects(database):
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        partial = await connection.run_sync(partial_indexes)

    expected = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert partial == expected - {"ix_outbox_escalation", "ix_messages_message", "ix_ledger_recorded_at"}


async def test_migrating_again_changes_nothing(database):
    await database.migrate()

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_back_to_nothing_and_up_again(database):
    async with database.engine.connect() as connection:
        await connection.execution_options(writing=True)
        async with connection.begin():
            await connection.run_sync(lambda given: command.downgrade(configuration(given), "base"))
            left = await connection.run_sync(lambda given: set(inspect(given).get_table_names()))

    await database.migrate()

    assert left == {VERSION_TABLE, FLOOR_TABLE}
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_processes_that_start_together_migrate_once(tmp_path, postgres):
    for url in (f"sqlite:///{tmp_path}/together.db", postgres.empty()):
        databases = [Database.open(url, CountingIds()) for _ in range(3)]

        await asyncio.gather(*(database.migrate() for database in databases))

        async with databases[0].engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        for database in databases:
            await database.close()


async def test_a_schema_of_a_newer_version_is_refused(database):
    async with database.writing() as writing:
        await writing.run(text("UPDATE alembic_version SET version_num = '9999'"))
        await writing.commit()

    with pytest.raises(ConfigurationError, match=r"ECHELON_DATABASE_URL.*newer version"):
        await database.migrate()


async def versions(database: Database) -> tuple[str | None, str | None]:
    """(the newest step that was taken, the oldest code that may run here)."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(taken), await connection.run_sync(oldest_code)


async def set_version(database: Database, table: str, version: str) -> None:
    async with database.writing() as writing:
        await writing.run(update(TableClause(table, column("version_num"))).values(version_num=version))
        await writing.commit()


async def test_code_works_on_a_newer_schema_that_leaves_room_for_it(database, caplog):
    await set_version(database, VERSION_TABLE, "9999")
    caplog.set_level("INFO")

    await database.migrate()

    assert await versions(database) == ("9999", OLDEST), "nothing is undone, and nothing is done twice"
    assert "A newer version of Echelon has brought this database up to date (9999)" in caplog.text


async def test_a_database_of_the_first_version_is_adopted(database):
    async with database.writing() as writing:
        await writing.run(text(f"DROP TABLE {VERSION_TABLE}"))
        await writing.commit()
    newest = ScriptDirectory(SCRIPTS).get_current_head()
    await set_version(database, FLOOR_TABLE, newest)

    await database.migrate()

    assert await versions(database) == (newest, OLDEST)


async def test_the_way_back_says_which_code_may_run_then(database):
    async with database.engine.connect() as connection:
        await connection.execution_options(writing=True)
        async with connection.begin():
            await connection.run_sync(lambda given: command.downgrade(configuration(given), "0001"))

    assert await versions(database) == ("0001", "0001")


def test_no_step_takes_anything_away_from_the_oldest_code() -> None:
    """Steps after OLDEST add. One that drops or narrows something raises OLDEST, a version after its last use.

    An index that only makes questions quick may go: code that asks them is slower then, and as right as before.
    """
    for script in ScriptDirectory(SCRIPTS).walk_revisions():
        steps = Path(script.path).read_text(encoding="utf-8").partition("def downgrade")[0]
        if "op.drop_index(" in steps:
            assert not re.search("unique|uq_", steps), f"{script.path}: somebody may rely on what is unique"
            steps = steps.replace("op.drop_index(", "")
        taking = [word for word in ("drop_", "alter_column", "rename_table", "batch_alter_table") if word in steps]
        assert script.revision <= OLDEST or taking == [], f"{script.path} does {taking}: see docs/decisions/0015"
