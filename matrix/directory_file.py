"""The directory file → `bot.directory.Directory`, or every problem of the file at once."""

from dataclasses import dataclass
from pathlib import Path

from bot.directory import (
    Address,
    Binding,
    CalendarRules,
    ChannelSettings,
    Directory,
    PersonId,
    PersonSettings,
    WorkspaceId,
)
from bot.plan import Language, RoleId
from matrix.addresses import Kind, parse
from matrix.directory_checks import directory_problems
from matrix.hours import Period, parse_date, parse_days, parse_holidays, parse_periods
from matrix.loader import read_text
from matrix.model import DIRECTORY, CalendarEntry, DirectoryEntries, RoleBinding
from matrix.position import Document, read_yaml
from matrix.shape import checked


@dataclass(frozen=True, slots=True)
class DirectoryFile:
    """A directory, and where its parts are in the file: for problems that only others can find."""

    directory: Directory
    document: Document

    def place(self, *path: str | int) -> str:
        """`place("calendars", "paris")` → "directory.yaml:12"."""
        return self.document.place(*path)


def load_directory(text: str, name: str) -> DirectoryFile:
    """The directory in `text`; `name` is what problems call the file. Raises ConfigurationError with all problems."""
    document = read_yaml(text, name)
    return DirectoryFile(_directory(checked(document, DIRECTORY, directory_problems)), document)


def read_directory(path: Path) -> DirectoryFile:
    """The directory in a file. Raises ConfigurationError, also for a file that cannot be read."""
    return load_directory(read_text(path), path.name)


def _directory(entries: DirectoryEntries) -> Directory:
    workspace = entries.workspace
    return Directory(
        workspace=WorkspaceId(workspace.id),
        name=workspace.name,
        calendar=workspace.calendar,
        language=Language(workspace.language),
        default_matrix=workspace.default_matrix,
        admins=_people(workspace.admins),
        admin_channel=_address(workspace.admin_channel),
        fallback_owner=PersonId(Address(workspace.fallback_owner)) if workspace.fallback_owner else None,
        fallback_channel=_address(workspace.fallback_channel),
        calendars={name: _calendar(calendar) for name, calendar in entries.calendars.items()},
        roles={RoleId(role): _binding(binding) for role, binding in entries.roles.items()},
        channels={
            Address(channel): ChannelSettings(_language(settings.language), settings.matrix)
            for channel, settings in entries.channels.items()
        },
        people={
            PersonId(Address(person)): PersonSettings(settings.name, _language(settings.language))
            for person, settings in entries.people.items()
        },
    )


def _language(given: str | None) -> Language | None:
    return Language(given) if given else None


def _address(given: str | None) -> Address | None:
    return Address(given) if given else None


def _people(given: tuple[str, ...]) -> tuple[PersonId, ...]:
    return tuple(PersonId(Address(person)) for person in dict.fromkeys(given))


def _binding(binding: RoleBinding) -> Binding:
    owners = [parse(given, Kind.PERSON, Kind.GROUP) for given in dict.fromkeys(binding.owners)]
    return Binding(
        owners=tuple(PersonId(address) for address, kind in owners if kind is Kind.PERSON),
        groups=tuple(address for address, kind in owners if kind is Kind.GROUP),
        channel=_address(binding.channel),
    )


def _calendar(calendar: CalendarEntry) -> CalendarRules:
    weekly: list[tuple[Period, ...]] = [()] * 7
    for days, periods in calendar.hours.items():
        for day in parse_days(days):
            weekly[day] = parse_periods(periods)
    country, subdivision = parse_holidays(calendar.holidays) if calendar.holidays is not None else (None, None)
    return CalendarRules(
        zone=calendar.zone,
        weekly=tuple(weekly),
        holidays=country,
        subdivision=subdivision,
        closed=frozenset(parse_date(given) for given in calendar.closed),
        opened={parse_date(given): parse_periods(periods) for given, periods in calendar.opened.items()},
        always=calendar.always,
    )
