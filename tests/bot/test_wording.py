"""The catalogues held against each other, against the code that asks for their sentences, and against the platforms."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from bot import answers, wording
from bot.audit import FindingKind
from bot.errors import NotAllowed, OutOfTurn, Unreadable
from bot.facts import Fact, FactKind, Via
from bot.grammar import KEYWORDS, Misread
from bot.letters import fact_in_words
from bot.permissions import Action, Party
from bot.plan import EN, FR, LANGUAGES, Deadline, Language, Unit, Window
from bot.rich import Mention, Moment, When
from bot.state import NudgeKind, Status
from tests.bot.office import ANN, BEN, CAT, at, is_open

BOT = Path(wording.__file__).parent
SOURCES = {path.name: ast.parse(path.read_text("utf-8")) for path in sorted(BOT.glob("*.py"))}
BUTTON, FORM_TITLE, SUBMIT, LABEL = 30, 24, 24, 75
KEYS = sorted(wording.CATALOGUES[EN])
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def places(sentence: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", sentence))


def plain(language: Language, key: str, **about: str | int) -> str:
    return wording.words(language, key, **about)


# The catalogues


def test_both_catalogues_have_the_same_sentences_in_the_same_order() -> None:
    assert list(wording.CATALOGUES[EN]) == list(wording.CATALOGUES[FR])
    assert set(wording.CATALOGUES) == set(LANGUAGES)


@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_has_the_same_places_in_both_languages(key: str) -> None:
    assert places(wording.CATALOGUES[EN][key]) == places(wording.CATALOGUES[FR][key])
    assert all("{" not in re.sub(r"\{\w+\}", "", catalogue[key]) for catalogue in wording.CATALOGUES.values())


def test_plural_forms_are_complete() -> None:
    counted = {key.rpartition(".")[0] for key in KEYS if "." in key}

    assert counted
    for key in counted:
        assert {f"{key}.one", f"{key}.other"} <= set(KEYS)
        assert key not in KEYS
        for form in ("one", "other"):
            assert "count" in places(wording.CATALOGUES[EN][f"{key}.{form}"])


# What the code asks for

FAMILIES: dict[str, set[str]] = {
    "press_": {action.value for action in Action},
    "done_": {action.value for action in Action},
    "to_": {action.value for action in Action},
    "party_": {party.value for party in Party},
    "via_": {via.value for via in Via},
    "form_": {action.value for action in Action} - {"acknowledge", "release"},
    "form_of_": {keyword.value for keyword in KEYWORDS},
    "help_": {keyword.value for keyword in KEYWORDS},
    "status_": {Status.RESOLVED.value, Status.CANCELLED.value},
    "because_": {"closed", "clock_change"},
    "found_": {kind.value for kind in FindingKind},
    "n_": set(wording._UNITS.values()),  # pyright: ignore[reportPrivateUsage]
    "remind_": {kind.value for kind in NudgeKind} - {"nobody"} | {"released"},
}
"""Families of sentences whose keys are put together, and what may stand at the end."""

LATER = {
    "fact_",  # each fact is said below
    "sorry_",  # each refusal is looked up below
    "already_",
    "not_admitted_",
    "remind_{}_stays",
    "not_delivered_",
    "delivered_",
    "entered_",
    "reminded_",
}


def asked_for() -> Iterator[str]:
    """First arguments of say() and words(), with {} where something is put in."""
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"say", "words", "_said"}:
                yield from strings(node.args[1] if len(node.args) > 1 else node.args[0])


def strings(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.IfExp(body=body, orelse=orelse):
            yield from strings(body)
            yield from strings(orelse)
        case _:
            pass


def whole_strings() -> set[str]:
    """Every string constant anywhere in the core."""
    return {
        node.value
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_sentence_that_is_asked_for_exists() -> None:
    for key in asked_for():
        if "{}" not in key:
            assert key in KEYS or f"{key}.other" in KEYS, key


def test_every_family_that_is_asked_for_is_whole() -> None:
    asked = {key for key in asked_for() if "{}" in key}

    for key in asked:
        family = key.partition("{}")[0]
        assert family in FAMILIES or family in LATER or key in LATER, f"unknown family {key}"
    for family, ends in FAMILIES.items():
        for end in ends:
            assert f"{family}{end}" in KEYS or f"{family}{end}.other" in KEYS, f"{family}{end}"


def test_every_refusal_has_its_sentence() -> None:
    told: set[str] = set()
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            named = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and named in {
                "NotFound",
                "NotAllowed",
                "OutOfTurn",
                "Unreadable",
                "NobodyHolds",
            }:
                told.update(strings(node.args[0]))
            if isinstance(node, ast.FunctionDef) and node.name == "impossible":
                told.update(
                    s for one in ast.walk(node) if isinstance(one, ast.Return) and one.value for s in strings(one.value)
                )
    told -= {"already_{}", "not_admitted_{}"}
    told |= {f"already_{status.value}" for status in Status} | {
        f"not_admitted_{who}" for who in ("guest", "bot", "foreign")
    }
    told |= {"unknown_matrix", "unknown_issue_type", "issue_type_needed"}

    assert len(told) > 20
    assert {f"sorry_{sentence}" for sentence in told} == {key for key in KEYS if key.startswith("sorry_")}


ADAPTERS_SAY = {"not_recorded", "internal_error", "answered_in_private", "no_private_chat", "shown_anew"}


def test_no_sentence_is_left_that_nothing_asks_for() -> None:
    written = whole_strings()
    made = {f"{family}{end}" for family, ends in FAMILIES.items() for end in ends}
    told = ("sorry_", "fact_", "remind_")

    unused = [key for key in KEYS if key.partition(".")[0] not in written | made and not key.startswith(told)]

    assert set(unused) <= ADAPTERS_SAY


# Facts and refusals


def facts() -> Iterator[Fact]:
    base = {"to": (ANN, BEN), "level": 1, "at": NOON, "due": NOON, "text": "a text", "late": 120}
    coded = {FactKind.NOT_DELIVERED, FactKind.PARKED, FactKind.REMINDED}
    for kind in (kind for kind in FactKind if kind not in coded):
        for by in (None, CAT):
            yield Fact(kind, 1, by, **base)  # type: ignore[arg-type]
    for via in Via:
        yield Fact(FactKind.ENTERED, 1, CAT, via=via, **base)  # type: ignore[arg-type]
    for kind in NudgeKind:
        yield Fact(FactKind.REMINDED, 1, code=kind.value)
    yield Fact(FactKind.PARKED, 1, due=NOON, code="KeyError")
    yield Fact(FactKind.ACKNOWLEDGED, 1, CAT, on_behalf=True)
    yield Fact(FactKind.RESOLVED, 1, CAT)
    yield Fact(FactKind.CANCELLED, 1, CAT, code="ESC-7")
    for code in ("ping", "post"):
        yield Fact(FactKind.DELIVERED, 1, to=(ANN,), code=code)
    for key in KEYS:
        if key.startswith("fact_not_delivered_"):
            yield Fact(FactKind.NOT_DELIVERED, 1, to=(ANN,), code=key.removeprefix("fact_not_delivered_"))
    for code in ("next_due", "parked", "held", "stuck"):
        yield Fact(FactKind.REPAIRED, 1, code=code)
    yield Fact(FactKind.NOT_DELIVERED, 1, to=(ANN,), code="something_new")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "fact", [f for f in facts() if f.kind is not FactKind.REMINDED or f.code], ids=lambda f: f.kind
)
def test_every_fact_can_be_said(fact: Fact, language: Language) -> None:
    said = wording.plain(language, fact_in_words(fact, is_open(), language, at()), names=str)

    assert said
    assert not re.search(r"[{}]|  | \.|\(\)|: *$", said), said


def test_a_parked_escalation_says_when_it_is_tried_again() -> None:
    fact = Fact(FactKind.PARKED, 1, due=NOON, code="KeyError")

    said = wording.plain(EN, fact_in_words(fact, is_open(), EN, at()), names=str)

    assert "Tue 24 Nov 12:00, Paris" in said
    assert "KeyError" in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("action", Action)
def test_who_may_is_said_in_the_readers_language(action: Action, language: Language) -> None:
    told = NotAllowed("not_yours", escalation=is_open(), action=action, parties=frozenset(Party))

    said = wording.plain(language, answers.apology(told, language, at()), names=str)

    assert "ESC-42" in said
    assert plain(language, f"to_{action.value}") in said


def test_a_refusal_names_who_and_when() -> None:
    taken = is_open().with_entry(acknowledged_by=ANN, acknowledged_at=NOON)

    said = wording.plain(EN, answers.apology(OutOfTurn("already_taken", escalation=taken), EN, at()), names=str)

    assert said == "chat:ann was first and has ESC-42 since Tue 24 Nov 12:00, Paris. Nothing was changed."


def test_a_refused_date_names_its_limits() -> None:
    earliest, latest = Deadline(NOON, "Europe/Paris"), Deadline(NOON + timedelta(hours=1), "Europe/Paris")
    told = Unreadable("more_time_out_of_range", escalation=is_open(), earliest=earliest, latest=latest)

    said = wording.plain(EN, answers.apology(told, EN, at()), names=str)

    assert said == "The new deadline must be after Tue 24 Nov 12:00, Paris and not later than Tue 24 Nov 13:00, Paris."


@pytest.mark.parametrize(("language", "form", "help_word"), [(EN, "resolve ESC-42 how", "help"),
                                                             (FR, "résoudre ESC-42 comment", "aide")])  # fmt: skip
def test_a_hint_shows_the_nearest_form_and_gives_the_words_back(language: Language, form: str, help_word: str) -> None:
    reply = answers.misread(Misread(Action.RESOLVE, "resovle ESC-42"), language)

    said = wording.plain(language, reply.text, names=str)
    assert reply.typed == "resovle ESC-42"
    assert form in said
    assert help_word in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_there_is_a_form_to_show_for_every_keyword(keyword: StrEnum, language: Language) -> None:
    shown = wording.plain(language, answers.misread(Misread(keyword, "x"), language).text, names=str)  # type: ignore[arg-type]
    words = KEYWORDS[keyword]  # type: ignore[index]

    assert words[0 if language == EN else 1] in shown


# Limits of the platforms


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_and_forms_fit(language: Language) -> None:
    for action in Action:
        assert len(plain(language, f"press_{action.value}") + "…") <= BUTTON
        assert len(plain(language, f"press_{action.value}")) <= SUBMIT, "it is also the form's submit"
        if f"form_{action.value}" in KEYS:
            assert len(plain(language, f"form_{action.value}", ref="ESC-1234")) <= FORM_TITLE
    for key in ("press_timeline", "menu"):
        assert len(plain(language, key)) <= BUTTON
    for key in ("form_open", "form_open_submit", "dismiss"):
        assert len(plain(language, key)) <= FORM_TITLE
    for key in KEYS:
        if key.startswith("form_") and not places(wording.CATALOGUES[language][key]) and "_of_" not in key:
            assert len(plain(language, key)) <= (150 if key.endswith("_hint") else LABEL), key


# Typography

STRAIGHT = re.compile(r"[a-zàâçéèêëîïôûù]'[a-zàâçéèêëîïôûù]", re.IGNORECASE)


@pytest.mark.parametrize("key", KEYS)
def test_typography(key: str) -> None:
    english, french = wording.CATALOGUES[EN][key], wording.CATALOGUES[FR][key]

    for sentence in (english, french):
        assert "  " not in sentence
        assert "..." not in sentence
        assert not re.search(r"\s[,.](\s|$)", sentence)
        assert key == "and" or sentence == sentence.strip()
    assert not re.search(r"\s[:;?!]", english)
    assert not STRAIGHT.search(french), "French apostrophes are typographic"
    assert '"' not in french, "French quotes are « »"
    assert not re.search(r"\w[;?!»]", french), "a space stands before"
    assert not re.search(r"«\S", french)
    assert not re.search(r"[^\s\d]:(\s|$)", french)


@pytest.mark.parametrize("key", [key for key in KEYS if places(wording.CATALOGUES[FR][key]) & {"at", "due", "when"}])
def test_french_dates_stand_without_an_article(key: str) -> None:
    """A platform may show "aujourd’hui 14:00": "le" or "jusqu’à" before it would be no French."""
    assert not re.search(r"(\ble|\bau|à) \{(at|due|when)\}", wording.CATALOGUES[FR][key])


@pytest.mark.parametrize("key", KEYS)
def test_a_sentence_ends_as_in_the_other_language(key: str) -> None:
    ends = {wording.CATALOGUES[language][key][-1:] in ".?!" for language in LANGUAGES}

    assert len(ends) == 1


# Dates, lengths and lists


@pytest.mark.parametrize(
    ("time", "english", "french"),
    [
        (timedelta(), "0 min", "0 min"),
        (timedelta(seconds=-5), "0 min", "0 min"),
        (timedelta(seconds=40), "40 s", "40 s"),
        (timedelta(minutes=12), "12 min", "12 min"),
        (timedelta(minutes=59, seconds=40), "1 h", "1 h"),
        (timedelta(hours=1, minutes=5), "1 h 05 min", "1 h 05 min"),
        (timedelta(days=1), "1 day", "1 jour"),
        (timedelta(days=2, hours=3, minutes=59), "2 days 3 h", "2 jours 3 h"),
    ],
)
def test_durations(time: timedelta, english: str, french: str) -> None:
    assert (wording.duration(EN, time), wording.duration(FR, time)) == (english, french)


@pytest.mark.parametrize(
    ("window", "english", "french"),
    [
        (None, "no time limit", "sans limite de temps"),
        (Window(30, Unit.SECOND), "30 s", "30 s"),
        (Window(15, Unit.MINUTE), "15 min", "15 min"),
        (Window(4, Unit.HOUR), "4 h", "4 h"),
        (Window(1, Unit.BUSINESS_MINUTE), "1 working minute", "1 minute ouvrée"),
        (Window(2, Unit.BUSINESS_HOUR), "2 working hours", "2 heures ouvrées"),
        (Window(1, Unit.BUSINESS_DAY), "1 business day", "1 jour ouvré"),
        (Window(3, Unit.BUSINESS_DAY), "3 business days", "3 jours ouvrés"),
        (Window(1, Unit.DAY), "1 day", "1 jour"),
        (Window(1, Unit.WEEK), "1 week", "1 semaine"),
        (Window(2, Unit.WEEK), "2 weeks", "2 semaines"),
    ],
)
def test_windows(window: Window | None, english: str, french: str) -> None:
    assert (wording.window(EN, window), wording.window(FR, window)) == (english, french)


def test_zero_is_singular_in_french() -> None:
    assert plain(EN, "n_days", count=0) == "0 days"
    assert plain(FR, "n_days", count=0) == "0 jour"


def test_an_instant_names_its_zone() -> None:
    when = When(NOON, "Europe/Paris")

    assert wording.absolute(EN, when) == "Tue 24 Nov 12:00, Paris"
    assert wording.absolute(FR, when) == "mar. 24 nov. 12:00, Paris"
    assert wording.absolute(EN, wording.at_time(when)) == "12:00, Paris"
    assert wording.at_time(when).shown is Moment.TIME
    assert wording.absolute(EN, When(NOON, "America/New_York")) == "Tue 24 Nov 06:00, New York"


@pytest.mark.parametrize(
    ("reason", "english", "french"),
    [
        (("holiday", "2026-11-11|Armistice Day"), "Wed 11 Nov is a holiday: Armistice Day",
         "mer. 11 nov. est férié\u00a0: Armistice Day"),
        (("closed", "2026-12-24"), "Thu 24 Dec is closed", "fermé le jeu. 24 déc."),
        (("weekend", "2026-11-21"), "the weekend does not count", "le week-end ne compte pas"),
        (("opens", "2026-11-23T09:00"), "counted from opening at 09:00", "compté dès l’ouverture à 09:00"),
        (("clock_change", "2026-03-29"), "the clocks change on Sun 29 Mar", "changement d’heure le dim. 29 mars"),
    ],
)  # fmt: skip
def test_a_deadline_says_why_it_is_then(reason: tuple[str, str], english: str, french: str) -> None:
    due = Deadline(NOON, "Europe/Paris", (reason,))

    assert wording.plain(EN, wording.deadline(EN, due), names=str) == f"Tue 24 Nov 12:00, Paris ({english})"
    assert wording.plain(FR, wording.deadline(FR, due), names=str) == f"mar. 24 nov. 12:00, Paris ({french})"


def test_a_reason_is_said_once() -> None:
    due = Deadline(NOON, "Europe/Paris", (("weekend", "2026-11-21"), ("weekend", "2026-11-22")))

    assert wording.plain(EN, wording.deadline(EN, due), names=str).count("weekend") == 1


def test_lists() -> None:
    people = (ANN, BEN, CAT)

    assert wording.people(EN, ()) == ()
    assert wording.people(EN, people[:1]) == (Mention(ANN),)
    assert wording.people(EN, people) == (Mention(ANN), ", ", Mention(BEN), " and ", Mention(CAT))
    assert wording.plain(FR, wording.people(FR, people[:2]), names=str) == "chat:ann et chat:ben"


@pytest.mark.parametrize(("code", "language"), [("fr", FR), ("fr-CA", FR), ("FR_fr", FR), ("en-GB", EN), ("de", None),
                                                ("", None)])  # fmt: skip
def test_a_platforms_language(code: str, language: Language | None) -> None:
    assert wording.language_of(code) == language
