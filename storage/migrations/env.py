"""Run by Alembic: on the connection that the product hands over, or, for developers, on `alembic -x url=…`."""

import asyncio

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from storage.engine import create_engine
from storage.revisions import COMPARED, VERSION_TABLE, adopt, state_floor
from storage.tables import metadata


def run(connection: Connection) -> None:
    """Run the steps on an open connection, then say which code may still run on what came of it."""
    adopt(connection)
    context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, **COMPARED)
    with context.begin_transaction():
        context.run_migrations()
    state_floor(connection, MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}))


async def connect_and_run() -> None:
    """For the command line: open a connection, commit at the end."""
    url = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option("sqlalchemy.url")
    engine = create_engine(url or "")
    async with engine.connect() as connection:
        writing = await connection.execution_options(writing=True)
        async with writing.begin():
            await writing.run_sync(run)
    await engine.dispose()


if handed_over := context.config.attributes.get("connection"):
    run(handed_over)
else:
    asyncio.run(connect_and_run())
