"""What was perhaps meant: the nearest known name, and values short enough to be shown in a sentence."""

import difflib
from collections.abc import Iterable
from itertools import islice

LONGEST_SHOWN = 40
LONGEST_COMPARED = 80
MOST_COMPARED = 200  # comparing is slow, and nobody chooses among more


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name most like `given`, None when nothing is near."""
    found = difflib.get_close_matches(
        given[:LONGEST_COMPARED].lower(), list(islice(known, MOST_COMPARED)), n=1, cutoff=0.6
    )
    return found[0] if found else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?", or else what there is to choose from."""
    names = list(known)
    near = nearest(given, names)
    return f"did you mean {near!r}?" if near else f"write {one_of(names)}" if names else "there is none yet"


def one_of(names: Iterable[str]) -> str:
    """ "a, b or c", shortened when there are many."""
    few = list(names)
    if len(few) > 12:
        return ", ".join(few[:12]) + " …"
    return " or ".join(part for part in (", ".join(few[:-1]), few[-1]) if part) if few else ""


def shown(value: object) -> str:
    """A value as a sentence can show it: quoted and short; a list or a block by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a block of fields"
    if isinstance(value, list | tuple):
        return "a list"
    words = str(value)
    return repr(words if len(words) <= LONGEST_SHOWN else words[: LONGEST_SHOWN - 1] + "…")
