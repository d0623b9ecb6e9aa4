"""No question of the sweep reads a table from its beginning to its end, not even right after that table has grown."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select, text

from storage import lanes, parcels, seeks
from storage.archive import open_ones
from storage.database import Database
from storage.record import STORED
from storage.tables import DUE, escalations, involved, ledger, messages, outbox
from tests.builders import BOB, WORKSPACE, an_escalation, opening
from tests.fakes import NINE, CountingIds

E = escalations.c
LARGE = (escalations, involved, ledger, outbox, messages)

QUESTIONS = {
    "the levels at which something is due": seeks.LEVELS,
    "the windows that run": seeks.WINDOWS,
    "the next reminder": seeks.REMINDER,
    "what is overdue": STORED.where(DUE, E.level == 1, E.next_due < NINE).order_by(E.next_due).limit(100),
    "one by its id": STORED.where(E.workspace == WORKSPACE, E.id == "esc000001"),
    "one by its number": STORED.where(E.workspace == WORKSPACE, E.number == 1),
    "the cards of a batch": parcels.CARDS_OF.params(ids=["a", "b", "c"]),
    "the edits that wait": parcels.WAITING_EDITS.params(ids=["a", "b", "c"]),
    "the next open ones": open_ones(WORKSPACE, None, 20),
    "the open ones of a person": open_ones(WORKSPACE, BOB, 20),
    "what each place is to get next": lanes.TOPS.params(now=NINE, limit=200, busy=["local:busy"]),
    "what has no place yet": lanes.NAMELESS.params(now=NINE, limit=200),
    "what a place is told together": lanes.GATHERED.params(now=NINE, led_by=["a", "b"]),
    "a bundle that may have arrived": lanes.SAME_BUNDLE.params(now=NINE, at=BOB, name="a"),
    "a history": select(ledger).where(ledger.c.escalation == "esc000001").order_by(ledger.c.seq),
}


async def plan_of(database: Database, query: Select[Any]) -> Sequence[str]:
    """What the database would do for this question in a sweep, step by step."""
    written = {"literal_binds": True, "render_postcompile": True}
    compiled = str(query.compile(dialect=database.engine.dialect, compile_kwargs=written))
    async with database.writing() as writing:
        await writing.by_index()
        explain, told = ("EXPLAIN QUERY PLAN", "detail") if writing.sqlite else ("EXPLAIN", "QUERY PLAN")
        rows = await writing.rows(text(f"{explain} {compiled}".replace(":", "\\:")))
    return [str(row[told]).strip() for row in rows]


@pytest.mark.parametrize("asked", QUESTIONS)
async def test_every_question_has_an_index(database: Database, asked: str) -> None:
    async with database.units() as unit:
        for number in range(1, 200):
            await unit.add(opening(an_escalation(number, due=NINE + timedelta(minutes=number))), at=NINE)
        await unit.commit()

    plan = await plan_of(database, QUESTIONS[asked])

    read_whole = [step for step in plan for table in LARGE if reads_all(step, table.name)]
    assert not read_whole, plan


def reads_all(step: str, table: str) -> bool:
    """Whether a step of a plan goes through all rows of a table or through all of an index."""
    return f"Seq Scan on {table}" in step or step.startswith(f"SCAN {table}")


async def test_the_list_of_a_person_begins_with_that_persons_rows(tmp_path: Path) -> None:
    """On SQLite, whose plans are the same at any size: at a million open ones the other way round takes 20 seconds."""
    database = Database.open(f"sqlite:///{tmp_path}/echelon.db", CountingIds())
    await database.migrate()

    plan = await plan_of(database, open_ones(WORKSPACE, BOB, 20))

    await database.close()
    assert "SEARCH involved" in plan[0]
    assert "(workspace=? AND id=?)" in plan[1]
