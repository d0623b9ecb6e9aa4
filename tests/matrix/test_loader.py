# ruff: noqa: E501 — the reports are asserted as they are shown
"""A matrix file is read whole or every one of its problems is told, with its line, at once."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ConfigurationError, Problem
from matrix.builtin import builtin_text
from matrix.loader import load_matrix, read_matrix

SMALL = """\
matrix: small
title: Small
roles:
  helper: {label: Helper, mandate: Helps.}
levels:
  - role: helper
    window: none
    action: Help.
    condition: Last level.
"""

BAD = """\
matrix: Support Desk
title: {en: Support desk, with a comma, fr: Guichet}
languages: [en, fr, de]
calendar: #paris
acknowledged_by: owner
nobody: x
roles:
  support:
    label: {en: Support}
    mandate: Answers first.
  supervisor:
    label: {en: Supervisor, fr: "  "}
  supervisor:
    label: twice
levels:
  - role: suport
    window: 15 mins
    action: {en: Answer., fr: Répondez.}
    condition: &later Later.
    on_expiry: escalte
  - level: 3
    role: supervisor
    window: 99w
    action: [one, two]
    condition: *later
    stops_on: no
    if_empty: yes
  - just a sentence
  - role: support
    window: 1h
    condition: Never.
issue_types:
  outage:
    title: Outage
    start_level: 7
    actions:
      - Look.
      -
  change:
    title: Change
    start_level: first
"""

TOLD = """\
support.yaml:1: matrix 'Support Desk' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process
support.yaml:2: the title has the language 'with a comma', which is unknown; write en or fr, and put a text with a comma in quotes
support.yaml:3: language 'de' is unknown; write en or fr
support.yaml:4: calendar is empty; write the name of a calendar of the directory, or delete the line
support.yaml:5: acknowledged_by 'owner' is unknown; did you mean 'owners'?
support.yaml:6: the file has no field 'nobody'; write matrix, title, languages, calendar, acknowledged_by, roles, levels or issue_types
support.yaml:9: the label of role 'support' is not written in 'fr'; add fr: … to it
support.yaml:11: role 'supervisor' has no mandate; write mandate: a sentence, or one per language: {en: …, fr: …}
support.yaml:12: the label of role 'supervisor' is empty; write a sentence
support.yaml:13: 'supervisor' is given twice; keep one
support.yaml:16: no role 'suport'; did you mean 'support'?
support.yaml:17: '15 mins' is no window; write 30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none
support.yaml:18: level 1 has an action, and each issue type has its own for it; keep those, delete this
support.yaml:19: &later names a place to be repeated; write each value out
support.yaml:20: on_expiry 'escalte' is unknown; did you mean 'escalate'?
support.yaml:21: level 2 says that it is level 3; write level: 2, or leave it out
support.yaml:23: window '99w' is longer than a year; write at most 52w
support.yaml:24: action of level 2 is a list; write a sentence, or one per language: {en: …, fr: …}
support.yaml:25: *later repeats another place; write the value out
support.yaml:26: stops_on 'no' is unknown; write resolve or acknowledge
support.yaml:27: if_empty 'yes' is unknown; write skip, or leave it out
support.yaml:28: level 3 is 'just a sentence'; write its fields: level:, role:, window:, action:, condition:, on_expiry:, stops_on:, calendar:, if_empty:
support.yaml:30: level 4 is the last: when '1h' ends there is nobody to escalate to; write window: none, or on_expiry: stay
support.yaml:35: no level 7; write a number from 1 to 4
support.yaml:36: 'outage' has 2 actions for 4 levels; write one per level
support.yaml:38: item 2 of actions of issue type 'outage' is empty; write one text or word after the dash
support.yaml:39: issue type 'change' has no actions; write actions: a list with one action per level, each beginning with a dash
support.yaml:41: start_level of issue type 'change' is 'first'; write the number of a level, counted from 1
"""


def told(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_matrix(text, "m.yaml")
    return [str(problem) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


def test_a_good_file_is_read():
    matrix = load_matrix(SMALL, "m.yaml")

    assert matrix.matrix == "small"
    assert matrix.roles["helper"].label == {"": "Helper"}


def test_every_problem_of_a_bad_file_is_told_at_once_with_its_line():
    with pytest.raises(ConfigurationError) as caught:
        load_matrix(BAD, "support.yaml")

    assert str(caught.value) == TOLD.rstrip()
    assert caught.value.problems[0].place == "support.yaml:1"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "just words",
            [
                "m.yaml:1: the file is 'just words'; write its fields: matrix:, title:, languages:, calendar:, acknowledged_by:, roles:, levels:, issue_types:"
            ],
        ),
        (
            "- a\n- b",
            [
                "m.yaml:1: the file is a list; write its fields: matrix:, title:, languages:, calendar:, acknowledged_by:, roles:, levels:, issue_types:"
            ],
        ),
        (
            "matrix: m\ntitle: M",
            [
                "m.yaml:1: the file has no roles; write roles: one block per role: its id, then label: and mandate: below it",
                "m.yaml:1: the file has no levels; write levels: a list of levels in order, each beginning with a dash",
            ],
        ),
        (
            "matrix: m\ntitle: M\nroles: {}\nlevels: []",
            [
                "m.yaml:3: there is no role; write one block per role, with label: and mandate:",
                "m.yaml:4: there is no level; write at least one, beginning with a dash",
            ],
        ),
        (
            changed("    window: none\n", ""),
            [
                "m.yaml:6: level 1 has no window; write window: 30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none"
            ],
        ),
        (
            changed("window: none", "window:"),
            [
                "m.yaml:7: window of level 1 is empty; write 30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none"
            ],
        ),
        (
            changed("window: none", "window: 0m"),
            [
                "m.yaml:7: '0m' is no window; write 30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none"
            ],
        ),
        (
            changed("window: none", "window: 1w\n    on_expiry: ask"),
            [
                "m.yaml:8: level 1 is the last: when '1w' ends there is nobody to escalate to; write window: none, or on_expiry: stay"
            ],
        ),
        (
            changed("    action: Help.\n", ""),
            ["m.yaml:6: level 1 has no action; write action: what is expected of this role"],
        ),
        (
            changed("title: Small", "title: " + "x" * 76),
            ["m.yaml:2: the title has 76 characters ('xxxxxxxxxxxxxxxxxxxx'…); write at most 75"],
        ),
        (
            changed("action: Help.", "action: " + "x" * 501),
            ["m.yaml:8: the action of level 1 has 501 characters ('xxxxxxxxxxxxxxxxxxxx'…); write at most 500"],
        ),
        (changed("title: Small", "title: {}"), ["m.yaml:2: the title is empty; write a sentence"]),
        (
            changed("title: Small", "title: {es: Hola}"),
            [
                "m.yaml:2: the title has the language 'es', which is unknown; write en or fr, and put a text with a comma in quotes"
            ],
        ),
        (
            changed("title: Small", "title: {fr: Petit}\nlanguages: en"),
            [
                "m.yaml:2: the title is written in 'fr', which is not among languages: [en]",
                "m.yaml:2: the title is not written in 'en'; add en: … to it",
            ],
        ),
        (
            changed("title: Small", "title: Small\nlanguages: [en, en]"),
            ["m.yaml:3: language 'en' is given twice; keep one"],
        ),
        (
            changed("matrix: small", "matrix: " + "x" * 41),
            [
                "m.yaml:1: matrix '"
                + "x" * 41
                + "' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process"
            ],
        ),
        (
            changed("  helper:", "  The Helper:"),
            [
                "m.yaml:4: role 'The Helper' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process",
                "m.yaml:6: no role 'helper'; did you mean 'The Helper'?",
            ],
        ),
        (
            changed("mandate: Helps.", "mandat: Helps."),
            [
                "m.yaml:4: role 'helper' has no mandate; write mandate: a sentence, or one per language: {en: …, fr: …}",
                "m.yaml:4: role 'helper' has no field 'mandat'; did you mean 'mandate'?",
            ],
        ),
    ],
)
def test_a_problem_says_what_is_wrong_and_what_to_write(text: str, problems: list[str]):
    assert told(text) == problems


def test_a_level_before_the_last_may_be_left_by_hand_only():
    by_hand = changed("levels:\n", "levels:\n  - {role: helper, window: none, action: Help., condition: Ask.}\n")

    assert [level.window for level in load_matrix(by_hand, "m.yaml").levels] == ["none", "none"]


def test_a_last_level_with_a_window_may_stay():
    assert load_matrix(changed("window: none", "window: 1w\n    on_expiry: stay"), "m.yaml")


def test_too_many_levels_and_issue_types_are_told():
    level = "  - {role: helper, window: 1h, condition: Go on.}\n"
    types = "".join(f"  t{n}: {{title: T, actions: []}}\n" for n in range(101))
    text = (
        "matrix: m\ntitle: M\nroles: {helper: {label: H, mandate: H}}\nlevels:\n"
        + level * 51
        + "issue_types:\n"
        + types
    )

    assert "m.yaml:4: there are 51 levels; write at most 50" in told(text)
    assert "m.yaml:56: there are 101 issue types; write at most 100" in told(text)


def test_a_missing_file_is_a_problem(tmp_path: Path):
    with pytest.raises(ConfigurationError) as caught:
        read_matrix(tmp_path / "none.yaml")

    assert caught.value.problems == (Problem(str(tmp_path / "none.yaml"), "there is no such file"),)


def test_an_unreadable_file_is_a_problem(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"the file cannot be read \(is a directory\)"):
        read_matrix(tmp_path)


def test_a_file_that_is_not_utf8_is_a_problem_at_its_line(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("matrix: m\ntitle: Équipe\n".encode("latin-1"))

    with pytest.raises(ConfigurationError) as caught:
        read_matrix(path)

    assert str(caught.value) == "latin.yaml:2: the file is not UTF-8 from here on; save it as UTF-8"


def test_a_large_file_is_a_problem(tmp_path: Path):
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(ConfigurationError, match="larger than 1 MiB"):
        read_matrix(path)


def tried(text: str) -> None:
    """Reads, or raises ConfigurationError with problems: nothing else."""
    problems = ()
    try:
        load_matrix(text, "m.yaml")
    except ConfigurationError as error:
        problems = error.problems or ["an error without a problem"]
    assert all(str(problem).startswith("m.yaml") for problem in problems)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_reader(text: str):
    tried(text)


@given(st.text(alphabet="ab:-[]{},#&*!|>'\"%@`?~<\\ \n0U\t", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_punctuation_breaks_the_reader(text: str):
    tried(text)


LINES = builtin_text("project-matrix").splitlines()[:70]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(LINES))),
            st.sampled_from(["", "  - x", "x: [", "  en:", "    {}", "y: {a: {b: c}}"]),
        )
    )
)
@settings(max_examples=100, deadline=None)
def test_no_damage_to_a_good_file_breaks_the_reader(damage: list[tuple[int, str]]):
    lines = list(LINES)
    for number, line in damage:
        lines[number] = line

    tried("\n".join(lines))


KEYS = [
    "matrix",
    "title",
    "languages",
    "roles",
    "levels",
    "issue_types",
    "label",
    "mandate",
    "role",
    "window",
    "action",
    "actions",
    "calendar",
    "on_expiry",
    "start_level",
    "en",
    "x",
]
CONTENT = st.recursive(
    st.sampled_from(["", "x", "none", "1h", "en", "7", '"\\0"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)


def flow(content: object) -> str:
    match content:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in content.items()) + "}"
        case list():
            return "[" + ", ".join(flow(value) for value in content) + "]"
        case _:
            return str(content)


@given(st.dictionaries(st.sampled_from(KEYS[:6]), CONTENT, min_size=1))
@settings(max_examples=300, deadline=None)
def test_no_structure_breaks_the_reader(content: dict[str, object]):
    tried(flow(content))
