"""What each event does to an escalation, what it writes down, and who is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.directory import Address, Binding
from bot.effects import Errand
from bot.errors import NotAllowed, OutOfTurn, Told, Unreadable
from bot.escalation import advance, due_event, opened
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    Event,
    HandedOver,
    MoreTimeTaken,
    NobodyReached,
    Noted,
    NudgeDue,
    Released,
    Reopened,
    Resolved,
    WindowPassed,
)
from bot.facts import FactKind, Via
from bot.outcome import Outcome
from bot.plan import OnExpiry, StopsOn, Unit, Window
from bot.state import Escalation, NudgeKind, Status
from tests.bot.office import (
    ADMIN,
    ANN,
    BEN,
    CAT,
    DAN,
    EVE,
    HELD,
    OPENER,
    a_draft,
    a_level,
    a_plan,
    after,
    at,
    is_open,
    kinds,
    only,
    paris,
    sent,
)
from tests.fakes import NINE

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
DUE = NINE + 15 * MINUTE
ROOM = Address("chat:#r1")


def passed(current: Escalation, late: timedelta = SECOND) -> Outcome:
    """The window of the entry ends, and the bot sees it `late`."""
    due = current.entry.due
    assert due is not None
    return advance(current, WindowPassed(current.entry.number, due.at), at(due.at + late))


def planned(current: Escalation) -> list[tuple[str, timedelta]]:
    """The reminders to come, counted from nine o'clock."""
    return [(nudge.kind.value, nudge.at - NINE) for nudge in current.entry.nudges]


# Opening


def test_opening_pings_the_owner_posts_in_the_channel_and_gives_the_opener_a_card() -> None:
    outcome = opened(a_draft(), at())

    entry = outcome.escalation.entry
    assert (entry.number, entry.level, entry.assignees) == (1, 1, (ANN,))
    assert entry.due is not None
    assert entry.due.at == DUE
    assert kinds(outcome) == [FactKind.OPENED, FactKind.ENTERED]
    assert (sent(outcome, Errand.PING), sent(outcome, Errand.POST), sent(outcome, Errand.CARD)) == (
        [ANN], [ROOM], [OPENER])  # fmt: skip
    assert outcome.escalation.participants == {OPENER}


def test_reminders_are_at_half_and_four_fifths() -> None:
    assert planned(is_open()) == [("half", 7.5 * MINUTE), ("last", 12 * MINUTE)]


def test_an_opener_who_holds_the_level_has_it_without_a_ping() -> None:
    outcome = opened(a_draft(opener=ANN), at())

    assert outcome.escalation.status is Status.ACKNOWLEDGED
    assert outcome.escalation.entry.acknowledged_by == ANN
    assert kinds(outcome) == [FactKind.OPENED, FactKind.ENTERED, FactKind.ACKNOWLEDGED]
    assert sent(outcome, Errand.PING) == []
    assert (sent(outcome, Errand.CARD), sent(outcome, Errand.POST)) == ([ANN], [ROOM])
    assert planned(outcome.escalation) == [("heads_up", 12 * MINUTE)]


def test_an_opener_who_holds_a_level_that_stops_on_acknowledgement_stops_it() -> None:
    plan = a_plan(a_level(1, "15m", stops_on=StopsOn.ACKNOWLEDGE), a_level(2))

    entry = opened(a_draft(plan, opener=ANN), at()).escalation.entry

    assert (entry.due, entry.remaining) == (None, 15 * MINUTE)
    assert [nudge.kind for nudge in entry.nudges] == [NudgeKind.REVIEW]


def test_opening_above_the_first_level_begins_there_and_keeps_the_reason() -> None:
    outcome = opened(a_draft(level=2), at(), "the customer is furious")

    assert outcome.escalation.entry.level == 2
    assert outcome.escalation.entry.reason == "the customer is furious"
    assert outcome.facts[1].text == "the customer is furious"


def test_an_empty_level_is_skipped_where_the_matrix_says_so() -> None:
    plan = a_plan(a_level(1, skip=True), a_level(2), a_level(3))

    outcome = opened(a_draft(plan), at(held={**HELD, "r1": Binding()}))

    assert outcome.escalation.entry.level == 2
    assert outcome.escalation.entry.number == 1


def test_the_last_level_is_never_skipped() -> None:
    plan = a_plan(a_level(1), a_level(2, skip=True))

    outcome = advance(is_open(plan), EscalatedNow(ANN, "why"), at(held={"r1": HELD["r1"]}))

    assert outcome.escalation.entry.level == 2


def test_a_role_held_by_a_channel_alone_is_posted_to_nobody_is_pinged() -> None:
    outcome = opened(a_draft(), at(held={**HELD, "r1": Binding(channel=ROOM)}))

    assert (sent(outcome, Errand.PING), sent(outcome, Errand.POST)) == ([], [ROOM])


def test_a_role_that_nobody_holds_is_still_posted_for_the_fallbacks_to_hear() -> None:
    outcome = opened(a_draft(), at(held={**HELD, "r1": Binding()}, fallback_owner=ADMIN))

    assert sent(outcome, Errand.POST) == [None]


# Moving up by the clock


def test_a_window_that_passed_begins_the_next_level_at_the_deadline() -> None:
    outcome = passed(is_open())

    entry = outcome.escalation.entry
    assert (entry.number, entry.level, entry.via, entry.began_at) == (2, 2, Via.WINDOW, DUE)
    assert entry.due is not None
    assert entry.due.at == DUE + 60 * MINUTE
    assert outcome.escalation.status is Status.WAITING
    assert kinds(outcome) == [FactKind.WINDOW_ENDED, FactKind.ENTERED]
    assert sent(outcome, Errand.PING) == [BEN]
    assert sent(outcome, Errand.REDRAW) == [None]


@pytest.mark.parametrize(("late", "begins", "told"), [(59, 0, 0), (60, 60, 60), (600, 600, 600)])
def test_downtime_never_eats_the_next_window(late: int, begins: int, told: int) -> None:
    entry = passed(is_open(), late * SECOND).escalation.entry

    assert entry.began_at == DUE + begins * SECOND
    assert entry.late == told
    assert entry.due is not None
    assert entry.due.at == DUE + begins * SECOND + 60 * MINUTE


def test_the_deadline_itself_is_in_time() -> None:
    current = is_open()

    assert due_event(current, DUE) == NudgeDue(1, NINE + 12 * MINUTE)
    assert advance(current, WindowPassed(1, DUE), at(DUE)).escalation is current


def test_an_acknowledged_issue_moves_up_all_the_same() -> None:
    outcome = passed(after(is_open(), Acknowledged(ANN)))

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, entry.acknowledged_by, entry.more_time_left) == (Status.WAITING, None, 1)


def test_the_opener_the_assignees_and_who_had_it_are_told_once_that_it_moved_up() -> None:
    outcome = passed(after(is_open(), Acknowledged(DAN)))

    assert sent(outcome, Errand.TELL) == sorted([OPENER, ANN, DAN])


def test_who_is_pinged_is_not_told_as_well() -> None:
    outcome = passed(is_open(here=at(held={**HELD, "r1": Binding((ANN, BEN))})))

    assert sent(outcome, Errand.PING) == [BEN]
    assert sent(outcome, Errand.TELL) == sorted([OPENER, ANN])


def test_an_owner_of_two_consecutive_levels_is_pinged_again() -> None:
    held = {**HELD, "r2": Binding((ANN,))}

    assert sent(advance(is_open(), EscalatedNow(OPENER, "why"), at(held=held)), Errand.PING) == [ANN]


def test_an_empty_level_is_passed_over_on_the_way_up() -> None:
    plan = a_plan(a_level(1, "15m"), a_level(2, skip=True), a_level(3))
    held = {"r1": HELD["r1"], "r3": HELD["r3"]}

    outcome = advance(is_open(plan), WindowPassed(1, DUE), at(DUE + SECOND, held))

    assert (outcome.escalation.entry.level, outcome.escalation.entry.number) == (3, 2)


# Windows that ask or stay


ASKING = a_plan(a_level(1, "2h", on_expiry=OnExpiry.ASK), a_level(2))
STAYING = a_plan(a_level(1, "1h", on_expiry=OnExpiry.STAY), a_level(2))


def test_a_window_that_asks_keeps_the_state_and_gives_a_quarter_of_the_window_to_decide() -> None:
    current = after(is_open(ASKING), Acknowledged(DAN))

    outcome = passed(current)

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, entry.number, entry.asked) == (Status.ACKNOWLEDGED, 1, True)
    assert entry.due is not None
    assert entry.due.at == NINE + timedelta(hours=2, minutes=30)
    assert sent(outcome, Errand.REMIND) == [ANN, DAN]
    assert kinds(outcome) == [FactKind.WINDOW_ENDED]


def test_at_least_a_quarter_of_an_hour_to_decide() -> None:
    entry = passed(is_open(a_plan(a_level(1, "20m", on_expiry=OnExpiry.ASK), a_level(2)))).escalation.entry

    assert entry.due is not None
    assert entry.due.at == NINE + 35 * MINUTE


def test_who_is_asked_late_has_the_whole_time_to_decide() -> None:
    late = timedelta(minutes=10)

    entry = passed(is_open(ASKING), late).escalation.entry

    assert entry.due is not None
    assert entry.due.at == NINE + timedelta(hours=2) + late + timedelta(minutes=30)


def test_a_late_question_leaves_working_time_to_decide() -> None:
    plan = a_plan(a_level(1, "4bh", on_expiry=OnExpiry.ASK), a_level(2))
    current = is_open(plan, here=at(paris(23, "12:30")))

    outcome = advance(current, WindowPassed(1, paris(23, "16:30")), at(paris(23, "16:45")))

    due = outcome.escalation.entry.due
    assert due is not None
    assert due.at == paris(24, "09:45"), "an hour of working time from 16:45"


def test_no_decision_moves_it_up_with_that_reason() -> None:
    asked = passed(is_open(ASKING)).escalation

    assert passed(asked).escalation.entry.via is Via.NO_DECISION


def test_more_time_answers_the_question() -> None:
    asked = passed(is_open(ASKING)).escalation
    assert asked.entry.due is not None

    taken = advance(asked, MoreTimeTaken(ANN, Window(1, Unit.HOUR)), at(asked.entry.due.at)).escalation

    assert (taken.entry.asked, taken.status) == (False, Status.ACKNOWLEDGED)
    assert taken.entry.due is not None
    assert taken.entry.due.at == asked.entry.due.at + timedelta(hours=1)


@pytest.mark.parametrize(("plan", "level"), [(STAYING, 1), (a_plan(a_level(1), a_level(2)), 2), (ASKING, 2)])
def test_a_level_that_keeps_the_issue_reminds_once_a_day(plan: object, level: int) -> None:
    current = is_open(plan, level=level)  # type: ignore[arg-type]

    outcome = passed(current)

    entry = outcome.escalation.entry
    assert (entry.number, entry.due, entry.ended_at) == (1, None, NINE + timedelta(hours=1))
    assert planned(outcome.escalation) == [("daily", timedelta(days=1, hours=1, seconds=1))]
    assert sent(outcome, Errand.REMIND) == [ANN if level == 1 else BEN]
    again = advance(outcome.escalation, NudgeDue(1, entry.nudges[0].at), at(entry.nudges[0].at + SECOND))
    assert [nudge.kind for nudge in again.escalation.entry.nudges] == [NudgeKind.DAILY]
    assert again.escalation.entry.nudges[0].at > entry.nudges[0].at


def test_an_acknowledgement_at_a_level_that_keeps_the_issue_leaves_the_daily_reminder() -> None:
    kept = passed(is_open(STAYING)).escalation

    taken = after(kept, Acknowledged(ANN))
    back = after(taken, Released(ANN))

    assert [nudge.kind for nudge in taken.entry.nudges] == [NudgeKind.DAILY]
    assert [nudge.kind for nudge in back.entry.nudges] == [NudgeKind.DAILY]


# Reminders


def test_a_reminder_goes_to_each_assignee_while_nobody_has_it() -> None:
    current = is_open(here=at(held={**HELD, "r1": Binding((ANN, DAN))}))

    outcome = advance(current, NudgeDue(1, NINE + 7.5 * MINUTE), at(NINE + 8 * MINUTE))

    assert sent(outcome, Errand.REMIND) == [ANN, DAN]
    assert outcome.facts[0].code == "half"
    assert planned(outcome.escalation) == [("last", 12 * MINUTE)]


def test_after_a_gap_only_the_latest_reminder_is_sent() -> None:
    current = is_open()

    event = due_event(current, NINE + 13 * MINUTE)

    assert event == NudgeDue(1, NINE + 12 * MINUTE)
    outcome = advance(current, event, at(NINE + 13 * MINUTE))
    assert ([fact.code for fact in outcome.facts], planned(outcome.escalation)) == (["last"], [])


def test_an_ended_window_comes_before_any_reminder() -> None:
    assert due_event(is_open(), DUE + SECOND) == WindowPassed(1, DUE)


def test_a_level_without_window_is_reviewed_every_week() -> None:
    current = is_open(level=3)
    assert planned(current) == [("review", timedelta(days=7))]

    again = advance(current, NudgeDue(1, NINE + timedelta(days=7)), at(NINE + timedelta(days=7, hours=1)))

    assert sent(again, Errand.REMIND) == [CAT]
    assert planned(again.escalation) == [("review", timedelta(days=14, hours=1))]


def test_business_windows_remind_in_working_time() -> None:
    current = is_open(a_plan(a_level(1, "1bd"), a_level(2)), here=at(paris(20, "16:30")))

    assert [nudge.at for nudge in current.entry.nudges] == [paris(23, "12:30"), paris(23, "14:54")]


# Acknowledging


def test_an_acknowledgement_stops_the_reminders_but_not_the_window() -> None:
    outcome = advance(is_open(), Acknowledged(ANN), at(NINE + MINUTE))

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, entry.acknowledged_by) == (Status.ACKNOWLEDGED, ANN)
    assert entry.due is not None
    assert planned(outcome.escalation) == [("heads_up", 12 * MINUTE)]
    assert sent(outcome, Errand.TELL) == [OPENER]
    assert not outcome.facts[0].on_behalf


def test_after_four_fifths_there_is_no_heads_up() -> None:
    assert planned(advance(is_open(), Acknowledged(ANN), at(NINE + 13 * MINUTE)).escalation) == []


def test_someone_else_acknowledges_on_behalf_and_the_assignees_are_told() -> None:
    outcome = advance(is_open(), Acknowledged(DAN), at())

    assert outcome.facts[0].on_behalf
    assert sent(outcome, Errand.TELL) == sorted([OPENER, ANN])
    assert DAN in outcome.escalation.participants


def test_in_a_role_that_a_channel_holds_nobody_stands_in() -> None:
    current = is_open(here=at(held={**HELD, "r1": Binding(channel=ROOM)}))

    assert not advance(current, Acknowledged(DAN), at()).facts[0].on_behalf


def test_an_assignee_takes_over_from_a_stand_in_who_is_told() -> None:
    outcome = advance(after(is_open(), Acknowledged(DAN)), Acknowledged(ANN), at())

    assert outcome.escalation.entry.acknowledged_by == ANN
    assert sent(outcome, Errand.TELL) == sorted([OPENER, DAN])


def test_an_acknowledgement_may_stop_the_window_and_a_release_lets_it_run_on() -> None:
    plan = a_plan(a_level(1, "15m", stops_on=StopsOn.ACKNOWLEDGE), a_level(2))
    taken = after(is_open(plan), (Acknowledged(ANN), at(NINE + 3 * MINUTE)))
    assert (taken.entry.due, taken.entry.remaining) == (None, 12 * MINUTE)

    later = NINE + timedelta(hours=3)
    back = after(taken, (Released(ANN), at(later)))

    assert back.entry.due is not None
    assert back.entry.due.at == later + 12 * MINUTE
    assert back.entry.remaining is None
    assert [nudge.at - later for nudge in back.entry.nudges] == [6 * MINUTE, 9.6 * MINUTE]


def test_working_time_that_was_left_runs_on_in_working_time() -> None:
    plan = a_plan(a_level(1, "4bh", stops_on=StopsOn.ACKNOWLEDGE), a_level(2))
    current = is_open(plan, here=at(paris(23, "13:00")))
    taken = after(current, (Acknowledged(ANN), at(paris(23, "14:00"))))

    back = after(taken, (Released(ANN), at(paris(23, "16:00"))))

    assert back.entry.due is not None
    assert back.entry.due.at == paris(24, "11:00")


# Releasing


def test_a_release_is_waiting_again_with_reminders_over_what_remains() -> None:
    taken = after(is_open(), Acknowledged(ANN))

    outcome = advance(taken, Released(ANN), at(NINE + 5 * MINUTE))

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, entry.acknowledged_by, entry.number) == (Status.WAITING, None, 1)
    assert entry.due is not None
    assert entry.due.at == DUE
    assert planned(outcome.escalation) == [("half", 10 * MINUTE), ("last", 13 * MINUTE)]
    assert sent(outcome, Errand.REMIND) == [ANN], "pinged again"


def test_a_stand_in_hears_that_an_assignee_released_it() -> None:
    outcome = advance(after(is_open(), Acknowledged(DAN)), Released(ANN), at())

    assert DAN in sent(outcome, Errand.TELL)


# Escalating now


def test_escalating_now_needs_a_reason() -> None:
    with pytest.raises(Unreadable) as refused:
        advance(is_open(), EscalatedNow(ANN, "  "), at())

    assert refused.value.sentence == "reason_needed"


def test_escalating_now_may_skip_levels() -> None:
    outcome = advance(is_open(), EscalatedNow(OPENER, "now", 3), at(NINE + MINUTE))

    entry = outcome.escalation.entry
    assert (entry.level, entry.number, entry.via, entry.by, entry.reason) == (3, 2, Via.PERSON, OPENER, "now")
    assert entry.began_at == NINE + MINUTE
    assert sent(outcome, Errand.TELL) == [ANN], "who did it knows"


@pytest.mark.parametrize("target", [-1, 0, 1, 2, 4])
def test_it_never_goes_down_nor_beyond(target: int) -> None:
    with pytest.raises(Unreadable) as refused:
        advance(is_open(level=2), EscalatedNow(BEN, "why", target), at())

    assert refused.value.sentence == "no_such_level_above"


def test_an_empty_level_is_passed_over_even_when_it_was_named() -> None:
    plan = a_plan(a_level(1), a_level(2, skip=True), a_level(3))
    held = {"r1": HELD["r1"], "r3": HELD["r3"]}

    assert advance(is_open(plan), EscalatedNow(ANN, "why", 2), at(held=held)).escalation.entry.level == 3


# More time


def test_more_time_runs_from_the_old_deadline_and_counts_as_acknowledging() -> None:
    outcome = advance(is_open(), MoreTimeTaken(ANN, Window(10, Unit.MINUTE)), at(NINE + 5 * MINUTE))

    entry = outcome.escalation.entry
    assert entry.due is not None
    assert entry.due.at == DUE + 10 * MINUTE
    assert (outcome.escalation.status, entry.acknowledged_by, entry.more_time_left) == (Status.ACKNOWLEDGED, ANN, 0)
    assert planned(outcome.escalation) == [("heads_up", 21 * MINUTE)], "four fifths of what is left"
    assert sent(outcome, Errand.TELL) == [OPENER]


def test_a_date_is_taken_as_given() -> None:
    until = DUE + 7 * MINUTE

    entry = after(is_open(), MoreTimeTaken(ANN, until=until)).entry

    assert entry.due is not None
    assert entry.due.at == until


@pytest.mark.parametrize("until", [-30 * MINUTE, timedelta(), 16 * MINUTE])
def test_a_date_lies_after_the_old_deadline_and_at_most_one_window_past_it(until: timedelta) -> None:
    current = is_open()

    with pytest.raises(Unreadable) as refused:
        advance(current, MoreTimeTaken(ANN, until=DUE + until), at())

    assert refused.value.sentence == "more_time_out_of_range"
    assert advance(current, MoreTimeTaken(ANN, until=DUE + 15 * MINUTE), at()).escalation is not current


def test_a_date_lies_after_now() -> None:
    with pytest.raises(Unreadable):
        advance(is_open(), MoreTimeTaken(ANN, until=DUE + MINUTE), at(DUE + 2 * MINUTE))


@pytest.mark.parametrize("window", ["16m", "1w", "999999w", "999999bd"])
def test_a_length_is_at_most_one_window(window: str) -> None:
    with pytest.raises(Unreadable) as refused:
        advance(is_open(), MoreTimeTaken(ANN, Window.parse(window)), at())

    assert refused.value.sentence == "more_time_out_of_range"


def test_more_time_by_an_assignee_takes_over_from_a_stand_in_who_is_told() -> None:
    outcome = advance(after(is_open(), Acknowledged(DAN)), MoreTimeTaken(ANN, Window(5, Unit.MINUTE)), at())

    assert outcome.escalation.entry.acknowledged_by == ANN
    assert sent(outcome, Errand.TELL) == sorted([OPENER, DAN])


def test_more_time_of_an_assignee_leaves_it_to_the_one_who_has_it() -> None:
    current = is_open(here=at(held={**HELD, "r1": Binding((ANN, DAN))}))

    taken = after(current, Acknowledged(DAN), MoreTimeTaken(ANN, Window(5, Unit.MINUTE)))

    assert taken.entry.acknowledged_by == DAN


def test_a_new_entry_has_a_new_allowance() -> None:
    used = after(is_open(), MoreTimeTaken(ANN, Window(5, Unit.MINUTE)))

    assert passed(used).escalation.entry.more_time_left == 1


# Handing over


def test_handing_over_pings_one_person_in_the_same_entry_until_the_same_deadline() -> None:
    taken = after(is_open(), Acknowledged(ANN))

    outcome = advance(taken, HandedOver(ANN, EVE), at(NINE + 5 * MINUTE))

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, entry.assignees, entry.number) == (Status.WAITING, (EVE,), 1)
    assert entry.due is not None
    assert entry.due.at == DUE
    assert planned(outcome.escalation) == [("half", 10 * MINUTE), ("last", 13 * MINUTE)]
    assert sent(outcome, Errand.PING) == [EVE]
    assert {ANN, EVE} <= outcome.escalation.ever_assigned


def test_the_former_assignees_and_a_stand_in_hear_of_the_handing_over() -> None:
    held = {**HELD, "r1": Binding((ANN, BEN))}
    taken = after(is_open(here=at(held=held)), Acknowledged(DAN))

    outcome = advance(taken, HandedOver(ANN, EVE), at(held=held))

    assert sent(outcome, Errand.TELL) == sorted([BEN, DAN])


def test_what_is_theirs_already_cannot_be_handed_to_them() -> None:
    with pytest.raises(Unreadable) as refused:
        advance(is_open(), HandedOver(ANN, ANN), at())

    assert refused.value.sentence == "already_theirs"


# Notes and ends


def test_a_note_is_written_down_and_changes_nothing_else() -> None:
    current = is_open()

    outcome = advance(current, Noted(DAN, " it is the cache "), at())

    assert outcome.facts[0].text == "it is the cache"
    assert outcome.escalation == replace(current, participants=current.participants | {DAN})
    assert [effect.errand for effect in outcome.effects] == [Errand.HISTORY]


def test_resolving_ends_everything() -> None:
    outcome = advance(is_open(), Resolved(ANN, " rolled back "), at(NINE + MINUTE))

    ended = outcome.escalation
    assert (ended.status, ended.next_due, ended.entry.due, ended.entry.nudges) == (Status.RESOLVED, None, None, ())
    assert ended.ending is not None
    assert (ended.ending.by, ended.ending.text) == (ANN, "rolled back")
    assert {effect.errand for effect in outcome.effects} == {Errand.TELL, Errand.REDRAW, Errand.HISTORY}
    assert sent(outcome, Errand.TELL) == [OPENER]


def test_cancelling_needs_a_reason_or_the_escalation_that_stays() -> None:
    with pytest.raises(Unreadable):
        advance(is_open(), Cancelled(OPENER, " "), at())

    outcome = advance(is_open(), Cancelled(OPENER, "", 7), at())

    assert outcome.escalation.status is Status.CANCELLED
    assert outcome.facts[0].code == "ESC-7"


def test_nothing_is_a_duplicate_of_itself() -> None:
    with pytest.raises(Unreadable) as refused:
        advance(is_open(), Cancelled(OPENER, "", 42), at())

    assert refused.value.sentence == "duplicate_of_itself"


def test_reopening_begins_a_new_entry_at_the_level_where_it_ended() -> None:
    ended = after(is_open(), EscalatedNow(ANN, "why"), Acknowledged(BEN), Resolved(BEN, "done"))
    later = NINE + timedelta(days=2)

    outcome = advance(ended, Reopened(OPENER, "it is back"), at(later))

    entry = outcome.escalation.entry
    assert (outcome.escalation.status, outcome.escalation.ending) == (Status.WAITING, None)
    assert (entry.number, entry.level, entry.via, entry.acknowledged_by) == (3, 2, Via.REOPENED, None)
    assert entry.due is not None
    assert entry.due.at == later + timedelta(hours=1)
    assert kinds(outcome) == [FactKind.REOPENED, FactKind.ENTERED]
    assert sent(outcome, Errand.PING) == [BEN]


# Nobody reached


def test_when_nobody_is_reached_the_next_level_begins_at_once_and_the_admins_hear() -> None:
    outcome = advance(is_open(), NobodyReached(1), at(NINE + MINUTE))

    entry = outcome.escalation.entry
    assert (entry.number, entry.level, entry.via, entry.began_at) == (2, 2, Via.NOBODY_REACHED, NINE + MINUTE)
    assert kinds(outcome) == [FactKind.NOBODY_REACHED, FactKind.ENTERED]
    alarm = only(outcome, Errand.ALERT)
    assert alarm.fact is not None
    assert (alarm.fact.kind, alarm.fact.level) == (FactKind.NOBODY_REACHED, 1)


def test_at_the_last_level_the_admins_are_told_again_every_hour() -> None:
    hour = timedelta(hours=1)
    current = is_open(level=3)

    first = advance(current, NobodyReached(1), at())
    again = advance(first.escalation, NudgeDue(1, NINE + hour), at(NINE + hour + SECOND))

    assert (first.escalation.entry.number, planned(first.escalation)[0]) == (1, ("nobody", hour))
    only(first, Errand.ALERT)
    only(again, Errand.ALERT)
    assert sent(again, Errand.PING) == [CAT]
    assert planned(again.escalation)[0] == ("nobody", 2 * hour + SECOND)


def test_the_hourly_alarm_survives_a_gap_and_the_end_of_the_window() -> None:
    plan = a_plan(a_level(1, "2h"))
    alarmed = after(is_open(plan), NobodyReached(1))
    gap = NINE + timedelta(minutes=100)

    event = due_event(alarmed, gap)
    assert event is not None
    after_gap = advance(alarmed, event, at(gap)).escalation
    after_window = passed(after_gap).escalation

    assert NudgeKind.NOBODY in {nudge.kind for nudge in after_gap.entry.nudges}
    assert {nudge.kind for nudge in after_window.entry.nudges} == {NudgeKind.NOBODY, NudgeKind.DAILY}


def test_an_alarm_that_was_missed_comes_an_hour_after_the_end_of_the_window() -> None:
    alarmed = after(is_open(a_plan(a_level(1, "2h"))), NobodyReached(1))
    later = NINE + timedelta(hours=9)

    kept = advance(alarmed, WindowPassed(1, NINE + timedelta(hours=2)), at(later)).escalation

    assert kept.next_due == later + timedelta(hours=1)


def test_the_hourly_alarm_ends_when_somebody_has_it() -> None:
    alarmed = after(is_open(level=3), NobodyReached(1))

    taken = after(alarmed, Acknowledged(DAN))

    assert [nudge.kind for nudge in taken.entry.nudges] == [NudgeKind.REVIEW]


def test_an_alarm_is_raised_anew_for_the_one_it_was_handed_to() -> None:
    handed = after(is_open(level=3), NobodyReached(1), HandedOver(CAT, EVE))

    outcome = advance(handed, NobodyReached(1), at())

    only(outcome, Errand.ALERT)
    assert "nobody" in dict(planned(outcome.escalation))


def test_somebody_who_has_it_has_been_reached() -> None:
    taken = after(is_open(), Acknowledged(DAN))

    assert advance(taken, NobodyReached(1), at()).escalation is taken


# Stale and out of turn


@pytest.mark.parametrize(
    "event",
    [
        WindowPassed(1, DUE + SECOND),
        WindowPassed(2, DUE),
        NudgeDue(1, NINE + MINUTE),
        NudgeDue(2, NINE + 7.5 * MINUTE),
        NobodyReached(2),
    ],
)
def test_a_stale_event_gives_back_the_same_value(event: Event) -> None:
    current = is_open()

    outcome = advance(current, event, at(NINE + timedelta(days=1)))

    assert outcome == Outcome(current)
    assert outcome.escalation is current


@pytest.mark.parametrize("event", [WindowPassed(1, DUE), NudgeDue(1, NINE + 7.5 * MINUTE), NobodyReached(1)])
def test_the_clock_has_no_say_after_the_end(event: Event) -> None:
    ended = after(is_open(), Resolved(ANN, ""))

    assert advance(ended, event, at(NINE + timedelta(days=1))).escalation is ended
    assert due_event(ended, NINE + timedelta(days=1)) is None


def test_an_alarm_twice_changes_nothing() -> None:
    alarmed = after(is_open(level=3), NobodyReached(1))

    assert advance(alarmed, NobodyReached(1), at()).escalation is alarmed


def test_the_same_acknowledgement_twice_changes_nothing() -> None:
    taken = after(is_open(), Acknowledged(ANN))

    assert advance(taken, Acknowledged(ANN), at()).escalation is taken


@pytest.mark.parametrize(
    ("event", "error", "sentence"),
    [
        (Acknowledged(ANN), OutOfTurn, "already_resolved"),
        (Released(ANN), OutOfTurn, "already_resolved"),
        (EscalatedNow(ANN, "why"), OutOfTurn, "already_resolved"),
        (MoreTimeTaken(ANN, Window(1, Unit.MINUTE)), OutOfTurn, "already_resolved"),
        (HandedOver(ANN, EVE), OutOfTurn, "already_resolved"),
        (Resolved(ANN, ""), OutOfTurn, "already_resolved"),
        (Cancelled(OPENER, "why"), OutOfTurn, "already_resolved"),
        (Reopened(DAN, "why"), NotAllowed, "not_yours"),
        (Reopened(ANN, " "), Unreadable, "reason_needed"),
        (Noted(ANN, " "), Unreadable, "reason_needed"),
    ],
)
def test_who_is_out_of_turn_is_told_and_nothing_changes(event: Event, error: type[Told], sentence: str) -> None:
    ended = after(is_open(), Acknowledged(ANN), Resolved(ANN, "done"))
    before = replace(ended)

    with pytest.raises(error) as refused:
        advance(ended, event, at())

    assert refused.value.sentence == sentence
    assert ended == before
