"""Who holds which role and where it is told: the directory of one workspace, as a value.

People, groups and channels are written `platform:id` ("slack:U024BE7LH", "local:alice"), the platform's own stable id
behind the colon. A person's address is also the address of the direct messages to that person.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import NewType

from bot.plan import EN, Language, Plan, RoleId

WorkspaceId = NewType("WorkspaceId", str)
Address = NewType("Address", str)
PersonId = NewType("PersonId", Address)


def platform_of(address: Address) -> str:
    """ "slack" of "slack:C1"."""
    return address.partition(":")[0]


def local_part(address: Address) -> str:
    """ "C1" of "slack:C1"."""
    return address.partition(":")[2]


Periods = tuple[tuple[time, time], ...]
"""Half-open periods of wall time within one day: (from, until)."""


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """A calendar as written: `weekly` holds, for Monday to Sunday, half-open periods of wall time.

    `holidays` is an ISO 3166 country code, `subdivision` one of its parts; `closed` and `opened` are own dates, an
    opened date having periods of its own. No period crosses midnight; `time(0)` as an end is midnight at the end of the
    day. `always` is round the clock: nothing else may then be said but the zone.
    """

    zone: str
    weekly: tuple[Periods, ...] = ((),) * 7
    holidays: str | None = None
    subdivision: str | None = None
    closed: frozenset[date] = frozenset()
    opened: Mapping[date, tuple[tuple[time, time], ...]] = field(
        default_factory=dict[date, tuple[tuple[time, time], ...]]
    )
    always: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Who holds a role: people, groups of the platform (members are asked of it), and the role's channel."""

    owners: tuple[PersonId, ...] = ()
    groups: tuple[Address, ...] = ()
    channel: Address | None = None

    @property
    def empty(self) -> bool:
        """Whether nobody at all would hear."""
        return not (self.owners or self.groups or self.channel)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What is particular to one channel; None takes the workspace's."""

    language: Language | None = None
    matrix: str | None = None


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """What the directory says of a person; None takes what the platform tells, else the workspace's."""

    name: str | None = None
    language: Language | None = None


NOBODY = Binding()


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory of one workspace. `calendar` names the workspace's own calendar."""

    workspace: WorkspaceId
    name: str
    calendar: str
    language: Language = EN
    default_matrix: str | None = None
    admins: tuple[PersonId, ...] = ()
    admin_channel: Address | None = None
    fallback_owner: PersonId | None = None
    fallback_channel: Address | None = None
    calendars: Mapping[str, CalendarRules] = field(default_factory=dict[str, CalendarRules])
    roles: Mapping[RoleId, Binding] = field(default_factory=dict[RoleId, Binding])
    channels: Mapping[Address, ChannelSettings] = field(default_factory=dict[Address, ChannelSettings])
    people: Mapping[PersonId, PersonSettings] = field(default_factory=dict[PersonId, PersonSettings])

    def binding(self, role: RoleId) -> Binding:
        """Who holds `role`; an empty binding for a role that is not bound."""
        return self.roles.get(role, NOBODY)

    def is_channel(self, address: Address) -> bool:
        """Whether the directory knows this address as a channel."""
        bound = (binding.channel for binding in self.roles.values())
        return address in {*bound, *self.channels, self.admin_channel, self.fallback_channel}

    @property
    def has_fallback(self) -> bool:
        """Whether a ping that nobody else takes still has somewhere to go."""
        return bool(self.fallback_owner or self.fallback_channel)

    def unheard(self, plan: Plan) -> Iterator[int]:
        """Ordinals of the levels of `plan` that nobody would hear of, those with `if_empty: skip` left out."""
        if self.has_fallback:
            return
        for level in plan.levels:
            if self.binding(level.role).empty and not level.skip_if_empty:
                yield level.ordinal

    def channel_language(self, channel: Address) -> Language:
        """A channel's language, else the workspace's."""
        return self.channels.get(channel, ChannelSettings()).language or self.language

    def matrix_for(self, channel: Address | None) -> str | None:
        """The default matrix of a channel, else the workspace's, else None: the person must choose."""
        settings = self.channels.get(channel) if channel else None
        return (settings.matrix if settings else None) or self.default_matrix


GroupMembers = Callable[[Address], tuple[PersonId, ...]]
"""The members of a group as the platform last told; empty when it has not."""
