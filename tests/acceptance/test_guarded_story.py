"""What the guard keeps from people: replays over two replicas do nothing twice, and spam holds nobody's ping up."""

import json
import random
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode

import pytest
from aiohttp import ClientSession, web

from adapters.slack.guard import SIGNATURE, TIMESTAMP, Answer, Guard
from adapters.slack.payloads import Body
from bot import wording
from bot.errors import NotFound
from bot.limits import Limited, Limits
from storage.database import Database
from tests.acceptance.world import World, built_world, who
from tests.conftest import PostgresServer
from tests.fakes import CountingIds
from tests.slack_server import sign

SECRET = "the app's signing secret"
REPLAYS = 1_000


class Replica:
    """A door of its own, and an Echelon of its own behind it, on a database that is shared."""

    def __init__(self, world: World, database: Database) -> None:
        self.world, self.database = world, database
        self.guard = Guard(SECRET, world.clock)

    async def serve(self, request: web.Request) -> web.Response:
        return await self.guard.serve(request, self._handle)

    async def _handle(self, body: Body) -> Answer:
        asked = str(body["trigger_id"])
        reply = await self.world.engine.reception.typed(self.world.actor("opener"), str(body["text"]), request=asked)
        return Answer(200, wording.plain(reply.language, reply.text, str))


@pytest.fixture
async def replicas(postgres: PostgresServer) -> AsyncIterator[list[Replica]]:
    url = await postgres.migrated()
    databases = [Database.open(url, CountingIds(name)) for name in ("a", "b")]
    yield [Replica(await built_world(database), database) for database in databases]
    for database in databases:
        await database.close()


async def test_a_thousand_replays_over_two_replicas_have_no_second_effect(replicas: list[Replica]) -> None:
    app = web.Application()
    for name, replica in zip("ab", replicas, strict=True):
        app.router.add_post(f"/{name}", replica.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base, moment = f"http://127.0.0.1:{runner.addresses[0][1]}", str(int(replicas[0].world.clock.now().timestamp()))
    bodies = [urlencode({"trigger_id": f"t{n}", "text": f"issue {n}", "team_id": "T1"}).encode() for n in range(25)]
    order = [(body, name) for body in bodies for name in "ab"] * (REPLAYS // 50)
    random.Random(7).shuffle(order)  # noqa: S311

    said = dict[str, set[str]]()
    async with ClientSession() as session:
        for body, name in order:
            headers = {TIMESTAMP: moment, SIGNATURE: sign(SECRET, moment, body)}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            async with session.post(f"{base}/{name}", data=body, headers=headers) as answer:
                assert answer.status == 200
                said.setdefault(parse_qs(body.decode())["trigger_id"][0], set()).add(await answer.text())
    await runner.cleanup()

    assert len(order) == REPLAYS
    for numbered in range(1, 26):
        rows = await replicas[0].world.ledger(numbered)
        assert rows.count("opened") == 1, rows
    with pytest.raises(NotFound):
        await replicas[0].world.escalation(26)
    assert all(len(told) == 1 for told in said.values()), json.dumps({key: sorted(told) for key, told in said.items()})


async def test_one_persons_spam_does_not_hold_up_anothers_ping(database: Database) -> None:
    world = await built_world(database)
    reception = Limited(world.engine.reception, Limits.of(), world.clock)
    spammer, opener = world.actor("opener", "#help"), world.actor("admin", "#help")

    told = [await reception.typed(spammer, f"spam {n}", request=f"s{n}") for n in range(300)]
    answer = await reception.typed(opener, "the shop is down", request="real")
    first = await world.engine.pump.drain()

    recorded = [reply for reply in told if "ESC-" in wording.plain(reply.language, reply.text, str)]
    assert len(recorded) == 10, "three hundred were typed"
    assert "ESC-11" in wording.plain(answer.language, answer.text, str)
    assert first > 0
    assert any("the shop is down" in str(shown.message) for shown in world.chat.at("rep"))
    assert await world.engine.store.archive().by_number((await world.escalation(11)).workspace, 11)
    assert who("rep") in (await world.escalation(11)).entry.assignees
