"""One person's haste is that person's wait: limits by person and by channel, that never keep anybody from taking charge."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import forms, wording
from bot.buckets import Buckets, Rate
from bot.commands import Actor
from bot.directory import Address, PersonId
from bot.limits import Limited, Limits
from bot.message import Card, Form, FormErrors, Reply
from bot.plan import EN, FR, Language
from tests.fakes import FakeClock

SPAMMER, OTHER = PersonId(Address("chat:spammer")), PersonId(Address("chat:other"))
HELP = Address("chat:#help")
FORM = Form("open", EN, "t", "s", "c", "", ())


class Desk:
    """Notes what gets through; answers words that begin with "form" with the form."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def language(self, actor: Actor) -> Language:
        return FR if actor.person == OTHER else EN

    async def typed(self, actor: Actor, words: str, **_: object) -> Reply:
        self.calls.append(words)
        return Reply(EN, form=FORM) if words.startswith("form") else Reply(EN, ("done",))

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        self.calls.append(press)
        return Reply(EN, ("done",))

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        return FORM

    async def submitted(self, actor: Actor, form: str, *_: object, request: str) -> Reply | FormErrors:
        self.calls.append(form)
        return Reply(EN, ("done",))

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        return Reply(EN, form=FORM)

    async def new(self, actor: Actor, *, request: str) -> Reply:
        return Reply(EN, form=FORM)

    async def drawn(self, actor: Actor, subject: str) -> Card | None:
        return None


class Counted:
    """`Signals` that counts troubles."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def trouble(self, what: str) -> None:
        self.troubles.append(what)


class Gate:
    """The limits, a desk behind them, and requests that are all different."""

    def __init__(self, clock: FakeClock, **limits: int) -> None:
        self.clock, self.desk, self.signals, self.count = clock, Desk(), Counted(), 0
        self.limited = Limited(self.desk, Limits.of(**limits), clock, self.signals)  # type: ignore[arg-type]

    async def types(self, words: str, who: PersonId = SPAMMER, *, request: str = "") -> str:
        self.count += 1
        reply = await self.limited.typed(Actor(who, seen_in=HELP), words, request=request or f"r{self.count}")
        return "form" if reply.form else wording.plain(reply.language, reply.text, str)

    async def presses(self, who: PersonId = SPAMMER) -> str:
        self.count += 1
        reply = await self.limited.pressed(Actor(who, seen_in=HELP), "acknowledge", "e.1", request=f"r{self.count}")
        return wording.plain(reply.language, reply.text, str)


@pytest.fixture
def gate(clock: FakeClock) -> Gate:
    return Gate(clock)


async def test_ten_questions_at_once_and_thirty_a_minute(gate: Gate) -> None:
    answers = [await gate.types("list") for _ in range(11)]

    assert answers == [*["done"] * 10, "That was a lot at once; nothing was recorded. Try again in 2 s."]
    gate.clock.forward(seconds=2)
    assert await gate.types("list") == "done"
    assert await gate.types("list") != "done"
    assert gate.signals.troubles == ["rate_limited", "rate_limited"]


async def test_everybody_reads_it_in_their_own_language(gate: Gate) -> None:
    said = [await gate.types("list", OTHER) for _ in range(11)][-1]

    assert said == "Cela fait beaucoup à la fois ; rien n’a été enregistré. Réessayez dans 2 s."


async def test_openings_are_counted_apart_and_what_only_brings_the_form_is_none(clock: FakeClock) -> None:
    gate = Gate(clock, requests=600)

    assert [await gate.types("form please") for _ in range(30)] == ["form"] * 30
    assert [await gate.types("checkout fails") for _ in range(10)] == ["done"] * 10
    assert "Try again" in await gate.types("checkout fails")
    assert await gate.types("list") == "done", "questions are still answered"


async def test_a_form_that_was_sent_too_often_stays_open_with_what_was_typed(clock: FakeClock) -> None:
    gate, actor = Gate(clock, openings=1), Actor(SPAMMER)

    first = await gate.limited.submitted(actor, forms.OPEN, "", {"title": "x"}, request="1")
    second = await gate.limited.submitted(actor, forms.OPEN, "", {"title": "x"}, request="2")

    assert isinstance(first, Reply)
    assert isinstance(second, FormErrors)
    assert "nothing was recorded" in second.errors["title"]
    assert gate.desk.calls == ["open"]


async def test_one_person_takes_nothing_from_another(gate: Gate) -> None:
    for _ in range(500):
        await gate.types("checkout fails")
        await gate.presses()

    assert await gate.types("the shop is down", OTHER) == "done"
    assert await gate.presses(OTHER) == "done"


async def test_a_channel_full_of_talk_keeps_nobody_from_taking_charge(gate: Gate) -> None:
    for number in range(200):
        await gate.types("list", PersonId(Address(f"chat:p{number}")))

    assert "beaucoup" in await gate.types("list", OTHER), "the channel has had its share"
    assert await gate.presses(OTHER) == "done"
    assert await gate.types("ack ESC-1", OTHER) == "done"
    assert await gate.types("resolve ESC-1 restarted it", OTHER) == "done"


async def test_thirty_cards_may_be_taken_at_once(gate: Gate) -> None:
    assert {await gate.presses() for _ in range(30)} == {"done"}
    assert "Try again" in await gate.presses()


async def test_what_is_delivered_again_is_not_told_that_nothing_was_recorded(gate: Gate) -> None:
    assert [await gate.types("checkout fails", request="same") for _ in range(50)] == ["done"] * 50
    assert len(gate.desk.calls) == 50, "the store tells them apart"


async def test_what_clients_ask_by_themselves_has_an_end_too(gate: Gate) -> None:
    shown = [await gate.limited.changed(Actor(SPAMMER), "open", "", {}) for _ in range(100)]

    assert shown == [*[FORM] * 60, *[None] * 40]
    assert await gate.types("list") == "done"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3)), max_size=200), st.integers(1, 60), st.integers(1, 20))
def test_no_bucket_ever_gives_more_than_its_rate(
    steps: list[tuple[float, int]], each_minute: int, at_once: int
) -> None:
    now, taken = 0.0, dict.fromkeys(range(4), 0)
    buckets = Buckets(Rate(each_minute, at_once), lambda: now)
    for passed, key in steps:
        now += passed
        if not buckets.wait(key):
            buckets.take(key)
            taken[key] += 1
        assert taken[key] <= at_once + now * each_minute / 60 + 1e-6
    assert all(buckets.wait(key) <= 60 / each_minute + 1e-6 for key in taken)


def test_buckets_are_bounded() -> None:
    buckets = Buckets(Rate(1, 1), lambda: 0.0, kept=100)
    for number in range(10_000):
        buckets.take(number)

    assert len(buckets) == 100
    assert buckets.wait(9_999) > 0


@pytest.mark.parametrize(("each_minute", "at_once"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_lets_something_through(each_minute: int, at_once: int) -> None:
    with pytest.raises(ValueError, match="lets something through"):
        Rate(each_minute, at_once)
