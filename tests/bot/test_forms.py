"""The dialogs: which fields each has, what its values mean, and who will hear before it is confirmed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot import wording
from bot.directory import Binding
from bot.errors import Unreadable
from bot.events import Cancelled, EscalatedNow, HandedOver, MoreTimeTaken, Noted, PersonEvent, Reopened, Resolved
from bot.forms import CONDITION, OWN, Draft, action_form, draft_of, event_of, open_form, who_will_hear
from bot.grammar import Deed
from bot.message import Form, Input, Kind, Subject
from bot.permissions import Action
from bot.plan import EN, FR, LANGUAGES, Language, Text, Unit, Window
from matrix.shelf import MatrixShelf
from tests.bot.office import ANN, EVE, HELD, a_level, a_plan, at, is_open

SHELF = MatrixShelf.open()
DIALOGS = [action for action in Action if action not in {Action.ACKNOWLEDGE, Action.RELEASE}]


def field(form: Form, name: str) -> Input:
    return next(one for one in form.inputs if one.name == name)


def names(form: Form) -> list[str]:
    return [one.name for one in form.inputs]


def intro(form: Form) -> list[str]:
    return [wording.plain(form.language, line, lambda who: who.removeprefix("chat:")) for line in form.intro]


# Opening


def test_a_matrix_without_issue_types_asks_for_none_and_starts_at_its_first_level() -> None:
    form = open_form(Draft("support-process", title="checkout fails", link="https://chat.example/1"), SHELF, EN)

    assert names(form) == ["title", "details", "matrix", "start", "reason"]
    assert field(form, "title").initial == "checkout fails"
    assert field(form, "start").initial == "1"
    assert len(field(form, "start").options) == 7
    assert field(form, "matrix").reloads
    assert (form.title, form.submit, form.context) == ("Escalate an issue", "Escalate", "https://chat.example/1")


def test_a_matrix_with_issue_types_asks_for_one_in_the_readers_language() -> None:
    english, french = (open_form(Draft("project-matrix"), SHELF, language) for language in LANGUAGES)

    assert "issue_type" in names(english)
    assert len(field(english, "issue_type").options) == 8
    assert field(english, "issue_type").required
    assert {option.label for option in field(english, "issue_type").options}.isdisjoint(
        option.label for option in field(french, "issue_type").options
    )
    assert [option.value for option in field(english, "matrix").options] == list(SHELF.names())


def test_an_issue_type_that_is_not_of_this_matrix_is_not_chosen() -> None:
    form = open_form(Draft("project-matrix", "nonsense"), SHELF, EN)

    assert field(form, "issue_type").initial == ""


def test_where_it_starts_is_left_to_the_issue_type_unless_chosen() -> None:
    assert field(open_form(Draft("project-matrix"), SHELF, EN), "start").initial == ""
    assert field(open_form(Draft("project-matrix", start_level=3), SHELF, EN), "start").initial == "3"
    assert not field(open_form(Draft("project-matrix"), SHELF, EN), "start").required


def test_an_unknown_matrix_gives_the_first_there_is() -> None:
    assert field(open_form(Draft("gone"), SHELF, EN), "matrix").initial == SHELF.names()[0]


def test_the_values_of_the_opening_form_make_a_draft() -> None:
    values = {"title": "a", "details": "b", "matrix": "m", "issue_type": "t", "start": "2", "reason": "r"}

    assert draft_of(values, "link") == Draft("m", "t", "a", "b", 2, "r", "link")
    assert draft_of({"issue_type": "", "start": ""}, "").issue_type is None


@pytest.mark.parametrize("start", ["", "x", "-1", "²", "٣", "1e3", "9" * 5000])
def test_a_start_that_is_no_number_is_none(start: str) -> None:
    assert draft_of({"start": start}, "").start_level is None


# Dialogs


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("action", DIALOGS)
def test_every_dialog_fits_and_carries_what_it_is_about(action: Action, language: Language) -> None:
    current = replace(is_open(), number=1234)

    form = action_form(action, current, at(), language)

    assert (form.name, form.context) == (action.value, str(Subject(current.id, 1)))
    assert max(len(form.title), len(form.submit), len(form.cancel)) <= 24
    assert form.inputs
    assert intro(form)[0] == "ESC-1234 · checkout fails"
    assert all(len(one.label) <= 48 for one in form.inputs)


def test_escalating_offers_the_levels_above_the_condition_and_ones_own_words() -> None:
    form = action_form(Action.ESCALATE, is_open(), at(), EN)

    assert [option.value for option in field(form, "level").options] == ["2", "3"]
    assert field(form, "level").initial == "2"
    assert field(form, "level").reloads
    assert next((o.value, o.label) for o in field(form, "condition").options) == (CONDITION, "condition 1")
    assert not field(form, "reason").required


def test_without_a_condition_a_reason_must_be_written() -> None:
    plan = a_plan(replace(a_level(1), condition=Text.of("")), a_level(2))

    form = action_form(Action.ESCALATE, is_open(plan), at(), EN)

    assert "condition" not in names(form)
    assert field(form, "reason").required


def test_levels_that_are_passed_over_are_not_offered() -> None:
    plan = a_plan(a_level(1), a_level(2, skip=True), a_level(3))
    here = at(held={"r1": HELD["r1"], "r3": HELD["r3"]})

    form = action_form(Action.ESCALATE, is_open(plan, here=here), here, EN)

    assert [option.value for option in field(form, "level").options] == ["3"]
    assert intro(form)[1].startswith("Level 3 · role 3: cat will be pinged")


def test_what_was_typed_is_kept() -> None:
    given = Deed(Action.ESCALATE, text="too hard", level=3)

    form = action_form(Action.ESCALATE, is_open(), at(), EN, given=given)

    assert (field(form, "level").initial, field(form, "reason").initial) == ("3", "too hard")
    assert "Level 3" in intro(form)[1]


def test_who_will_hear_is_shown_before_it_is_confirmed() -> None:
    assert intro(action_form(Action.ESCALATE, is_open(), at(), EN)) == [
        "ESC-42 · checkout fails",
        "Level 2 · role 2: ben will be pinged, no channel will see it. Time limit: Mon 23 Nov 11:00, Paris.",
    ]


def test_who_will_hear_of_a_level_that_a_channel_holds_or_nobody() -> None:
    here = at(held={"r1": HELD["r1"], "r2": Binding()})

    said = wording.plain(EN, who_will_hear(is_open(here=here), 2, here, EN), names=str)

    assert "nobody named yet will be pinged" in said


def test_more_time_shows_the_present_deadline_and_offers_a_window_or_a_date() -> None:
    form = action_form(Action.MORE_TIME, is_open(), at(), EN)

    assert (field(form, "length").initial, field(form, "until").kind) == ("15m", Kind.WHEN)
    assert intro(form)[1] == "Present deadline: Mon 23 Nov 10:15, Paris"
    assert (
        intro(action_form(Action.MORE_TIME, is_open(), at(), FR))[1]
        == "Échéance actuelle\u00a0: lun. 23 nov. 10:15, Paris"
    )


# Values → events


UNTIL = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "values", "event"),
    [
        (Action.ESCALATE, {"level": "3", "condition": CONDITION, "reason": ""}, EscalatedNow(ANN, "condition 1", 3)),
        (Action.ESCALATE, {"level": "2", "condition": OWN, "reason": " mine "}, EscalatedNow(ANN, "mine", 2)),
        (Action.ESCALATE, {"level": "", "condition": CONDITION, "reason": "mine"}, EscalatedNow(ANN, "mine")),
        (Action.ESCALATE, {"condition": OWN}, EscalatedNow(ANN, "")),
        (Action.MORE_TIME, {"length": "2 h", "until": ""}, MoreTimeTaken(ANN, Window(2, Unit.HOUR))),
        (Action.MORE_TIME, {"length": "15m", "until": str(int(UNTIL.timestamp()))}, MoreTimeTaken(ANN, until=UNTIL)),
        (Action.HAND_OVER, {"person": "chat:eve"}, HandedOver(ANN, EVE)),
        (Action.NOTE, {"text": " words "}, Noted(ANN, "words")),
        (Action.RESOLVE, {"text": "how"}, Resolved(ANN, "how")),
        (Action.RESOLVE, {}, Resolved(ANN, "")),
        (Action.CANCEL, {"text": "why", "duplicate": ""}, Cancelled(ANN, "why")),
        (Action.REOPEN, {"text": "why"}, Reopened(ANN, "why")),
    ],
)
def test_the_values_of_a_dialog_make_an_event(action: Action, values: dict[str, str], event: PersonEvent) -> None:
    assert event_of(action, ANN, values, "condition 1") == event


@pytest.mark.parametrize("typed", ["ESC-7", "esc 7", " esc7 ", "#7", "7"])
def test_a_duplicate_is_named_in_any_spelling(typed: str) -> None:
    assert event_of(Action.CANCEL, ANN, {"duplicate": typed}) == Cancelled(ANN, "", 7)


@pytest.mark.parametrize(
    ("action", "values", "sentence", "where"),
    [
        (Action.MORE_TIME, {"length": "a while"}, "no_length", "length"),
        (Action.MORE_TIME, {"length": "", "until": "soon"}, "no_length", "length"),
        (Action.HAND_OVER, {"person": ""}, "person_needed", "person"),
        (Action.CANCEL, {"duplicate": "the other"}, "no_reference", "duplicate"),
        (Action.CANCEL, {"duplicate": "9" * 5000}, "no_reference", "duplicate"),
    ],
)
def test_a_value_that_makes_no_sense_names_its_field(
    action: Action, values: dict[str, str], sentence: str, where: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        event_of(action, ANN, values)

    assert (refused.value.sentence, refused.value.about["input"]) == (sentence, where)


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RELEASE])
def test_what_needs_no_dialog_has_none(action: Action) -> None:
    with pytest.raises(Unreadable):
        event_of(action, ANN, {})


def test_every_field_of_every_dialog_means_something() -> None:
    """A filled-in form is read without an error, whatever the action."""
    for action in DIALOGS:
        form = action_form(action, is_open(), at(), EN)
        filled = {one.name: one.initial or ("chat:ben" if one.kind is Kind.PERSON else "") for one in form.inputs}
        assert event_of(action, ANN, filled, "condition 1").by == ANN
