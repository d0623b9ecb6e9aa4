"""`column IN (…)` for a list of any length under one text: prepared once, instead of once for each length of the list."""

import json
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class Texts(TypeDecorator[list[str]]):
    """A list of texts as one parameter: an array for a server, JSON for SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(Text()))

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class Among(FunctionElement[Any]):
    """A column, and the texts of which it should be one. Of no type: of a Boolean, SQLite would be asked whether it is 1,
    and would not look into an index.
    """

    inherit_cache = True


def among(column: ColumnElement[Any], name: str) -> Among:
    """Whether `column` is one of the texts that are given as a list under `name` when the statement is run."""
    return Among(column, bindparam(name, type_=Texts()))


@compiles(Among)
def _in_sqlite(element: Among, compiler: SQLCompiler, **given: Any) -> str:
    column, texts = (compiler.process(part, **given) for part in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"  # noqa: S608  both parts are SQLAlchemy's own


@compiles(Among, "postgresql")
def _in_postgresql(element: Among, compiler: SQLCompiler, **given: Any) -> str:
    column, texts = (compiler.process(part, **given) for part in element.clauses)
    return f"({column} = ANY ({texts}))"
