"""The page that a drill leaves behind, and its table in a document."""

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from drill.faults import Row

BEGIN, END = "<!-- the drill's table begins -->", "<!-- the drill's table ends -->"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| fault | what was done | promised | measured | verdict |", "|---|---|---|---|---|"]
    lines += [f"| {_cells(row.fault, row.done, row.promised, row.measured, row.verdict)} |" for row in rows]
    return "\n".join(lines)


def _cells(*texts: str) -> str:
    return " | ".join(" ".join(text.replace("|", "/").split()) for text in texts)


def summary(rows: Sequence[Row], *, at: datetime, seconds: float, asked: str) -> str:
    """How it went, when, where and for how long. `asked` is the command."""
    broken = sum(bool(row.wrong) for row in rows)
    how = f"{broken} promises broken" if broken else "every promise kept"
    return (
        f"`{asked}`: {len(rows)} rows, {how}. {at:%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} minutes; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}."
    )


def page(rows: Sequence[Row], said: str) -> str:
    """The whole report; `said` is its summary."""
    broken = [row for row in rows if row.wrong]
    parts = ["# The drill", said, table(rows)]
    if broken:
        parts.append("## What was broken")
        parts += [
            "\n".join([f"**{row.fault}**", "", *(f"- {' '.join(wrong.split())[:1500]}" for wrong in row.wrong[:8])])
            for row in broken
        ]
    return "\n\n".join(parts) + "\n"


def into(document: Path, rows: Sequence[Row], said: str, *, some: bool = False) -> None:
    """Put summary and table between the two marks of a document. Raises ValueError where they are missing.

    `some` are only a part of the faults: their lines replace those of the same name, all others stay, and the summary is
    added below the one of the whole.
    """
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    told, shown = _amended(inside, rows, said) if some else (said, table(rows))
    document.write_text(f"{before}{BEGIN}\n\n{told}\n\n{shown}\n\n{END}{after}", encoding="utf-8")


def _amended(inside: str, rows: Sequence[Row], said: str) -> tuple[str, str]:
    """Summaries and table as they are, with these rows in their places; those that are new come last."""
    lines = inside.strip().splitlines()
    first = next((nth for nth, line in enumerate(lines) if line.startswith("|")), len(lines))
    head, *new = table(rows).splitlines()
    fresh = {_fault(line): line for line in new}
    kept = [fresh.pop(_fault(line), line) for line in lines[first + 1 :]]
    return "\n".join([*lines[:first], f"Again: {said}"]).strip(), "\n".join([head, *kept, *fresh.values()])


def _fault(line: str) -> str:
    return line.split("|")[1].strip()


def write(text: str, out: Path) -> None:
    """To a file, whose folder is made if need be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
