"""The pump: outbox → chat, with people who acknowledge meanwhile."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession, TCPConnector

from adapters.slack.gateway import SlackChat, web_client
from benchmarks.copies import LEVELS, Patterns, Row, copies, id_of, involvements, patterns
from benchmarks.desk import NoChat, acknowledging, desk, migrated
from benchmarks.gauges import Heartbeat, People, memory
from benchmarks.platform import shortest_gap
from benchmarks.storm_ours import ACKS_PER_SECOND
from benchmarks.tables import Filler
from bot.delivery import Chat, MessageRef
from bot.directory import Address
from scheduler.clock import SystemClock


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`messages` over `channels` to the `platform`, `way` "plain" or "slack", until all came or `seconds` are over.

    `pace`: seconds between two messages to one channel; `acks`: escalations that people may take.
    """
    await prepared(spec)
    pace = {"slack": spec["pace"]} if spec["pace"] else None
    messages, acks = spec["messages"], spec["acks"]
    async with (
        ClientSession(connector=TCPConnector(limit=0)) as session,
        desk(spec["url"], SystemClock(), chat=chat(spec, session), pace=pace, migrate=False) as (_, engine),
    ):
        people = People(acknowledging(engine), range(messages + 1, messages + acks + 1), ACKS_PER_SECOND)
        wall, start = datetime.now(UTC), time.monotonic()
        async with engine.running(), Heartbeat().listening() as heart, people.pressing():
            await _until_told(spec, start)
            end = time.monotonic()
        async with session.get(f"{spec['platform']}/came") as answer:
            came = {to: times for to, times in (await answer.json()).items() if to.startswith("C0")}
    times = sorted(at - start for one in came.values() for at in one)
    gap = shortest_gap(came)
    return {"messages": messages, "channels": spec["channels"], "posted": len(times), "seconds": end - start} | {
        "per_second": len(times) / times[-1] if times else 0.0,
        "first_to_all": max((min(one) - start for one in came.values()), default=None),
        "reached": len(came),
        "told": await told(spec, wall),
        "shortest_gap": gap,
        "acks": people.sum_up(start, end),
        "loop_blocked": heart.longest,
        "memory": memory(),
    }


async def _until_told(spec: dict[str, Any], start: float) -> None:
    """Look at the outbox once in a while; the last look is at the end of the time."""
    async with Filler(spec["url"]) as filler:
        waiting = "SELECT count(*) FROM outbox WHERE status = 'pending' AND place LIKE 'slack:C0%'"
        while time.monotonic() - start < spec["seconds"]:
            await asyncio.sleep(0.25)
            if (await filler.query(waiting))[0][0] == 0:
                return


async def prepared(spec: dict[str, Any]) -> None:
    """One escalation for each message, with its card for one of the channels waiting in the outbox."""
    given, messages, acks = await patterns(), spec["messages"], spec["acks"]
    await migrated(spec["url"])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with Filler(spec["url"]) as filler:
        await filler.fill("plans", [given.plan])
        dues = (tomorrow + timedelta(seconds=nth) for nth in range(messages))
        await filler.fill("escalations", copies(given, dues, first=1))
        dues = (tomorrow + timedelta(seconds=nth) for nth in range(acks))
        await filler.fill("escalations", copies(given, dues, first=messages + 1, level=1))
        await filler.fill("involved", involvements(given, range(1, messages + acks + 1)))
        await filler.fill("outbox", posts(given, messages, spec["channels"]))


def posts(given: Patterns, messages: int, channels: int) -> Iterator[Row]:
    """The card of each copy for a channel, as entering its level asked for it."""
    entering = [given.opening, *given.firings]
    patterns_of = [next(row for row in step.added["outbox"] if row["errand"] == "post") for step in entering]
    now = datetime.now(UTC)
    for nth in range(messages):
        row = patterns_of[nth % LEVELS]
        place = f"slack:C0{nth % channels:05d}"
        yield row | {
            "id": f"{id_of(nth + 1)}-post",
            "key": f"{id_of(nth + 1)}:post",
            "escalation": id_of(nth + 1),
            "place": place,
            "effect": row["effect"].replace(row["place"], place),
            "created_at": now,
            "not_before": now,
        }


async def told(spec: dict[str, Any], wall: datetime) -> dict[str, Any]:
    """For how many channels all that waited was told, and when the last of these was: by the books of the outbox."""
    async with Filler(spec["url"]) as filler:
        column = "coalesce(told_at, ended_at)" if await filler.has("outbox", "told_at") else "ended_at"
        each = await filler.query(
            f"SELECT place, count(*), count({column}), max({column}) FROM outbox "
            "WHERE place LIKE 'slack:C0%' GROUP BY place"
        )
    whole = [row[3] for row in each if row[1] == row[2]]
    instants = [datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int) else at for at in whole]
    return {
        "channels": len(whole),
        "last": max(((at - wall).total_seconds() for at in instants), default=None),
        "rows": sum(row[2] for row in each),
    }


def chat(spec: dict[str, Any], session: ClientSession) -> Chat:
    """The product's way to Slack, or one call a message and nothing else."""
    if spec["way"] == "plain":
        return Plain(spec["platform"], session)
    client = web_client("xoxb-benchmark", base_url=f"{spec['platform']}/api/", session=session)
    return SlackChat(client, lambda person: person, SystemClock())


class Plain(NoChat):
    """A message is one call."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url, self._session = url, session

    async def post(self, to: Address, message: Any, *, key: str, thread: Any = None) -> MessageRef:
        """One call."""
        async with self._session.post(f"{self._url}/post", json={"channel": to.partition(":")[2]}) as answer:
            said = await answer.json()
        return MessageRef(to, said["channel"], said["ts"], f"https://chat.example/{said['ts']}")

    async def edit(self, ref: MessageRef, message: Any) -> None:
        """One call."""
        async with self._session.post(f"{self._url}/post", json={"channel": ref.place}) as answer:
            await answer.read()
