"""All matrices of a workspace by name: the built-in ones, and those of the team's folder, which win."""

from collections.abc import Iterable
from pathlib import Path

from bot.errors import ConfigurationError, Problem, Unreadable
from bot.plan import Plan, RoleId, Text
from matrix.builtin import builtin_matrix, builtin_names
from matrix.hints import nearest
from matrix.loader import open_matrix
from matrix.model import Matrix
from matrix.resolve import plan_for

SUFFIXES = frozenset({".yaml", ".yml"})


class MatrixShelf:
    """The matrices a workspace can use. A later one replaces an earlier one with the same id."""

    def __init__(self, matrices: Iterable[Matrix]) -> None:
        self._matrices = {matrix.matrix: matrix for matrix in matrices}

    @classmethod
    def open(cls, folder: Path | None = None) -> "MatrixShelf":
        """The built-in matrices and those of a folder. Raises ConfigurationError with the problems of all its files."""
        builtin = [builtin_matrix(name) for name in builtin_names()]
        return cls([*builtin, *(read_folder(folder) if folder else ())])

    def only(self, names: Iterable[str]) -> "MatrixShelf":
        """A shelf with just these."""
        kept = frozenset(names)
        return MatrixShelf(matrix for name, matrix in self._matrices.items() if name in kept)

    def matrix(self, matrix: str) -> Matrix:
        """One matrix as its file says it."""
        return self._named(matrix)

    def names(self) -> tuple[str, ...]:
        """The ids of the matrices, in order."""
        return tuple(sorted(self._matrices))

    def title(self, matrix: str) -> Text:
        """A matrix's title. Like all methods with a name: raises Unreadable "unknown_matrix" (given, nearest)."""
        return Text.of(self._named(matrix).title)

    def issue_types(self, matrix: str) -> tuple[tuple[str, Text], ...]:
        """Ids and titles, in the order of the file; empty for a matrix without issue types."""
        return tuple((key, Text.of(row.title)) for key, row in self._named(matrix).issue_types.items())

    def role_labels(self, matrix: str) -> tuple[tuple[RoleId, Text], ...]:
        """Ids and labels of the roles, in the order of the file."""
        return tuple((RoleId(key), Text.of(role.label)) for key, role in self._named(matrix).roles.items())

    def calendars(self, matrix: str) -> frozenset[str]:
        """The names of the calendars that the matrix asks of the directory."""
        found = self._named(matrix)
        named = (found.calendar, *(level.calendar for level in found.levels))
        return frozenset(calendar for calendar in named if calendar is not None)

    def any_plan(self, matrix: str) -> Plan:
        """The plan of the first issue type: its levels are those of all types but for their actions."""
        return self.plan(matrix, next((name for name, _ in self.issue_types(matrix)), None))

    def plan(self, matrix: str, issue_type: str | None) -> Plan:
        """A plan. Raises Unreadable as `plan_for` does, too."""
        return plan_for(self._named(matrix), issue_type)

    def _named(self, name: str) -> Matrix:
        if name not in self._matrices:
            raise Unreadable("unknown_matrix", given=name, nearest=nearest(name, self._matrices))
        return self._matrices[name]


def read_folder(folder: Path) -> tuple[Matrix, ...]:
    """The matrices of all YAML files of a folder. Raises ConfigurationError with the problems of all of them."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        said = (error.strerror or "no reason given").lower()
        raise ConfigurationError((Problem(str(folder), f"the folder cannot be read ({said})"),)) from None
    matrices, problems, files = list[Matrix](), list[Problem](), dict[str, str]()
    for path in paths:
        try:
            matrix, document = open_matrix(path)
        except ConfigurationError as error:
            problems += error.problems
            continue
        other = files.setdefault(matrix.matrix, path.name)
        if other != path.name:
            sentence = f"matrix {matrix.matrix!r} is also in {other}; give one of them another id"
            problems.append(Problem(document.place("matrix"), sentence))
        matrices.append(matrix)
    if problems:
        raise ConfigurationError(tuple(problems))
    return tuple(matrices)
