"""The fail points there are, read from the code: every call of `failpoint("name")` in the product."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("bot", "adapters", "matrix", "storage", "scheduler")


def calls() -> Iterator[tuple[str | None, str]]:
    """(name, "path:line") of each call; the name is None where it is not a literal."""
    files = [ROOT / "app.py", *(file for name in SOURCES for file in sorted((ROOT / name).rglob("*.py")))]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "failpoint":
                literal = node.args[0] if node.args else None
                name = literal.value if isinstance(literal, ast.Constant) else None
                yield name if isinstance(name, str) else None, f"{file.relative_to(ROOT).as_posix()}:{node.lineno}"


def points() -> dict[str, str]:
    """Name → "path:line", in the order of the names. Raises ValueError for a name that is not literal or not unique."""
    found: dict[str, str] = {}
    for name, place in calls():
        if name is None:
            raise ValueError(f"{place}: a fail point is named by a literal")
        if name in found:
            raise ValueError(f"{place}: {name!r} is already the name of {found[name]}")
        found[name] = place
    return dict(sorted(found.items()))
