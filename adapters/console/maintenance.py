"""What the commands that look into a database say: the statement, what was tampered with, what was erased."""

import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bot.audit import Finding, Forgotten, Statement, Tampered, in_words
from bot.directory import PersonId, WorkspaceId
from bot.errors import ConfigurationError, Problem
from bot.state import EscalationId

DONE, FOUND, WRONG = 0, 1, 2
"""Exit statuses: all is well; something was found; something must be mended before the command can work."""


class Books(Protocol):
    """What is checked as a whole."""

    async def full(self, now: datetime) -> tuple[Statement, Sequence[Finding]]:
        """The statement, and everything that is wrong."""
        ...

    async def verify(self, number: int | None) -> tuple[int, Sequence[Tampered]]:
        """How many chains were followed, and which of them do not fit."""
        ...


class Eraser(Protocol):
    """What forgets a person."""

    async def in_the_way(self, workspace: WorkspaceId, person: PersonId) -> Sequence[int]:
        """Open escalations that are theirs."""
        ...

    async def traces(self, workspace: WorkspaceId, person: PersonId) -> Sequence[EscalationId]:
        """Every escalation that names them."""
        ...

    async def forget(self, workspace: WorkspaceId, person: PersonId, now: datetime) -> Forgotten:
        """Erase them."""
        ...


async def audit(books: Books, now: datetime) -> int:
    """Print the statement and the findings."""
    statement, found = await books.full(now)
    print(statement)
    for finding in found:
        print(in_words(finding))
    return FOUND if found or statement.missed else DONE


async def verify(books: Books, reference: str | None) -> int:
    """Print the first row of each history that was tampered with. Raises ConfigurationError for what is no reference."""
    number = number_of(reference) if reference else None
    checked, broken = await books.verify(number)
    if reference and not checked:
        print(f"There is no {reference}.", file=sys.stderr)
        return WRONG
    for one in broken:
        print(f"ESC-{one.number}: row {one.row} of its history does not fit ({one.workspace})")
    print(f"{checked} histories checked, {len(broken)} tampered with")
    return FOUND if broken else DONE


async def export(lines: AsyncIterator[str], out: Path | None) -> int:
    """Write the lines to a file, which appears when it is complete, or to standard output."""
    if out is None:
        async for line in lines:
            print(line)
        return DONE
    growing = out.with_name(f"{out.name}.part")
    try:
        with growing.open("w", encoding="utf-8") as file:
            async for line in lines:
                file.write(f"{line}\n")
        growing.replace(out)
    except OSError as error:
        raise ConfigurationError((Problem("--out", f"{out} cannot be written: {error.strerror}"),)) from None
    print(f"{out} is written", file=sys.stderr)
    return DONE


async def forget(
    eraser: Eraser, workspace: WorkspaceId, person: PersonId, now: datetime, *, yes: bool, roles: Sequence[str]
) -> int:
    """Erase a person, or say why not, or what would be erased; `roles` are those that the directory file gives them."""
    if person.count(":") < 1 or not all(person.split(":", 1)):
        raise ConfigurationError((Problem("forget", f"{person!r} is no address; write one such as slack:U024BE7LH"),))
    if held := await eraser.in_the_way(workspace, person):
        listed = ", ".join(f"ESC-{number}" for number in held)
        print(f"{person} is still needed by what is open: {listed}. Hand it over, resolve or cancel it first.")
        return FOUND
    if not yes:
        print(
            f"{len(await eraser.traces(workspace, person))} escalations name {person}. Nothing was erased: add --yes."
        )
        return FOUND
    done = await eraser.forget(workspace, person, now)
    print(f"Erased: {done.escalations} escalations named them, {done.rows} rows of history lost their text.")
    if done.kept:
        print(f"{done.kept} escalations became theirs meanwhile and stayed as they are: ask again later.")
    if roles:
        print(f"The directory file still names them: {', '.join(roles)}. Take them out of it, and start Echelon again.")
    return FOUND if done.kept else DONE


def number_of(reference: str) -> int:
    """ "ESC-7" or "7" → 7. Raises ConfigurationError."""
    digits = reference.upper().removeprefix("ESC-")
    if not digits.isascii() or not digits.isdigit():
        raise ConfigurationError((Problem("audit verify", f"{reference!r} is no reference; write it as ESC-7"),))
    return int(digits)
