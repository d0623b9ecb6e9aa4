"""How the parts of a matrix fit each other: yields (place, sentence) for each that does not."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from bot.errors import WindowError
from bot.plan import ELAPSED, LANGUAGES, OnExpiry, Unit, Window
from matrix.hints import did_you_mean
from matrix.model import LevelEntry, Matrix
from matrix.position import Place
from matrix.shape import Finding, owner

ID = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
LONGEST_NAME = 75  # a Slack option and a Slack button
LONGEST_TEXT = 500
MOST_LEVELS = 50
MOST_ISSUE_TYPES = 100  # the options of a Slack menu
LONGEST_WINDOW = {  # about a year: beyond that a slip of the pen is likelier than an intention
    Unit.BUSINESS_MINUTE: 150_000,
    Unit.BUSINESS_HOUR: 2_500,
    Unit.BUSINESS_DAY: 260,
    Unit.DAY: 366,
    Unit.WEEK: 52,
} | {unit: timedelta(days=366) // length for unit, length in ELAPSED.items()}


def problems(matrix: Matrix) -> Iterator[Finding]:
    """Everything that does not fit, in no particular order."""
    yield from _ids(matrix)
    yield from _languages(matrix)
    yield from _texts(matrix)
    yield from _numbers(matrix)
    for index, level in enumerate(matrix.levels[:MOST_LEVELS]):
        yield from _level(matrix, index, level)
    yield from _last_level(matrix)
    yield from _issue_types(matrix)


def bad_id(place: Place, what: str, given: str) -> Iterator[Finding]:
    """A finding unless `given` is an id."""
    if not ID.fullmatch(given):
        yield (
            place,
            f"{what} {given[:60]!r} is no id; write 1 to 40 small letters, digits and hyphens, such as support-process",
        )


def bad_language(place: Place, given: str) -> Iterator[Finding]:
    """A finding unless `given` is a language of the product."""
    if given not in LANGUAGES:
        yield place, f"language {given[:60]!r} is unknown; write {' or '.join(LANGUAGES)}"


def _ids(matrix: Matrix) -> Iterator[Finding]:
    yield from bad_id(("matrix",), "matrix", matrix.matrix)
    for role in matrix.roles:
        yield from bad_id(("roles", role), "role", role)
    for issue_type in matrix.issue_types:
        yield from bad_id(("issue_types", issue_type), "issue type", issue_type)
    if matrix.calendar is not None:
        yield from bad_id(("calendar",), "calendar", matrix.calendar)


def _languages(matrix: Matrix) -> Iterator[Finding]:
    for index, language in enumerate(matrix.languages):
        yield from bad_language(("languages", index), language)
        if language in matrix.languages[:index]:
            yield ("languages", index), f"language {language[:60]!r} is given twice; keep one"


def _texts(matrix: Matrix) -> Iterator[Finding]:
    for place, words, longest in every_text(matrix):
        yield from _text(matrix, place, words, longest)


def every_text(matrix: Matrix) -> Iterator[tuple[Place, dict[str, str], int]]:
    """Each text: where it is, its words by language, and how long it may be."""
    yield ("title",), matrix.title, LONGEST_NAME
    for key, role in matrix.roles.items():
        yield ("roles", key, "label"), role.label, LONGEST_NAME
        yield ("roles", key, "mandate"), role.mandate, LONGEST_TEXT
    for index, level in enumerate(matrix.levels):
        yield ("levels", index, "condition"), level.condition, LONGEST_TEXT
        if level.action is not None:
            yield ("levels", index, "action"), level.action, LONGEST_TEXT
    for key, issue_type in matrix.issue_types.items():
        yield ("issue_types", key, "title"), issue_type.title, LONGEST_NAME
        for index, action in enumerate(issue_type.actions):
            yield ("issue_types", key, "actions", index), action, LONGEST_TEXT


def _text(matrix: Matrix, place: Place, words: dict[str, str], longest: int) -> Iterator[Finding]:
    what = text_name(place)
    for language, sentence in words.items():
        here = (*place, language) if language else place
        if language and language not in LANGUAGES:
            mend = f"write {' or '.join(LANGUAGES)}, and put a text with a comma in quotes"
            yield here, f"{what} has the language {language[:60]!r}, which is unknown; {mend}"
            continue
        if language and matrix.languages and language not in matrix.languages:
            yield here, f"{what} is written in {language!r}, which is not among languages: {_listed(matrix.languages)}"
        elif not sentence.strip():
            yield here, f"{what} is empty; write a sentence"
        elif len(sentence) > longest:
            yield here, f"{what} has {len(sentence)} characters ({sentence[:20]!r}…); write at most {longest}"
    if not words:
        yield place, f"{what} is empty; write a sentence"
    elif "" not in words:
        for language in matrix.languages:
            if language in LANGUAGES and language not in words:
                yield place, f"{what} is not written in {language!r}; add {language}: … to it"


def text_name(place: Place) -> str:
    """ "the condition of level 3", "action 2 of issue type 'outage'", "the title"."""
    match place:
        case (field,):
            return f"the {field}"
        case (*_, "actions", int(index)):
            return f"action {index + 1} of {owner(place[:2])}"
        case _:
            return f"the {place[-1]} of {owner(place[:2])}"


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"


def _numbers(matrix: Matrix) -> Iterator[Finding]:
    if not matrix.roles:
        yield ("roles",), "there is no role; write one block per role, with label: and mandate:"
    if not matrix.levels:
        yield ("levels",), "there is no level; write at least one, beginning with a dash"
    if len(matrix.levels) > MOST_LEVELS:
        yield ("levels",), f"there are {len(matrix.levels)} levels; write at most {MOST_LEVELS}"
    if len(matrix.issue_types) > MOST_ISSUE_TYPES:
        yield ("issue_types",), f"there are {len(matrix.issue_types)} issue types; write at most {MOST_ISSUE_TYPES}"


def _level(matrix: Matrix, index: int, level: LevelEntry) -> Iterator[Finding]:
    place, name = ("levels", index), f"level {index + 1}"
    if level.level not in {None, index + 1}:
        yield (
            (*place, "level"),
            f"{name} says that it is level {level.level}; write level: {index + 1}, or leave it out",
        )
    if matrix.roles and level.role not in matrix.roles:
        yield (*place, "role"), f"no role {level.role[:60]!r}; {did_you_mean(level.role, matrix.roles)}"
    yield from _window((*place, "window"), level.window)
    if level.calendar is not None:
        yield from bad_id((*place, "calendar"), "calendar", level.calendar)
    if level.if_empty not in {None, "skip"}:
        yield (*place, "if_empty"), f"if_empty {level.if_empty!r} is unknown; write skip, or leave it out"
    if matrix.issue_types and level.action is not None:
        yield (
            (*place, "action"),
            f"{name} has an action, and each issue type has its own for it; keep those, delete this",
        )
    if not matrix.issue_types and level.action is None:
        yield place, f"{name} has no action; write action: what is expected of this role"


def _window(place: Place, given: str) -> Iterator[Finding]:
    try:
        window = Window.parse(given[:60])
    except WindowError as error:
        yield place, str(error)
        return
    if window and window.amount > (most := LONGEST_WINDOW[window.unit]):
        yield place, f"window {given!r} is longer than a year; write at most {most}{window.unit}"


def _last_level(matrix: Matrix) -> Iterator[Finding]:
    if not matrix.levels:
        return
    index, last = len(matrix.levels) - 1, matrix.levels[-1]
    if last.window.strip().lower() != "none" and last.on_expiry is not OnExpiry.STAY:
        wanted = "write window: none, or on_expiry: stay"
        yield (
            ("levels", index, "on_expiry" if "on_expiry" in last.model_fields_set else "window"),
            f"level {index + 1} is the last: when {last.window[:20]!r} ends there is nobody to escalate to; {wanted}",
        )


def _issue_types(matrix: Matrix) -> Iterator[Finding]:
    wanted = len(matrix.levels)
    if not wanted:
        return
    for key, issue_type in matrix.issue_types.items():
        cells = len(issue_type.actions)
        if cells != wanted:
            yield (
                ("issue_types", key, "actions"),
                f"{key!r} has {_count(cells)} for {wanted} levels; write one per level",
            )
        if not 1 <= issue_type.start_level <= wanted:
            start = issue_type.start_level
            yield ("issue_types", key, "start_level"), f"no level {start}; write a number from 1 to {wanted}"


def _count(cells: int) -> str:
    return "1 action" if cells == 1 else f"{cells} actions"
