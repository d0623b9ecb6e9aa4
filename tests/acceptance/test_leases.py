"""Frozen, killed, stopped, behind a wrong clock: nothing is sent twice, nothing is lost, nothing is tried for ever."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bot.directory import Address
from bot.errors import Refused, Unreachable
from bot.signals import Silence
from storage.database import Database
from tests.acceptance.recording import RecordingChat
from tests.acceptance.world import FRIDAY, MakeWorld, World, built_world, said
from tests.fakes import CountingIds, FakeClock

REP, REP_CHANNEL, OPENER = Address("chat:rep"), Address("chat:#rep"), Address("chat:opener")


class HookedChat(RecordingChat):
    """Something happens while a message to an address is under way, once it has arrived."""

    async def post(self, to: Address, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        ref = await super().post(to, *args, **kwargs)  # type: ignore[arg-type]
        hook = self.hooks.pop(to, None)
        if hook:
            await hook()
        return ref

    @property
    def hooks(self) -> dict[Address, Callable[[], object]]:
        return self.__dict__.setdefault("_hooks", {})


async def twins(database: Database, chat: RecordingChat) -> tuple[World, World]:
    """Two replicas on one database, with one chat and one clock."""
    clock = FakeClock(FRIDAY)
    return (
        await built_world(database, clock=clock, chat=chat),
        await built_world(database, clock=clock, chat=chat, ids=CountingIds("twin")),
    )


def posts(chat: RecordingChat) -> list[Address]:
    return sorted(to for what, to in chat.log if what == "post")


async def test_a_replica_that_was_frozen_sends_nothing_under_its_old_lease(database: Database) -> None:
    chat = HookedChat()
    one, two = await twins(database, chat)

    async def frozen() -> None:
        """One sleeps for two minutes in the middle of its first message, with others leased; two goes on."""
        one.clock.forward(minutes=2)
        await two.engine.pump.drain()

    chat.hooks[REP] = frozen
    await one.says("opener", "checkout fails")

    assert posts(chat) == sorted([REP, REP_CHANNEL, OPENER]), "each once, though one had leased all of them"
    assert await one.ledger() == ["opened", "entered", "delivered:ping", "delivered:post"]


async def test_what_happened_while_it_was_frozen_counts_when_it_wakes(database: Database) -> None:
    chat = HookedChat()
    one, two = await twins(database, chat)

    async def frozen() -> None:
        one.clock.forward(minutes=2)
        await two.says("opener", "resolve ESC-1 it works again", request="twin")

    chat.hooks[REP] = frozen
    await one.says("opener", "checkout fails")

    assert REP_CHANNEL not in posts(chat), "nobody is called on after the end"


async def test_state_is_read_again_when_a_second_has_passed_since_the_lease(database: Database) -> None:
    chat = HookedChat()
    world = await built_world(database, chat=chat)

    async def slow() -> None:
        world.clock.forward(seconds=2)
        await world.engine.reception.typed(world.actor("opener"), "resolve ESC-1 works again", request="resolve")

    chat.hooks[REP] = slow
    await world.says("opener", "checkout fails")

    assert REP_CHANNEL not in posts(chat)


async def test_a_rate_limit_and_a_pace_hold_over_a_restart(database: Database) -> None:
    chat = RecordingChat()
    one, two = await twins(database, chat)
    chat.away[REP] = Unreachable("ratelimited", retry_after=30)
    await one.says("opener", "checkout fails")
    chat.away.clear()
    await one.engine.reception.typed(one.actor("opener"), "mail is down", request="second")

    await two.engine.pump.drain()
    assert chat.at("rep") == [], "the limit is the place's, not the message's"
    two.clock.forward(seconds=31)
    await two.engine.pump.drain()

    assert len(chat.cards("rep")) == 2


async def test_a_wall_clock_that_is_set_back_makes_no_message_wait_for_an_hour(database: Database) -> None:
    class SetBack(FakeClock):
        behind = timedelta()

        def now(self) -> datetime:
            return super().now() - self.behind

    clock = SetBack(FRIDAY)
    world = await built_world(database, clock=clock)
    world.chat.away[REP] = Unreachable("http_503")
    await world.says("opener", "checkout fails")
    world.chat.away.clear()

    clock.behind = timedelta(hours=1)
    await world.engine.pump.drain()
    clock.forward(seconds=61)
    await world.engine.pump.drain()

    assert len(world.chat.cards("rep")) == 1


async def test_what_always_fails_is_given_up_when_its_window_ends_and_people_read_it(world: World) -> None:
    tries = 0

    async def breaks(to: Address, *args: object, **kwargs: object) -> object:
        nonlocal tries
        if to in {REP, REP_CHANNEL}:
            tries += 1
            raise ZeroDivisionError
        return await taken(to, *args, **kwargs)  # type: ignore[arg-type]

    taken, world.chat.post = world.chat.post, breaks  # type: ignore[method-assign, assignment]
    await world.says("opener", "checkout fails")
    for _ in range(40):
        world.clock.forward(seconds=61)
        await world.engine.pump.drain()

    assert (await world.ledger()).count("not_delivered:internal_error") == 2
    for _ in range(2):
        world.clock.forward(hours=1)
        await world.engine.pump.drain()
    assert await world.database.outbox().next_due() is None, "nothing is tried for ever"
    assert tries < 100
    assert "Echelon itself failed" in said(await world.says("opener", "timeline ESC-1"))


async def test_an_edit_that_was_refused_is_not_tried_at_each_change(world: World) -> None:
    await world.says("opener", "checkout fails")
    world.chat.away[REP_CHANNEL] = Refused("message_not_found")
    await world.says("rep", "ack ESC-1")
    world.chat.away.clear()

    await world.says("rep", "release ESC-1")
    await world.says("rep", "ack ESC-1")

    edited = [shown.to for shown in world.chat.shown if shown.edits]
    assert REP in edited
    assert REP_CHANNEL not in edited


async def test_what_is_under_way_arrives_when_the_engine_stops(database: Database) -> None:
    world = await built_world(database)
    begun, taken = asyncio.Event(), world.chat.post

    async def slow(to: Address, *args: object, **kwargs: object) -> object:
        begun.set()
        await asyncio.sleep(0.05)
        return await taken(to, *args, **kwargs)  # type: ignore[arg-type]

    world.chat.post = slow  # type: ignore[method-assign, assignment]
    await world.engine.reception.typed(world.actor("opener"), "checkout fails", request="open")
    async with world.engine.running():
        await begun.wait()

    world.clock.forward(minutes=5)
    await world.engine.pump.drain()
    assert posts(world.chat) == sorted([REP, REP_CHANNEL, OPENER])


async def test_two_replicas_share_the_work_send_each_once_and_keep_the_order_of_each_place(database: Database) -> None:
    chat = RecordingChat()
    one, two = await twins(database, chat)
    for nth in range(3):
        await one.engine.reception.typed(one.actor("opener"), f"issue {nth}", request=f"open{nth}")
    await one.engine.pump.drain()
    for nth in range(12):
        for number in (1, 2, 3):
            words = f"note ESC-{number} note {nth}"
            await one.engine.reception.typed(one.actor("opener"), words, request=f"note{number}.{nth}")

    async with one.engine.running(), two.engine.running():
        while await database.outbox().next_due():
            await asyncio.gather(one.engine.settle(), two.engine.settle())

    told = [shown for shown in chat.at("#rep") if shown.thread]
    assert Counter(Counter(shown.key for shown in told).values()) == {1: 36}
    for thread in {shown.thread for shown in told}:
        notes = [said(shown.message).split()[-1] for shown in told if shown.thread == thread]
        assert notes == [str(nth) for nth in range(12)]


@pytest.mark.parametrize("count", [1, 5])
async def test_what_was_sent_is_counted(a_world: MakeWorld, count: int) -> None:
    heard: list[tuple[str, ...]] = []

    class Ear(Silence):
        def claimed(self, kind: str, rows: int) -> None:
            heard.append((kind, str(rows)))

        def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
            heard.append((errand, platform, outcome))

    world = await a_world(signals=Ear())
    for nth in range(count):
        await world.engine.reception.typed(world.actor("opener"), f"issue {nth}", request=f"open{nth}")
    await world.engine.pump.drain()

    assert ("outbox", str(3 * count)) in heard
    assert ("ping" if count == 1 else "bundle", "chat", "delivered") in heard
