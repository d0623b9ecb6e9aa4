"""Matrix × issue type → Plan. Pure: the same matrix always gives the same plan with the same version."""

import hashlib
import json

from bot.errors import Unreadable
from bot.plan import Level, Plan, RoleId, Text, Window
from matrix.hints import nearest
from matrix.model import IssueTypeEntry, Matrix

VERSION_LENGTH = 12


def version_of(matrix: Matrix) -> str:
    """A short digest of what the matrix says, whatever its comments, quotes and order of fields."""
    content = matrix.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:VERSION_LENGTH]


def plan_for(matrix: Matrix, issue_type: str | None) -> Plan:
    """The plan for one issue type, or for a matrix without issue types and None.

    Raises Unreadable: "unknown_issue_type" (given, nearest: an id or None), "issue_type_needed".
    """
    row = _row(matrix, issue_type)
    return Plan(
        matrix=matrix.matrix,
        matrix_title=Text.of(matrix.title),
        version=version_of(matrix),
        issue_type=issue_type if row else None,
        issue_type_title=Text.of(row.title) if row else None,
        levels=tuple(_level(matrix, index, row) for index in range(len(matrix.levels))),
        start_level=row.start_level if row else 1,
        acknowledged_by=matrix.acknowledged_by,
    )


def _row(matrix: Matrix, issue_type: str | None) -> IssueTypeEntry | None:
    if issue_type is None:
        if matrix.issue_types:
            raise Unreadable("issue_type_needed")
        return None
    if issue_type in matrix.issue_types:
        return matrix.issue_types[issue_type]
    raise Unreadable("unknown_issue_type", given=issue_type, nearest=_nearest_type(matrix, issue_type))


def _nearest_type(matrix: Matrix, given: str) -> str | None:
    """The issue type whose id or title, in any language, is most like what was given."""
    names = {words.lower(): key for key, row in matrix.issue_types.items() for words in row.title.values()}
    names |= {key: key for key in matrix.issue_types}
    found = nearest(given, names)
    return names[found] if found else None


def _level(matrix: Matrix, index: int, row: IssueTypeEntry | None) -> Level:
    entry = matrix.levels[index]
    role = matrix.roles[entry.role]
    return Level(
        ordinal=index + 1,
        role=RoleId(entry.role),
        role_label=Text.of(role.label),
        mandate=Text.of(role.mandate),
        window=Window.parse(entry.window),
        action=Text.of(row.actions[index] if row else entry.action or {}),
        condition=Text.of(entry.condition),
        on_expiry=entry.on_expiry,
        stops_on=entry.stops_on,
        calendar=entry.calendar or matrix.calendar,
        skip_if_empty=entry.if_empty == "skip",
    )
