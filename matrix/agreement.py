"""Directory and matrices, held side by side: what is wrong between them, each problem with its place."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.directory import Address, CalendarRules, Directory, platform_of
from bot.errors import CalendarError, ConfigurationError, Problem
from matrix.directory_file import DirectoryFile, read_directory
from matrix.hints import did_you_mean
from matrix.shelf import MatrixShelf, read_folder

CheckCalendar = Callable[[CalendarRules], object]


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a team writes, read and checked against each other."""

    directory: Directory
    plans: MatrixShelf


def read_files(
    directory_file: Path, matrix_folder: Path | None, check_calendar: CheckCalendar, platforms: Collection[str]
) -> Files:
    """Directory and matrices. Raises ConfigurationError with every problem of all of them.

    `check_calendar` raises CalendarError for rules that make no calendar; `platforms` are those that are connected.
    """
    problems: list[Problem] = []
    shelf, file = None, None
    try:
        shelf = MatrixShelf.open(matrix_folder)
    except ConfigurationError as error:
        problems += error.problems
    try:
        file = read_directory(directory_file)
    except ConfigurationError as error:
        problems += error.problems
    if shelf and file:
        problems += unknown_roles(file, shelf)
        shelf = shelf.only(in_use(shelf, file.directory, matrix_folder))
        problems += [*strangers(file, platforms), *mismatches(file, shelf, check_calendar)]
    if problems or not shelf or not file:
        raise ConfigurationError(tuple(problems))
    return Files(file.directory, shelf)


def unknown_roles(file: DirectoryFile, shelf: MatrixShelf) -> Iterator[Problem]:
    """Roles that no matrix has: a slip in one would leave a level to the fallback, and nobody would notice."""
    known = sorted({role for name in shelf.names() for role, _ in shelf.role_labels(name)})
    for role in file.directory.roles:
        if role not in known:
            yield Problem(file.place("roles", role), f"no matrix has a role {role!r}; {did_you_mean(role, known)}")


def strangers(file: DirectoryFile, platforms: Collection[str]) -> Iterator[Problem]:
    """Addresses of platforms that are not connected: nothing sent there would arrive."""
    known = " and ".join(sorted(platforms))
    for place, address in _addresses(file):
        if platform_of(address) not in platforms:
            yield Problem(place, f"{address!r} is on a platform that is not connected here (connected: {known})")


def _addresses(file: DirectoryFile) -> Iterator[tuple[str, Address]]:
    directory = file.directory
    for role, binding in directory.roles.items():
        channel = (binding.channel,) if binding.channel else ()
        yield from ((file.place("roles", role), address) for address in (*binding.owners, *binding.groups, *channel))
    single = {
        "admin_channel": directory.admin_channel,
        "fallback_owner": directory.fallback_owner,
        "fallback_channel": directory.fallback_channel,
    }
    yield from ((file.place("workspace", name), address) for name, address in single.items() if address)
    yield from ((file.place("workspace", "admins"), admin) for admin in directory.admins)


def in_use(shelf: MatrixShelf, directory: Directory, folder: Path | None) -> list[str]:
    """The matrices to offer: the team's own, those that the directory names, and built-in ones with a role bound."""
    named = {directory.default_matrix, *(settings.matrix for settings in directory.channels.values())}
    own = {matrix.matrix for matrix in read_folder(folder)} if folder else set[str]()
    bound = {name for name in shelf.names() if any(role in directory.roles for role, _ in shelf.role_labels(name))}
    return [name for name in shelf.names() if name in named | own | bound]


def mismatches(file: DirectoryFile, shelf: MatrixShelf, check_calendar: CheckCalendar) -> Iterator[Problem]:
    """What only shows when directory, matrices, calendars and connected platforms are held side by side."""
    directory = file.directory
    for name, rules in directory.calendars.items():
        try:
            check_calendar(rules)
        except CalendarError as error:
            yield Problem(file.place("calendars", name), str(error))
    known = ", ".join(shelf.names()) or "none is in use"
    if directory.default_matrix and directory.default_matrix not in shelf.names():
        place = file.place("workspace", "default_matrix")
        yield Problem(place, f"there is no matrix {directory.default_matrix!r} (known: {known})")
    for channel, settings in directory.channels.items():
        if settings.matrix and settings.matrix not in shelf.names():
            place = file.place("channels", channel, "matrix")
            yield Problem(place, f"there is no matrix {settings.matrix!r} (known: {known})")
    if not shelf.names():
        yield Problem(
            file.place("roles"), "no matrix is in use: bind the roles of one, or set workspace default_matrix"
        )
    for matrix in shelf.names():
        yield from _unmet(file, shelf, matrix)


def _unmet(file: DirectoryFile, shelf: MatrixShelf, matrix: str) -> Iterator[Problem]:
    directory = file.directory
    for calendar in sorted(shelf.calendars(matrix) - directory.calendars.keys()):
        yield Problem(
            file.place("calendars"), f"the matrix {matrix!r} asks for a calendar {calendar!r}: describe it here"
        )
    plan = shelf.any_plan(matrix)
    for ordinal in directory.unheard(plan):
        role = plan.level(ordinal).role
        said = (
            f"level {ordinal} of the matrix {matrix!r} has role {role!r}, which has neither owner nor channel here: "
            "name one, or a fallback_channel, or write `if_empty: skip` at that level"
        )
        yield Problem(file.place("roles"), said)
