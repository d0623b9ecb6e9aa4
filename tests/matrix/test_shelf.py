"""Plans are resolved from matrices by name; a team's own matrix replaces the built-in one."""

import re
from pathlib import Path

import pytest

from bot.errors import ConfigurationError, Unreadable
from bot.plan import AcknowledgedBy, OnExpiry, StopsOn, Text, Unit, Window
from matrix.builtin import builtin_matrix, builtin_text
from matrix.directory_file import load_directory
from matrix.loader import load_matrix
from matrix.resolve import plan_for, version_of
from matrix.shelf import MatrixShelf

DOCS = Path(__file__).parents[2] / "docs"


def examples(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def workshop() -> str:
    return next(text for text in examples("matrices.md") if "workshop" in text)


def test_the_examples_of_the_documentation_load():
    matrices = [load_matrix(text, "matrices.md") for text in examples("matrices.md")]
    directories = [load_directory(text, "directory.md").directory for text in examples("directory.md")]

    assert [matrix.matrix for matrix in matrices] == ["web-shop", "workshop"]
    assert [directory.name for directory in directories] == ["Acme"]


def test_a_plan_carries_all_that_the_matrix_says():
    plan = plan_for(load_matrix(workshop(), "w.yaml"), "parts-missing")
    first, last = plan.levels

    assert (plan.matrix, plan.matrix_title.in_("fr"), plan.issue_type, plan.start_level) == (
        "workshop",
        "Workshop",
        "parts-missing",
        2,
    )
    assert plan.issue_type_title == Text.of("Parts missing")
    assert plan.acknowledged_by is AcknowledgedBy.OWNERS
    assert (first.ordinal, first.role, first.window) == (1, "fitter", Window(30, Unit.BUSINESS_MINUTE))
    assert (first.stops_on, first.on_expiry, first.calendar) == (StopsOn.ACKNOWLEDGE, OnExpiry.ESCALATE, "office")
    assert (first.action, first.mandate) == (Text.of("Search the store."), Text.of("Repairs what stands still."))
    assert (last.on_expiry, last.calendar, last.skip_if_empty) == (OnExpiry.STAY, "round-the-clock", True)


def test_an_unknown_issue_type_is_told_with_the_nearest():
    matrix = builtin_matrix("project-matrix")
    for given, nearest in (
        ("hardware-purchases", "hardware-purchase"),
        ("Changement de planning", "schedule-changes"),
        ("zzz", None),
    ):
        with pytest.raises(Unreadable) as caught:
            plan_for(matrix, given)
        assert caught.value.sentence == "unknown_issue_type"
        assert caught.value.about == {"given": given, "nearest": nearest}


def test_an_issue_type_is_needed_where_there_are_some():
    with pytest.raises(Unreadable) as caught:
        plan_for(builtin_matrix("project-matrix"), None)
    assert caught.value.sentence == "issue_type_needed"


def test_an_issue_type_where_there_are_none_is_unknown():
    with pytest.raises(Unreadable) as caught:
        plan_for(builtin_matrix("support-process"), "outage")
    assert caught.value.about == {"given": "outage", "nearest": None}


def test_the_version_follows_the_content_and_not_the_writing():
    text = workshop()
    version = version_of(load_matrix(text, "w.yaml"))

    rewritten = "# a comment\n" + text.replace("title: Workshop", "title: 'Workshop'").replace(
        "    window: 30bm", "    on_expiry: escalate\n    window: 30bm"
    )
    edited = text.replace("30bm", "31bm")

    assert re.fullmatch("[0-9a-f]{12}", version)
    assert version_of(load_matrix(rewritten, "w.yaml")) == version
    assert version_of(load_matrix(edited, "w.yaml")) != version


def test_the_shelf_holds_the_built_in_matrices():
    shelf = MatrixShelf.open()

    assert shelf.names() == ("project-matrix", "support-process")
    assert shelf.title("support-process").in_("fr") == "Parcours du support"
    assert shelf.issue_types("support-process") == ()
    assert shelf.issue_types("project-matrix")[0][0] == "operational-challenges"
    assert [role for role, _ in shelf.role_labels("project-matrix")][-1] == "sales-manager"
    assert shelf.plan("support-process", None).levels[3].window == Window(1, Unit.BUSINESS_DAY)


def test_an_unknown_matrix_is_told_with_the_nearest():
    with pytest.raises(Unreadable) as caught:
        MatrixShelf.open().plan("suport-process", None)
    assert caught.value.sentence == "unknown_matrix"
    assert caught.value.about == {"given": "suport-process", "nearest": "support-process"}


def test_a_team_file_with_the_same_id_replaces_the_built_in_one(tmp_path: Path):
    ours = builtin_text("support-process").replace("window: 15m", "window: 5m")
    (tmp_path / "ours.yml").write_text(ours, encoding="utf-8")
    (tmp_path / "workshop.yaml").write_text(workshop(), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a matrix", encoding="utf-8")

    shelf = MatrixShelf.open(tmp_path)

    assert shelf.names() == ("project-matrix", "support-process", "workshop")
    assert str(shelf.plan("support-process", None).levels[0].window) == "5m"
    assert shelf.calendars("workshop") == {"office", "round-the-clock"}
    assert shelf.calendars("support-process") == set()


def test_the_problems_of_all_files_are_told_at_once(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(workshop(), encoding="utf-8")
    (tmp_path / "b.yaml").write_text("# the same\n" + workshop(), encoding="utf-8")
    (tmp_path / "c.yaml").write_text(workshop().replace("role: fitter", "role: fiter"), encoding="utf-8")
    (tmp_path / "d.yaml").write_bytes(b"\xff")

    with pytest.raises(ConfigurationError) as caught:
        MatrixShelf.open(tmp_path)

    assert str(caught.value).splitlines() == [
        "b.yaml:2: matrix 'workshop' is also in a.yaml; give one of them another id",
        "c.yaml:12: no role 'fiter'; did you mean 'fitter'?",
        "d.yaml:1: the file is not UTF-8 from here on; save it as UTF-8",
    ]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="the folder cannot be read"):
        MatrixShelf.open(tmp_path / "none")
