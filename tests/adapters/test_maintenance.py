"""What the maintenance commands say, and how they end: 0 all is well, 1 something was found, 2 mend something first."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.console.maintenance import audit, export, forget, verify
from bot.audit import Finding, FindingKind, Forgotten, Statement, Tampered
from bot.directory import Address, PersonId, WorkspaceId
from bot.errors import ConfigurationError
from bot.state import EscalationId

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ACME, BOB = WorkspaceId("acme"), PersonId(Address("slack:U1"))
FINDING = Finding(FindingKind.STUCK, ACME, EscalationId("e"), 7, 2, NOW, "ping")


@dataclass
class Books:
    """What was found."""

    statement: Statement = field(default_factory=lambda: Statement(3, 7, 0))
    findings: Sequence[Finding] = ()
    broken: Sequence[Tampered] = ()
    count: int = 3

    async def full(self, now: datetime) -> tuple[Statement, Sequence[Finding]]:
        return self.statement, self.findings

    async def verify(self, number: int | None) -> tuple[int, Sequence[Tampered]]:
        return self.count if number in {None, 7} else 0, self.broken


@dataclass
class Eraser:
    """Whom the store knows."""

    held: Sequence[int] = ()
    kept: int = 0
    erased: bool = False

    async def in_the_way(self, workspace: WorkspaceId, person: PersonId) -> Sequence[int]:
        return self.held

    async def traces(self, workspace: WorkspaceId, person: PersonId) -> Sequence[EscalationId]:
        return [EscalationId("e"), EscalationId("f")]

    async def forget(self, workspace: WorkspaceId, person: PersonId, now: datetime) -> Forgotten:
        self.erased = True
        return Forgotten(2, 9, self.kept)


@pytest.mark.parametrize(
    ("books", "status", "said"),
    [
        (Books(), 0, "3 escalations, 7 entries, 0 missed\n"),
        (Books(Statement(3, 7, 1)), 1, "3 escalations, 7 entries, 1 missed\n"),
        (
            Books(findings=[FINDING]),
            1,
            "3 escalations, 7 entries, 0 missed\nESC-7: a message (ping) has been waiting since Mon 23 Nov 09:00, UTC.\n",
        ),
    ],
)
async def test_the_statement_and_what_is_wrong(
    books: Books, status: int, said: str, capsys: pytest.CaptureFixture[str]
):
    assert await audit(books, NOW) == status
    assert capsys.readouterr().out == said


async def test_whole_histories_and_tampered_ones(capsys: pytest.CaptureFixture[str]):
    assert await verify(Books(), None) == 0
    assert await verify(Books(broken=[Tampered(ACME, 7, 4)]), "esc-7") == 1

    assert capsys.readouterr().out.splitlines() == [
        "3 histories checked, 0 tampered with",
        "ESC-7: row 4 of its history does not fit (acme)",
        "3 histories checked, 1 tampered with",
    ]


async def test_a_reference_that_is_none_or_of_nothing(capsys: pytest.CaptureFixture[str]):
    assert await verify(Books(), "ESC-8") == 2
    assert "no ESC-8" in capsys.readouterr().err
    for wrong in ("seven", "ESC-", "ESC-²", "-7"):
        with pytest.raises(ConfigurationError, match="write it as ESC-7"):
            await verify(Books(), wrong)


@pytest.mark.parametrize(
    ("eraser", "yes", "status", "erased", "said"),
    [
        (Eraser(), True, 0, True, "2 escalations named them, 9 rows"),
        (Eraser(), False, 1, False, "2 escalations name slack:U1. Nothing was erased: add --yes."),
        (Eraser(held=[3, 9]), True, 1, False, "still needed by what is open: ESC-3, ESC-9"),
        (Eraser(kept=1), True, 1, True, "1 escalations became theirs meanwhile"),
    ],
)
async def test_forgetting(
    eraser: Eraser, yes: bool, status: int, erased: bool, said: str, capsys: pytest.CaptureFixture[str]
):
    assert await forget(eraser, ACME, BOB, NOW, yes=yes, roles=["the-role"]) == status
    printed = capsys.readouterr().out
    assert said in printed
    assert eraser.erased == erased
    assert ("directory file still names them: the-role" in printed) == erased


@pytest.mark.parametrize("wrong", ["", "U1", "slack:", ":U1"])
async def test_somebody_without_an_address_cannot_be_forgotten(wrong: str):
    with pytest.raises(ConfigurationError, match="write one such as slack:U024BE7LH"):
        await forget(Eraser(), ACME, PersonId(Address(wrong)), NOW, yes=True, roles=[])


async def lines(*, fails: bool = False) -> AsyncIterator[str]:
    yield "one"
    if fails:
        raise OSError("the store went away")
    yield "two"


async def test_an_export_appears_when_it_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert await export(lines(), tmp_path / "all.jsonl") == 0
    assert (tmp_path / "all.jsonl").read_text(encoding="utf-8") == "one\ntwo\n"
    assert await export(lines(), None) == 0
    assert capsys.readouterr().out == "one\ntwo\n"


async def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "all.jsonl").write_text("before", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await export(lines(fails=True), tmp_path / "all.jsonl")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        await export(lines(), tmp_path / "no" / "folder")

    assert (tmp_path / "all.jsonl").read_text(encoding="utf-8") == "before"
