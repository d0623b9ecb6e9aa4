"""Opening a database that a bot may be working on: nothing is made, migrated or locked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.ports import Ids
from storage.database import Database
from storage.engine import is_new, wrong
from storage.migrate import configuration
from storage.revisions import oldest_code, taken
from storage.transaction import spoken


@asynccontextmanager
async def visiting(url: str, ids: Ids) -> AsyncGenerator[Database]:
    """The database as it is. Raises ConfigurationError when it is not there or of another version, StoreUnavailable."""
    if is_new(url):
        raise wrong("there is no database yet; the first start of Echelon makes one")
    database = Database.open(url, ids)
    try:
        with spoken():
            async with database.engine.connect() as connection:
                await connection.run_sync(_refuse_other_versions)
        yield database
    finally:
        await database.close()


def _refuse_other_versions(connection: Connection) -> None:
    """A newer schema will do where newer code says so; an older one lacks what is to be read."""
    scripts = ScriptDirectory.from_config(configuration(connection))
    known = {script.revision for script in scripts.walk_revisions()}
    oldest, step = oldest_code(connection), taken(connection)
    if oldest is not None and oldest not in known:
        raise wrong("this database was written by a newer version of Echelon; use that one")
    if step is None or (step in known and step != scripts.get_current_head()):
        raise wrong("this database is of an older version of Echelon; start this version on it first")
