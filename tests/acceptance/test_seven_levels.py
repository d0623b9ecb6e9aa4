"""The story of the seven levels, from Friday afternoon to the weekly reviews."""

from datetime import timedelta

from matrix.builtin import builtin_text
from tests.acceptance.world import MakeWorld, World, labels, local, said

LEVELS = ["rep", "senior", "supervisor", "head", "tech", "coo", "vp"]
MOVES = [
    ("senior", "Fri 20 Nov 16:45"),
    ("supervisor", "Fri 20 Nov 17:45"),
    ("head", "Fri 20 Nov 21:45"),
    ("tech", "Tue 24 Nov 09:00"),
    ("coo", "Fri 27 Nov 09:00"),
    ("vp", "Fri 4 Dec 09:00"),
]
STOPS = builtin_text("support-process").replace("    window: 15m", "    window: 15m\n    stops_on: acknowledge", 1)


async def test_an_issue_that_nobody_takes_climbs_all_seven_levels(world: World) -> None:
    reply = await world.says("opener", "checkout fails", at="#support")

    assert said(reply).startswith("ESC-1 is open: checkout fails. rep was pinged (level 1 of 7")
    assert [card.headline for card in world.chat.cards("rep")] == ["ESC-1 · checkout fails"]
    for level, (name, when) in enumerate(MOVES, start=2):
        due = (await world.escalation()).entry.due
        assert due is not None
        assert local(due.at) == when

        await world.until(due.at)
        assert (await world.escalation()).entry.level == level - 1, "the deadline itself is in time"
        await world.forward(seconds=1)

        escalation = await world.escalation()
        assert escalation.entry.level == level
        assert local(escalation.entry.began_at) == when
        assert "waiting" in said(world.chat.cards(name)[0]).lower()
        assert world.chat.cards(f"#{name}")[0].headline == "ESC-1 · checkout fails"
        below = world.chat.cards(LEVELS[level - 2])[0]
        assert "Moved up to level" in said(below)
        assert below.buttons == ()
    last = await world.escalation()
    assert last.entry.due is None
    assert local(last.next_due) == "Fri 11 Dec 09:00"
    await world.forward(days=15)
    assert (await world.ledger()).count("reminded:review") == 2
    assert local((await world.escalation()).next_due) == "Mon 28 Dec 09:00", "Friday 25 December is a holiday"


async def test_each_role_is_reminded_twice_and_never_outside_working_hours(world: World) -> None:
    await world.says("opener", "checkout fails")

    await world.forward(days=6)

    reminders = [shown for shown in world.chat.at("rep") if "left before" in said(shown.message)]
    assert len(reminders) == 1
    assert said(reminders[0].message) == (
        "Reminder: ESC-1 · checkout fails is waiting for someone. 8 min left before it moves to level 2."
    )
    rows = await world.rows()
    at_head = [local(row.recorded_at) for row in rows if row.fact.kind == "reminded" and row.fact.entry == 4]
    assert at_head == ["Mon 23 Nov 13:00", "Mon 23 Nov 15:24"], "half and four fifths of Monday's working time"


async def test_an_acknowledgement_keeps_the_deadlines_and_leaves_one_heads_up(world: World) -> None:
    await world.says("opener", "checkout fails")
    await world.forward(minutes=3)

    await world.presses("rep", "Acknowledge")
    await world.forward(minutes=11)

    to_rep = [said(shown.message) for shown in world.chat.at("rep") if shown.thread]
    assert to_rep == ["ESC-1 · checkout fails moves to level 2 in 3 min. Is it solved, or do you need more time?"]
    assert labels(world.chat.at("rep")[-1].message) == ["Resolve…", "More time…"]
    for level, (_, when) in enumerate(MOVES, start=2):
        due = (await world.escalation()).entry.due
        assert due is not None
        assert local(due.at) == when
        await world.until(due.at + timedelta(seconds=1))
        assert (await world.escalation()).entry.level == level


async def test_a_matrix_may_let_an_acknowledgement_stop_the_window(a_world: MakeWorld) -> None:
    world = await a_world(matrices={"support-process": STOPS})
    await world.says("opener", "checkout fails")
    await world.forward(minutes=3)

    await world.presses("rep", "Acknowledge")
    await world.forward(days=3)

    escalation = await world.escalation()
    assert (escalation.status, escalation.entry.level, escalation.entry.due) == ("acknowledged", 1, None)
    assert local(escalation.next_due) == "Fri 27 Nov 16:33", "a weekly review instead"
    assert "stopped by the acknowledgement, 12 min left" in said(world.chat.cards("rep")[0])

    await world.says("rep", "release ESC-1")
    released = await world.escalation()
    assert released.entry.due is not None
    assert released.entry.due.at - world.clock.now() == timedelta(minutes=12)


async def test_the_opener_hears_each_move_and_the_end(world: World) -> None:
    await world.says("opener", "checkout fails")
    await world.presses("rep", "Acknowledge")
    await world.forward(minutes=16)
    await world.presses("senior", "Resolve")
    await world.submits("senior", await world.presses("senior", "Resolve"), text="rolled back")

    heard = [said(shown.message) for shown in world.chat.at("opener") if shown.thread]
    assert heard == [
        "ESC-1 · checkout fails · rep has it.",
        "ESC-1 · checkout fails · Time was up: moved to level 2 of 7 · Senior customer support specialist; "
        "senior pinged.",
        "ESC-1 · checkout fails · senior resolved it: rolled back",
    ]
    assert "Resolved by senior" in said(world.chat.cards("opener")[0])


async def test_all_cards_of_an_escalation_show_how_it_ended(world: World) -> None:
    await world.says("opener", "checkout fails")
    await world.forward(minutes=16)

    await world.says("senior", "resolve ESC-1 rolled back")

    for address in ("opener", "rep", "#rep", "senior", "#senior"):
        assert "Resolved by senior" in said(world.chat.cards(address)[-1]), address
    assert (await world.escalation()).next_due is None
