"""One statement for many rows, handed to the driver as it is: Core's own work on each row costs more than the database's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql.dml import UpdateBase

Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The text of a statement for one driver, and how rows become its parameters.

    `asked` are the parameters in the driver's order, `fixed` those that the statement itself says, `processes` what the
    driver must be given instead of a value; `table` names the table into which the rows may as well be copied.
    """

    text: str
    table: str | None
    asked: tuple[str, ...]
    fixed: Mapping[str, Any]
    processes: Mapping[str, Process]

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """One tuple a row."""
        return list(zip(*(self._column(name, rows) for name in self.asked), strict=True))

    def _column(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
        """The values of one parameter; one that repeats, as the instant of a batch does, is converted once."""
        process = self.processes.get(name)
        if name in self.fixed:
            value = self.fixed[name]
            return repeat(process(value) if process else value, len(rows))
        values = map(itemgetter(name), rows)
        if process is None:
            return values
        told = list(values)
        converted = {value: process(value) for value in set(told)}
        return [converted[value] for value in told]


class Many:
    """A statement to be executed for many rows, compiled once for each driver. `postgresql` where its form differs.

    All rows of one call name the same columns. What the driver gets is what Core would give it. `into` names the table
    of an INSERT that takes the rows as they are: a server has a quicker way for many.
    """

    def __init__(self, statement: UpdateBase, *, postgresql: UpdateBase | None = None, into: str | None = None) -> None:
        self._statement = statement
        self._into = into
        self._postgresql = postgresql if postgresql is not None else statement
        self._prepared: dict[tuple[str, tuple[str, ...]], Prepared] = {}

    def prepared(self, dialect: Dialect, row: Mapping[str, Any]) -> Prepared:
        """The statement for rows like this one."""
        known = (dialect.name, tuple(row))
        if known not in self._prepared:
            self._prepared[known] = self._compiled(dialect, sorted(row))
        return self._prepared[known]

    def _compiled(self, dialect: Dialect, names: list[str]) -> Prepared:
        statement = self._postgresql if dialect.name == "postgresql" else self._statement
        compiled = statement.compile(dialect=dialect, column_keys=names)
        asked = tuple(compiled.positiontup or ())
        processes = {name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in asked}
        return Prepared(
            text=str(compiled),
            table=self._into,
            asked=asked,
            fixed={name: compiled.binds[name].value for name in asked if name not in names},
            processes={name: process for name, process in processes.items() if process},
        )
