"""Nobody is left without a word: the route of a ping, retries, nobody reached, downtime, a damaged row."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from bot.commands import Open
from bot.directory import Address, Binding, Directory
from bot.errors import Refused, Unreachable
from bot.plan import RoleId
from bot.service import LOOKED_THROUGH
from matrix.builtin import builtin_text
from storage.database import Database
from tests.acceptance.world import MakeWorld, World, a_directory, built_world, local, said, who

REP, REP_CHANNEL = Address("chat:rep"), Address("chat:#rep")


async def test_a_deactivated_owner_is_mentioned_in_the_roles_channel(world: World) -> None:
    world.chat.away[REP] = Refused("user_disabled")

    await world.says("opener", "checkout fails")

    messages = [said(shown.message) for shown in world.chat.at("#rep")]
    assert any("For rep, who could not be reached directly." in message for message in messages)
    assert "not_delivered:user_disabled" in await world.ledger()
    assert "the account is deactivated" in said(await world.says("opener", "timeline ESC-1"))


async def test_with_the_channel_gone_too_the_fallback_owner_is_pinged(a_world: MakeWorld) -> None:
    world = await a_world(directory=a_directory(fallback_owner=who("duty")))
    world.chat.away |= {REP: Refused("user_disabled"), REP_CHANNEL: Refused("is_archived")}

    await world.says("opener", "checkout fails")

    assert "For rep, who could not be reached directly." in said(world.chat.cards("duty")[0])
    assert (await world.escalation()).entry.level == 1


async def test_when_nobody_is_reached_the_next_level_begins_at_once_and_the_admins_hear(world: World) -> None:
    world.chat.away |= {REP: Refused("user_disabled"), REP_CHANNEL: Refused("is_archived")}

    await world.says("opener", "checkout fails")

    escalation = await world.escalation()
    assert (escalation.entry.level, escalation.entry.via) == (2, "nobody_reached")
    assert "nobody_reached" in await world.ledger()
    assert "Nobody could be reached at level 1 of 7" in said(world.chat.at("#admins")[0].message)
    assert len(world.chat.cards("senior")) == 1


async def test_nobody_at_the_last_level_tells_the_admins_every_hour(world: World) -> None:
    for name in ("vp", "#vp"):
        world.chat.away[Address(f"chat:{name}")] = Refused("user_disabled")
    await world.says("opener", "checkout fails")
    await world.escalates("opener", "up ESC-1 to 7 urgent")

    await world.forward(hours=3, minutes=1)

    assert len(world.chat.at("#admins")) == 4
    world.chat.away.clear()
    await world.forward(hours=1)
    assert len(world.chat.cards("vp")) >= 1, "the ping is tried again with each alarm"


async def test_a_rate_limit_is_waited_for_and_costs_no_attempt(world: World) -> None:
    world.chat.away[REP] = Unreachable("ratelimited", retry_after=30)
    await world.says("opener", "checkout fails")
    assert world.chat.at("rep") == []

    world.chat.away.clear()
    world.clock.forward(seconds=29)
    await world.ticks()
    assert world.chat.at("rep") == []
    world.clock.forward(seconds=2)
    await world.ticks()

    assert len(world.chat.cards("rep")) == 1


async def test_a_platform_that_is_away_gets_the_card_later_and_the_card_says_how_late(world: World) -> None:
    world.chat.away |= {REP: Unreachable("http_503"), REP_CHANNEL: Unreachable("http_503")}
    await world.says("opener", "checkout fails")
    for _ in range(4):
        world.clock.forward(minutes=1, seconds=1)
        await world.ticks()

    world.chat.away.clear()
    world.clock.forward(minutes=1)
    await world.ticks()

    assert "Delivered 5 min late." in said(world.chat.cards("rep")[0])


async def test_no_ping_goes_out_after_a_resolve(world: World) -> None:
    world.chat.away |= {REP: Unreachable("http_503"), REP_CHANNEL: Unreachable("http_503")}
    await world.says("opener", "checkout fails")
    await world.says("opener", "resolve ESC-1 it works again")

    world.chat.away.clear()
    await world.forward(minutes=5)

    assert world.chat.cards("rep") == []
    assert world.chat.cards("#rep") == []


async def test_a_lost_answer_is_looked_up_before_a_second_post(world: World) -> None:
    taken = world.chat.post

    async def loses_the_answer(to: Address, *args: object, **kwargs: object) -> object:
        await taken(to, *args, **kwargs)  # type: ignore[arg-type]
        raise Unreachable("connection_lost", uncertain=True)

    world.chat.post = loses_the_answer  # type: ignore[assignment, method-assign]
    await world.says("opener", "checkout fails")
    world.chat.post = taken  # type: ignore[method-assign]
    await world.forward(minutes=2)

    assert len(world.chat.cards("rep")) == 1


async def test_many_changes_while_a_channel_is_away_become_one_edit(world: World) -> None:
    await world.says("opener", "checkout fails")
    world.chat.away[REP_CHANNEL] = Unreachable("ratelimited", retry_after=20)
    await world.says("rep", "ack ESC-1")
    for _ in range(5):
        await world.says("rep", "release ESC-1")
        await world.says("rep", "ack ESC-1")
    world.chat.away.clear()

    world.clock.forward(seconds=30)
    await world.ticks()

    assert world.chat.at("#rep")[0].edits == 1
    assert "rep has it" in said(world.chat.cards("#rep")[0])


async def test_after_downtime_each_moves_one_level_once_and_says_how_late(world: World) -> None:
    await world.says("opener", "checkout fails")

    world.clock.forward(hours=9)
    await world.ticks()

    escalation = await world.escalation()
    assert escalation.entry.level == 2
    assert local(escalation.entry.began_at) == "Sat 21 Nov 01:30", "downtime does not eat the next person's window"
    assert "Moved up 8 h 45 min late." in said(world.chat.cards("senior")[0])
    assert len([shown for shown in world.chat.at("rep") if "Reminder" in said(shown.message)]) == 0


async def test_less_than_a_minute_late_the_next_window_begins_at_the_deadline(world: World) -> None:
    await world.says("opener", "checkout fails")

    world.clock.forward(minutes=15, seconds=50)
    await world.ticks()

    assert local((await world.escalation()).entry.began_at) == "Fri 20 Nov 16:45"


async def test_a_level_that_may_be_skipped_is_skipped_when_nobody_holds_it(a_world: MakeWorld) -> None:
    yaml = builtin_text("support-process").replace("    window: 1h", "    window: 1h\n    if_empty: skip", 1)
    roles = {**a_directory().roles, RoleId("senior-support-specialist"): Binding()}
    world = await a_world(directory=a_directory(roles=roles), matrices={"support-process": yaml})
    await world.says("opener", "checkout fails")

    await world.forward(minutes=16)

    assert (await world.escalation()).entry.level == 3


async def test_a_channel_without_owners_is_the_ping(a_world: MakeWorld) -> None:
    directory = a_directory()
    channel_only = replace(directory.binding(RoleId("customer-support-representative")), owners=())
    roles = {**directory.roles, RoleId("customer-support-representative"): channel_only}
    world = await a_world(directory=a_directory(roles=roles))

    reply = await world.says("opener", "checkout fails")

    assert "#rep was told" in said(reply)
    await world.forward(minutes=8)
    assert "8 min left" in said(world.chat.at("#rep")[-1].message)
    await world.presses("anyone", "Acknowledge", world.chat.cards("#rep")[0], at="#rep")
    assert (await world.escalation()).entry.acknowledged_by == who("anyone")


async def test_an_assignee_of_two_consecutive_levels_is_pinged_again(a_world: MakeWorld) -> None:
    directory = a_directory()
    same = Binding((who("rep"),), channel=Address("chat:#senior"))
    world = await a_world(directory=a_directory(roles={**directory.roles, RoleId("senior-support-specialist"): same}))
    await world.says("opener", "checkout fails")

    await world.forward(minutes=16)

    assert len(world.chat.cards("rep")) == 2
    assert "Also yours at level 2." in said(world.chat.cards("rep")[1])


@pytest.mark.parametrize("damage", ["update escalations set state = 'not json'", "update escalations set state = '{}'"])
async def test_a_damaged_row_is_put_aside_and_does_not_stop_the_others(world: World, damage: str) -> None:
    await world.says("opener", "first")
    await world.says("opener", "second")
    async with world.database.engine.begin() as connection:
        await connection.execute(text(f"{damage} where number = 1"))

    world.clock.forward(minutes=16)
    await world.ticks()

    assert (await world.escalation(2)).entry.level == 2
    async with world.database.engine.connect() as connection:
        kinds = (await connection.execute(text("select kind from ledger where kind = 'parked'"))).all()
    assert len(kinds) >= 1


async def test_an_open_question_when_the_window_asks(a_world: MakeWorld) -> None:
    yaml = builtin_text("support-process").replace("    window: 15m", "    window: 15m\n    on_expiry: ask", 1)
    world = await a_world(matrices={"support-process": yaml})
    await world.says("opener", "checkout fails")

    await world.forward(minutes=16)

    asked = await world.escalation()
    assert (asked.entry.level, asked.entry.asked, local(asked.entry.due.at)) == (1, True, "Fri 20 Nov 17:00")  # type: ignore[union-attr]
    assert "Escalate, take more time or resolve by" in said(world.chat.at("rep")[-1].message)
    await world.forward(minutes=16)
    moved = await world.escalation()
    assert (moved.entry.level, moved.entry.via) == (2, "no_decision")
    assert "No decision was made at the level below." in said(world.chat.cards("senior")[0])


async def test_a_level_that_keeps_the_issue_reminds_once_a_day(a_world: MakeWorld) -> None:
    yaml = builtin_text("support-process").replace("    window: 15m", "    window: 15m\n    on_expiry: stay", 1)
    world = await a_world(matrices={"support-process": yaml})
    await world.says("opener", "checkout fails")

    await world.forward(days=5)

    assert (await world.escalation()).entry.level == 1
    assert "16:45, Paris); it stays at this level" in said(world.chat.cards("rep")[0])
    assert len([1 for shown in world.chat.at("rep") if "has passed its deadline" in said(shown.message)]) >= 4


def without_channel(role: str, name: str) -> Directory:
    """The usual directory; `role` is held by a person and has no channel."""
    directory = a_directory()
    return replace(directory, roles={**directory.roles, RoleId(role): Binding((who(name),))})


async def test_one_who_was_handed_it_and_cannot_be_reached_is_nobody_whoever_was_pinged_before(
    a_world: MakeWorld,
) -> None:
    world = await a_world(directory=without_channel("vp-customer-operations", "vp"))
    await world.says("opener", "checkout fails")
    await world.escalates("opener", "up ESC-1 to 7 urgent")
    world.chat.away[Address("chat:gone")] = Refused("user_disabled")

    await world.says("vp", "handover ESC-1 @chat:gone")
    await world.forward(hours=1, minutes=1)

    assert (await world.escalation()).entry.nobody_reached
    assert len(world.chat.at("#admins")) == 2, "at once, and after an hour"


async def test_a_note_at_a_role_without_a_channel_reaches_those_who_should_act(a_world: MakeWorld) -> None:
    world = await a_world(directory=without_channel("customer-support-representative", "rep"))
    await world.says("opener", "checkout fails")

    await world.says("opener", "note ESC-1 the customer called again")
    await world.says("rep", "ack ESC-1")

    card, note = world.chat.at("rep")
    assert note.thread == card.ref.id
    assert "the customer called again" in said(note.message)
    assert await world.ledger() == ["opened", "entered", "delivered:ping", "noted", "acknowledged"]


async def test_history_comes_in_its_order_one_message_at_a_time(database: Database) -> None:
    world = await built_world(database)
    await world.says("opener", "checkout fails")
    at_once, most, post = 0, 0, world.chat.post

    async def slow(to: Address, *args: object, **kwargs: object) -> object:
        nonlocal at_once, most
        at_once, most = at_once + 1, max(most, at_once + 1)
        await asyncio.sleep(0.01 * at_once)
        at_once -= 1
        return await post(to, *args, **kwargs)  # type: ignore[arg-type]

    world.chat.post = slow  # type: ignore[method-assign]
    for nth in range(6):
        await world.engine.reception.typed(world.actor("opener"), f"note ESC-1 note {nth}", request=f"note{nth}")
    async with world.engine.running():
        await world.engine.settle()

    assert [said(shown.message)[-6:] for shown in world.chat.at("#rep") if shown.thread] == [
        f"note {nth}" for nth in range(6)
    ]
    assert most == 1


async def test_the_list_shows_ones_own_however_many_others_are_open(world: World) -> None:
    async def opens(name: str, nth: int) -> None:
        await world.engine.service.open(Open(world.actor(name), f"open{nth}", "support-process", None, f"issue {nth}"))

    for nth in range(LOOKED_THROUGH + 1):
        await opens("opener", nth)
    world.clock.forward(seconds=1)
    await opens("stranger", LOOKED_THROUGH + 1)

    shown = said(await world.engine.reception.typed(world.actor("stranger"), "list", request="list"))

    assert f"issue {LOOKED_THROUGH + 1}" in shown
    assert "issue 0" not in shown


async def test_members_of_the_admin_channel_see_what_an_alarm_was_about_and_nothing_else(world: World) -> None:
    world.chat.members[Address("chat:#admins")] = {who("watcher")}
    await world.says("opener", "checkout fails")
    world.chat.away |= {REP: Refused("user_disabled"), REP_CHANNEL: Refused("is_archived")}
    await world.says("opener", "mail is down")

    assert "There is no such escalation" in said(await world.says("watcher", "show ESC-1"))
    assert "mail is down" in said(await world.says("watcher", "show ESC-2"))


async def test_a_ping_that_was_held_back_until_its_window_ended_is_told_as_not_delivered(world: World) -> None:
    world.chat.away |= {REP: Unreachable("ratelimited", retry_after=1200)}
    await world.says("opener", "checkout fails")

    await world.forward(minutes=25)

    assert "not_delivered:window_ended" in await world.ledger()
    assert len(world.chat.cards("senior")) == 1
