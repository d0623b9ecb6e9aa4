"""The matrices that come with the product."""

from pathlib import Path

from matrix.loader import open_matrix, read_text
from matrix.model import Matrix

TEMPLATES = Path(__file__).parent / "templates"


def builtin_names() -> tuple[str, ...]:
    """Their ids, in order."""
    return tuple(sorted(path.stem for path in TEMPLATES.glob("*.yaml")))


def builtin_text(name: str) -> str:
    """The file as it stands, for a team to copy and edit. Raises KeyError for a name that is not built in."""
    return read_text(_path(name))


def builtin_matrix(name: str) -> Matrix:
    """A built-in matrix. Raises KeyError for a name that is not built in."""
    return open_matrix(_path(name))[0]


def _path(name: str) -> Path:
    if name not in builtin_names():
        raise KeyError(name)
    return TEMPLATES / f"{name}.yaml"
