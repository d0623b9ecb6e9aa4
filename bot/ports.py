"""What the core asks of the outside: time, ids, matrices, the directory, stored escalations."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.delivery import Outbox, Parcel
from bot.directory import Address, Directory, PersonId, WorkspaceId
from bot.facts import LedgerRow
from bot.message import Profile
from bot.outcome import Outcome
from bot.plan import Plan, Text
from bot.state import Escalation, EscalationId


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """This instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean anything."""
        ...

    def seconds_until(self, at: datetime) -> float:
        """How many real seconds it will take until `now()` is `at`; negative when it is past."""
        ...


class Ids(Protocol):
    """Names for new things, and salt for the digests of the ledger."""

    def new(self) -> str:
        """A new unique id that nobody can guess; later ids sort after earlier ones."""
        ...

    def at_once(self) -> "Ids":
        """The same for many things of one instant: the clock is asked once."""
        ...


class Plans(Protocol):
    """The matrices that a team owns."""

    def names(self) -> tuple[str, ...]:
        """The matrices there are."""
        ...

    def title(self, matrix: str) -> Text:
        """What people call this matrix. Raises Unreadable for an unknown one."""
        ...

    def issue_types(self, matrix: str) -> tuple[tuple[str, Text], ...]:
        """(id, title) of its issue types, in its order; empty when it has none. Raises Unreadable for an unknown one."""
        ...

    def any_plan(self, matrix: str) -> Plan:
        """The plan of the first issue type: its levels are those of all types but for their actions. Raises Unreadable."""
        ...

    def plan(self, matrix: str, issue_type: str | None) -> Plan:
        """The plan for an issue type. Raises Unreadable for an unknown matrix or type, or when one is needed."""
        ...


class Directories(Protocol):
    """Where the directory is kept."""

    def current(self) -> Directory:
        """The directory as it is now."""
        ...

    def members(self, group: Address) -> tuple[PersonId, ...]:
        """The members of a platform's group as last told; empty when not known."""
        ...


class People(Protocol):
    """What is known of people, kept in memory and stored."""

    def profile(self, person: PersonId) -> Profile:
        """What is known; the bare id as a name for someone never seen."""
        ...

    async def remember(self, profile: Profile) -> None:
        """Store what a platform told. A language that the person chose stays."""
        ...

    async def choose_language(self, person: PersonId, language: str) -> None:
        """Store the language that the person chose."""
        ...

    def members(self, group: Address) -> tuple[PersonId, ...]:
        """The members of a platform's group as last told, also before this start; empty when it never was."""
        ...

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        """Store who is in a group now."""
        ...


class Membership(Protocol):
    """Who is in which channel, asked of the platforms."""

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """Whether `person` is a member of one of `channels`; False when the platform can't be asked."""
        ...


class Damaged(Exception):
    """A stored row that cannot be read."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A row claimed by the sweep: its value, or why it could not be read."""

    id: EscalationId
    workspace: WorkspaceId
    escalation: Escalation | Damaged


class UnitOfWork(Protocol):
    """One transaction. Leaving without commit() undoes everything."""

    async def get(self, workspace: WorkspaceId, id: EscalationId) -> Escalation:
        """The escalation, locked until the end of this unit where the database can. Raises NotFound."""
        ...

    async def by_number(self, workspace: WorkspaceId, number: int) -> Escalation:
        """Likewise by its number. Raises NotFound."""
        ...

    async def next_number(self, workspace: WorkspaceId) -> int:
        """The next reference of the workspace: 1, 2, 3 … without gaps among committed units."""
        ...

    async def add(self, outcome: Outcome, *, at: datetime) -> Escalation:
        """Store a new escalation with its ledger rows and effects."""
        ...

    async def save(self, outcome: Outcome, *, at: datetime) -> Escalation:
        """State, ledger and outbox together. Raises Conflict if the version has moved."""
        ...

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        """Claim up to `limit` escalations with `next_due` before `now`: highest level first, then longest overdue."""
        ...

    async def save_all(self, outcomes: Sequence[Outcome], *, at: datetime) -> None:
        """`save` for a batch, in few statements. Raises Conflict if any version has moved."""
        ...

    async def park(self, row: Overdue, reason: str, *, at: datetime) -> datetime:
        """Put a row that cannot be handled aside: 1, 2, 4 … 60 min, with a ledger row; returns until when."""
        ...

    async def seen(self, workspace: WorkspaceId, request: str) -> EscalationId | None:
        """Which escalation a request with this id has already acted on."""
        ...

    async def remember(self, workspace: WorkspaceId, request: str, id: EscalationId) -> None:
        """Note that a request acted. Raises Conflict when another unit noted it first."""
        ...

    async def undeliverable(
        self, parcel: Parcel, reason: str, *, at: datetime, assignees: Collection[PersonId]
    ) -> bool:
        """End a parcel whose whole route refused, with a ledger row.

        True when it was a ping or a post, no post of its entry and no ping to one of the `assignees` has arrived, and none
        is still on its way: a ping to somebody who has handed it over asks nobody any more.
        """
        ...

    async def commit(self) -> None:
        """Make it so. Raises Conflict when the database found two units in each other's way."""
        ...


Units = Callable[[], AbstractAsyncContextManager[UnitOfWork]]


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of a list."""

    id: EscalationId
    number: int
    title: str
    escalation: Escalation


@dataclass(frozen=True, slots=True)
class Bell:
    """One APScheduler job: the earliest deadline of a window (`window` as written, "15m"), or of the reminders (None)."""

    window: str | None
    at: datetime


class Archive(Protocol):
    """Reading without a transaction of one's own."""

    async def get(self, workspace: WorkspaceId, id: EscalationId) -> Escalation:
        """Raises NotFound."""
        ...

    async def by_number(self, workspace: WorkspaceId, number: int) -> Escalation:
        """Raises NotFound."""
        ...

    async def ledger(self, id: EscalationId) -> Sequence[LedgerRow]:
        """All rows, oldest first."""
        ...

    async def open_ones(self, workspace: WorkspaceId, *, person: PersonId | None, limit: int) -> Sequence[Escalation]:
        """Open escalations, the next due first; with `person` only those this person opened, was assigned or joined."""
        ...

    async def posted_in(self, id: EscalationId) -> Sequence[Address]:
        """The addresses that hold a card of this escalation."""
        ...

    async def of_message(self, place: str, message: str) -> tuple[EscalationId, int] | None:
        """The escalation and entry whose root card is this message of a platform, None for any other message."""
        ...

    async def bells(self) -> Sequence[Bell]:
        """The earliest due instant of each distinct window and of the reminders."""
        ...

    async def next_due(self) -> datetime | None:
        """The earliest `next_due` of all open escalations."""
        ...


class Store(Protocol):
    """Everything that is stored."""

    @property
    def alone(self) -> bool:
        """Whether there is one writer at a time: two at once would only wait for each other."""
        ...

    def units(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """One unit of work."""
        ...

    def archive(self) -> Archive:
        """For reading."""
        ...

    def outbox(self) -> Outbox:
        """The parcels, leased in the name of this process."""
        ...

    async def ping(self) -> None:
        """Raises StoreUnavailable when the database does not answer."""
        ...
