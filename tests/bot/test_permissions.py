"""The table of actions, cell by cell, as the product page says it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.directory import Binding, PersonId
from bot.errors import NotAllowed, OutOfTurn
from bot.escalation import advance
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    HandedOver,
    MoreTimeTaken,
    Noted,
    PersonEvent,
    Released,
    Reopened,
    Resolved,
)
from bot.permissions import Action, Party, allowed, demand, impossible, parties, possible
from bot.plan import AcknowledgedBy, Unit, Window
from bot.state import Ending, Escalation, Status
from tests.bot.office import ANN, BEN, CAT, OPENER, a_level, a_plan, after, at, is_open, person
from tests.fakes import NINE

# A dot: nobody can be this in that state. The acknowledger is a stand-in, the owner no assignee.
TABLE = """
action      state        opener assignee earlier acknowledger owner resolver anyone
acknowledge waiting      yes    yes      yes     .            yes   .        yes
acknowledge acknowledged no     yes      no      no           no    .        no
acknowledge resolved     no     no       no      no           no    no       no
acknowledge cancelled    no     no       no      no           no    no       no
release     waiting      no     no       no      .            no    .        no
release     acknowledged no     yes      no      yes          yes   .        no
release     resolved     no     no       no      no           no    no       no
release     cancelled    no     no       no      no           no    no       no
escalate    waiting      yes    yes      no      .            yes   .        no
escalate    acknowledged yes    yes      no      yes          yes   .        no
escalate    resolved     no     no       no      no           no    no       no
escalate    cancelled    no     no       no      no           no    no       no
more_time   waiting      no     yes      no      .            no    .        no
more_time   acknowledged no     yes      no      yes          no    .        no
more_time   resolved     no     no       no      no           no    no       no
more_time   cancelled    no     no       no      no           no    no       no
hand_over   waiting      no     yes      no      .            yes   .        no
hand_over   acknowledged no     yes      no      yes          yes   .        no
hand_over   resolved     no     no       no      no           no    no       no
hand_over   cancelled    no     no       no      no           no    no       no
note        waiting      yes    yes      yes     .            yes   .        yes
note        acknowledged yes    yes      yes     yes          yes   .        yes
note        resolved     yes    yes      yes     yes          yes   yes      yes
note        cancelled    yes    yes      yes     yes          yes   yes      yes
resolve     waiting      yes    yes      yes     .            yes   .        no
resolve     acknowledged yes    yes      yes     yes          yes   .        no
resolve     resolved     no     no       no      no           no    no       no
resolve     cancelled    no     no       no      no           no    no       no
cancel      waiting      yes    no       no      .            yes   .        no
cancel      acknowledged yes    no       no      yes          yes   .        no
cancel      resolved     no     no       no      no           no    no       no
cancel      cancelled    no     no       no      no           no    no       no
reopen      waiting      no     no       no      .            no    .        no
reopen      acknowledged no     no       no      .            no    .        no
reopen      resolved     yes    no       no      no           yes   yes      no
reopen      cancelled    no     no       no      no           no    no       no
"""

PEOPLE = {name: person(name) for name in TABLE.split("\n")[1].split()[2:]}
HELD = {"r1": Binding((PEOPLE["owner"],)), "r2": Binding((BEN,)), "r3": Binding((CAT,))}


def cells() -> Iterator[tuple[str, str, str, bool]]:
    head, *rows = TABLE.strip().splitlines()
    for row in rows:
        action, state, *marks = row.split()
        for name, mark in zip(head.split()[2:], marks, strict=True):
            if mark != ".":
                yield action, state, name, mark == "yes"


def in_state(status: Status) -> Escalation:
    """Level 1 of 3, with each party a person of its own."""
    base = is_open(opener=PEOPLE["opener"], here=at(held=HELD))
    had = PEOPLE["acknowledger"] if status is not Status.WAITING else None
    ended = status in {Status.RESOLVED, Status.CANCELLED}
    base = replace(
        base,
        status=status,
        ever_assigned=frozenset({PEOPLE["earlier"], PEOPLE["assignee"]}),
        ending=Ending(PEOPLE["resolver"], NINE) if ended else None,
    )
    return base.with_entry(
        assignees=(PEOPLE["assignee"],), acknowledged_by=had, acknowledged_at=NINE if had else None,
        **({"due": None, "nudges": ()} if ended else {}),
    )  # fmt: skip


def event(action: str, by: PersonId) -> PersonEvent:
    events: dict[str, PersonEvent] = {
        "acknowledge": Acknowledged(by),
        "release": Released(by),
        "escalate": EscalatedNow(by, "why"),
        "more_time": MoreTimeTaken(by, window=Window(5, Unit.MINUTE)),
        "hand_over": HandedOver(by, person("zoe")),
        "note": Noted(by, "words"),
        "resolve": Resolved(by, "how"),
        "cancel": Cancelled(by, "why"),
        "reopen": Reopened(by, "why"),
    }
    return events[action]


def changes(action: str, current: Escalation, by: PersonId) -> bool:
    try:
        return advance(current, event(action, by), at(held=HELD)).escalation is not current
    except (NotAllowed, OutOfTurn):
        return False


def test_the_table_names_every_action_and_every_state() -> None:
    found = {(action, state) for action, state, _, _ in cells()}

    assert found == {(action.value, state.value) for action in Action for state in Status}
    assert {name for _, _, name, _ in cells()} == {
        party.value.removesuffix("_assignee") if party is Party.EARLIER_ASSIGNEE else party.value for party in Party
    }


@pytest.mark.parametrize(("action", "state", "name", "may"), list(cells()))
def test_rule_and_buttons_follow_the_table(action: str, state: str, name: str, may: bool) -> None:
    current, here = in_state(Status(state)), at(held=HELD)

    offered = allowed(current, PEOPLE[name], here.roster, here.now)

    assert changes(action, current, PEOPLE[name]) is may
    assert (Action(action) in offered) is may


def test_each_person_of_the_table_is_that_party_and_no_other() -> None:
    here, waiting, ended = at(held=HELD), in_state(Status.ACKNOWLEDGED), in_state(Status.RESOLVED)

    for name, who in PEOPLE.items():
        party = Party("earlier_assignee" if name == "earlier" else name)
        shown = ended if party is Party.RESOLVER else waiting
        assert parties(shown, who, here.roster) == {Party.ANYONE, party}


# What a matrix restricts


@pytest.mark.parametrize(("name", "may"), [("assignee", True), ("owner", True), ("opener", False), ("anyone", False),
                                           ("earlier", False)])  # fmt: skip
def test_a_matrix_may_keep_acknowledging_to_those_who_hold_the_role(name: str, may: bool) -> None:
    plan = a_plan(acknowledged_by=AcknowledgedBy.OWNERS)
    current, here = replace(in_state(Status.WAITING), plan=plan), at(held=HELD)

    assert changes("acknowledge", current, PEOPLE[name]) is may
    assert (Action.ACKNOWLEDGE in allowed(current, PEOPLE[name], here.roster, here.now)) is may


def test_the_refusal_says_who_may() -> None:
    plan = a_plan(acknowledged_by=AcknowledgedBy.OWNERS)
    current, here = replace(in_state(Status.WAITING), plan=plan), at(held=HELD)

    with pytest.raises(NotAllowed) as refused:
        demand(Action.ACKNOWLEDGE, current, PEOPLE["anyone"], here.roster, here.now)

    assert refused.value.sentence == "not_yours"
    assert refused.value.about["parties"] == {Party.ASSIGNEE, Party.OWNER}


# Taking over


def test_an_assignee_does_not_take_over_from_another() -> None:
    current = in_state(Status.ACKNOWLEDGED).with_entry(assignees=(ANN, BEN), acknowledged_by=ANN)

    with pytest.raises(OutOfTurn) as refused:
        advance(current, Acknowledged(BEN), at(held=HELD))

    assert refused.value.sentence == "already_taken"
    assert Action.ACKNOWLEDGE not in allowed(current, BEN, at(held=HELD).roster, NINE)


def test_a_channel_card_does_not_offer_to_take_over() -> None:
    assert Action.ACKNOWLEDGE not in possible(in_state(Status.ACKNOWLEDGED), NINE)
    assert Action.ACKNOWLEDGE in possible(in_state(Status.WAITING), NINE)


# What depends on the entry


def test_reopening_ends_after_seven_days() -> None:
    resolved = in_state(Status.RESOLVED)

    assert impossible(Action.REOPEN, resolved, NINE + timedelta(days=7)) is None
    assert impossible(Action.REOPEN, resolved, NINE + timedelta(days=7, seconds=1)) == "too_late_to_reopen"


def test_nothing_is_above_the_last_level() -> None:
    last = is_open(level=3)

    assert impossible(Action.ESCALATE, last, NINE) == "already_at_last_level"
    assert Action.ESCALATE not in allowed(last, CAT, at().roster, NINE)


def test_more_time_needs_a_running_deadline_and_an_allowance() -> None:
    running = is_open()
    once = after(running, MoreTimeTaken(ANN, window=Window(5, Unit.MINUTE)))

    assert impossible(Action.MORE_TIME, running, NINE) is None
    assert impossible(Action.MORE_TIME, once, NINE) == "more_time_used_up"
    assert impossible(Action.MORE_TIME, is_open(level=3), NINE) == "no_deadline_runs"


def test_the_owners_are_those_of_the_level_where_it_is() -> None:
    above = after(is_open(), EscalatedNow(ANN, "why"))
    here = at()

    assert Party.OWNER in parties(above, BEN, here.roster)
    assert parties(above, ANN, here.roster) == {Party.ANYONE, Party.EARLIER_ASSIGNEE}
    assert parties(above, OPENER, here.roster) == {Party.ANYONE, Party.OPENER}


def test_the_acknowledger_of_an_earlier_entry_has_it_no_more() -> None:
    plan = a_plan(a_level(1), a_level(2))
    above = after(is_open(plan), Acknowledged(person("zoe")), EscalatedNow(ANN, "why"))

    assert parties(above, person("zoe"), at().roster) == {Party.ANYONE}
