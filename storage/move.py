"""Copies a whole database into an empty one, in one transaction, and believes it only after counting and comparing."""

import hashlib
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import RowMapping, Select, Table, insert, literal, select, text, tuple_

from bot.errors import ConfigurationError, Conflict, Problem, StoreUnavailable, Unsettled
from bot.failpoints import failpoint
from bot.ports import Ids
from storage import ledger as books
from storage.database import Database
from storage.engine import PLACE as SETTING
from storage.engine import is_file, wrong
from storage.single import only_process
from storage.tables import escalations, ledger, metadata
from storage.transaction import Transaction

BATCH = 1000
"""Rows per statement."""
CHAINS = 200
"""Histories that are checked together."""

SOURCE, TARGET = "--from", "--to"
TABLES = tuple(metadata.sorted_tables)
"""What is referred to comes before what refers to it."""

L = ledger.c


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds: how many rows, and the sum of their digests, which does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def plus(self, row: RowMapping) -> "Content":
        """With one row more."""
        told = repr([row[name] for name in sorted(row.keys())]).encode()
        return Content(self.rows + 1, (self.digest + int.from_bytes(hashlib.sha256(told).digest())) % (1 << 256))


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied: rows by table, how many histories fit their chains, and the references of those that do not."""

    rows: Mapping[str, int]
    whole: int
    broken: tuple[int, ...]


async def move(source: str, target: str, *, ids: Ids, now: datetime) -> Moved:
    """Copy the SQLite file of one URL to the PostgreSQL database of another. Raises ConfigurationError.

    The file is locked meanwhile, as by a running bot, and brought up to date; what was on its way is no longer.
    """
    with _placed(SOURCE):
        _must_be_a_file(source)
    with _placed(TARGET):
        _must_be_a_server(target)
    with _placed(SOURCE), only_process(source):
        old, new = Database.open(source, ids), Database.open(target, ids)
        try:
            await old.migrate()
            await old.outbox().reclaim(now)
            with _placed(TARGET):
                await new.migrate()
                return await copy(old, new)
        finally:
            await old.close()
            await new.close()


def _must_be_a_file(url: str) -> None:
    path = is_file(url)
    if path is None or not Path(path).is_file():
        said = "it has to be a SQLite database" if path is None else f"there is no database {path!r}"
        raise wrong(f"{said}; write sqlite:///path")


def _must_be_a_server(url: str) -> None:
    if is_file(url) is not None:
        raise wrong("it has to be a PostgreSQL database; write postgresql://user:password@host/database")


@contextmanager
def _placed(place: str) -> Generator[None]:
    """What goes wrong inside is the fault of this option, unless it has a place already."""
    try:
        yield
    except ConfigurationError as error:
        where = (place if problem.place == SETTING else problem.place for problem in error.problems)
        said = (Problem(to, problem.sentence) for to, problem in zip(where, error.problems, strict=True))
        raise ConfigurationError(tuple(said)) from None
    except Unsettled as error:
        raise ConfigurationError((Problem(place, f"{error}; look whether it holds anything by now"),)) from error
    except (StoreUnavailable, Conflict) as error:
        raise ConfigurationError((Problem(place, f"{error}; nothing was copied"),)) from error


async def copy(source: Database, target: Database) -> Moved:
    """Copy everything, or nothing. Both have the newest schema; nobody else may use `source` meanwhile.

    A history that did not fit its chain before does not fit it afterwards either: it is copied as it is, and named.
    Raises ConfigurationError when `target` is in use, holds anything, or does not hold the same afterwards; Conflict and
    StoreUnavailable.
    """
    async with source.reading() as old, target.writing() as new:
        await _have_to_itself(new)
        for table in TABLES:
            if (await new.run(select(literal(1)).select_from(table).limit(1))).first():
                raise wrong(f"it is not empty ({table.name} has rows); name a new database, or empty this one")
        copied = {table.name: await _copy(old, new, table) for table in TABLES}
        failpoint("move.after_copy")
        for table in TABLES:
            if await _content(new, table) != copied[table.name]:
                raise wrong(f"after copying, {table.name} does not hold what it should; nothing was kept")
        whole, broken = await _chains(new)
        await new.commit()
    return Moved({name: content.rows for name, content in copied.items()}, whole, broken)


async def _have_to_itself(new: Transaction) -> None:
    """Whoever starts a bot on the target meanwhile waits, instead of writing into what is being filled."""
    if not new.sqlite:
        names = ", ".join(f'"{table.name}"' for table in TABLES)
        await new.run(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


async def _copy(old: Transaction, new: Transaction, table: Table) -> Content:
    content = Content()
    async for rows in _pages(old, table):
        for row in rows:
            content = content.plus(row)
        await new.run(insert(table), [dict(row) for row in rows])
    return content


async def _content(reading: Transaction, table: Table) -> Content:
    content = Content()
    async for rows in _pages(reading, table):
        for row in rows:
            content = content.plus(row)
    return content


async def _pages(reading: Transaction, table: Table, size: int = BATCH) -> AsyncGenerator[list[RowMapping]]:
    """All rows of a table in the order of its key, some at a time."""
    key = list(table.primary_key)
    query: Select[Any] = select(table).order_by(*key).limit(size)
    page = query
    while rows := list(await reading.rows(page)):
        yield rows
        last = (literal(rows[-1][column.name], column.type) for column in key)
        page = query.where(tuple_(*key) > tuple_(*last))


async def _chains(reading: Transaction) -> tuple[int, tuple[int, ...]]:
    """(how many histories are whole, the numbers of those that are not)."""
    whole, broken = 0, list[int]()
    async for page in _pages(reading, escalations, CHAINS):
        written = select(ledger).where(L.escalation.in_([row["id"] for row in page])).order_by(L.escalation, L.seq)
        by_escalation = groupby(await reading.rows(written), key=lambda row: row["escalation"])
        histories = {escalation: list(rows) for escalation, rows in by_escalation}
        for row in page:
            history = histories.get(row["id"], [])
            if books.verify_chain(history, seq=row["ledger_seq"], head=row["ledger_head"]) is None:
                whole += 1
            else:
                broken.append(row["number"])
    return whole, tuple(broken)
