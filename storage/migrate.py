"""Brings the schema up to date when the product starts, in this process."""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.failpoints import failpoint
from storage.engine import is_sqlite, make_folder, wrong
from storage.revisions import oldest_code, taken
from storage.transaction import spoken, sqlstate

SCRIPTS = Path(__file__).parent / "migrations"
WRONG_SETTINGS = {
    "28P01": "the database refuses this password",
    "28000": "the database refuses this user",
    "3D000": "there is no such database on that server; create it first",
    "42501": "this user may not create tables in that database",
}
TURNS = (0.05,) * 100
"""Seconds between tries: whoever switches a new SQLite file to WAL makes others fail at once, whatever their patience."""

LOCK_NOT_AVAILABLE = "55P03"

ONE_AT_A_TIME = 0x45534341
"""The advisory lock that replicas take in turn while they migrate."""


log = logging.getLogger("echelon.migrate")


async def migrate(engine: AsyncEngine, *, to: str = "head") -> None:
    """Upgrade to `to`; does nothing when it is there already, or further. Two processes may start together.

    Raises ConfigurationError when the database cannot be opened or belongs to a version so new that this code cannot
    work on it, StoreUnavailable when its server does not answer.
    """
    if is_sqlite(engine) and engine.url.database:
        make_folder(engine.url.database)
    with spoken():
        for patience in (*TURNS, None):
            try:
                await _upgrade(engine, to)
                return
            except DBAPIError as error:
                if patience and _taken_by_another(engine, error):
                    await asyncio.sleep(patience)
                elif sentence := _sentence(engine, error):
                    raise wrong(sentence) from None
                else:
                    raise


def _taken_by_another(engine: AsyncEngine, error: DBAPIError) -> bool:
    """Whether another process has what is needed: the file, or for the longest time that a lock is waited for, a lock."""
    return "locked" in str(error.orig) if is_sqlite(engine) else sqlstate(error) == LOCK_NOT_AVAILABLE


def _sentence(engine: AsyncEngine, error: DBAPIError) -> str | None:
    """What is wrong with the setting; None when it is something else."""
    if is_sqlite(engine):
        return None if "locked" in str(error.orig) else f"{engine.url.database} cannot be used: {error.orig}"
    return WRONG_SETTINGS.get(sqlstate(error))


async def _upgrade(engine: AsyncEngine, to: str) -> None:
    async with engine.connect() as connection:
        writing = await connection.execution_options(writing=True)
        async with writing.begin():
            if not is_sqlite(engine):
                await writing.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ONE_AT_A_TIME})
            await writing.run_sync(_run, to)
            failpoint("migrate.before_commit")


def _run(connection: Connection, to: str) -> None:
    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    oldest, step = oldest_code(connection), taken(connection)
    if oldest is not None and oldest not in known:
        raise wrong("this database was written by a newer version of Echelon; start that one, or restore a backup")
    if step is not None and step not in known:
        said = "A newer version of Echelon has brought this database up to date (%s); this one works on it as well"
        log.info(said, step, extra={"action": "schema_is_newer"})
        return
    command.upgrade(config, to)


def configuration(connection: Connection) -> Config:
    """Alembic's settings, on a connection that is open and in a transaction."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
