"""The export: a small reader that shares no code with the product makes the same statement of it, and the same proof."""

import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from bot.directory import WorkspaceId
from bot.errors import Conflict
from storage.database import Database
from storage.tables import escalations, ledger
from tests.acceptance.world import World, built_world, who

GUARDS = {
    "sqlite": (
        "DROP TRIGGER ledger_keeps_rows",
        "DROP TRIGGER ledger_keeps_chain",
        "DROP TRIGGER ledger_only_erases",
        "DROP TRIGGER ledger_never_replaces",
    ),
    "postgresql": ("ALTER TABLE ledger DISABLE TRIGGER ALL",),
}


class Reader:
    """Reads an export as docs/audit.md describes it, with the standard library and nothing else."""

    def __init__(self, lines: Iterable[str]) -> None:
        parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines:
            part = json.loads(line)
            parts[part["type"]].append(part)
        ((self.head,), (self.end,)) = parts["export"], parts["end"]
        self.escalations, self.rows, self.plans = parts["escalation"], parts["ledger"], parts["plan"]

    def statement(self) -> str:
        begun = Counter((row["escalation"], row["entry"]) for row in self.rows if row["kind"] == "entered")
        had = {(one["id"], entry) for one in self.escalations for entry in range(1, one["entry"] + 1)}
        missed = sum(begun[entry] != 1 for entry in had) + len(begun.keys() - had)
        missed += sum(self.late(one) for one in self.escalations)
        return f"{len(self.escalations)} escalations, {len(had)} entries, {missed} missed"

    def late(self, one: dict[str, Any]) -> bool:
        if one["status"] not in {"waiting", "acknowledged"}:
            return False
        entry = one["state"]["entry"]
        planned = [one["next_due"], entry["due"] and entry["due"]["at"], *(nudge["at"] for nudge in entry["nudges"])]
        times = [datetime.fromisoformat(at) for at in planned if at]
        return not times or min(times) < datetime.fromisoformat(self.head["as_of"]) - timedelta(minutes=1)

    def tampered(self) -> dict[int, int]:
        """Number of the escalation → the first row that does not fit."""
        found: dict[int, int] = {}
        for one in self.escalations:
            rows = [row for row in self.rows if row["escalation"] == one["id"]]
            wrong = self.first_wrong(one, rows)
            if wrong:
                found[one["number"]] = wrong
        return found

    def first_wrong(self, one: dict[str, Any], rows: list[dict[str, Any]]) -> int | None:
        before = ""
        for number, row in enumerate(rows, start=1):
            at = round(datetime.fromisoformat(row["recorded_at"]).timestamp() * 1000)
            tied = [before, one["workspace"], one["id"], row["seq"], at, row["kind"], row["entry"], row["digest"]]
            chain = hashlib.sha256(json.dumps(tied, separators=(",", ":")).encode()).hexdigest()
            body = row["body"]
            fits = body is None or row["digest"] == hmac.new(row["salt"].encode(), body.encode(), "sha256").hexdigest()
            if row["seq"] != number or row["chain"] != chain or not fits:
                return number
            before = chain
        ended = (len(rows), before) == (one["ledger_seq"], one["ledger_head"])
        return None if ended else min(len(rows), one["ledger_seq"]) + 1


async def exported(world: World) -> Reader:
    return Reader([line async for line in world.database.export(world.clock.now())])


@pytest.fixture
async def world(database: Database) -> World:
    world = await built_world(database)
    for words in ("checkout fails", "login fails", "naïve ☃ printers"):
        await world.says("opener", words)
    await world.says("rep", "resolve ESC-2 restarted")
    await world.forward(hours=3)
    return world


async def test_the_statement_can_be_made_from_the_export(world: World):
    reader = await exported(world)

    statement, _ = await world.database.audits().full(world.clock.now())

    assert reader.statement() == str(statement) == "3 escalations, 7 entries, 0 missed"
    assert reader.tampered() == {}
    assert (reader.end["escalations"], reader.end["rows"]) == (3, len(reader.rows))
    assert {one["plan"] for one in reader.escalations} == {plan["digest"] for plan in reader.plans}
    assert reader.escalations[2]["title"] == "naïve ☃ printers"


async def test_what_was_missed_is_missed_in_both(world: World):
    world.clock.forward(days=2)

    reader = await exported(world)
    statement, _ = await world.database.audits().full(world.clock.now())

    assert reader.statement() == str(statement) == "3 escalations, 7 entries, 2 missed"


TAMPERED: tuple[tuple[str, object], ...] = (
    ("body", '{"kind":"noted"}'),
    ("body", "{"),
    ("salt", "x"),
    ("kind", "resolved"),
    ("entry", 9),
    ("digest", "0" * 64),
    ("chain", "0" * 64),
    ("recorded_at", datetime(2026, 11, 20, 12, 0, tzinfo=UTC)),
    ("seq", 99),
)


async def test_tampering_with_any_column_is_found_by_the_command_and_by_the_reader(world: World):
    await unguarded(world.database)
    third = ledger.c.escalation == (await world.escalation(3)).id
    for column, value in TAMPERED:
        before = await tampered(world, update(ledger).where(third, ledger.c.seq == 2).values({column: value}))

        _, broken = await world.database.audits().verify(None)
        assert [(one.number, one.row) for one in broken] == [(3, 2)], column
        assert (await exported(world)).tampered() == {3: 2}, column

        back = update(ledger).where(third, ledger.c.seq == (99 if column == "seq" else 2))
        await tampered(world, back.values({column: before[column]}))
        assert await world.database.audits().verify(None) == (3, [])
    assert await world.database.audits().verify(1) == (1, [])


async def test_a_row_that_is_gone_or_added_is_found_even_at_the_end(world: World):
    await unguarded(world.database)
    third = ledger.c.escalation == (await world.escalation(3)).id
    last = len(await world.rows(3))
    before = await tampered(world, delete(ledger).where(third, ledger.c.seq == last), seq=last)

    assert (await exported(world)).tampered() == {3: last}
    assert [one.row for one in (await world.database.audits().verify(3))[1]] == [last]

    await tampered(world, insert(ledger).values({**before}))
    await tampered(world, insert(ledger).values({**before, "seq": last + 1}), seq=last)
    assert (await exported(world)).tampered() == {3: last + 1}
    assert [one.row for one in (await world.database.audits().verify(3))[1]] == [last + 1]


async def unguarded(database: Database) -> None:
    """What somebody does first who owns the database and wants to rewrite history."""
    async with database.writing() as writing:
        for guard in GUARDS["sqlite" if database.alone else "postgresql"]:
            await writing.run(text(guard))
        await writing.commit()


async def tampered(world: World, statement: Any, seq: int = 2) -> Any:
    """Run it; returns the row of ESC-3's history that was there before, if any."""
    mine = (ledger.c.escalation == (await world.escalation(3)).id) & (ledger.c.seq == seq)
    async with world.database.writing() as writing:
        before = await writing.rows(select(ledger).where(mine))
        await writing.run(statement)
        await writing.commit()
    return before[0] if before else None


async def test_the_database_refuses_to_replace_a_row_of_the_history(world: World):
    if not world.database.alone:
        pytest.skip("PostgreSQL has no REPLACE")
    with pytest.raises(Conflict):
        async with world.database.writing() as writing:
            await writing.run(text("INSERT OR REPLACE INTO ledger SELECT * FROM ledger"))


async def test_an_export_after_forgetting_proves_the_same_and_names_nobody(world: World):
    await world.database.erasure().forget(WorkspaceId("acme"), who("rep"), world.clock.now())

    lines = [line async for line in world.database.export(world.clock.now())]

    assert Reader(lines).tampered() == {}
    assert Reader(lines).statement() == "3 escalations, 7 entries, 0 missed"
    assert "chat:rep" not in "".join(lines)


async def test_what_is_written_while_it_is_read_is_not_half_in_it(world: World):
    lines = world.database.export(world.clock.now())
    some = [await anext(lines) for _ in range(3)]
    async with world.database.writing() as writing:
        await writing.run(update(escalations).values(status="resolved"))
        await writing.commit()

    reader = Reader([*some, *[line async for line in lines]])

    assert {one["status"] for one in reader.escalations} == {"waiting", "resolved"}
    assert reader.tampered() == {}
