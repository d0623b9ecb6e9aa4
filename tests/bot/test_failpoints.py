"""Fail points: named once each, by literals, harmless unless armed, and deadly to nobody but the process itself."""

import subprocess
import sys
from collections import Counter

import pytest

from bot.failpoints import arm, failpoint
from drill.points import ROOT, calls, points

PASSING = """
import sys
from bot.failpoints import arm, failpoint

arm(sys.argv[1])
for number in range(5):
    failpoint("somewhere.else")
    failpoint("here.now")
    print(number, flush=True)
"""


def passing(armed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PASSING, armed], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_fail_point_is_named_by_a_literal_that_no_other_has() -> None:
    named = Counter(name for name, _ in calls())

    assert None not in named
    assert {name for name, times in named.items() if times > 1} == set()
    assert list(points()) == sorted(str(name) for name in named)


def test_names_say_which_part_and_where_in_it() -> None:
    assert all(len(name.split(".")) == 2 and name == name.lower() for name in points())


def test_a_process_dies_at_the_passage_that_is_armed() -> None:
    died = passing("here.now:3")

    assert died.returncode == -9
    assert died.stdout == "0\n1\n"


def test_without_a_number_it_dies_the_first_time() -> None:
    assert (passing("here.now").returncode, passing("here.now").stdout) == (-9, "")


@pytest.mark.parametrize("armed", ["", "nowhere.at_all", "here.now:9"])
def test_a_point_that_is_not_armed_does_nothing(armed: str) -> None:
    lived = passing(armed)

    assert (lived.returncode, lived.stdout) == (0, "0\n1\n2\n3\n4\n")


@pytest.mark.parametrize("wrong", ["here.now:0", "here.now:-1", "here.now:soon", ":3"])
def test_what_names_no_passage_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"names no passage|invalid literal"):
        arm(wrong)

    failpoint("here.now")
