"""After a restore or a move PostgreSQL has counted nothing; the start sees to it."""

from sqlalchemy import text

from storage.database import Database
from storage.statistics import count_rows
from tests.builders import WORKSPACE
from tests.fakes import CountingIds

FILL = text(
    "INSERT INTO people (workspace, person, name, language, chosen)"
    " SELECT :workspace, 'local:p' || n, repeat('x', 100), 'en', false FROM generate_series(1, 12000) n"
)


async def test_large_tables_that_were_never_counted_are_counted_once(postgres) -> None:
    database = Database.open(await postgres.migrated(), CountingIds())
    async with database.writing() as writing:
        await writing.run(text("ALTER TABLE people SET (autovacuum_enabled = off)"))
        await writing.run(FILL, {"workspace": WORKSPACE})
        await writing.commit()

    await database.migrate()

    async with database.reading() as reading:
        counted = (await reading.run(text("SELECT reltuples FROM pg_class WHERE relname = 'people'"))).scalar_one()
    again = await count_rows(database.writing)
    await database.close()
    assert counted == 12000
    assert again == []
