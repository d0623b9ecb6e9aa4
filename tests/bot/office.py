"""A small office for the tests of the core: real calendars, a directory of a few roles, and what an outcome sends."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from bot.directory import Address, Binding, CalendarRules, Directory, PersonId, WorkspaceId
from bot.effects import Effect, Errand
from bot.escalation import advance, opened
from bot.events import Event
from bot.facts import FactKind, Via
from bot.outcome import Outcome
from bot.plan import AcknowledgedBy, Level, OnExpiry, Plan, RoleId, StopsOn, Text, Window
from bot.roster import Roster
from bot.schedule import Situation
from bot.state import Entry, Escalation, EscalationId, Origin, Status
from scheduler.calendar import NamedCalendars
from tests.fakes import NINE

PARIS = ZoneInfo("Europe/Paris")
RULES = {
    "office": CalendarRules("Europe/Paris", (((time(9), time(17)),),) * 5 + ((), ()), holidays="FR"),
    "always": CalendarRules("Europe/Paris", always=True),
}
CALENDARS = NamedCalendars(RULES, "office")


def person(name: str) -> PersonId:
    """ "ann" → the person's address."""
    return PersonId(Address(f"chat:{name}"))


OPENER, ANN, BEN, CAT, DAN, EVE = (person(name) for name in ("opener", "ann", "ben", "cat", "dan", "eve"))
ADMIN, ADMINS = person("admin"), Address("chat:#admins")
HELD = {"r1": Binding((ANN,), channel=Address("chat:#r1")), "r2": Binding((BEN,)), "r3": Binding((CAT,))}


def a_directory(held: Mapping[str, Binding] = HELD, **changes: object) -> Directory:
    """Ann holds r1 (with a channel), Ben r2, Cat r3."""
    roles = {RoleId(role): binding for role, binding in held.items()}
    directory = Directory(
        WorkspaceId("acme"), "Acme", "office", admins=(ADMIN,), admin_channel=ADMINS, calendars=RULES, roles=roles
    )
    return replace(directory, **changes)  # type: ignore[arg-type]


def at(now: datetime = NINE, held: Mapping[str, Binding] = HELD, **directory: object) -> Situation:
    """The situation at an instant."""
    return Situation(now, CALENDARS, Roster(a_directory(held, **directory), lambda group: ()))


def paris(day: int, clock: str, month: int = 11) -> datetime:
    """An instant of 2026 by the clock on a wall in Paris."""
    hour, minute = clock.split(":")
    return datetime(2026, month, day, int(hour), int(minute), tzinfo=PARIS).astimezone(UTC)


def a_level(
    ordinal: int,
    window: str = "1h",
    *,
    on_expiry: OnExpiry = OnExpiry.ESCALATE,
    stops_on: StopsOn = StopsOn.RESOLVE,
    calendar: str | None = None,
    skip: bool = False,
) -> Level:
    """Level n, held by role "rn"; its words are "role n", "mandate n", "action n", "condition n"."""
    role, mandate, action, condition = (
        Text.of({"en": f"{word} {ordinal}", "fr": f"{word} {ordinal} (fr)"})
        for word in ("role", "mandate", "action", "condition")
    )
    return Level(
        ordinal, RoleId(f"r{ordinal}"), role, mandate, Window.parse(window), action, condition,
        on_expiry, stops_on, calendar, skip,
    )  # fmt: skip


def a_plan(*levels: Level, acknowledged_by: AcknowledgedBy = AcknowledgedBy.ANYONE, start_level: int = 1) -> Plan:
    """A plan with these levels; 15 min, 1 h and no window unless given."""
    usual = (a_level(1, "15m"), a_level(2, "1h"), a_level(3, "none"))
    return Plan("support", Text.of("Support"), "v1", None, None, levels or usual, start_level, acknowledged_by)


def a_draft(plan: Plan | None = None, *, level: int = 1, opener: PersonId = OPENER, now: datetime = NINE) -> Escalation:
    """What is handed to `opened`."""
    return Escalation(
        id=EscalationId("e1"),
        workspace=WorkspaceId("acme"),
        number=42,
        plan=plan or a_plan(),
        title="checkout fails",
        details="since nine",
        opener=opener,
        opened_at=now,
        origin=Origin(),
        status=Status.WAITING,
        entry=Entry(1, level, Via.OPENED, now, (), None),
    )


def is_open(
    plan: Plan | None = None, *, level: int = 1, opener: PersonId = OPENER, here: Situation | None = None
) -> Escalation:
    """An escalation that was just opened."""
    situation = here or at()
    return opened(a_draft(plan, level=level, opener=opener, now=situation.now), situation).escalation


def after(current: Escalation, *events: tuple[Event, Situation] | Event) -> Escalation:
    """The escalation after some events, each in its own situation (else at nine)."""
    for event in events:
        one, situation = event if isinstance(event, tuple) else (event, at())
        current = advance(current, one, situation).escalation
    return current


def sent(outcome: Outcome, errand: Errand) -> list[Address | None]:
    """To whom an outcome sends messages of one kind."""
    return [effect.to for effect in outcome.effects if effect.errand is errand]


def kinds(outcome: Outcome) -> list[FactKind]:
    """What an outcome writes into the ledger."""
    return [fact.kind for fact in outcome.facts]


def only(outcome: Outcome, errand: Errand) -> Effect:
    """The one effect of a kind."""
    (effect,) = (effect for effect in outcome.effects if effect.errand is errand)
    return effect
