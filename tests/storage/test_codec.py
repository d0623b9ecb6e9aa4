"""What is written can be read, always gives the same text, and survives a newer version's keys."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.delivery import MessageRef
from bot.effects import Effect, Errand
from bot.facts import Fact, FactKind, Via
from bot.plan import AcknowledgedBy, Deadline, Level, OnExpiry, Plan, StopsOn, Text, Unit, Window
from bot.ports import Damaged
from bot.state import Ending, Entry, Escalation, Nudge, NudgeKind, Origin, Status
from storage import codec
from storage.types import instant, milliseconds
from tests.builders import an_escalation

QUICK = settings(max_examples=40, deadline=None)
WORDS = st.text(max_size=12)
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
LENGTHS = st.timedeltas(timedelta(0), timedelta(days=400))
NUMBERS = st.integers(1, 1000)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


def several(strategy: st.SearchStrategy, at_least: int = 0) -> st.SearchStrategy:
    return st.lists(strategy, min_size=at_least, max_size=3).map(tuple)


TEXTS = st.builds(Text, several(st.tuples(st.sampled_from(["en", "fr", ""]), WORDS)))
WINDOWS = st.builds(Window, NUMBERS, st.sampled_from(Unit))
LEVELS = st.builds(
    Level,
    NUMBERS,
    WORDS,
    TEXTS,
    TEXTS,
    maybe(WINDOWS),
    TEXTS,
    TEXTS,
    st.sampled_from(OnExpiry),
    st.sampled_from(StopsOn),
    maybe(WORDS),
    st.booleans(),
)
PLANS = st.builds(
    Plan, WORDS, TEXTS, WORDS, maybe(WORDS), maybe(TEXTS), several(LEVELS, 1), NUMBERS, st.sampled_from(AcknowledgedBy)
)
DEADLINES = st.builds(Deadline, INSTANTS, WORDS, several(st.tuples(WORDS, WORDS)))
ENTRIES = st.builds(
    Entry,
    number=NUMBERS,
    level=NUMBERS,
    via=st.sampled_from(Via),
    began_at=INSTANTS,
    assignees=several(WORDS),
    due=maybe(DEADLINES),
    nudges=several(st.builds(Nudge, INSTANTS, st.sampled_from(NudgeKind))),
    acknowledged_by=maybe(WORDS),
    acknowledged_at=maybe(INSTANTS),
    more_time_left=st.integers(0, 3),
    asked=st.booleans(),
    ended_at=maybe(INSTANTS),
    remaining=maybe(LENGTHS),
    nobody_reached=st.booleans(),
    late=NUMBERS,
    reason=WORDS,
    by=maybe(WORDS),
)
ESCALATIONS = st.builds(
    Escalation,
    id=WORDS,
    workspace=WORDS,
    number=NUMBERS,
    plan=PLANS,
    title=WORDS,
    details=WORDS,
    opener=WORDS,
    opened_at=INSTANTS,
    origin=st.builds(Origin, maybe(WORDS), maybe(WORDS)),
    status=st.sampled_from(Status),
    entry=ENTRIES,
    ever_assigned=st.frozensets(WORDS, max_size=4),
    participants=st.frozensets(WORDS, max_size=4),
    ending=maybe(st.builds(Ending, WORDS, INSTANTS, WORDS, maybe(NUMBERS))),
    version=NUMBERS,
)
FACTS = st.builds(
    Fact,
    st.sampled_from(FactKind),
    NUMBERS,
    maybe(WORDS),
    several(WORDS),
    maybe(NUMBERS),
    maybe(st.sampled_from(Via)),
    maybe(INSTANTS),
    maybe(INSTANTS),
    NUMBERS,
    WORDS,
    WORDS,
    st.booleans(),
)
EFFECTS = st.builds(Effect, st.sampled_from(Errand), NUMBERS, maybe(WORDS), maybe(FACTS))
MESSAGES = st.builds(MessageRef, WORDS, WORDS, WORDS, maybe(WORDS))


@QUICK
@given(ESCALATIONS)
def test_an_escalation_comes_back(value):
    assert codec.ESCALATION.read(codec.ESCALATION.write(value)) == value


@QUICK
@given(ESCALATIONS)
def test_an_escalation_comes_back_with_its_plan_kept_elsewhere(value):
    state = codec.ESCALATION.write(value, whole=False)
    plan = codec.PLAN.read(codec.PLAN.write(value.plan))

    assert codec.ESCALATION.read(state, plan) == value


@QUICK
@given(FACTS, EFFECTS, MESSAGES, several(WORDS))
def test_the_smaller_values_come_back(fact, effect, message, addresses):
    assert codec.FACT.read(codec.FACT.write(fact)) == fact
    assert codec.EFFECT.read(codec.EFFECT.write(effect)) == effect
    assert codec.MESSAGE.read(codec.MESSAGE.write(message)) == message
    assert codec.ADDRESSES.read(codec.ADDRESSES.write(addresses)) == addresses


@QUICK
@given(INSTANTS)
def test_instants_are_cut_to_milliseconds(at):
    stored = instant(milliseconds(at))

    assert timedelta(0) <= at - stored < timedelta(milliseconds=1)
    assert milliseconds(stored) == milliseconds(at)


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        milliseconds(datetime(2026, 11, 23))


def test_the_same_value_always_gives_the_same_text():
    names = [f"local:{n}" for n in range(50)]
    one = replace(an_escalation(1), participants=frozenset(names))
    two = replace(an_escalation(1), participants=frozenset(reversed(names)))

    text = codec.ESCALATION.write(one)

    assert text == codec.ESCALATION.write(two)
    assert json.loads(text)["participants"] == sorted(names)
    assert list(json.loads(text)) == sorted(json.loads(text))


@QUICK
@given(ESCALATIONS | PLANS | FACTS | EFFECTS)
def test_texts_are_sorted_and_dense_down_to_the_last_level(value):
    """The digest that names a plan and the chain of a ledger rest on it."""
    known = {Escalation: codec.ESCALATION, Plan: codec.PLAN, Fact: codec.FACT, Effect: codec.EFFECT}

    text = known[type(value)].write(value)

    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_keys_of_a_newer_version_are_skipped():
    value = an_escalation(1)
    newer = json.loads(codec.ESCALATION.write(value))
    newer["mood"] = "calm"
    newer["entry"]["colour"] = {"red": 1}
    newer["plan"]["levels"][0]["pause"] = []

    assert codec.ESCALATION.read(json.dumps(newer)) == value


def test_what_cannot_be_read_is_damaged_and_quotes_nothing():
    secret = json.dumps({"title": "the secret", "number": "many"})

    for text in ("", "{", "[]", "null", secret):
        with pytest.raises(Damaged) as whole:
            codec.ESCALATION.read(text)
        with pytest.raises(Damaged) as apart:
            codec.ESCALATION.read(text, an_escalation(1).plan)
        assert "secret" not in f"{whole.value}{apart.value}"


def test_half_a_surrogate_pair_is_replaced():
    broken = replace(an_escalation(1), title="\ud83d!")

    assert codec.ESCALATION.read(codec.ESCALATION.write(broken)).title == "?!"
    assert codec.storable("\ud83d\0!") == "?!"
