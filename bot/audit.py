"""The auditor's questions and answers: what may be wrong with what is stored, how that is said, what the store is asked.

A finding is a fact about one escalation that should not be so. It is told once, again when it changes, and once a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot import wording
from bot.directory import WorkspaceId
from bot.message import Line, Tone
from bot.plan import Language
from bot.rich import Rich, Strong, When
from bot.state import EscalationId

SHOWN = 10
"""So many findings stand in one alarm; the others are counted."""


class FindingKind(StrEnum):
    """What may be wrong."""

    OVERDUE = "overdue"
    """Open, and what was planned for it should have happened more than a minute ago."""
    UNTIMED = "untimed"
    """Open, but nothing is planned for it."""
    MISTIMED = "mistimed"
    """The instants that are searched for are not those of its entry."""
    PARKED = "parked"
    """Put aside, because it could not be handled."""
    UNREADABLE = "unreadable"
    """Its state is not readable."""
    UNLIKE = "unlike"
    """Its columns say something else than its state; `about` names them."""
    BEGUN = "begun"
    """The history does not begin an entry exactly once."""
    UNASKED = "unasked"
    """No message of the present entry asks anybody, and no history says why."""
    UNTOLD = "untold"
    """A ping or post of an entry has ended, and the history does not say how."""
    STUCK = "stuck"
    """A message is under way for longer than its window, or an hour where there is none; `about` is its errand."""
    HELD = "held"
    """A message, or the way to a place, is reserved for longer than any sender may; `about` is the errand."""
    LEDGER = "ledger"
    """The history does not end where the escalation says it ends."""


REPAIRABLE = frozenset(
    {FindingKind.UNTIMED, FindingKind.MISTIMED, FindingKind.PARKED, FindingKind.STUCK, FindingKind.HELD}
)
"""Kinds of which some can be mended without losing anything."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one escalation. `at` is the instant it is about (UTC), `about` a stable word."""

    kind: FindingKind
    workspace: WorkspaceId
    escalation: EscalationId
    number: int
    entry: int
    at: datetime | None = None
    about: str = ""
    repaired: bool = False

    @property
    def key(self) -> str:
        """The same while it is the same thing that is wrong."""
        return f"{self.kind}:{self.workspace}:{self.escalation}:{self.about}"

    @property
    def mark(self) -> str:
        """Another one when it has changed. Whatever is put aside is put aside again and again: that is no change."""
        moves = self.kind is FindingKind.PARKED or self.at is None
        return str(self.entry) if moves else f"{self.entry}@{self.at}"


@dataclass(frozen=True, slots=True)
class Statement:
    """How many escalations there are, how many entries they have had, and how many of those were missed.

    Missed is an entry that the history does not begin exactly once, and an open escalation that has nothing planned, or
    whose plan should have happened more than a minute before the statement was made.
    """

    escalations: int
    entries: int
    missed: int

    def __str__(self) -> str:
        return f"{self.escalations} escalations, {self.entries} entries, {self.missed} missed"


@dataclass(frozen=True, slots=True)
class Tampered:
    """The first row of a history that does not fit the chain."""

    workspace: WorkspaceId
    number: int
    row: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a person came to: escalations that named them, rows of history erased, escalations left alone."""

    escalations: int
    rows: int
    kept: int

    def __add__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(self.escalations + other.escalations, self.rows + other.rows, self.kept + other.kept)


class Audits(Protocol):
    """The store's own account of itself. Every method raises StoreUnavailable when the store is away."""

    async def look(self, now: datetime) -> Sequence[Finding]:
        """The cheap questions, about everything; the history of what has changed since the last look, of what was found
        before, and of the next part of what is open."""
        ...

    async def repair(self, finding: Finding, now: datetime) -> bool:
        """Mend what can be mended without losing anything; whether something was. A ledger row says so."""
        ...

    async def news(self, found: Sequence[Finding], now: datetime) -> Sequence[Finding]:
        """Remember these as all that is wrong; returns those that are ours to tell now."""
        ...

    async def told(self, found: Sequence[Finding], now: datetime) -> None:
        """These were told."""
        ...


class Housekeeping(Protocol):
    """What is erased or thrown away when its time has come. Raises StoreUnavailable."""

    async def erase_older(self, before: datetime, limit: int, now: datetime) -> int:
        """Erase texts and names of up to `limit` escalations that ended before an instant; returns how many."""
        ...

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` ended messages and answered requests older than an instant; returns how many."""
        ...


class Heartbeat(Protocol):
    """Something outside that raises an alarm of its own when it hears nothing."""

    async def beat(self) -> None:
        """All is well. Never raises: that the beat was not heard is its message."""
        ...


def sentence(finding: Finding, language: Language, zone: str) -> Rich:
    """A finding in words; `zone` (IANA) is where instants are shown."""
    said = wording.say(
        language,
        f"found_{finding.kind.value}",
        ref=Strong(f"ESC-{finding.number}"),
        n=finding.entry,
        at=(When(finding.at, zone),) if finding.at else "",
        about=finding.about,
    )
    return wording.join((*said, " ", *wording.say(language, "found_mended"))) if finding.repaired else said


def alarm(findings: Sequence[Finding], language: Language, zone: str) -> Line:
    """The message to the admins."""
    head = wording.say(language, "found_head", count=len(findings))
    items = [sentence(finding, language, zone) for finding in findings[:SHOWN]]
    if len(findings) > SHOWN:
        items.append(wording.say(language, "found_more", count=len(findings) - SHOWN))
    said = wording.join((*head, *(piece for item in items for piece in ("\n", *item))))
    return Line(
        language=language,
        text=head,
        fallback=wording.plain(language, said, names=str),
        tone=Tone.ALARM,
        items=tuple(items),
    )


def in_words(finding: Finding) -> str:
    """A finding for operators: English, plain, instants in UTC."""
    language = Language("en")
    return wording.plain(language, sentence(finding, language, "UTC"), names=str)
