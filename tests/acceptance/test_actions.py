"""One story for each thing that people may do."""

from datetime import UTC, datetime, timedelta

from bot import bundles
from bot.commands import Standing
from bot.directory import Address, Binding
from bot.message import FormErrors
from bot.plan import RoleId
from matrix.builtin import builtin_text
from tests.acceptance.world import MakeWorld, World, a_directory, labels, local, said, who


async def opened(world: World) -> None:
    await world.says("opener", "checkout fails", at="#support")


# Open


async def test_words_open_at_once_where_the_matrix_needs_no_issue_type(world: World) -> None:
    reply = await world.says("opener", "checkout   fails\nfor everyone")

    assert said(reply).startswith("ESC-1 is open: checkout fails for everyone. rep was pinged")
    assert "Deadline: Fri 20 Nov 16:45, Paris." in said(reply)


async def test_without_words_the_form_opens_and_is_sent(world: World) -> None:
    form = await world.says("opener", "")
    answer = await world.submits("opener", form, title="checkout fails", details="since noon")

    assert said(answer).startswith("ESC-1 is open")
    assert "since noon" in said(world.chat.cards("rep")[0])


async def test_a_matrix_with_issue_types_asks_for_one_and_takes_it_from_the_words(world: World) -> None:
    form = await world.says("opener", "trucks are late", at="#projects")
    assert form.form is not None
    assert {field.name: field.initial for field in form.form.inputs}["title"] == "trucks are late"

    reply = await world.says("opener", "performance: trucks are late", at="#projects")

    assert said(reply).startswith("ESC-1 is open: trucks are late. contact was pinged")
    assert "Issue type: Performance problems" in said(world.chat.cards("contact")[0])


async def test_starting_higher_needs_a_reason(world: World) -> None:
    form = await world.says("opener", "")
    refused = await world.submits("opener", form, title="fire", start="4")
    assert isinstance(refused, FormErrors)
    assert refused.errors == {"reason": "Starting above the first level needs a reason."}

    await world.submits("opener", form, title="fire", start="4", reason="the building is empty")

    assert (await world.escalation()).entry.level == 4
    assert "Why it is here: the building is empty" in said(world.chat.cards("head")[0])


async def test_an_opener_who_is_the_assignee_has_it_at_once(world: World) -> None:
    await world.says("rep", "checkout fails")

    escalation = await world.escalation()
    assert (escalation.status, escalation.entry.acknowledged_by) == ("acknowledged", who("rep"))
    card = world.chat.cards("rep")[0]
    assert labels(card)[0] == "Escalate now…"
    assert len(world.chat.at("rep")) == 1


async def test_the_same_request_twice_opens_one_escalation(world: World) -> None:
    first = await world.says("opener", "checkout fails", request="trigger-1")
    again = await world.says("opener", "checkout fails", request="trigger-1")

    assert said(first) == said(again)
    assert len(world.chat.cards("rep")) == 1


async def test_nothing_opens_when_a_level_would_not_be_heard(a_world: MakeWorld) -> None:
    directory = a_directory()
    roles = {**directory.roles, RoleId("department-head"): Binding()}
    world = await a_world(directory=a_directory(roles=roles))

    reply = await world.says("opener", "checkout fails")

    assert said(reply) == (
        "Nothing was opened: nobody would hear of level 4 (Department head). "
        "Ask an administrator to name an owner or a channel for it."
    )


async def test_guests_bots_and_people_from_outside_are_refused(world: World) -> None:
    for standing in (Standing.GUEST, Standing.BOT, Standing.FOREIGN):
        actor = world.actor("stranger", standing=standing)
        reply = await world.engine.reception.typed(actor, "checkout fails", request=standing)
        assert "cannot use Echelon" in said(reply) or "Only people" in said(reply)
    assert world.chat.shown == []


# Acknowledge


async def test_the_first_of_two_acknowledgements_wins_and_the_second_is_told_who(world: World) -> None:
    await opened(world)
    card = world.chat.cards("#rep")[0]

    await world.presses("rep", "Acknowledge", card)
    second = await world.presses("senior", "Acknowledge", card)

    assert said(second) == "rep was first and has ESC-1 since Fri 20 Nov 16:30, Paris. Nothing was changed."


async def test_a_stand_in_has_it_on_behalf_until_the_assignee_takes_over(world: World) -> None:
    await opened(world)
    card = world.chat.cards("#rep")[0]
    await world.presses("colleague", "Acknowledge", card, at="#rep")
    told = [said(shown.message) for shown in world.chat.at("rep") if shown.thread]
    assert told == ["ESC-1 · checkout fails · colleague has it, on behalf of the assignees."]
    assert "Acknowledge" in labels(world.chat.cards("rep")[0])

    await world.presses("rep", "Acknowledge", world.chat.cards("rep")[0])

    assert (await world.escalation()).entry.acknowledged_by == who("rep")
    assert "rep has it" in said(world.chat.at("colleague")[-1].message)


async def test_a_matrix_may_restrict_acknowledging_to_owners(a_world: MakeWorld) -> None:
    text = builtin_text("support-process").replace("levels:", "acknowledged_by: owners\nlevels:", 1)
    world = await a_world(matrices={"support-process": text})
    await opened(world)

    reply = await world.presses("colleague", "Acknowledge", world.chat.cards("#rep")[0], at="#rep")

    assert said(reply) == "Only those it is assigned to and the owners of the role can acknowledge ESC-1."


async def test_an_acknowledgement_after_a_resolve_changes_nothing_and_says_so(world: World) -> None:
    await opened(world)
    card = world.chat.cards("rep")[0]
    await world.says("rep", "resolve ESC-1 done")

    reply = await world.presses("rep", "Acknowledge", card)

    assert said(reply) == "ESC-1 was already resolved by rep, Fri 20 Nov 16:30, Paris. Nothing was changed."
    assert (await world.escalation()).status == "resolved"


async def test_a_button_of_an_earlier_entry_says_where_the_issue_is_and_redraws_the_card(world: World) -> None:
    await opened(world)
    old = world.chat.cards("rep")[0]
    await world.forward(minutes=16)
    edits = world.chat.at("rep")[0].edits

    reply = await world.presses("rep", "Acknowledge", old)

    assert said(reply) == (
        "ESC-1 has moved on: it is now at level 2 of 7 · Senior customer support specialist. Nothing was changed."
    )
    assert (await world.escalation()).status == "waiting"
    assert world.chat.at("rep")[0].edits == edits + 1


# Release, more time, hand over


async def test_a_release_waits_again_pings_again_and_reminds_over_what_remains(world: World) -> None:
    await opened(world)
    await world.presses("rep", "Acknowledge")
    await world.forward(minutes=5)

    await world.says("rep", "release ESC-1")

    escalation = await world.escalation()
    assert escalation.status == "waiting"
    assert "is waiting again" in said(world.chat.at("rep")[-1].message)
    assert [local(nudge.at) for nudge in escalation.entry.nudges] == ["Fri 20 Nov 16:40", "Fri 20 Nov 16:43"]


async def test_more_time_runs_from_the_old_deadline_and_is_allowed_once(world: World) -> None:
    await opened(world)
    form = await world.presses("rep", "More time")
    await world.submits("rep", form, length="10m")

    escalation = await world.escalation()
    assert escalation.entry.due is not None
    assert (escalation.status, local(escalation.entry.due.at)) == ("acknowledged", "Fri 20 Nov 16:55")
    again = await world.says("rep", "more ESC-1 5m")
    assert said(again) == "More time was already taken at this level. Escalate ESC-1, or resolve it."


async def test_more_time_until_a_date_must_be_later_and_within_one_window(world: World) -> None:
    await opened(world)
    form = await world.presses("rep", "More time")
    too_far = datetime(2026, 11, 20, 17, 1, tzinfo=UTC)

    refused = await world.submits("rep", form, until=str(int(too_far.timestamp())), length="")
    assert said(refused) == (
        "The new deadline must be after Fri 20 Nov 16:45, Paris and not later than Fri 20 Nov 17:00, Paris."
    )
    fits = datetime(2026, 11, 20, 15, 58, tzinfo=UTC)
    await world.submits("rep", form, until=str(int(fits.timestamp())), length="")
    assert (await world.escalation()).entry.due.at == fits  # type: ignore[union-attr]


async def test_no_more_time_where_no_deadline_runs(world: World) -> None:
    await opened(world)
    await world.escalates("opener", "up ESC-1 to 7 the board must know")

    assert "More time…" not in labels(world.chat.cards("vp")[0])
    assert said(await world.says("vp", "more ESC-1 2h")) == (
        "No deadline runs for ESC-1, so there is nothing to extend."
    )


async def test_a_handed_over_entry_keeps_its_deadline_and_pings_the_one_who_gets_it(world: World) -> None:
    await opened(world)
    await world.presses("rep", "Acknowledge")
    await world.forward(minutes=6)

    form = await world.presses("rep", "Hand over", world.chat.cards("rep")[0])
    await world.submits("rep", form, person=who("colleague"))

    escalation = await world.escalation()
    assert escalation.entry.due is not None
    assert (escalation.status, escalation.entry.assignees) == ("waiting", (who("colleague"),))
    assert (escalation.entry.number, local(escalation.entry.due.at)) == (1, "Fri 20 Nov 16:45")
    assert "What is expected of you" in world.chat.cards("colleague")[0].expected_label
    assert "Handed over to colleague" in said(world.chat.cards("rep")[0])


# Escalate now


async def test_escalate_now_needs_a_reason_shows_who_will_hear_and_may_skip_levels(world: World) -> None:
    await opened(world)
    form = await world.presses("rep", "Escalate now")
    assert form.form is not None
    assert "Level 2 · Senior customer support specialist: senior will be pinged, #senior will see it" in "".join(
        part if isinstance(part, str) else said_piece(part) for line in form.form.intro for part in line
    )

    refused = await world.submits("rep", form, condition="own", reason=" ")
    assert isinstance(refused, FormErrors)
    answer = await world.submits("rep", form, level="5", reason="needs a patch")

    assert said(answer) == "ESC-1 is now at level 5 of 7 · Technical manager; tech was pinged."
    assert "Why it is here: rep escalated it: needs a patch" in said(world.chat.cards("tech")[0])
    assert world.chat.cards("senior") == []


def said_piece(piece: object) -> str:
    return str(
        getattr(piece, "words", "") or getattr(piece, "person", "") or getattr(piece, "channel", "")
    ).removeprefix("chat:")


async def test_the_condition_of_the_document_is_offered_as_the_reason(world: World) -> None:
    await opened(world)
    await world.submits("rep", await world.presses("rep", "Escalate now"))

    assert (await world.escalation()).entry.reason == (await world.escalation()).plan.level(1).condition.in_("en")  # type: ignore[arg-type]


async def test_never_down_and_not_at_the_last_level(world: World) -> None:
    await opened(world)
    assert "can only move up" in said(await world.says("opener", "up ESC-1 to 1 again"))
    await world.escalates("opener", "up ESC-1 to 7 the board must know")

    assert said(await world.says("opener", "up ESC-1 more")) == "ESC-1 is already at the last level."
    assert "Escalate now…" not in labels(world.chat.cards("vp")[0])


async def test_someone_without_a_part_may_not_escalate_and_is_told_who_may(world: World) -> None:
    await opened(world)

    reply = await world.presses("colleague", "Escalate now", world.chat.cards("#rep")[0], at="#rep")

    assert said(reply) == (
        "Only the person who has it, those it is assigned to, the person who opened it and the owners of the role "
        "can escalate ESC-1."
    )


# Note, resolve, cancel, reopen


async def test_a_note_goes_into_the_ledger_and_the_thread(world: World) -> None:
    await opened(world)

    await world.says("rep", "note ESC-1 the provider is told")

    threads = [said(shown.message) for shown in world.chat.at("#rep") if shown.thread]
    assert threads == ["ESC-1 · checkout fails · rep: the provider is told"]
    assert "rep: the provider is told" in said(await world.says("opener", "timeline ESC-1"))


async def test_an_earlier_assignee_may_still_resolve(world: World) -> None:
    await opened(world)
    await world.forward(minutes=16)

    assert said(await world.says("rep", "resolve ESC-1 it was the proxy")) == "ESC-1 is resolved."


async def test_cancel_with_a_reason_or_as_a_duplicate(world: World) -> None:
    await opened(world)
    await world.says("opener", "checkout fails too")

    await world.says("opener", "cancel ESC-2 duplicate of ESC-1")

    assert "duplicate of ESC-1" in said(world.chat.cards("rep")[1])
    assert (await world.escalation(2)).status == "cancelled"
    assert said(await world.says("colleague", "cancel ESC-1 no")) == (
        "There is no such escalation, or you cannot see it."
    )
    await world.says("opener", "cancel ESC-1 false alarm")
    assert (await world.escalation(1)).ending.text == "false alarm"  # type: ignore[union-attr]


async def test_reopen_within_seven_days_begins_a_new_entry_at_the_same_level(world: World) -> None:
    await opened(world)
    await world.forward(minutes=16)
    await world.says("senior", "resolve ESC-1 done")
    await world.forward(days=3)

    await world.says("opener", "reopen ESC-1 it is back")

    escalation = await world.escalation()
    assert (escalation.status, escalation.entry.level, escalation.entry.number) == ("waiting", 2, 3)
    assert len(world.chat.cards("senior")) == 2
    await world.says("senior", "resolve ESC-1 done again")
    await world.forward(days=7, seconds=1)
    assert "more than 7 days ago" in said(await world.says("opener", "reopen ESC-1 once more"))


# Seeing


async def test_to_others_an_escalation_does_not_exist(world: World) -> None:
    await opened(world)
    hidden = said(await world.says("stranger", "show ESC-1"))
    assert hidden == said(await world.says("stranger", "show ESC-99"))

    world.chat.members[Address("chat:#rep")] = {who("stranger")}

    assert "checkout fails" in said(await world.says("stranger", "show ESC-1"))
    assert "checkout fails" in said(await world.says("vp", "show ESC-1")), "an owner of any role of the plan"
    assert "checkout fails" in said(await world.says("admin", "show ESC-1"))


async def test_the_timeline_shows_what_happened_and_what_comes(world: World) -> None:
    await opened(world)
    await world.forward(minutes=16)

    shown = said(await world.says("opener", "timeline ESC-1"))

    assert "Fri 20 Nov 16:30, Paris · opener opened it." in shown
    assert "Time was up: moved to level 2 of 7 · Senior customer support specialist; senior pinged." in shown
    assert "Level 4 · Department head: head, Fri 20 Nov 21:45, Paris (outside working hours)" in shown
    assert "Level 7 · " in shown


async def test_lists_who_help_and_language(world: World) -> None:
    await opened(world)

    assert "ESC-1 · checkout fails" in said(await world.says("rep", "list mine"))
    assert said(await world.says("stranger", "list")) == "Nothing is open."
    assert "Level 2 · Senior customer support specialist: senior · #senior" in said(await world.says("x", "who"))
    assert "ack ESC-42: you have it" in said(await world.says("x", "help"))
    assert said(await world.says("rep", "lang fr")) == "Je vous écrirai en français."
    await world.says("opener", "second issue")
    assert "En attente · niveau 1 sur 7" in said(world.chat.cards("rep")[1])
    assert "Waiting · level 1 of 7" in said(world.chat.cards("#rep")[1])


async def test_in_the_thread_of_a_card_no_reference_is_needed(world: World) -> None:
    await opened(world)
    root = world.chat.at("#rep")[0].ref.id

    await world.says("rep", "ack", at="#rep", thread=root)
    assert (await world.escalation()).entry.acknowledged_by == who("rep")
    hint = await world.says("rep", "any news?", at="#rep", thread=root)

    assert "Did you mean: note ESC-42 words" in said(hint)
    assert hint.typed == "any news?"
    await world.says("rep", "resolve the proxy was full", at="#rep", thread=root)
    assert (await world.escalation()).ending.text == "the proxy was full"  # type: ignore[union-attr]


async def test_a_keyword_with_other_words_is_an_issue(world: World) -> None:
    reply = await world.says("opener", "list of customers vanished")

    assert said(reply).startswith("ESC-1 is open: list of customers vanished.")


async def test_two_at_once_do_not_disturb_each_other(world: World) -> None:
    await opened(world)
    await world.says("opener", "mail is down")
    await world.forward(minutes=3)

    await world.says("rep", "ack ESC-2")

    assert [(await world.escalation(n)).status for n in (1, 2)] == ["waiting", "acknowledged"]
    assert "Which one? ESC-1 (checkout fails) and ESC-2 (mail is down)." in said(await world.says("rep", "ack"))
    assert (await world.escalation(1)).next_due - world.clock.now() < timedelta(minutes=5)  # type: ignore[operator]


# Many at once


async def press_all(world: World, name: str, press: str, *, made: datetime | None = None) -> str:
    """A button of a message that listed many, made at `made` (now)."""
    subject = str(bundles.subject(made or world.clock.now()))
    answer = said(await world.engine.reception.pressed(world.actor(name), press, subject, request="all"))
    await world.ticks()
    return answer


async def test_all_of_mine_are_acknowledged_by_one_press_and_nothing_else(world: World) -> None:
    for words in ("one", "two", "three"):
        await world.says("opener", words)
    await world.forward(minutes=16)  # now with senior
    await world.says("opener", "four")  # with rep

    answer = await press_all(world, "senior", bundles.ACKNOWLEDGE_MINE)

    assert answer == "3 escalations are yours: ESC-1, ESC-2 and ESC-3. Their deadlines stay."
    states = [str((await world.escalation(number)).status) for number in (1, 2, 3, 4)]
    assert states == ["acknowledged"] * 3 + ["waiting"]
    assert [str((await world.escalation(number)).entry.acknowledged_by) for number in (1, 2, 3)] == ["chat:senior"] * 3
    assert "senior has it" in said(world.chat.cards("senior")[0])


async def test_a_second_press_takes_nothing_twice(world: World) -> None:
    await opened(world)
    await press_all(world, "rep", bundles.ACKNOWLEDGE_MINE)
    rows = len(await world.rows())

    answer = await press_all(world, "rep", bundles.ACKNOWLEDGE_MINE)

    assert answer == "None of them is waiting for you any more. Nothing was changed."
    assert len(await world.rows()) == rows


async def test_what_came_after_the_message_is_not_taken_with_the_rest(world: World) -> None:
    await opened(world)
    made = world.clock.now()
    await world.forward(minutes=1)
    await world.says("opener", "another")

    answer = await press_all(world, "rep", bundles.ACKNOWLEDGE_MINE, made=made)

    assert answer == "1 escalation is yours: ESC-1. Its deadline stays."
    assert str((await world.escalation(2)).status) == "waiting"


async def test_hundreds_are_acknowledged_by_one_press(world: World) -> None:
    for number in range(1, 121):
        await world.engine.reception.typed(world.actor("opener"), f"issue {number}", request=f"opened {number}")
    actor, subject = world.actor("rep"), str(bundles.subject(world.clock.now()))

    answer = said(await world.engine.reception.pressed(actor, bundles.ACKNOWLEDGE_MINE, subject, request="all"))

    assert answer.startswith("120 escalations are yours: ESC-1, ESC-2,")
    assert answer.endswith("ESC-10 and 110 others. Their deadlines stay.")


async def test_somebody_else_takes_nothing_with_a_forged_press(world: World) -> None:
    await opened(world)

    answer = await press_all(world, "coo", bundles.ACKNOWLEDGE_MINE)

    assert answer == "None of them is waiting for you any more. Nothing was changed."
    assert said(await world.engine.reception.pressed(world.actor("coo"), "resolve", "mine:1", request="x")) == (
        "There is no such escalation, or you cannot see it."
    )


async def test_the_list_behind_the_message_shows_what_is_open(world: World) -> None:
    await opened(world)

    assert "ESC-1 · checkout fails" in await press_all(world, "rep", bundles.LIST_MINE)
