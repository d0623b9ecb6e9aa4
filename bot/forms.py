"""The dialogs, free of any platform: which fields each has, and what its values mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import cards, forecast, wording
from bot.commands import LONGEST_TEXT, LONGEST_TITLE
from bot.directory import Address, PersonId
from bot.errors import Unreadable
from bot.events import Cancelled, EscalatedNow, HandedOver, MoreTimeTaken, Noted, PersonEvent, Reopened, Resolved
from bot.grammar import Deed, length
from bot.message import Form, Input, Kind, Option, Subject
from bot.permissions import Action
from bot.plan import Language, Level, Plan, Text
from bot.ports import Plans
from bot.rich import Rich, Room, Strong, When
from bot.schedule import Situation
from bot.state import Escalation

OPEN = "open"
CONDITION, OWN = "condition", "own"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of an escalation before it is opened; `link` is the message that it is about."""

    matrix: str | None = None
    issue_type: str | None = None
    title: str = ""
    details: str = ""
    start_level: int | None = None
    reason: str = ""
    link: str = ""


def open_form(draft: Draft, plans: Plans, language: Language) -> Form:
    """The form that opens an escalation: matrix, issue type, what is wrong, details, where to start."""
    matrix = draft.matrix if draft.matrix in plans.names() else plans.names()[0]
    types = plans.issue_types(matrix)
    chosen = draft.issue_type if draft.issue_type in dict(types) else None
    # Each issue type may start elsewhere: left empty, the one that is chosen in the end decides.
    start = draft.start_level or (None if types else plans.plan(matrix, None).start_level)
    reason = Input(
        "reason",
        _said(language, "form_start_reason"),
        Kind.LINE,
        required=False,
        initial=draft.reason,
        hint=_said(language, "form_start_reason_hint"),
        longest=LONGEST_TEXT,
    )
    inputs = (
        Input("title", _said(language, "form_title"), Kind.LINE, initial=draft.title, longest=LONGEST_TITLE),
        Input("details", _said(language, "form_details"), Kind.TEXT, required=False, initial=draft.details),
        _choice_of_matrix(matrix, plans, language),
        *((_choice_of_type(types, chosen, language),) if types else ()),
        _choice_of_start(plans.any_plan(matrix), start, language),
        reason,
    )
    return Form(
        OPEN,
        language,
        _said(language, "form_open"),
        _said(language, "form_open_submit"),
        _said(language, "dismiss"),
        draft.link[:1500],
        inputs,
    )


def draft_of(values: Mapping[str, str], link: str) -> Draft:
    """What the values of the opening form say."""
    start = values.get("start", "")
    return Draft(
        matrix=values.get("matrix"),
        issue_type=values.get("issue_type") or None,
        title=values.get("title", ""),
        details=values.get("details", ""),
        start_level=_whole(start),
        reason=values.get("reason", ""),
        link=link,
    )


def action_form(
    action: Action, escalation: Escalation, at: Situation, language: Language, *, given: Deed | None = None
) -> Form:
    """The dialog of one action. `given` is what was already typed."""
    said = given or Deed(action)
    inputs: Mapping[Action, tuple[Input, ...]] = {
        Action.ESCALATE: _escalate_inputs(escalation, said, at, language),
        Action.MORE_TIME: _more_time_inputs(escalation, language),
        Action.HAND_OVER: (Input("person", _said(language, "form_person"), Kind.PERSON),),
        Action.NOTE: (Input("text", _said(language, "form_note_text"), Kind.TEXT, initial=said.text),),
        Action.RESOLVE: (Input("text", _said(language, "form_how"), Kind.TEXT, required=False, initial=said.text),),
        Action.CANCEL: (
            Input("text", _said(language, "form_cancel_reason"), Kind.TEXT, required=False, initial=said.text),
            Input(
                "duplicate",
                _said(language, "form_duplicate"),
                Kind.LINE,
                required=False,
                hint=_said(language, "form_duplicate_hint"),
                longest=20,
            ),
        ),
        Action.REOPEN: (Input("text", _said(language, "form_reopen_reason"), Kind.TEXT, initial=said.text),),
    }
    return Form(
        action.value,
        language,
        _said(language, f"form_{action.value}", ref=escalation.reference),
        _said(language, f"press_{action.value}"),
        _said(language, "dismiss"),
        str(Subject(escalation.id, escalation.entry.number)),
        inputs.get(action, ()),
        _intro(action, escalation, said.level, at, language),
    )


def event_of(action: Action, by: PersonId, values: Mapping[str, str], condition: str = "") -> PersonEvent:
    """What the values of an action's dialog mean; `condition` is the level's own, which may be chosen as the reason.

    Raises Unreadable, `about["input"]` naming the field.
    """
    text = values.get("text", "").strip()
    match action:
        case Action.ESCALATE:
            level = values.get("level", "")
            chosen = condition if values.get("condition") == CONDITION else ""
            reason = values.get("reason", "").strip() or chosen
            return EscalatedNow(by, reason, _whole(level))
        case Action.MORE_TIME:
            return _more_time(by, values)
        case Action.HAND_OVER:
            if not (person := values.get("person", "")):
                raise Unreadable("person_needed", input="person")
            return HandedOver(by, PersonId(Address(person)))
        case Action.NOTE:
            return Noted(by, text)
        case Action.RESOLVE:
            return Resolved(by, text)
        case Action.CANCEL:
            duplicate = values.get("duplicate", "").strip().upper().removeprefix("ESC").lstrip("- #")
            if duplicate and not _whole(duplicate):
                raise Unreadable("no_reference", input="duplicate", given=values["duplicate"])
            return Cancelled(by, text, _whole(duplicate))
        case Action.REOPEN:
            return Reopened(by, text)
        case Action.ACKNOWLEDGE | Action.RELEASE:
            raise Unreadable("no_such_form", given=action.value)


def _whole(typed: str) -> int | None:
    """A whole number as a form sends it; None for anything else."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None


def _more_time(by: PersonId, values: Mapping[str, str]) -> MoreTimeTaken:
    seconds = values.get("until", "")
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        return MoreTimeTaken(by, until=datetime.fromtimestamp(int(seconds), UTC))
    typed = values.get("length", "")
    window = length(typed)
    if window is None:
        raise Unreadable("no_length", input="length", given=typed)
    return MoreTimeTaken(by, window=window)


def _choice_of_matrix(matrix: str, plans: Plans, language: Language) -> Input:
    options = tuple(Option(name, plans.title(name).in_(language)) for name in plans.names())
    label = _said(language, "form_matrix")
    return Input("matrix", label, Kind.CHOICE, initial=matrix, options=options, reloads=True)


def _choice_of_type(types: tuple[tuple[str, Text], ...], chosen: str | None, language: Language) -> Input:
    options = tuple(Option(id, title.in_(language)) for id, title in types)
    return Input("issue_type", _said(language, "issue_type"), Kind.CHOICE, initial=chosen or "", options=options)


def _choice_of_start(plan: Plan, start: int | None, language: Language) -> Input:
    options = tuple(
        Option(str(level.ordinal), _level_label(level.ordinal, level.role_label.in_(language), language))
        for level in plan.levels
    )
    label = _said(language, "form_start")
    return Input("start", label, Kind.CHOICE, initial=str(start or ""), options=options, required=False)


def _escalate_inputs(escalation: Escalation, given: Deed, at: Situation, language: Language) -> tuple[Input, ...]:
    above = _levels_above(escalation, at)
    if not above:
        return ()
    chosen = given.level or above[0].ordinal
    levels = tuple(
        Option(str(level.ordinal), _level_label(level.ordinal, level.role_label.in_(language), language))
        for level in above
    )
    condition = escalation.level.condition.in_(language)
    own = Option(OWN, _said(language, "form_own_reason"))
    offered = (Option(CONDITION, condition), own) if condition else (own,)
    target = _said(language, "form_target")
    return (
        Input("level", target, Kind.CHOICE, initial=str(chosen), options=levels, reloads=True),
        *((Input("condition", _said(language, "form_condition"), Kind.CHOICE, initial=offered[0].value,
                 options=offered),) if condition else ()),
        Input("reason", _said(language, "form_reason"), Kind.TEXT, required=not condition, initial=given.text),
    )  # fmt: skip


def _levels_above(escalation: Escalation, at: Situation) -> tuple[Level, ...]:
    """Where it can go: those that would be passed over are not offered."""
    plan = escalation.plan
    return tuple(level for level in plan.levels[escalation.entry.level :] if not forecast.passed_over(level, plan, at))


def _more_time_inputs(escalation: Escalation, language: Language) -> tuple[Input, ...]:
    window = escalation.level.window
    return (
        Input(
            "length",
            _said(language, "form_length"),
            Kind.LINE,
            required=False,
            initial=str(window) if window else "",
            hint=_said(language, "form_length_hint"),
            longest=20,
        ),
        Input("until", _said(language, "form_until"), Kind.WHEN, required=False),
    )


def _intro(
    action: Action, escalation: Escalation, target: int | None, at: Situation, language: Language
) -> tuple[Rich, ...]:
    head: Rich = (Strong(cards.headline(escalation)),)
    if action is Action.MORE_TIME and escalation.entry.due:
        return (head, wording.say(language, "form_old_deadline", due=wording.deadline(language, escalation.entry.due)))
    if action is Action.ESCALATE and (above := _levels_above(escalation, at)):
        return (head, who_will_hear(escalation, target or above[0].ordinal, at, language))
    return (head,)


def who_will_hear(escalation: Escalation, ordinal: int, at: Situation, language: Language) -> Rich:
    """Who gets what when this level begins now: shown before an *escalate now* is confirmed."""
    level = escalation.plan.level(min(max(ordinal, 1), len(escalation.plan.levels)))
    step = forecast.step_to(level, at.now, at)
    who = wording.people(language, step.owners) if step.owners else wording.say(language, "nobody_bound")
    where: Rich = (Room(step.channel),) if step.channel else wording.say(language, "no_channel")
    due = forecast.deadline(level, at.now, at.calendar(level))
    until: Rich = (When(due.at, due.zone),) if due else wording.say(language, "no_window")
    label = _level_label(level.ordinal, level.role_label.in_(language), language)
    return wording.say(language, "who_will_hear", level=label, who=who, where=where, until=until)


def _level_label(ordinal: int, role: str, language: Language) -> str:
    return wording.words(language, "level_role", n=ordinal, role=role)


def _said(language: Language, sentence: str, **about: str | int) -> str:
    return wording.words(language, sentence, **about)
