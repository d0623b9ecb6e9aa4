"""How the parts of a directory fit each other: yields (place, sentence) for each that does not."""

from collections.abc import Iterator
from datetime import date

from matrix.addresses import AddressError, Kind, parse
from matrix.checks import bad_id, bad_language
from matrix.hints import did_you_mean, shown
from matrix.hours import DAYS, HoursError, parse_date, parse_days, parse_holidays, parse_periods
from matrix.model import CalendarEntry, DirectoryEntries, WorkspaceEntry
from matrix.position import Place
from matrix.shape import Finding, owner

LONGEST_NAME = 80


def directory_problems(entries: DirectoryEntries) -> Iterator[Finding]:
    """Everything that does not fit, in no particular order."""
    yield from _workspace(entries, entries.workspace)
    if not entries.calendars:
        yield ("calendars",), "there is no calendar; write at least one, with zone: and hours:"
    for name, calendar in entries.calendars.items():
        yield from bad_id(("calendars", name), "calendar", name)
        yield from _calendar(("calendars", name), calendar)
    for role, binding in entries.roles.items():
        yield from bad_id(("roles", role), "role", role)
        yield from _addresses(("roles", role, "owners"), binding.owners, Kind.PERSON, Kind.GROUP)
        yield from _address(("roles", role, "channel"), binding.channel, Kind.CHANNEL)
    yield from _channels_and_people(entries)


def _workspace(entries: DirectoryEntries, workspace: WorkspaceEntry) -> Iterator[Finding]:
    place = ("workspace",)
    yield from bad_id((*place, "id"), "workspace", workspace.id)
    yield from _name((*place, "name"), workspace.name)
    yield from bad_language((*place, "language"), workspace.language)
    if not workspace.calendar:
        yield (*place, "calendar"), "the workspace calendar is empty and has no default; write the name of a calendar"
    elif entries.calendars and workspace.calendar not in entries.calendars:
        hint = did_you_mean(workspace.calendar, entries.calendars)
        yield (*place, "calendar"), f"no calendar {shown(workspace.calendar)}; {hint}"
    if workspace.default_matrix is not None:
        yield from bad_id((*place, "default_matrix"), "matrix", workspace.default_matrix)
    yield from _addresses((*place, "admins"), workspace.admins, Kind.PERSON)
    yield from _address((*place, "admin_channel"), workspace.admin_channel, Kind.CHANNEL)
    yield from _address((*place, "fallback_owner"), workspace.fallback_owner, Kind.PERSON)
    yield from _address((*place, "fallback_channel"), workspace.fallback_channel, Kind.CHANNEL)


def _channels_and_people(entries: DirectoryEntries) -> Iterator[Finding]:
    for channel, settings in entries.channels.items():
        place = ("channels", channel)
        yield from _address(place, channel, Kind.CHANNEL)
        if settings.language is not None:
            yield from bad_language((*place, "language"), settings.language)
        if settings.matrix is not None:
            yield from bad_id((*place, "matrix"), "matrix", settings.matrix)
    for person, settings in entries.people.items():
        place = ("people", person)
        yield from _address(place, person, Kind.PERSON)
        if settings.language is not None:
            yield from bad_language((*place, "language"), settings.language)
        if settings.name is not None:
            yield from _name((*place, "name"), settings.name)


def _name(place: Place, given: str) -> Iterator[Finding]:
    if not given.strip():
        yield place, "the name is empty; write the name that people know"
    elif len(given) > LONGEST_NAME:
        yield place, f"the name has {len(given)} characters ({shown(given[:20])}…); write at most {LONGEST_NAME}"


def _address(place: Place, given: str | None, *wanted: Kind) -> Iterator[Finding]:
    if given is None:
        return
    try:
        parse(given, *wanted)
    except AddressError as error:
        yield place, str(error)


def _addresses(place: Place, given: tuple[str, ...], *wanted: Kind) -> Iterator[Finding]:
    for index, address in enumerate(given):
        yield from _address((*place, index), address, *wanted)


def _calendar(place: Place, calendar: CalendarEntry) -> Iterator[Finding]:
    if not calendar.zone.strip():
        yield (*place, "zone"), "the zone is empty; write a time zone such as Europe/Paris"
    if calendar.always:
        for field in ("hours", "holidays", "closed", "opened"):
            if getattr(calendar, field):
                yield (*place, field), f"{owner(place)} is always: true, so {field} says nothing; keep one of the two"
        return
    if not any(calendar.hours.values()) and not calendar.opened:
        yield place, f'{owner(place)} has no hours; write hours: mon-fri: ["09:00-17:00"], or always: true'
    yield from _hours(place, calendar)
    yield from _dates(place, calendar)
    if calendar.holidays is not None:
        try:
            parse_holidays(calendar.holidays)
        except HoursError as error:
            yield (*place, "holidays"), str(error)


def _hours(place: Place, calendar: CalendarEntry) -> Iterator[Finding]:
    written: dict[int, str] = {}
    for days, periods in calendar.hours.items():
        here = (*place, "hours", days)
        yield from _periods(here, periods)
        try:
            numbers = parse_days(days)
        except HoursError as error:
            yield here, str(error)
            continue
        twice = next((number for number in numbers if number in written), None)
        if twice is not None:
            yield here, f"{DAYS[twice]} is already in {shown(written[twice])}; write each day once"
        written |= dict.fromkeys(numbers, days)


def _periods(place: Place, periods: tuple[str, ...]) -> Iterator[Finding]:
    wrong = False
    for index, period in enumerate(periods):
        try:
            parse_periods([period])
        except HoursError as error:
            wrong = True
            yield (*place, index), str(error)
    if not wrong:
        try:
            parse_periods(periods)
        except HoursError as error:
            yield place, str(error)


def _dates(place: Place, calendar: CalendarEntry) -> Iterator[Finding]:
    closed: dict[date, str] = {}
    for index, given in enumerate(calendar.closed):
        try:
            closed[parse_date(given)] = given
        except HoursError as error:
            yield (*place, "closed", index), str(error)
    for given, periods in calendar.opened.items():
        here = (*place, "opened", given)
        if not periods:
            yield here, f'{shown(given)} has no periods; write some, such as ["10:00-12:00"]'
        yield from _periods(here, periods)
        try:
            if parse_date(given) in closed:
                yield here, f"{given} is both closed and opened; keep one"
        except HoursError as error:
            yield here, str(error)
