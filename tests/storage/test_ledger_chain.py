"""The history proves itself: nothing can be changed, removed or moved unnoticed; texts may be erased."""

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from bot.errors import Conflict
from bot.facts import Fact, FactKind
from bot.state import EscalationId
from storage.ledger import Book, verify_chain, written
from storage.tables import ledger
from tests.builders import BOB, WORKSPACE, an_escalation, noting, opening
from tests.fakes import NINE, CountingIds

FORGED = {
    "body": "{}",
    "kind": "resolved",
    "entry": 2,
    "recorded_at": NINE.replace(hour=8),
    "digest": "0" * 64,
    "workspace": "other",
    "escalation": "other",
    "salt": "x",
}


def a_history(length: int = 5) -> tuple[Book, list[dict[str, Any]]]:
    facts = [Fact(FactKind.NOTED, 1, by=BOB, text=f"note {n}") for n in range(length)]
    return written(Book(WORKSPACE, EscalationId("esc")), facts, at=NINE, ids=CountingIds())


def first_wrong(rows: list[dict[str, Any]], book: Book) -> int | None:
    return verify_chain(rows, seq=book.seq, head=book.head)


def test_an_untouched_history_fits():
    book, rows = a_history()

    assert first_wrong(rows, book) is None
    assert first_wrong([], Book(WORKSPACE, EscalationId("esc"))) is None


@pytest.mark.parametrize("column", FORGED)
def test_a_changed_row_is_found(column):
    book, rows = a_history()

    rows[2] = {**rows[2], column: FORGED[column]}

    assert first_wrong(rows, book) == 3


@pytest.mark.parametrize("gone", range(5))
def test_a_removed_row_is_found_even_the_last(gone):
    book, rows = a_history()

    del rows[gone]

    assert first_wrong(rows, book) == gone + 1


def test_rows_that_changed_places_are_found():
    book, rows = a_history(4)

    for order in list(permutations(range(4)))[1:]:
        swapped = [{**rows[old], "seq": new} for new, old in enumerate(order, start=1)]
        assert first_wrong(swapped, book) is not None


def test_an_added_row_is_found():
    book, rows = a_history()
    _, more = written(book, [Fact(FactKind.NOTED, 1, text="never said")], at=NINE, ids=CountingIds("other"))

    assert first_wrong([*rows, *more], book) == 6


def test_an_erased_text_leaves_the_proof_whole():
    book, rows = a_history()

    rows[1] = {**rows[1], "body": None, "salt": None}

    assert first_wrong(rows, book) is None


async def three_rows(database):
    async with database.units() as unit:
        saved = await unit.add(opening(an_escalation(1)), at=NINE)
        saved = await unit.save(noting(saved, "a name: Bob"), at=NINE)
        await unit.save(noting(saved, "the end"), at=NINE)
        await unit.commit()
    return saved.id


async def test_the_database_lets_texts_be_erased(database):
    id = await three_rows(database)

    async with database.writing() as writing:
        await writing.run(update(ledger).where(ledger.c.seq == 2).values(body=None, salt=None))
        await writing.commit()

    erased = (await database.archive().ledger(id))[1].fact
    assert erased == Fact(FactKind.NOTED, 1)
    assert await database.archive().broken_at(WORKSPACE, id) is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger WHERE seq = 3",
        "UPDATE ledger SET kind = 'resolved'",
        "UPDATE ledger SET chain = 'x', digest = 'x'",
        "UPDATE ledger SET seq = seq + 10",
        "UPDATE ledger SET body = '{}'",
    ],
)
async def test_the_database_refuses_to_rewrite_history(database, statement):
    id = await three_rows(database)

    async with database.writing() as writing:
        with pytest.raises((DBAPIError, Conflict)):
            await writing.run(text(statement))

    async with database.reading() as reading:
        assert len(await reading.rows(select(ledger))) == 3
    assert await database.archive().broken_at(WORKSPACE, id) is None
