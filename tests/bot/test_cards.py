"""What a card says, by state, reader and errand; its buttons follow the state and the reader's rights."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot import cards, wording
from bot.cards import Desk, Reader
from bot.directory import Address, Binding, PersonId
from bot.effects import Errand
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    HandedOver,
    MoreTimeTaken,
    NobodyReached,
    Released,
    Reopened,
    Resolved,
    WindowPassed,
)
from bot.message import Card, Style, Tone
from bot.plan import EN, FR, Language, OnExpiry, StopsOn, Text, Unit, Window
from bot.rich import Group, Link, Mention, Room
from bot.schedule import Situation
from bot.state import Escalation, Origin
from tests.bot.office import (
    ANN,
    BEN,
    CAT,
    DAN,
    EVE,
    HELD,
    OPENER,
    a_level,
    a_plan,
    after,
    at,
    is_open,
    paris,
    person,
)
from tests.fakes import NINE

ROOM = Address("chat:#r1")
MINUTE = timedelta(minutes=1)


def name(who: PersonId) -> str:
    return who.removeprefix("chat:")


def drawn(
    escalation: Escalation,
    to: PersonId | None = ANN,
    *,
    errand: Errand | None = None,
    entry: int | None = None,
    language: Language = EN,
    here: Situation | None = None,
    link: str | None = None,
) -> Card:
    """The card for a person, or for the channel of role 1 (None)."""
    reader = Reader(language, to, None if to else ROOM)
    kind = errand or (Errand.PING if to else Errand.POST)
    return cards.draw(escalation, entry or escalation.entry.number, kind, reader, Desk(here or at(), name, link))


def said(card: Card) -> dict[str, str]:
    """Each part of a card as plain text."""
    parts = {"status": card.status, "lead": card.lead, "footer": card.footer}
    fields = {field.label: field.text for field in card.fields}
    return {key: wording.plain(card.language, rich, name) for key, rich in {**parts, **fields}.items()}


def row(card: Card) -> list[str]:
    return [button.press for button in card.buttons]


def menu(card: Card) -> list[str]:
    return [button.press for button in card.menu]


def passed(current: Escalation) -> Escalation:
    due = current.entry.due
    assert due is not None
    return after(current, (WindowPassed(current.entry.number, due.at), at(due.at + MINUTE / 60)))


# The full card


def test_the_card_says_all_that_is_needed_to_act() -> None:
    current = replace(is_open(), origin=Origin(Address("chat:#shop"), "https://chat.example/1"))

    card = drawn(current)

    assert card.headline == "ESC-42 · checkout fails"
    assert (card.expected_label, card.expected) == ("What is expected of you", "action 1")
    assert card.body == "since nine"
    assert said(card) == {
        "status": "Waiting · level 1 of 3 · role 1",
        "lead": "",
        "footer": "",
        "Opened by": "opener in #shop · the message",
        "Deadline": "Mon 23 Nov 10:15, Paris",
        "Next": "Level 2 · role 2, Mon 23 Nov 10:15, Paris",
    }
    assert any(Room(Address("chat:#shop")) in field.text for field in card.fields)
    assert any(Link("https://chat.example/1", "the message") in field.text for field in card.fields)
    assert card.tone is Tone.WAITING
    assert "ESC-42" in card.fallback


def test_the_card_is_in_the_readers_language_and_leaves_user_text_alone() -> None:
    card = drawn(is_open(), language=FR)

    assert (card.expected_label, card.expected, card.body) == (
        "Ce qui est attendu de vous",
        "action 1 (fr)",
        "since nine",
    )
    assert said(card)["status"] == "En attente · niveau 1 sur 3 · role 1 (fr)"
    assert said(card)["Ensuite"] == "Niveau 2 · role 2 (fr), lun. 23 nov. 10:15, Paris"
    assert [button.label for button in card.buttons] == ["Prendre en charge", "Résoudre…", "Faire remonter…"]


def test_the_issue_type_is_named() -> None:
    plan = replace(a_plan(), issue_type="hardware", issue_type_title=Text.of({"en": "Hardware", "fr": "Matériel"}))

    assert said(drawn(is_open(plan)))["Issue type"] == "Hardware"


def test_the_post_in_the_channel_mentions_the_assignees() -> None:
    current = is_open(here=at(held={**HELD, "r1": Binding((ANN, BEN), channel=ROOM)}))

    card = drawn(current, None)

    assert card.lead == (Mention(ANN), " and ", Mention(BEN))
    assert card.expected_label == "What is expected of this role"


def test_the_post_mentions_a_group_whose_members_are_not_known() -> None:
    here = at(held={**HELD, "r1": Binding(groups=(Address("chat:S1"),), channel=ROOM)})

    assert drawn(is_open(here=here), None, here=here).lead == (Group(Address("chat:S1")),)


def test_an_assignee_of_two_consecutive_levels_reads_so() -> None:
    here = at(held={**HELD, "r2": Binding((ANN,))})
    above = after(is_open(here=here), (EscalatedNow(OPENER, "why"), here))

    assert said(drawn(above, ANN, here=here))["lead"] == "Also yours at level 2."
    assert said(drawn(above, DAN, here=here))["lead"] == ""
    assert said(drawn(is_open(here=here), ANN, here=here))["lead"] == ""


def test_what_lies_outside_working_hours_is_named() -> None:
    plan = a_plan(a_level(1, "4h"), a_level(2))
    here = at(paris(23, "15:00"))

    assert said(drawn(is_open(plan, here=here), here=here))["Next"] == (
        "Level 2 · role 2, Mon 23 Nov 19:00, Paris (outside working hours)"
    )


def test_the_deadline_says_why_it_is_then() -> None:
    here = at(paris(20, "16:30"))
    current = is_open(a_plan(a_level(1, "1bd"), a_level(2)), here=here)

    assert said(drawn(current, here=here))["Deadline"] == "Mon 23 Nov 16:30, Paris (the weekend does not count)"


@pytest.mark.parametrize(
    ("on_expiry", "following"),
    [
        (OnExpiry.ESCALATE, "Level 2 · role 2, Mon 23 Nov 11:00, Paris"),
        (OnExpiry.ASK, "Level 2 · role 2, Mon 23 Nov 11:15, Paris"),
        (OnExpiry.STAY, "Level 2 · role 2, only when someone escalates"),
    ],
)
def test_who_is_next_follows_what_the_window_does_when_it_ends(on_expiry: OnExpiry, following: str) -> None:
    plan = a_plan(a_level(1, "1h", on_expiry=on_expiry), a_level(2))

    assert said(drawn(is_open(plan)))["Next"] == following


def test_who_is_next_after_a_skipped_level_and_at_the_last() -> None:
    plan = a_plan(a_level(1), a_level(2, skip=True), a_level(3))
    here = at(held={"r1": HELD["r1"], "r3": HELD["r3"]})

    assert said(drawn(is_open(plan, here=here), here=here))["Next"].startswith("Level 3 · role 3")
    assert said(drawn(is_open(level=3), CAT))["Next"] == "This is the last level."


@pytest.mark.parametrize(
    ("current", "why"),
    [
        (is_open(), None),
        (passed(is_open()), "The time of the level below ended."),
        (after(is_open(), EscalatedNow(ANN, "too hard")), "ann escalated it: too hard"),
        (after(is_open(), NobodyReached(1)), "Nobody could be reached at the level below."),
        (after(is_open(), Resolved(ANN, ""), Reopened(OPENER, "it is back")), "opener reopened it: it is back"),
        (passed(passed(is_open(a_plan(a_level(1, on_expiry=OnExpiry.ASK), a_level(2))))),
         "No decision was made at the level below."),
    ],
)  # fmt: skip
def test_the_card_says_why_it_is_here(current: Escalation, why: str | None) -> None:
    assert said(drawn(current, None)).get("Why it is here") == why


def test_an_asked_entry_shows_until_when_to_decide() -> None:
    asked = passed(is_open(a_plan(a_level(1, on_expiry=OnExpiry.ASK), a_level(2))))

    told = said(drawn(asked))

    assert told["status"].startswith("Time is up: escalate, take more time or resolve")
    assert told["Decide by"] == "Mon 23 Nov 11:15, Paris"


def test_a_stopped_and_an_ended_window_are_told() -> None:
    plan = a_plan(a_level(1, "15m", stops_on=StopsOn.ACKNOWLEDGE), a_level(2))
    stopped = after(is_open(plan), (Acknowledged(ANN), at(NINE + 3 * MINUTE)))
    kept = passed(is_open(a_plan(a_level(1, "15m", on_expiry=OnExpiry.STAY), a_level(2))))

    assert said(drawn(stopped))["Deadline"] == "stopped by the acknowledgement, 12 min left"
    assert "10:15" in said(drawn(kept))["Deadline"]
    assert "it stays at this level" in said(drawn(kept))["Deadline"]


def test_who_has_it_and_since_when() -> None:
    card = drawn(after(is_open(), Acknowledged(DAN)))

    assert said(card)["status"] == "dan has it since Mon 23 Nov 10:00, Paris · level 1 of 3 · role 1"
    assert card.tone is Tone.ACKNOWLEDGED


def test_the_time_is_the_calendars_where_no_deadline_runs() -> None:
    assert "10:00, Paris" in said(drawn(after(is_open(level=3), Acknowledged(CAT)), CAT))["status"]


def test_a_late_entry_and_a_late_card_say_how_late() -> None:
    current = is_open()
    late = after(current, (WindowPassed(1, NINE + 15 * MINUTE), at(NINE + 25 * MINUTE)))

    card = cards.sent_late(drawn(late, BEN), NINE, NINE + 2 * MINUTE)

    assert said(card)["footer"] == "Moved up 10 min late. Delivered 2 min late."
    assert cards.sent_late(drawn(current), NINE, NINE + 59 * MINUTE / 60) == drawn(current)


# Buttons


@pytest.mark.parametrize(
    ("to", "shown", "more"),
    [
        (ANN, ["acknowledge", "resolve", "escalate"], ["more_time", "hand_over", "note", "cancel", "timeline"]),
        (OPENER, ["acknowledge", "resolve", "escalate"], ["note", "cancel", "timeline"]),
        (DAN, ["acknowledge"], ["note", "timeline"]),
        (None, ["acknowledge", "resolve", "escalate"], ["more_time", "hand_over", "note", "cancel", "timeline"]),
    ],
)
def test_buttons_of_a_waiting_issue(to: PersonId | None, shown: list[str], more: list[str]) -> None:
    card = drawn(is_open(), to)

    assert (row(card), menu(card)) == (shown, more)
    assert [button.style for button in card.buttons][:1] == [Style.PRIMARY]


@pytest.mark.parametrize(
    ("to", "shown", "more"),
    [
        (ANN, ["resolve", "escalate"], ["more_time", "hand_over", "release", "note", "cancel", "timeline"]),
        (DAN, [], ["note", "timeline"]),
        (None, ["resolve", "escalate"], ["more_time", "hand_over", "release", "note", "cancel", "timeline"]),
    ],
)
def test_buttons_of_an_issue_in_hand(to: PersonId | None, shown: list[str], more: list[str]) -> None:
    card = drawn(after(is_open(), Acknowledged(ANN)), to)

    assert (row(card), menu(card)) == (shown, more)


def test_an_assignee_may_take_over_from_a_stand_in() -> None:
    assert "acknowledge" in row(drawn(after(is_open(), Acknowledged(DAN)), ANN))


def test_what_cannot_be_done_is_not_offered() -> None:
    used = after(is_open(), MoreTimeTaken(ANN, Window(1, Unit.MINUTE)))
    last = drawn(is_open(level=3), CAT)

    assert "more_time" not in menu(drawn(used))
    assert row(last) == ["acknowledge", "resolve"]
    assert "more_time" not in menu(last)


def test_the_opener_who_holds_the_level_sees_escalate_first() -> None:
    card = drawn(is_open(opener=ANN), ANN, errand=Errand.CARD)

    assert row(card) == ["escalate", "resolve"]
    assert card.buttons[0].style is Style.PRIMARY


def test_an_ellipsis_says_that_a_form_opens() -> None:
    card = drawn(is_open())

    for button in (*card.buttons, *card.menu):
        assert button.label.endswith("…") is button.dialog
        assert len(button.label) <= 30
    assert [button.press for button in card.buttons if not button.dialog] == ["acknowledge"]


# Cards of the past


def test_a_card_of_an_earlier_entry_says_where_it_went_and_has_no_buttons() -> None:
    above = passed(is_open())

    card = drawn(above, ANN, entry=1, link="https://chat.example/2")

    assert (row(card), menu(card), card.tone) == ([], [], Tone.MOVED)
    assert said(card)["status"] == "Moved up to level 2 of 3 · role 2 · see the current card"
    assert Link("https://chat.example/2", "see the current card") in card.status
    assert card.subject.entry == 1


def test_a_reopened_issue_did_not_move_up() -> None:
    again = after(is_open(), Resolved(ANN, ""), Reopened(OPENER, "it is back"))

    assert said(drawn(again, entry=1))["status"] == "Open again at level 1 of 3 · role 1"
    assert said(drawn(again, entry=1, language=FR))["status"] == "De nouveau ouverte au niveau 1 sur 3 · role 1 (fr)"


def test_a_resolved_issue_says_by_whom_and_how_and_may_be_reopened() -> None:
    ended = after(is_open(), (Resolved(ANN, "rolled back"), at(NINE + MINUTE)))

    card = drawn(ended, OPENER)

    assert said(card)["status"] == "Resolved by ann, Mon 23 Nov 10:01, Paris"
    assert (card.body, card.tone) == ("rolled back", Tone.RESOLVED)
    assert (row(card), menu(card)) == ([], ["note", "reopen", "timeline"])
    assert "reopen" not in menu(drawn(ended, DAN))
    assert "reopen" not in menu(drawn(ended, OPENER, here=at(NINE + timedelta(days=8))))


def test_earlier_cards_of_an_ended_issue_have_no_buttons() -> None:
    ended = after(is_open(), EscalatedNow(ANN, "why"), Resolved(BEN, ""))

    card = drawn(ended, ANN, entry=1)

    assert (row(card), menu(card)) == ([], [])
    assert "Resolved by ben" in said(card)["status"]


def test_a_duplicate_names_the_one_that_stays() -> None:
    ended = after(is_open(), Cancelled(OPENER, "", 7))

    assert said(drawn(ended))["status"] == "Closed by opener, Mon 23 Nov 10:00, Paris: duplicate of ESC-7"
    assert "reopen" not in menu(drawn(ended, OPENER))


def test_what_was_handed_over_says_to_whom_and_keeps_what_one_may_still_do() -> None:
    handed = after(is_open(), HandedOver(ANN, EVE))
    held_by_another = at(held={**HELD, "r1": Binding((person("boss"),))})

    card = drawn(handed, ANN, here=held_by_another)

    assert said(card)["status"] == "Handed over to eve"
    assert (row(card), menu(card)) == (["resolve"], ["note", "timeline"])
    assert said(drawn(handed, EVE))["status"].startswith("Waiting")
    assert drawn(handed, None).lead == (Mention(EVE),)


def test_who_is_pinged_in_place_of_an_assignee_sees_the_full_card() -> None:
    card = drawn(is_open(), person("fallback"))

    assert said(card)["status"] == "Waiting · level 1 of 3 · role 1"
    assert row(card) == ["acknowledge"]


def test_a_release_shows_it_waiting_again() -> None:
    card = drawn(after(is_open(), Acknowledged(ANN), Released(ANN)))

    assert card.tone is Tone.WAITING
    assert "acknowledge" in row(card)


def test_every_card_can_be_drawn_in_both_languages() -> None:
    moments: list[tuple[Escalation, datetime]] = [
        (is_open(), NINE),
        (after(is_open(), Acknowledged(DAN)), NINE),
        (passed(is_open()), NINE + 20 * MINUTE),
        (after(is_open(), Resolved(ANN, "x")), NINE),
        (after(is_open(), Cancelled(OPENER, "x")), NINE),
        (after(is_open(), Resolved(ANN, "x"), Reopened(ANN, "y")), NINE),
        (is_open(level=3), NINE),
    ]
    for current, now in moments:
        for language in (EN, FR):
            for to in (ANN, OPENER, None):
                for errand in (Errand.PING, Errand.POST, Errand.CARD, Errand.REDRAW):
                    for entry in range(1, current.entry.number + 1):
                        card = drawn(current, to, errand=errand, entry=entry, language=language, here=at(now))
                        assert card.headline
                        assert card.status
                        assert len(card.buttons) <= 5
