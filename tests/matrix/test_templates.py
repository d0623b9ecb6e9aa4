"""The built-in matrices: true to the facts, complete in both languages, in words of our own."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.plan import OnExpiry, Plan, StopsOn
from matrix.builtin import builtin_matrix, builtin_names, builtin_text
from matrix.checks import every_text
from matrix.model import Matrix
from matrix.resolve import plan_for

SUPPORT_PROCESS = [
    ("customer-support-representative", "Customer support representative", "15m"),
    ("senior-support-specialist", "Senior customer support specialist", "1h"),
    ("support-team-supervisor", "Support team supervisor", "4h"),
    ("department-head", "Department head", "1bd"),
    ("technical-manager", "Technical manager", "3bd"),
    ("chief-operating-officer", "Chief operating officer", "1w"),
    ("vp-customer-operations", "Vice president, customer operations", None),
]
PROJECT_MATRIX = [
    ("project-team-contact", "Project team contact", "15m"),
    ("project-manager", "Project manager", "1h"),
    ("account-manager", "Account manager", "4h"),
    ("sales-manager", "Sales manager", None),
]
ISSUE_TYPES = [
    "operational-challenges",
    "schedule-changes",
    "obtaining-guidance",
    "client-data-problems",
    "service-detail-concerns",
    "hardware-purchase",
    "performance-problems",
    "subscription-termination",
]
# A word of the matter that each action must be about, level by level, in English.
ABOUT = {
    "operational-challenges": ["disrupted", "logistics", "clients", "sales"],
    "schedule-changes": ["dates", "Approve", "partners", "promises"],
    "obtaining-guidance": ["instructions", "directions", "senior management", "executives"],
    "client-data-problems": ["check", "up to date", "satisfied", "strategic"],
    "service-detail-concerns": ["unclear", "misunderstandings", "contract", "change"],
    "hardware-purchase": ["project", "Authorise", "on time", "sales"],
    "performance-problems": ["performance", "plan", "Tell clients", "Lead"],
    "subscription-termination": ["first requests", "Oversee", "delicate", "rules"],
}
SEED_DIGESTS = Path(__file__).with_name("seed_digests.txt").read_text(encoding="ascii").split()


def rows(plan: Plan) -> list[tuple[str, str, str | None]]:
    return [
        (level.role, level.role_label.in_("en"), str(level.window) if level.window else None) for level in plan.levels
    ]


def texts(matrix: Matrix) -> Iterator[dict[str, str]]:
    return (words for _, words, _ in every_text(matrix))


def test_two_matrices_are_built_in():
    assert builtin_names() == ("project-matrix", "support-process")


def test_a_name_that_is_not_built_in_is_a_key_error():
    with pytest.raises(KeyError):
        builtin_text("../model")


def test_the_support_process_has_the_roles_and_windows_of_the_document():
    plan = plan_for(builtin_matrix("support-process"), None)

    assert rows(plan) == SUPPORT_PROCESS
    assert {level.on_expiry for level in plan.levels} == {OnExpiry.ESCALATE}
    assert {level.stops_on for level in plan.levels} == {StopsOn.RESOLVE}


def test_the_project_matrix_has_the_roles_and_types_of_the_document_and_our_windows():
    matrix = builtin_matrix("project-matrix")

    assert list(matrix.issue_types) == ISSUE_TYPES
    for issue_type in ISSUE_TYPES:
        assert rows(plan_for(matrix, issue_type)) == PROJECT_MATRIX
    assert "our default" in builtin_text("project-matrix")


def test_the_project_matrix_has_32_actions_all_different():
    matrix = builtin_matrix("project-matrix")
    for language in ("en", "fr"):
        actions = [level.action.in_(language) for key in ISSUE_TYPES for level in plan_for(matrix, key).levels]
        assert len(actions) == len(set(actions)) == 32


def test_each_action_is_about_its_matter():
    matrix = builtin_matrix("project-matrix")
    for key, words in ABOUT.items():
        for level, word in zip(plan_for(matrix, key).levels, words, strict=True):
            assert word in level.action.in_("en"), (key, level.ordinal)


def test_the_conditions_name_the_time_that_the_document_names():
    plan = plan_for(builtin_matrix("support-process"), None)
    english = [
        ("15 minutes", "an hour", "Four hours", "one business day", "Technical limits", "strategic", "leadership")
    ]
    french = [("15 minutes", "une heure", "Quatre heures", "un jour ouvré", "techniques", "stratégique", "direction")]
    for language, words in (("en", english[0]), ("fr", french[0])):
        for level, word in zip(plan.levels, words, strict=True):
            assert word in level.condition.in_(language)


@pytest.mark.parametrize("name", ["support-process", "project-matrix"])
def test_every_text_is_there_in_english_and_in_french_and_the_two_differ(name: str):
    for words in texts(builtin_matrix(name)):
        assert set(words) == {"en", "fr"}
        assert words["en"] != words["fr"]


@pytest.mark.parametrize("name", ["support-process", "project-matrix"])
def test_no_wording_is_taken_from_the_documents(name: str):
    for words in texts(builtin_matrix(name)):
        for text in words.values():
            for sentence in (text, *re.split(r"(?<=[.;,])\s+", text)):
                normal = " ".join(re.findall(r"\w+", sentence.casefold()))
                assert hashlib.sha256(normal.encode()).hexdigest()[:16] not in SEED_DIGESTS, sentence


def test_french_uses_the_curly_apostrophe():
    for name in builtin_names():
        for words in texts(builtin_matrix(name)):
            assert "'" not in words["fr"]
