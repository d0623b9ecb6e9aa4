"""The shape of a matrix file and of a directory file. How the parts fit is asked in the `checks` modules."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from bot.plan import AcknowledgedBy, OnExpiry, StopsOn
from matrix.shape import Layout, Listed, Shape, Words

_TEXT = "a sentence, or one per language: {en: …, fr: …}"
_CALENDAR = "the name of a calendar of the directory"


class RoleEntry(Shape):
    """A role: what people call it and what it is for. Who holds it is the directory's affair."""

    label: Words = Field(description=_TEXT)
    mandate: Words = Field(description=_TEXT)


class LevelEntry(Shape):
    """One level. `level`, its number, may be written for the reader's sake."""

    level: int | None = Field(None, description="its number, counted from 1, or leave it out")
    role: str = Field(description="the id of one of the roles")
    window: str = Field(description="30s, 15m, 1h (elapsed), 30bm, 4bh, 1bd (working time), 1d, 1w (calendar) or none")
    action: Words | None = Field(None, description=_TEXT)
    condition: Words = Field(description=_TEXT)
    on_expiry: OnExpiry = Field(OnExpiry.ESCALATE, description="escalate, ask or stay")
    stops_on: StopsOn = Field(StopsOn.RESOLVE, description="resolve or acknowledge")
    calendar: str | None = Field(None, description=_CALENDAR)
    if_empty: str | None = Field(None, description="skip, or leave it out")


class IssueTypeEntry(Shape):
    """One row of the matrix: what is expected at each level for this type of issue."""

    title: Words = Field(description=_TEXT)
    start_level: int = Field(1, description="the number of a level, counted from 1")
    actions: tuple[Words, ...] = Field(description="a list with one action per level, each beginning with a dash")


class Matrix(Shape):
    """A whole matrix file."""

    matrix: str = Field(description="an id such as support-process")
    title: Words = Field(description=_TEXT)
    languages: Listed = Field((), description="[en], [fr] or [en, fr]")
    calendar: str | None = Field(None, description=_CALENDAR)
    acknowledged_by: AcknowledgedBy = Field(AcknowledgedBy.ANYONE, description="anyone or owners")
    roles: dict[str, RoleEntry] = Field(description="one block per role: its id, then label: and mandate: below it")
    levels: tuple[LevelEntry, ...] = Field(description="a list of levels in order, each beginning with a dash")
    issue_types: dict[str, IssueTypeEntry] = Field(
        default_factory=dict[str, IssueTypeEntry],
        description="one block per issue type: its id, then title: and actions: below it, or leave it out",
    )


MATRIX = Layout(
    root=Matrix,
    single={},
    collection={"roles": RoleEntry, "levels": LevelEntry, "issue_types": IssueTypeEntry},
)


def _as_holidays(given: object) -> object:
    if not isinstance(given, str):
        return given
    country, dash, subdivision = given.partition("-")
    return {"country": country} | ({"subdivision": subdivision} if dash else {})


_PERSON = "a person's ID: slack:U0123ABCD, a Teams user's teams:… or local:name"
_CHANNEL = "a channel's ID: slack:C0123ABCD, teams:19:… or local:#name"
_LANGUAGE = "en or fr"
_HOURS = 'days and their periods: mon-fri: ["09:00-12:30", "13:30-17:00"]'

Holidays = Annotated[dict[str, str], BeforeValidator(_as_holidays)]


class WorkspaceEntry(Shape):
    """What holds for the whole workspace."""

    id: str = Field(description="an id such as acme")
    name: str = Field(description="the name that people know")
    language: str = Field("en", description=_LANGUAGE)
    calendar: str = Field(description="the name of one of the calendars: the workspace calendar has no default")
    default_matrix: str | None = Field(None, description="the id of a matrix, or leave it out")
    admins: Listed = Field((), description=f"a list; {_PERSON}")
    admin_channel: str | None = Field(None, description=_CHANNEL)
    fallback_owner: str | None = Field(None, description=_PERSON)
    fallback_channel: str | None = Field(None, description=_CHANNEL)


class CalendarEntry(Shape):
    """Working time of one office, or round the clock."""

    zone: str = Field(description="a time zone such as Europe/Paris")
    hours: dict[str, Listed] = Field(default_factory=dict[str, Listed], description=_HOURS)
    holidays: Holidays | None = Field(None, description="a country (FR), or one with a subdivision (FR-57)")
    closed: Listed = Field((), description="a list of dates such as [2026-12-24]")
    opened: dict[str, Listed] = Field(
        default_factory=dict[str, Listed],
        description='dates and their periods: 2026-12-27: ["10:00-12:00"]',
    )
    always: bool = Field(False, description="true for round the clock, or leave it out")


class RoleBinding(Shape):
    """Who holds a role, and its channel."""

    owners: Listed = Field((), description=f"a list; {_PERSON}; a Slack group: slack:S0123ABCD")
    channel: str | None = Field(None, description=_CHANNEL)


class ChannelEntry(Shape):
    """What is particular to one channel."""

    language: str | None = Field(None, description=_LANGUAGE)
    matrix: str | None = Field(None, description="the id of a matrix, or leave it out")


class PersonEntry(Shape):
    """What is particular to one person."""

    name: str | None = Field(None, description="the person's name, or leave it out")
    language: str | None = Field(None, description=_LANGUAGE)


class DirectoryEntries(Shape):
    """A whole directory file."""

    workspace: WorkspaceEntry = Field(description="id:, name: and calendar: below it")
    calendars: dict[str, CalendarEntry] = Field(description="one block per calendar: its name, then zone: and hours:")
    roles: dict[str, RoleBinding] = Field(
        default_factory=dict[str, RoleBinding],
        description="one block per role: its id, then owners: and channel: below it",
    )
    channels: dict[str, ChannelEntry] = Field(
        default_factory=dict[str, ChannelEntry],
        description="one block per channel: its ID, then language: or matrix: below it",
    )
    people: dict[str, PersonEntry] = Field(
        default_factory=dict[str, PersonEntry],
        description="one block per person: the ID, then name: or language: below it",
    )


DIRECTORY = Layout(
    root=DirectoryEntries,
    single={"workspace": WorkspaceEntry},
    collection={"calendars": CalendarEntry, "roles": RoleBinding, "channels": ChannelEntry, "people": PersonEntry},
)
