"""Very much at once: everybody is told soon, in few messages, at the pace that a platform allows."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from bot.commands import Act, Open
from bot.delivery import CROWD
from bot.directory import Address
from bot.errors import Refused, Unreachable
from bot.events import Acknowledged, Resolved
from bot.message import Line
from scheduler.carrier import CALM
from tests.acceptance.recording import Shown
from tests.acceptance.world import MakeWorld, World, labels, plain, said, who

REP, REP_CHANNEL = Address("chat:rep"), Address("chat:#rep")
SECOND = timedelta(seconds=1)


async def opens(world: World, count: int, *, first: int = 1, level: int = 1) -> None:
    """So many at once; nothing is carried yet."""
    for nth in range(first, first + count):
        order = Open(world.actor("opener"), f"open{nth}", "support-process", None, f"issue {nth}")
        if level > 1:
            order = replace(order, start_level=level, reason="urgent")
        await world.engine.service.open(order)


async def acts(world: World, number: int, event: object, name: str = "rep") -> None:
    await world.engine.service.act(Act(world.actor(name), f"act{number}{name}", number, event))  # type: ignore[arg-type]


def bundles(shown: list[Shown]) -> list[Line]:
    return [one.message for one in shown if isinstance(one.message, Line) and one.message.items]


async def seconds_pass(world: World, seconds: int) -> Counter[Address]:
    """Second by second; returns the most messages that an address was sent within one of them."""
    most: Counter[Address] = Counter()
    for _ in range(seconds):
        before = len(world.chat.log)
        world.clock.forward(seconds=1)
        await world.engine.pump.drain()
        most |= Counter(to for _, to in world.chat.log[before:])
    return most


async def test_a_crowd_is_told_in_one_message_with_buttons_highest_level_first(a_world: MakeWorld) -> None:
    world = await a_world(pace={"chat": 1.0})
    await opens(world, 28)

    await world.engine.pump.drain()

    for place in ("rep", "#rep", "opener"):
        (shown,) = world.chat.at(place)
        (bundle,) = bundles([shown])
        assert len(bundle.items) == 21
        assert "8" in plain(bundle.items[-1])
        assert len(labels(bundle)) == 2
    assert await world.ledger(28) == ["opened", "entered", "delivered:ping", "delivered:post"]


async def test_a_few_are_told_one_by_one(world: World) -> None:
    await opens(world, CROWD)

    await world.engine.pump.drain()

    assert len(world.chat.cards("rep")) == CROWD


async def test_each_gets_its_own_card_afterwards_at_the_pace_of_the_place(a_world: MakeWorld) -> None:
    world = await a_world(pace={"chat": 1.0})
    await opens(world, 10)
    await world.engine.pump.drain()

    most = await seconds_pass(world, 11)

    assert set(most.values()) == {1}
    assert [card.headline for card in world.chat.cards("rep")] == [f"ESC-{n} · issue {n}" for n in range(1, 11)]
    assert (await world.ledger(1)).count("delivered:ping") == 1, "told by the bundle, and noted once"


async def test_what_somebody_has_taken_meanwhile_needs_no_card(a_world: MakeWorld) -> None:
    world = await a_world(pace={"chat": 1.0})
    await opens(world, 6)
    await world.engine.pump.drain()

    for number in range(1, 6):
        await acts(world, number, Acknowledged(who("rep")))
    await acts(world, 6, Resolved(who("rep"), "done"))
    await seconds_pass(world, 20)

    assert world.chat.cards("rep") == []
    assert world.chat.cards("#rep") == []


async def test_what_comes_right_after_a_bundle_waits_for_the_next_bundle(a_world: MakeWorld) -> None:
    world = await a_world(pace={"chat": 1.0})
    await opens(world, 10)
    await world.engine.pump.drain()
    await opens(world, 10, first=11)

    await seconds_pass(world, int(CALM.total_seconds()) - 1)
    assert len(bundles(world.chat.at("rep"))) == 1
    await seconds_pass(world, 1)

    assert len(bundles(world.chat.at("rep"))) == 2
    assert all("issue 1 " not in plain(item) for item in bundles(world.chat.at("rep"))[1].items)


async def test_thousands_for_a_few_places_starve_nobody(a_world: MakeWorld) -> None:
    world = await a_world(pace={"chat": 1.0})
    await opens(world, 400)
    await opens(world, 1, first=401, level=3)

    await seconds_pass(world, 5)

    assert len(world.chat.cards("supervisor")) == 1
    assert {shown.to for shown in world.chat.shown} >= {REP, REP_CHANNEL, "chat:opener", "chat:supervisor"}


async def test_a_place_that_refuses_a_bundle_sends_each_on_to_its_next_place(world: World) -> None:
    world.chat.away[REP] = Refused("user_disabled")
    await opens(world, 5)

    await world.engine.pump.drain()
    await seconds_pass(world, 6)

    assert len(world.chat.at("rep")) == 0
    told = bundles(world.chat.at("#rep"))
    assert {item for line in told for item in map(plain, line.items)} != set()
    assert (await world.ledger(5)).count("not_delivered:user_disabled") == 1
    assert (await world.ledger(5)).count("delivered:ping") == 1


async def test_when_nobody_can_be_told_by_a_bundle_each_goes_up(world: World) -> None:
    world.chat.away |= {REP: Refused("user_disabled"), REP_CHANNEL: Refused("is_archived")}
    await opens(world, 5)

    await world.ticks()

    assert {(await world.escalation(number)).entry.level for number in range(1, 6)} == {2}


async def test_a_bundle_whose_answer_was_lost_is_found_by_its_key(world: World) -> None:
    taken = world.chat.post

    async def loses_the_answer(to: Address, *args: object, **kwargs: object) -> object:
        await taken(to, *args, **kwargs)  # type: ignore[arg-type]
        raise Unreachable("connection_lost", uncertain=True)

    world.chat.post = loses_the_answer  # type: ignore[assignment, method-assign]
    await opens(world, 5)
    await world.engine.pump.drain()
    world.chat.post = taken  # type: ignore[method-assign]
    await opens(world, 5, first=6)

    await seconds_pass(world, 30)

    first, second = bundles(world.chat.at("rep"))
    assert (len(first.items), len(second.items)) == (5, 5)
    assert await world.ledger(1) == ["opened", "entered", "delivered:ping", "delivered:post"]


async def test_a_rate_limit_holds_back_the_whole_bundle(world: World) -> None:
    world.chat.away[REP] = Unreachable("ratelimited", retry_after=30)
    await opens(world, 5)
    await world.engine.pump.drain()
    world.chat.away.clear()

    await seconds_pass(world, 29)
    assert world.chat.at("rep") == []
    await seconds_pass(world, 2)

    assert len(bundles(world.chat.at("rep"))) == 1


async def test_a_bundle_says_how_late_it_is(world: World) -> None:
    world.chat.away[REP] = Unreachable("http_503")
    await opens(world, 5)
    for _ in range(4):
        await world.engine.pump.drain()
        world.clock.forward(minutes=1)
    world.chat.away.clear()

    await world.engine.pump.drain()

    assert "4 min late" in said(bundles(world.chat.at("rep"))[0])
