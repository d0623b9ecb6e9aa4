"""Which steps a database has been through, and which code may run on it: two tables of one row each.

`schema_revision` names the newest step that was taken. `alembic_version`, where the first version kept that, says since
then how far back one may go: the oldest revision whose code works on this schema. Every version refuses a database whose
`alembic_version` it does not know, so code that is older than the schema runs on it exactly when it can.
"""

from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, inspect, select

OLDEST = "0002"
"""The oldest revision whose code works on the newest schema: 0.1.0's. Raised by a step that takes something away, one
version after the code has stopped using it (docs/decisions/0015-expand-then-contract.md)."""

VERSION_TABLE = "schema_revision"
FLOOR_TABLE = "alembic_version"

_tables = MetaData()
revision, floor = (
    Table(name, _tables, Column("version_num", String(32), primary_key=True)) for name in (VERSION_TABLE, FLOOR_TABLE)
)


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name not in {VERSION_TABLE, FLOOR_TABLE}


COMPARED: dict[str, Any] = {"compare_type": True, "include_name": _is_ours}
"""How Alembic compares a database with `storage.tables`."""


def taken(connection: Connection) -> str | None:
    """The newest step that was taken, None for an empty database."""
    for table in (revision, floor):
        if _exists(connection, table):
            return connection.execute(select(table.c.version_num)).scalar_one_or_none()
    return None


def oldest_code(connection: Connection) -> str | None:
    """The oldest revision whose code may run here, None for an empty database."""
    return connection.execute(select(floor.c.version_num)).scalar_one_or_none() if _exists(connection, floor) else None


def adopt(connection: Connection) -> None:
    """A database of the first version gets the second table."""
    if _exists(connection, floor) and not _exists(connection, revision):
        revision.create(connection)
        connection.execute(insert(revision).from_select(["version_num"], select(floor.c.version_num)))


def state_floor(connection: Connection, reached: MigrationContext) -> None:
    """Say how far back one may go from the step that was `reached`."""
    floor.create(connection, checkfirst=True)
    connection.execute(delete(floor))
    for step in reached.get_current_heads():  # one, or none after the way back to nothing
        connection.execute(insert(floor).values(version_num=min(step, OLDEST)))  # numbers of one length, in order


def _exists(connection: Connection, table: Table) -> bool:
    return inspect(connection).has_table(table.name)
