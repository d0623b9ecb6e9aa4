"""The steps lead to the schema of `tables.py`, and back."""

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from bot.errors import ConfigurationError
from storage.database import Database
from storage.migrate import configuration
from storage.tables import metadata
from tests.fakes import CountingIds


def differences(connection: Connection) -> list:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
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
    assert partial == expected - {"ix_outbox_escalation", "ix_messages_message"}


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

    assert left == {"alembic_version"}
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
