# ruff: noqa: E501 — the reports are asserted as they are shown
"""A directory file becomes a Directory, or every one of its problems is told, with its line, at once."""

from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.directory import Binding, CalendarRules, ChannelSettings, PersonSettings
from bot.errors import ConfigurationError
from matrix.directory_file import load_directory, read_directory

GOOD = """\
workspace:
  id: acme
  name: Acme
  language: fr
  calendar: paris
  default_matrix: support-process
  admins: local:root
  admin_channel: local:#admins
  fallback_owner: slack:W0NIGHT01
  fallback_channel: slack:G0123ABCD
calendars:
  paris:
    zone: Europe/Paris
    hours:
      mon-thu: ["13:30-17:00", 9:00-12:30]
      fri: 09:00–16:30
      sat: []
      sun: ["20:00 - 24:00"]
    holidays: FR-57
    closed: [2026-12-24]
    opened: {2026-12-27: ["10:00-12:00"]}
  norway:
    zone: Europe/Oslo
    hours: {mon-fri: "00:00-24:00"}
    holidays: {country: NO}
  always: {zone: UTC, always: true}
roles:
  support:
    owners: [slack:U0123ABCD, slack:S0123ABCD, local:alice, slack:U0123ABCD]
    channel: local:#support
  lead:
    owners: teams:01234567-89ab-cdef-0123-456789abcdef
    channel: teams:19:abc_def@thread.tacv2
  nobody: {}
channels:
  local:#support: {language: en, matrix: project-matrix}
people:
  local:alice: {name: Alice, language: fr}
"""
MORNING, AFTERNOON = (time(9), time(12, 30)), (time(13, 30), time(17))

BAD = """\
workspace:
  id: Acme
  name: ""
  language: de
  default_matrix: Support
  admins: ["@bob", slack:S0123ABCD, U0123ABCD]
  admin_channel: #admins
  fallback_owner: skype:bob
  fallback_channel: "#support"
calendars:
  paris:
    zone: Europe/Paris
    hours:
      mon-fri: ["22:00-06:00", "9-12"]
      fri: ["09:00-12:00", "11:00-13:00"]
      sat-mon: []
      lundi: ["12:00-25:00"]
      sun: ["20:00-00:00", "10:00-10:00"]
    holidays: fr-57
    closed: [24/12/2026, 2026-02-30, 2026-12-24]
    opened: {2026-12-24: ["10:00-12:00"], 2026-12-27: []}
  always:
    zone: UTC
    always: true
    holidays: FR
  nothing:
    zone: ""
    always: perhaps
  Holiday Home: {zone: UTC, hours: {mon: "09:00-17:00"}, holidays: {country: FR, region: x}}
roles:
  support:
    owners: [slack:C0123ABCD, local:#x, teams:bob@example.org]
    channel: slack:U0123ABCD
    chanel: slack:C0123ABCD
  lead:
channels:
  slack:support: {language: es, matrix: No Way}
people:
  bob: {name: " ", language: es}
"""

TOLD = """\
directory.yaml:1: the workspace has no calendar; write calendar: the name of one of the calendars: the workspace calendar has no default
directory.yaml:2: workspace 'Acme' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process
directory.yaml:3: the name is empty; write the name that people know
directory.yaml:4: language 'de' is unknown; write en or fr
directory.yaml:5: matrix 'Support' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process
directory.yaml:6: '@bob' is a name, not an ID; write the person's member ID, found in the profile under More, Copy member ID: slack:U0123ABCD
directory.yaml:6: 'slack:S0123ABCD' is a group, and a person belongs here
directory.yaml:6: 'U0123ABCD' lacks its platform; write slack:U0123ABCD
directory.yaml:7: admin_channel of the workspace is empty (a # after a space begins a comment); write a channel's ID: slack:C0123ABCD, teams:19:… or local:#name, or delete the line
directory.yaml:8: platform 'skype' is unknown; write slack, teams or local
directory.yaml:9: '#support' is a name, not an ID; write the channel's ID, found at the bottom of the channel's About tab: slack:C0123ABCD
directory.yaml:14: '22:00-06:00' runs past midnight; write it as two periods, up to 24:00 and from 00:00 of the next day
directory.yaml:14: '9-12' is no period; write it as 09:00-12:30
directory.yaml:15: 09:00-12:00 and 11:00-13:00 overlap; write one period, or end the first sooner
directory.yaml:16: 'sat-mon' runs backwards; the week begins on mon: write two lines instead
directory.yaml:17: '12:00-25:00' has no such time; write times from 00:00 to 24:00
directory.yaml:17: day 'lundi' is unknown; write mon, tue, wed, thu, fri, sat or sun, or mon-fri
directory.yaml:18: '20:00-00:00' ends at 00:00; write 24:00 for the end of the day
directory.yaml:18: '10:00-10:00' is empty; the end of a period comes after its start
directory.yaml:19: country 'fr' is no code of two capitals; did you mean FR?
directory.yaml:20: '24/12/2026' is no date; write it as 2026-12-24
directory.yaml:20: there is no day '2026-02-30'; write a date as 2026-12-24
directory.yaml:21: 2026-12-24 is both closed and opened; keep one
directory.yaml:21: '2026-12-27' has no periods; write some, such as ["10:00-12:00"]
directory.yaml:25: calendar 'always' is always: true, so holidays says nothing; keep one of the two
directory.yaml:26: calendar 'nothing' has no hours; write hours: mon-fri: ["09:00-17:00"], or always: true
directory.yaml:27: the zone is empty; write a time zone such as Europe/Paris
directory.yaml:28: always of calendar 'nothing' is 'perhaps'; write true for round the clock, or leave it out
directory.yaml:29: calendar 'Holiday Home' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process
directory.yaml:29: holidays have no field 'region'; write country or subdivision
directory.yaml:32: 'slack:C0123ABCD' is a channel, and a person or a group belongs here
directory.yaml:32: 'local:#x' is a channel, and a person or a group belongs here
directory.yaml:32: 'teams:bob@example.org' is no ID of a person or a group; write the person's object ID, in small letters: teams:01234567-89ab-cdef-0123-456789abcdef
directory.yaml:33: 'slack:U0123ABCD' is a person, and a channel belongs here
directory.yaml:34: role 'support' has no field 'chanel'; did you mean 'channel'?
directory.yaml:35: role 'lead' is empty; write its fields: owners:, channel:
directory.yaml:37: 'slack:support' is no ID of a channel; write the channel's ID, found at the bottom of the channel's About tab: slack:C0123ABCD
directory.yaml:37: language 'es' is unknown; write en or fr
directory.yaml:37: matrix 'No Way' is no id; write 1 to 40 small letters, digits and hyphens, such as support-process
directory.yaml:39: 'bob' is a name, not an ID; write the person's member ID, found in the profile under More, Copy member ID: slack:U0123ABCD
directory.yaml:39: language 'es' is unknown; write en or fr
directory.yaml:39: the name is empty; write the name that people know
"""


def told(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_directory(text, "d.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_workspace_is_read():
    directory = load_directory(GOOD, "d.yaml").directory

    assert (directory.workspace, directory.name, directory.language) == ("acme", "Acme", "fr")
    assert (directory.calendar, directory.default_matrix) == ("paris", "support-process")
    assert (directory.admins, directory.admin_channel) == (("local:root",), "local:#admins")
    assert (directory.fallback_owner, directory.fallback_channel) == ("slack:W0NIGHT01", "slack:G0123ABCD")


def test_the_calendars_are_read():
    calendars = load_directory(GOOD, "d.yaml").directory.calendars

    assert calendars["paris"] == CalendarRules(
        zone="Europe/Paris",
        weekly=((MORNING, AFTERNOON),) * 4 + (((time(9), time(16, 30)),), (), ((time(20), time(0)),)),
        holidays="FR",
        subdivision="57",
        closed=frozenset({date(2026, 12, 24)}),
        opened={date(2026, 12, 27): ((time(10), time(12)),)},
    )
    assert calendars["norway"].holidays == "NO"
    assert calendars["norway"].weekly == (((time(0), time(0)),),) * 5 + ((), ())
    assert calendars["always"] == CalendarRules(zone="UTC", always=True)


def test_people_groups_and_channels_are_bound_to_roles():
    roles = load_directory(GOOD, "d.yaml").directory.roles

    assert roles["support"] == Binding(("slack:U0123ABCD", "local:alice"), ("slack:S0123ABCD",), "local:#support")
    assert roles["lead"].owners == ("teams:01234567-89ab-cdef-0123-456789abcdef",)
    assert roles["nobody"].empty


def test_channels_and_people_have_their_settings():
    directory = load_directory(GOOD, "d.yaml").directory

    assert directory.channels == {"local:#support": ChannelSettings("en", "project-matrix")}
    assert directory.people == {"local:alice": PersonSettings("Alice", "fr")}


def test_places_can_be_asked_for_afterwards():
    file = load_directory(GOOD, "d.yaml")

    assert file.place("calendars", "norway") == "d.yaml:22"
    assert file.place("calendars", "norway", "zone") == "d.yaml:23"
    assert file.place("workspace", "default_matrix") == "d.yaml:6"


def test_every_problem_of_a_bad_file_is_told_at_once_with_its_line():
    with pytest.raises(ConfigurationError) as caught:
        load_directory(BAD, "directory.yaml")

    assert str(caught.value) == TOLD.rstrip()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  calendar: paris", "  calendar: pariss", "d.yaml:5: no calendar 'pariss'; did you mean 'paris'?"),
        (
            "  calendar: paris",
            "  calendar:",
            "d.yaml:5: calendar of the workspace is empty; write the name of one of the calendars: the workspace calendar has no default",
        ),
        (
            "  calendar: paris\n",
            "",
            "d.yaml:1: the workspace has no calendar; write calendar: the name of one of the calendars: the workspace calendar has no default",
        ),
        ("holidays: FR-57", "holidays: FR-", "d.yaml:19: subdivision '' is no code; write it as in FR-57"),
        (
            "holidays: FR-57",
            "holidays: France",
            "d.yaml:19: country 'France' is no code of two capitals; write FR, or FR-57",
        ),
        (
            "holidays: FR-57",
            "holidays: [FR]",
            "d.yaml:19: holidays of calendar 'paris' is a list; write a country (FR), or one with a subdivision (FR-57)",
        ),
        (
            "fri: 09:00–16:30",
            "fri:",
            'd.yaml:16: fri of calendar \'paris\' is empty; write days and their periods: mon-fri: ["09:00-12:30", "13:30-17:00"]',
        ),
        ("sat: []", "fr: []", "d.yaml:17: day 'fr' is unknown; write mon, tue, wed, thu, fri, sat or sun, or mon-fri"),
        ("sat: []", "thu: []", "d.yaml:17: thu is already in 'mon-thu'; write each day once"),
        (
            '["20:00 - 24:00"]',
            '["20:00-24:00", "22:00-23:00"]',
            "d.yaml:18: 20:00-24:00 and 22:00-23:00 overlap; write one period, or end the first sooner",
        ),
        (
            '["20:00 - 24:00"]',
            '["24:00-24:00"]',
            "d.yaml:18: '24:00-24:00' is empty; the end of a period comes after its start",
        ),
        ("local:root", "U0123ABCD", "d.yaml:7: 'U0123ABCD' lacks its platform; write slack:U0123ABCD"),
        (
            "local:root",
            "slack:@root",
            "d.yaml:7: 'slack:@root' is no ID of a person; write the person's member ID, found in the profile under More, Copy member ID: slack:U0123ABCD",
        ),
        ("local:root", "slak:U0123ABCD", "d.yaml:7: platform 'slak' is unknown; did you mean 'slack'?"),
        ("local:#admins", "local:admins", "d.yaml:8: 'local:admins' is a person, and a channel belongs here"),
        (
            "local:#admins",
            "slack:#admins",
            "d.yaml:8: 'slack:#admins' is no ID of a channel; write the channel's ID, found at the bottom of the channel's About tab: slack:C0123ABCD",
        ),
        (
            "  nobody: {}",
            "  nobody: slack:U0123ABCD",
            "d.yaml:34: role 'nobody' is 'slack:U0123ABCD'; write its fields: owners:, channel:",
        ),
        (
            "name: Acme",
            "name: " + "x" * 81,
            "d.yaml:3: the name has 81 characters ('xxxxxxxxxxxxxxxxxxxx'…); write at most 80",
        ),
    ],
)
def test_a_problem_says_what_is_wrong_and_what_to_write(old: str, new: str, problem: str):
    assert GOOD.count(old) >= 1

    assert told(GOOD.replace(old, new, 1)) == [problem]


def test_a_file_without_workspace_and_calendars_is_told_all_that_is_missing():
    assert told("roles: {}") == [
        "d.yaml:1: the file has no workspace; write workspace: id:, name: and calendar: below it",
        "d.yaml:1: the file has no calendars; write calendars: one block per calendar: its name, then zone: and hours:",
    ]


def test_it_is_read_from_a_path(tmp_path: Path):
    path = tmp_path / "directory.yaml"
    path.write_text(GOOD, encoding="utf-8")

    assert read_directory(path).place("roles") == "directory.yaml:27"


def tried(text: str) -> None:
    """Reads, or raises ConfigurationError with problems: nothing else."""
    problems = ()
    try:
        load_directory(text, "d.yaml")
    except ConfigurationError as error:
        problems = error.problems or ["an error without a problem"]
    assert all(str(problem).startswith("d.yaml") for problem in problems)


LINES = GOOD.splitlines()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(LINES))),
            st.sampled_from(["", "  - x", "x: [", "  y:", "    {}", "always: {zone: {b: c}}"]),
        )
    )
)
@settings(max_examples=150, deadline=None)
def test_no_damage_to_a_good_file_breaks_the_reader(damage: list[tuple[int, str]]):
    lines = list(LINES)
    for number, line in damage:
        lines[number] = line

    tried("\n".join(lines))


@given(
    st.text(max_size=30),
    st.sampled_from(["local:root", "local:#admins", "FR-57", "10:00-12:00", "2026-12-24", "mon-thu", "Europe/Paris"]),
)
@settings(max_examples=300, deadline=None)
def test_no_value_breaks_the_reader(value: str, place: str):

    tried(GOOD.replace(place, value))
