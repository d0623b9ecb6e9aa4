"""What must be true afterwards, asked of the database and of the platform, not of the product's own code."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from drill.world import World
from storage.engine import create_engine
from storage.ledger import verify_chain
from storage.tables import escalations, ledger, outbox
from tests.slack_server import SlackServer

Row = Mapping[Any, Any]
POSTED = frozenset({"ping", "post", "card", "tell", "history", "alert"})
"""Errands that leave a message of their own. A reminder may have been told in a bundle."""


@dataclass
class Findings:
    """What was wrong, in sentences; empty lists are what was promised."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    doubled: int = 0
    unexplained: int = 0
    """Copies of a message with no death of a process between them."""
    stuck: list[str] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)
    escalations: int = 0
    entries: int = 0
    messages: int = 0

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, nothing left behind, every chain valid. Doubled messages are judged apart."""
        return not (self.lost or self.twice or self.stuck or self.chains)

    def __str__(self) -> str:
        counted = f"{self.escalations} escalations, {self.entries} entries, {self.messages} messages: "
        counts = f"lost {len(self.lost)}, begun twice {len(self.twice)}, doubled {self.doubled}, "
        examples = "; ".join([*self.lost[:2], *self.twice[:2], *self.stuck[:2], *self.chains[:2]])
        left = f"left behind {len(self.stuck)}, broken chains {len(self.chains)}"
        return counted + counts + left + (f" ({examples})" if examples else "")


async def drained(world: World, within: float = 90.0) -> float:
    """Wait until nothing is under way or overdue; the seconds it took. Raises TimeoutError."""
    engine, began = create_engine(world.url), time.monotonic()
    pending = select(func.count()).select_from(outbox).where(outbox.c.status == "pending")
    try:
        async with asyncio.timeout(within):
            quiet = 0
            while quiet < 3:
                await asyncio.sleep(0.1)
                try:
                    async with engine.connect() as connection:
                        left = (await connection.execute(pending)).scalar_one()
                except DBAPIError:  # the database is away, or locked: that is what a drill does to it
                    left = 1
                quiet = quiet + 1 if left == 0 else 0
    finally:
        await engine.dispose()
    return time.monotonic() - began


FROM_SLACK: list[str] = []


async def findings(
    world: World,
    *,
    drained: bool = True,
    damaged: frozenset[int] = frozenset(),
    keys: list[str] | None = FROM_SLACK,
) -> Findings:
    """Ask everything. `damaged` are numbers of escalations whose state the drill spoilt on purpose; `keys` the delivery
    keys of all messages that can be read, None where the platform does not tell.
    """
    keys = [key for key, _ in _visible(world.slack)] if keys is FROM_SLACK else keys
    engine = create_engine(world.url)
    try:
        async with engine.connect() as connection:
            issues = await _rows(connection, select(escalations).order_by(escalations.c.number))
            history = await _rows(connection, select(ledger).order_by(ledger.c.escalation, ledger.c.seq))
            parcels = await _rows(connection, select(outbox))
    finally:
        await engine.dispose()
    books: dict[str, list[Row]] = {row["id"]: [] for row in issues}
    for row in history:
        books[row["escalation"]].append(row)
    found = Findings(escalations=len(issues), entries=sum(row["entry"] for row in issues))
    found.lost += [*_promises(world, issues, history), *_never_sent(keys, parcels)]
    found.twice += [*_entries(issues, books, damaged), *_effects(parcels), *_notes(world, history)]
    found.stuck += [f"{row['errand']} {row['key']} waits" for row in parcels if drained and row["status"] == "pending"]
    found.chains += list(_chains(issues, books))
    posted = Counter(keys or ())
    found.messages, found.doubled = len(posted), sum(posted.values()) - len(posted)
    found.unexplained = sum(1 for _ in _unexplained(world))
    return found


async def _rows(connection: AsyncConnection, query: Any) -> list[Row]:
    return list((await connection.execute(query)).mappings().all())


def _promises(world: World, issues: list[Row], history: list[Row]) -> Iterator[str]:
    """Everything that was answered is there."""
    titles = {row["number"]: row["title"] for row in issues}
    for title, number in world.promises.opened.items():
        if titles.get(number) != title:
            yield f"ESC-{number} {title!r} was answered and is not there"
    noted = set(_texts(history))
    for words in sorted(world.promises.kept):
        if words not in noted:
            yield f"the note {words!r} was confirmed and is not there"


def _texts(history: list[Row]) -> Iterator[str]:
    for row in history:
        if row["kind"] == "noted" and row["body"]:
            yield from (value for value in _strings(json.loads(row["body"])))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    parts: list[Any] = [*value.values()] if isinstance(value, dict) else [*value] if isinstance(value, list) else []
    for part in parts:
        yield from _strings(part)


def _notes(world: World, history: list[Row]) -> Iterator[str]:
    """Nothing that was said once stands twice."""
    for words, times in Counter(_texts(history)).items():
        if words in world.promises.said and times > 1:
            yield f"the note {words!r} stands {times} times"


def _entries(issues: list[Row], books: Mapping[str, list[Row]], damaged: frozenset[int]) -> Iterator[str]:
    """Each entry from the first to the present one has begun exactly once."""
    for issue in issues:
        begun = Counter(row["entry"] for row in books[issue["id"]] if row["kind"] == "entered")
        wanted = dict.fromkeys(range(1, issue["entry"] + 1), 1)
        if begun != wanted and issue["number"] not in damaged:
            yield f"ESC-{issue['number']} is in entry {issue['entry']}, and its ledger begins {dict(begun)}"


def _effects(parcels: list[Row]) -> Iterator[str]:
    """One ping per person and entry, one post per entry: whatever was decided was written down once."""
    seen = Counter(
        (row["escalation"], row["entry"], row["errand"], json.dumps(json.loads(row["effect"]).get("to")))
        for row in parcels
        if row["errand"] in {"ping", "post"}
    )
    for what, times in seen.items():
        if times > 1:
            yield f"{what} was written {times} times"


def _chains(issues: list[Row], books: Mapping[str, list[Row]]) -> Iterator[str]:
    for issue in issues:
        wrong = verify_chain(books[issue["id"]], seq=issue["ledger_seq"], head=issue["ledger_head"])
        if wrong is not None:
            yield f"the ledger of ESC-{issue['number']} does not fit at row {wrong}"


def _visible(slack: SlackServer) -> Iterator[tuple[str, str]]:
    """(delivery key, channel) of every message that Echelon posted by itself."""
    yield from (what for _, what in _numbered(slack))


def _unexplained(world: World) -> Iterator[str]:
    """A copy of a message that is not the doing of a process that died between the two."""
    before: dict[tuple[str, str], int] = {}
    for nth, what in _numbered(world.slack):
        if what in before and not any(before[what] < cut <= nth for cut in world.cuts):
            yield what[0]
        before[what] = nth


def _numbered(slack: SlackServer) -> Iterator[tuple[int, tuple[str, str]]]:
    """Each message that Echelon posted by itself, with its place among all messages."""
    for nth, said in enumerate(slack.everything()):
        metadata: dict[str, Any] = said.metadata or {}
        key: Any = metadata.get("event_payload", {}).get("key")
        if key and said.from_bot:
            yield nth, (str(key), said.channel)


def _never_sent(keys: list[str] | None, parcels: list[Row]) -> Iterator[str]:
    """What the books call delivered can be read in the chat."""
    there = set(keys or ())
    for row in parcels if keys is not None else ():
        told = row.get("told_at") is not None
        if row["status"] == "done" and row["errand"] in POSTED and row["key"] not in there and not told:
            yield f"{row['errand']} {row['key']} counts as delivered, and nobody can read it"
