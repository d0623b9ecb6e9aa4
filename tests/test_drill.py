"""The drill's own parts: what it calls broken, and where it writes it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drill.checks import Findings
from drill.faults import Row
from drill.report import BEGIN, END, into, page, summary, table
from drill.world import answer_of
from tests.slack_server import Ack

KEPT = Row("kill -9", "ten kills", "nothing lost", "lost 0 | of 7")


def broken() -> Row:
    row = Row("disk full", "no byte left", "NOT recorded is said")
    row.judge(Findings(lost=["ESC-7 was answered and is not there"]))
    return row


def test_a_table_has_a_verdict_for_each_fault() -> None:
    lines = table([KEPT, broken()]).splitlines()

    assert lines[2] == "| kill -9 | ten kills | nothing lost | lost 0 / of 7 | kept |"
    assert lines[3].endswith("| BROKEN |")


def test_what_was_broken_is_told_in_full() -> None:
    said = summary([KEPT, broken()], at=datetime(2027, 1, 2, tzinfo=UTC), seconds=60, asked="python -m drill")

    told = page([KEPT, broken()], said)

    assert "1 promises broken" in told
    assert "ESC-7 was answered and is not there" in told


def test_a_document_gets_the_newest_table_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")

    into(document, [KEPT], "said")
    into(document, [KEPT], "said again")

    told = document.read_text(encoding="utf-8")
    assert told == f"before\n\n{BEGIN}\n\nsaid again\n\n{table([KEPT])}\n\n{END}\n\nafter\n"


def test_some_faults_replace_their_own_lines_only(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    into(document, [KEPT, broken()], "two rows")
    mended = Row("disk full", "no byte left", "NOT recorded is said", "well again")
    new = Row("disk slow", "a second a page", "nothing lost", "lost 0")

    into(document, [mended, new], "two more", some=True)

    told = document.read_text(encoding="utf-8")
    assert table([KEPT, mended, new]) in told
    assert told.startswith(f"{BEGIN}\n\ntwo rows\n\nAgain: two more\n\n|")


def test_a_document_without_marks_stays_as_it_is(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("no marks", encoding="utf-8")

    with pytest.raises(ValueError, match="has no"):
        into(document, [KEPT], "said")

    assert document.read_text(encoding="utf-8") == "no marks"


@pytest.mark.parametrize(
    "found",
    [
        Findings(lost=["a note"]),
        Findings(twice=["an entry"]),
        Findings(stuck=["a ping waits"]),
        Findings(chains=["row 3"]),
        Findings(doubled=1),
    ],
)
def test_each_kind_of_loss_breaks_the_promise(found: Findings) -> None:
    row = Row("", "", "")

    row.judge(found)

    assert row.verdict == "BROKEN"


def test_without_the_key_only_a_death_excuses_a_copy() -> None:
    excused, unexplained = Row("", "", ""), Row("", "", "")

    excused.judge(Findings(doubled=3), honours=False)
    unexplained.judge(Findings(doubled=3, unexplained=1), honours=False)

    assert (excused.verdict, unexplained.verdict) == ("kept", "BROKEN")


@pytest.mark.parametrize(
    ("status", "words", "meaning"),
    [
        (200, "*ESC-1* is open: checkout fails.", "done"),
        (200, "This was NOT recorded: Echelon cannot reach its store.", "not recorded"),
        (200, "It is NOT certain that this was recorded.", "not certain"),
        (200, "That was a lot at once; nothing was recorded.", "too much"),
        (200, "Something went wrong on our side.", "refused"),
        (503, "", "silence"),
        (0, "", "silence"),
    ],
)
def test_answers_are_read_as_people_read_them(status: int, words: str, meaning: str) -> None:
    assert answer_of(Ack(status, {"text": words}, {}, "slash_commands")) == meaning
