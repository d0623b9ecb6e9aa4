"""Whatever people and the clock do, in whatever order: what always holds of an escalation."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.directory import Address, Binding
from bot.effects import Errand
from bot.errors import Told
from bot.escalation import advance, due_event, opened
from bot.events import (
    Acknowledged,
    Cancelled,
    EscalatedNow,
    Event,
    HandedOver,
    MoreTimeTaken,
    NobodyReached,
    Noted,
    NudgeDue,
    Released,
    Reopened,
    Resolved,
    WindowPassed,
)
from bot.facts import Fact, FactKind, Via
from bot.forecast import upcoming
from bot.outcome import Outcome
from bot.permissions import Action, allowed, possible
from bot.plan import AcknowledgedBy, Level, OnExpiry, Plan, StopsOn, Text, Unit, Window
from bot.schedule import Situation
from bot.state import Escalation, Status
from tests.bot.office import ANN, BEN, CAT, DAN, OPENER, a_draft, at
from tests.fakes import NINE

PEOPLE = st.sampled_from((OPENER, ANN, BEN, CAT, DAN))
MOST = {Unit.SECOND: 90, Unit.MINUTE: 60, Unit.HOUR: 30, Unit.BUSINESS_MINUTE: 300, Unit.BUSINESS_HOUR: 20,
        Unit.BUSINESS_DAY: 5, Unit.DAY: 9, Unit.WEEK: 2}  # fmt: skip
WINDOWS = st.sampled_from(Unit).flatmap(lambda unit: st.builds(Window, st.integers(1, MOST[unit]), st.just(unit)))
BINDINGS = st.one_of(
    st.builds(Binding, st.lists(PEOPLE, min_size=1, max_size=3, unique=True).map(tuple)),
    st.just(Binding(channel=Address("chat:#room"))),
    st.just(Binding()),
)
TIMES = st.timedeltas(timedelta(seconds=1), timedelta(days=3))
ASKS_TO_ACT = frozenset({Errand.PING, Errand.POST, Errand.REMIND})
BY_CLOCK = frozenset({Via.WINDOW, Via.NO_DECISION})
LEAVES = {
    FactKind.ENTERED: Status.WAITING,
    FactKind.RELEASED: Status.WAITING,
    FactKind.HANDED_OVER: Status.WAITING,
    FactKind.ACKNOWLEDGED: Status.ACKNOWLEDGED,
    FactKind.MORE_TIME: Status.ACKNOWLEDGED,
    FactKind.RESOLVED: Status.RESOLVED,
    FactKind.CANCELLED: Status.CANCELLED,
}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    levels = tuple(
        Level(
            n, f"r{n}", Text.of("role"), Text.of("mandate"), draw(st.none() | WINDOWS), Text.of("act"), Text.of("if"),
            draw(st.sampled_from(OnExpiry)), draw(st.sampled_from(StopsOn)), draw(st.sampled_from((None, "always"))),
            draw(st.booleans()),
        )
        for n in range(1, draw(st.integers(1, 5)) + 1)
    )  # fmt: skip
    return Plan("m", Text.of("m"), "1", None, None, levels, 1, draw(st.sampled_from(AcknowledgedBy)))


class Life(RuleBasedStateMachine):
    """One escalation from its opening on."""

    current: Escalation
    now: datetime
    held: dict[str, Binding]
    facts: list[Fact]

    def here(self) -> Situation:
        return at(self.now, self.held)

    @initialize(plan=plans(), data=st.data(), start=st.timedeltas(timedelta(), timedelta(days=40)))
    def opens(self, plan: Plan, data: st.DataObject, start: timedelta) -> None:
        self.now, self.facts = NINE + start, []
        self.held = {level.role: data.draw(BINDINGS) for level in plan.levels}
        level = data.draw(st.integers(1, len(plan.levels)))
        outcome = opened(a_draft(plan, level=level, now=self.now), self.here())
        self.current, self.facts = outcome.escalation, list(outcome.facts)
        assert self.current.entry.number == 1
        assert [fact.kind for fact in outcome.facts].count(FactKind.ENTERED) == 1

    def happens(self, event: Event) -> bool:
        """Apply an event, or hear why not; True when something changed."""
        before, copy = self.current, self.current.with_entry()
        try:
            outcome = advance(before, event, self.here())
        except Told:
            assert before == copy, "a refusal changes nothing"
            return False
        if outcome.escalation is before:
            assert outcome == Outcome(before), "what is stale leaves no trace"
            return False
        self.check(before, outcome, event)
        self.current = outcome.escalation
        self.facts += outcome.facts
        return True

    def check(self, before: Escalation, outcome: Outcome, event: Event) -> None:
        new, entered = outcome.escalation, [fact for fact in outcome.facts if fact.kind is FactKind.ENTERED]
        assert new.entry.number == before.entry.number + len(entered)
        assert len(entered) <= 1
        if isinstance(event, Reopened):
            assert new.entry.level == before.entry.level
        elif entered:
            assert new.entry.level > before.entry.level
            assert new.entry.more_time_left == 1
        else:
            assert new.entry.level == before.entry.level
        if entered and entered[0].via in BY_CLOCK:
            assert before.entry.due is not None
            assert self.now > before.entry.due.at
            assert new.entry.began_at >= before.entry.due.at
        if not new.is_open:
            assert not ASKS_TO_ACT & {effect.errand for effect in outcome.effects}
        assert all(effect.entry == new.entry.number or effect.errand is Errand.ALERT for effect in outcome.effects)
        assert before.participants <= new.participants
        assert before.ever_assigned | set(new.entry.assignees) == new.ever_assigned

    @rule(by=PEOPLE, to=PEOPLE, action=st.sampled_from(Action), level=st.none() | st.integers(0, 6), data=st.data())
    def somebody_acts(self, by: str, to: str, action: Action, level: int | None, data: st.DataObject) -> None:
        more = MoreTimeTaken(by, data.draw(WINDOWS))
        if data.draw(st.booleans()):
            more = MoreTimeTaken(by, until=self.now + data.draw(TIMES))
        events: dict[Action, Event] = {
            Action.ACKNOWLEDGE: Acknowledged(by),
            Action.RELEASE: Released(by),
            Action.ESCALATE: EscalatedNow(by, "why", level),
            Action.MORE_TIME: more,
            Action.HAND_OVER: HandedOver(by, to),
            Action.NOTE: Noted(by, "words"),
            Action.RESOLVE: Resolved(by, ""),
            Action.CANCEL: Cancelled(by, "why"),
            Action.REOPEN: Reopened(by, "why"),
        }
        offered = allowed(self.current, by, self.here().roster, self.now)
        assert offered - {Action.ACKNOWLEDGE} <= possible(self.current, self.now)
        if self.happens(events[action]):
            assert action in offered, "nobody can do what no button offers"
        else:
            assert action not in offered or action in {Action.ESCALATE, Action.MORE_TIME, Action.HAND_OVER}

    @rule(time=TIMES)
    def time_passes(self, time: timedelta) -> None:
        self.now += time

    @precondition(lambda self: self.current.is_open)
    @rule(late=st.sampled_from((timedelta(milliseconds=1), timedelta(seconds=59), timedelta(minutes=7))))
    def the_clock_rings(self, late: timedelta) -> None:
        due = self.current.next_due
        assert due is not None
        self.now = max(self.now, due + late)
        for _ in range(50):
            event, due = due_event(self.current, self.now), self.current.next_due
            if event is None:
                break
            assert self.happens(event), "what is due is never stale"
            assert self.current.next_due is not None
            assert due is not None
            assert self.current.next_due > due, "each event that is due brings the next one forward"
            assert not self.happens(event), "a bell that rings twice is heard once"
        assert self.current.next_due is not None

    @rule(entry=st.integers(-1, 1), off=st.sampled_from((-1, 1)))
    def a_stale_bell_rings(self, entry: int, off: int) -> None:
        number, aside = self.current.entry.number + entry, timedelta(milliseconds=off)
        due, nudges = self.current.entry.due, self.current.entry.nudges
        before = self.current
        assert not self.happens(WindowPassed(number, (due.at if due else self.now) + aside))
        off_time = (nudges[0].at if nudges else self.now) + aside
        if off_time not in {nudge.at for nudge in nudges}:  # two may be planned a moment apart
            assert not self.happens(NudgeDue(number, off_time))
        assert self.current is before

    @rule(entry=st.integers(-1, 0))
    def nobody_is_reached(self, entry: int) -> None:
        if self.happens(NobodyReached(self.current.entry.number + entry)):
            assert entry == 0
            assert FactKind.NOBODY_REACHED in {fact.kind for fact in self.facts}

    @invariant()
    def it_is_due_as_long_as_it_is_open(self) -> None:
        assert (self.current.next_due is None) is (self.current.status in {Status.RESOLVED, Status.CANCELLED})

    @invariant()
    def reminders_are_in_order_and_before_the_deadline(self) -> None:
        entry = self.current.entry
        planned = [nudge.at for nudge in entry.nudges]
        assert planned == sorted(planned)
        if entry.due:
            assert all(n.at < entry.due.at for n in entry.nudges if n.kind not in {"nobody", "review", "daily"})

    @invariant()
    def acknowledged_means_that_somebody_has_it(self) -> None:
        has = self.current.entry.acknowledged_by is not None
        if self.current.is_open:
            assert has is (self.current.status is Status.ACKNOWLEDGED)

    @invariant()
    def the_ledger_tells_where_it_is(self) -> None:
        entered = [fact for fact in self.facts if fact.kind is FactKind.ENTERED]
        states = [LEAVES[fact.kind] for fact in self.facts if fact.kind in LEAVES]
        assert (entered[-1].level, entered[-1].entry) == (self.current.entry.level, self.current.entry.number)
        assert [fact.entry for fact in entered] == list(range(1, self.current.entry.number + 1))
        assert states[-1] is self.current.status

    @invariant()
    def the_plan_to_come_goes_up_in_time(self) -> None:
        steps = upcoming(self.current, self.here())
        levels = [step.level.ordinal for step in steps]
        times = [step.at for step in steps if step.at]
        assert levels == sorted(set(levels))
        assert all(level > self.current.entry.level for level in levels)
        assert times == sorted(times)
        assert (not steps) is (self.current.next_level is None)


Life.TestCase.settings = settings(
    max_examples=120, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLife = Life.TestCase
