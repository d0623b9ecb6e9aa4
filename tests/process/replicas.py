"""Several Echelons on one PostgreSQL, started as an operator starts them, each with a door of its own."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp.test_utils import unused_port
from sqlalchemy import Table, select

from bot.directory import WorkspaceId
from storage.database import Database
from storage.tables import escalations, ledger, outbox
from tests.fakes import CountingIds
from tests.process.bot import ROOT, Process, running
from tests.slack_server import HttpDoor, Message, SlackServer

ACME = WorkspaceId("acme")

LEASE = 30.0
"""Seconds after which another process may send what somebody had taken (storage/lanes.py)."""


def matrix(number: int, window: str) -> str:
    """Two levels: after `window` whatever nobody took goes up, and stays there."""
    return f"""
matrix: desk{number}
title: Desk {number}
roles:
  first{number}: {{label: First, mandate: Answers}}
  second{number}: {{label: Second, mandate: Decides}}
levels:
  - {{level: 1, role: first{number}, window: {window}, action: Look, condition: Not solved}}
  - {{level: 2, role: second{number}, window: none, action: Decide, condition: None}}
"""


@dataclass
class Office:
    """`desks` teams, each with a channel to ask in, a matrix of its own, two owners and their two channels."""

    slack: SlackServer
    folder: Path
    url: str
    desks: int = 1
    window: str = "2s"
    openers: int = 1
    running: list[Process] = field(default_factory=list)

    def furnish(self) -> None:
        """People, channels, matrices."""
        (self.folder / "matrices").mkdir(exist_ok=True)
        everyone = {f"UOPEN{n}" for n in range(self.openers)} | {"UADMIN"}
        for desk in range(self.desks):
            text = matrix(desk, self.window)
            (self.folder / "matrices" / f"desk{desk}.yaml").write_text(text, encoding="utf-8")
            everyone |= {f"UA{desk}", f"UB{desk}"}
        for person in sorted(everyone):
            self.slack.person(person, name=person.lower())
        for channel in ("CADMIN", *(f"C{kind}{desk}" for kind in ("HELP", "A", "B") for desk in range(self.desks))):
            self.slack.channel(channel, name=channel.lower(), members=everyone)

    def directory(self) -> str:
        """The directory file."""
        roles = "".join(
            f"  first{n}: {{owners: [slack:UA{n}], channel: slack:CA{n}}}\n"
            f"  second{n}: {{owners: [slack:UB{n}], channel: slack:CB{n}}}\n"
            for n in range(self.desks)
        )
        channels = "".join(f"  slack:CHELP{n}: {{matrix: desk{n}}}\n" for n in range(self.desks))
        return f"""
workspace:
  id: acme
  name: Acme
  calendar: always
  default_matrix: desk0
  admins: [slack:UADMIN]
  admin_channel: slack:CADMIN
calendars:
  always: {{zone: Europe/Paris, always: true}}
roles:
{roles}channels:
{channels}"""

    @asynccontextmanager
    async def replica(self, name: str, *, code: Path = ROOT, **settings: str) -> AsyncIterator[Process]:
        """One more, listening over HTTP, of the version in the tree `code`. Its log is `<name>/log.txt`."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        told = {
            "ECHELON_DATABASE_URL": self.url,
            "ECHELON_SLACK_MODE": "http",
            "ECHELON_MATRIX_FOLDER": str(self.folder / "matrices"),
            **settings,
        }
        async with running(self.slack, place, unused_port(), directory=self.directory(), code=code, **told) as process:
            yield process

    def door(self, *replicas: Process) -> "EveryDoor":
        """The way in to one, or to several at once: then each gets the very same request."""
        return EveryDoor(self.slack, [f"{one.url}/slack/events" for one in replicas])

    def log(self, name: str) -> str:
        """What a replica has logged."""
        return (self.folder / name / "log.txt").read_text(encoding="utf-8")

    # What came of it

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table."""
        database = Database.open(self.url, CountingIds())
        async with database.reading() as reading:
            found = [dict(row) for row in await reading.rows(select(table))]
        await database.close()
        return found

    async def entered(self) -> Counter[tuple[str, int]]:
        """(escalation, entry) → how often its history begins it."""
        return Counter((row["escalation"], row["entry"]) for row in await self.rows(ledger) if row["kind"] == "entered")

    async def levels(self) -> Counter[int]:
        """How many escalations are at each level."""
        return Counter(row["level"] for row in await self.rows(escalations))

    async def waiting(self) -> int:
        """How many messages are still on their way."""
        return sum(row["status"] == "pending" for row in await self.rows(outbox))

    async def broken(self) -> list[int]:
        """The numbers of escalations whose history does not fit its chain."""
        database = Database.open(self.url, CountingIds())
        archive, wrong = database.archive(), list[int]()
        for row in await self.rows(escalations):
            if await archive.broken_at(ACME, row["id"]) is not None:
                wrong.append(row["number"])
        await database.close()
        return wrong

    def posted(self) -> list[Message]:
        """Every message of Echelon's, in the order in which it was posted."""
        return [said for said in self.slack.everything() if said.from_bot]

    def twice(self) -> list[str]:
        """Keys under which more than one message stands: the same thing said twice."""
        keys = Counter(key_of(said) for said in self.posted() if said.metadata)
        return [key for key, times in keys.items() if times > 1]

    def cards(self, channel: str, title: str) -> list[Message]:
        """The root cards in a channel about one issue."""
        said = self.slack.messages(channel)
        return [one for one in said if not one.thread_ts and f"· {title}" in one.words.splitlines()[0]]


def key_of(said: Message) -> str:
    """The parcel that a message came from."""
    return str(((said.metadata or {}).get("event_payload") or {}).get("key"))


class EveryDoor(HttpDoor):
    """Sends the same signed bytes to several replicas at once; answers with the first of them."""

    def __init__(self, slack: SlackServer, urls: list[str]) -> None:
        super().__init__(slack, urls[0], slack.signing_secret, 3.0)
        self.urls = urls
        self.answers: list[tuple[int, Any]] = []

    async def raw(self, body: bytes, headers: Any = None) -> tuple[int, Any]:
        one = [HttpDoor(self.slack, url, self.secret, self.timeout).raw(body, headers) for url in self.urls]
        self.answers = list(await asyncio.gather(*one))
        return self.answers[0]


async def comes_true(truth: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until an asynchronous question is answered with yes."""
    async with asyncio.timeout(seconds):
        while not await truth():
            await asyncio.sleep(0.1)


def freeze(*processes: Process) -> None:
    """SIGSTOP: they hold what they hold and do nothing."""
    for one in processes:
        one.process.send_signal(signal.SIGSTOP)


def thaw(*processes: Process) -> None:
    """SIGCONT: they go on as if nothing had been."""
    for one in processes:
        one.process.send_signal(signal.SIGCONT)
