"""Many escalations made of a few real ones, and the rows that one firing of each writes.

The product opens one escalation and takes it from level to level; what it stored before and after each firing is kept.
A copy is that row with a number, an id and a due time of its own. The alternatives write the very rows that the product
wrote, ready made: they are spared the rule, the calendars, the ids and the chain.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.desk import OPENER, OWNERS, desk, owner
from bot.commands import Act, Actor, Open
from bot.events import Acknowledged
from storage.database import Database
from storage.tables import escalations, involved, ledger, outbox, plans, requests

Row = dict[str, Any]
LEVELS = 6
"""Levels whose window ends; the seventh has none."""

NOMINAL = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=3))
WEEK = timedelta(weeks=1)
DUE, BEGAN, NUDGED = "@due@", "@began@", "@nudged@"
KEPT = ("workspace", "id", "number", "opener", "opened_at")
"""Columns that an update leaves alone."""


@dataclass(frozen=True)
class Step:
    """One real transaction: the escalation's row after it, and the rows it added to each other table."""

    after: Row
    added: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Patterns:
    """What copies are made of: the plan, the row of each level, and what opening, firing and acknowledging write."""

    plan: Row
    at_level: Sequence[Row]
    opening: Step
    firings: Sequence[Step]
    acknowledgement: Step


class _Clock:
    """Moved by hand."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def seconds_until(self, at: datetime) -> float:
        return (at - self._now).total_seconds()

    def to(self, at: datetime) -> None:
        self._now = at


_kept: list[Patterns] = []


async def patterns() -> Patterns:
    """Take one escalation from level 1 to 7, and another to an acknowledgement; once in a process."""
    if not _kept:
        _kept.append(await _made())
    return _kept[0]


async def _made() -> Patterns:
    clock = _Clock(datetime.now(UTC) - timedelta(weeks=4))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'pattern.db'}"
        async with desk(url, clock, bells=False) as (database, engine):
            before = await _all(database)
            first = await engine.service.open(Open(Actor(OPENER), "r1", "support-process", None, "Checkout fails"))
            opening = _step(before, await _all(database), first.id)
            at_level, firings = [], []
            for level in range(1, LEVELS + 1):
                while True:
                    before = await _all(database)
                    due = await database.archive().next_due()
                    assert due is not None
                    clock.to(due + timedelta(milliseconds=1))
                    await engine.timers.sweep()
                    step = _step(before, await _all(database), first.id)
                    if step.after["level"] > level:
                        break
                at_level.append(before["escalations"][first.id])
                firings.append(step)
            second = await engine.service.open(Open(Actor(OPENER), "r2", "support-process", None, "Checkout fails"))
            before = await _all(database)
            await engine.service.act(Act(owner(1), "r3", second.id, Acknowledged(OWNERS[0])))
            acknowledgement = _step(before, await _all(database), second.id)
            (plan,) = before["plans"].values()
    return Patterns(plan, [_pattern(row) for row in at_level], opening, firings, acknowledgement)


async def _all(database: Database) -> dict[str, dict[Any, Row]]:
    """Every row of the tables that a use case writes, by its key."""
    found: dict[str, dict[Any, Row]] = {}
    async with database.reading() as reading:
        for table in (plans, escalations, ledger, outbox, involved, requests):
            rows = [dict(row) for row in await reading.rows(select(table))]
            key = [column.name for column in table.primary_key]
            found[table.name] = {
                row["id"] if table is escalations else tuple(row[name] for name in key): row for row in rows
            }
    return found


def _step(before: dict[str, dict[Any, Row]], after: dict[str, dict[Any, Row]], id: str) -> Step:
    added = {
        name: [row for key, row in rows.items() if key not in before[name]]
        for name, rows in after.items()
        if name not in {"escalations", "plans"}
    }
    return Step(after["escalations"][id], {name: rows for name, rows in added.items() if rows})


def _pattern(row: Row) -> Row:
    """The row with marks where a copy has values of its own, and no history yet."""
    state = json.loads(row["state"])
    state["id"], state["number"], state["version"] = "@id@", "@number@", 1
    state["entry"]["due"]["at"], state["entry"]["began_at"] = DUE, BEGAN
    state["entry"]["nudges"] = "@nudges@"
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = text.replace('"@number@"', "@number@").replace('"@nudges@"', "@nudges@")
    return row | {"state": text, "version": 1, "ledger_seq": 0, "ledger_head": "", "reminder_due": None}


def copies(
    given: Patterns, dues: Iterable[datetime], *, first: int, level: int | None = None, reminded: bool = False
) -> Iterator[Row]:
    """A row for each due time, over all levels in turn unless `level` is given; with a reminder before it if asked."""
    for nth, due in enumerate(dues):
        at = level or nth % LEVELS + 1
        number = first + nth
        window = NOMINAL[at - 1] if at <= len(NOMINAL) else WEEK
        nudge = due - window / 5 if reminded else None
        pattern = given.at_level[at - 1]
        nudges = f'[{{"at":"{iso(nudge)}","kind":"last"}}]' if nudge else "[]"
        state = pattern["state"].replace("@id@", id_of(number)).replace("@number@", str(number))
        state = state.replace(DUE, iso(due)).replace(BEGAN, iso(due - window)).replace("@nudges@", nudges)
        yield pattern | {
            "id": id_of(number),
            "number": number,
            "next_due": nudge or due,
            "deadline": due,
            "reminder_due": nudge,
            "state": state,
        }


def involvements(given: Patterns, numbers: Iterable[int]) -> Iterator[Row]:
    """Who is involved in copies: the opener and those who had it."""
    for number in numbers:
        for person in (OPENER, OWNERS[0]):
            yield {"workspace": given.plan["workspace"], "person": person, "escalation": id_of(number)}


def cards(given: Patterns, numbers: Iterable[int]) -> Iterator[Row]:
    """Two root cards of each copy, as delivery leaves them: the owner's and the channel's."""
    at = datetime.now(UTC)
    for nth, number in enumerate(numbers):
        level = nth % LEVELS + 1
        entry = given.at_level[level - 1]["entry"]
        for errand, address in (("ping", OWNERS[level - 1]), ("post", f"slack:C{OWNERS[level - 1][7:]}")):
            yield {
                "escalation": id_of(number),
                "entry": entry,
                "address": address,
                "workspace": given.plan["workspace"],
                "errand": errand,
                "place": address.removeprefix("slack:"),
                "message": f"{number}.{errand}",
                "link": f"https://chat.example/{number}/{errand}",
                "drawn_version": 1,
                "sent_at": at,
            }


@dataclass(frozen=True)
class Written:
    """The rows of one firing or acknowledgement of one copy, for the alternatives."""

    change: Row
    ledger: list[Row]
    outbox: list[Row]
    involved: list[Row]
    requests: list[Row]


def written(step: Step, number: int, *, due: datetime | None = None) -> Written:
    """What the product wrote in `step`, for the copy with this number."""
    id = id_of(number)

    def own(table: str, **more: Any) -> list[Row]:
        return [row | {"escalation": id} | more for row in step.added.get(table, ())]

    parcels = [
        row | {"id": f"{id}-{row['entry']}-{nth}", "key": f"{id}:{row['entry']}:{nth}"}
        for nth, row in enumerate(own("outbox"))
    ]
    entries = [row | {"seq": nth} for nth, row in enumerate(own("ledger"), start=1)]
    change = {name: value for name, value in step.after.items() if name not in KEPT}
    change |= {"version": 2, "ledger_seq": len(entries)}
    change |= {"next_due": due} if due else {}
    asked = [row | {"request": f"ack-{number}"} for row in own("requests")]
    return Written(change, entries, parcels, own("involved"), asked)


def id_of(number: int) -> str:
    """As long as the product's own."""
    return f"019a0000-0000-7000-8000-{number:012d}"


def iso(at: datetime) -> str:
    """An instant as the stored state has it."""
    return at.isoformat().replace("+00:00", "Z")
