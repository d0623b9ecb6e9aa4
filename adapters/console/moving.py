"""What `move` tells when it is done."""

from collections.abc import Mapping, Sequence

TOLD = ("escalations", "ledger", "outbox", "people")
"""Tables whose numbers mean something to people."""


def moved(rows: Mapping[str, int], whole: int, broken: Sequence[int], *, source: str) -> str:
    """What was copied, what is wrong with it, and what to do next. `source` holds no password: it is a file."""
    numbers = ", ".join(f"{rows[table]} {table}" for table in TOLD if table in rows)
    lines = [
        f"Copied and compared: {numbers}; {sum(rows.values())} rows in all.",
        f"Histories that fit their chain: {whole} of {whole + len(broken)}.",
    ]
    if broken:
        named = ", ".join(f"ESC-{number}" for number in broken[:20])
        more = f" and {len(broken) - 20} more" if len(broken) > 20 else ""
        lines.append(f"These did not fit before and were copied as they are: {named}{more} (app.py audit verify).")
    lines += [
        "Next: set ECHELON_DATABASE_URL to the new database and start Echelon. What was on its way goes out then.",
        f"Keep {source.partition('///')[2]} as a backup, and start no Echelon on it again: it would ask people twice.",
    ]
    return "\n".join(lines)
