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


def into(document: Path, rows: Sequence[Row], said: str) -> None:
    """Put summary and table between the two marks of a document. Raises ValueError where they are missing."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n\n{said}\n\n{table(rows)}\n\n{END}{after}", encoding="utf-8")


def write(text: str, out: Path) -> None:
    """To a file, whose folder is made if need be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
