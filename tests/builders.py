"""Values for tests: say only what the test is about."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.directory import PersonId, WorkspaceId
from bot.effects import Effect, Errand
from bot.facts import Fact, FactKind, Via
from bot.outcome import Outcome
from bot.plan import Deadline, Level, Plan, RoleId, Text, Window
from bot.state import Entry, Escalation, EscalationId, Nudge, NudgeKind, Origin, Status
from tests.fakes import NINE

WORKSPACE = WorkspaceId("acme")
ALICE, BOB, CAROL = (PersonId(f"local:{name}") for name in ("alice", "bob", "carol"))  # type: ignore[arg-type]


def a_level(ordinal: int = 1, *, role: str = "", window: str = "15m") -> Level:
    """One level; `window` as people write it."""
    words = Text.of({"en": f"level {ordinal}", "fr": f"niveau {ordinal}"})
    name = RoleId(role or f"role{ordinal}")
    return Level(ordinal, name, words, words, Window.parse(window), words, words)


def a_plan(*windows: str, matrix: str = "support-process", issue_type: str | None = None) -> Plan:
    """A plan with one level per window."""
    levels = tuple(a_level(n, window=window) for n, window in enumerate(windows or ("15m", "1h", "none"), start=1))
    title = Text.of("a type") if issue_type else None
    return Plan(matrix, Text.of("Support"), "v1", issue_type, title, levels)


def an_escalation(
    number: int = 1,
    *,
    id: str = "",
    workspace: WorkspaceId = WORKSPACE,
    plan: Plan | None = None,
    level: int = 1,
    entry: int = 1,
    status: Status = Status.WAITING,
    due: datetime | None = NINE + timedelta(minutes=15),
    remind: datetime | None = None,
    assignees: tuple[PersonId, ...] = (BOB,),
    opener: PersonId = ALICE,
    title: str = "checkout fails",
    opened_at: datetime = NINE,
    version: int = 0,
) -> Escalation:
    """A draft: version 0, not stored."""
    stay = Entry(
        number=entry,
        level=level,
        via=Via.OPENED,
        began_at=opened_at,
        assignees=assignees,
        due=Deadline(due, "Europe/Paris") if due else None,
        nudges=(Nudge(remind, NudgeKind.HALF),) if remind else (),
    )
    return Escalation(
        id=EscalationId(id or f"esc{number:06d}"),
        workspace=workspace,
        number=number,
        plan=plan or a_plan(),
        title=title,
        details="since nine",
        opener=opener,
        opened_at=opened_at,
        origin=Origin(),
        status=status,
        entry=stay,
        ever_assigned=frozenset(assignees),
        participants=frozenset({opener}),
        version=version,
    )


def opening(escalation: Escalation, *effects: Effect) -> Outcome:
    """What opening led to."""
    fact = Fact(FactKind.OPENED, 1, by=escalation.opener, level=escalation.entry.level, text=escalation.title)
    return Outcome(escalation, (fact,), effects)


def noting(escalation: Escalation, text: str = "a note", *effects: Effect, by: PersonId = BOB) -> Outcome:
    """What a note led to."""
    joined = replace(escalation, participants=escalation.participants | {by})
    return Outcome(joined, (Fact(FactKind.NOTED, escalation.entry.number, by=by, text=text),), effects)


def a_redraw(entry: int = 1) -> Effect:
    """All cards brought up to date."""
    return Effect(Errand.REDRAW, entry)
