"""Where a message goes, in which order, and what it says when it goes out."""

from datetime import datetime, timedelta

import pytest

from bot import letters, wording
from bot.cards import Desk, Reader
from bot.delivery import MessageRef, Parcel, ParcelId, SentCard, route
from bot.directory import Address, Binding, PersonId, WorkspaceId
from bot.effects import PRIORITY, Effect, Errand
from bot.escalation import advance
from bot.events import (
    Acknowledged,
    EscalatedNow,
    HandedOver,
    MoreTimeTaken,
    NobodyReached,
    NudgeDue,
    Released,
    Resolved,
    WindowPassed,
)
from bot.facts import Fact, FactKind
from bot.message import Card, Line, Message, Tone
from bot.plan import EN, FR, Language, OnExpiry, Unit, Window
from bot.rich import Mention
from bot.schedule import Situation
from bot.state import Escalation, EscalationId
from tests.bot.office import ADMIN, ADMINS, ANN, BEN, CAT, DAN, EVE, HELD, OPENER, a_level, a_plan, after, at, is_open
from tests.fakes import NINE

ROOM, BACK_ROOM = Address("chat:#r1"), Address("chat:#fallback")
DUTY = PersonId(Address("chat:duty"))
SAFE = {"fallback_owner": DUTY, "fallback_channel": BACK_ROOM}
MINUTE = timedelta(minutes=1)
DUE = NINE + 15 * MINUTE


def parcel(effect: Effect, created: datetime = NINE) -> Parcel:
    return Parcel(ParcelId("p1"), WorkspaceId("acme"), EscalationId("e1"), effect, "key", created)


def sent_card(to: Address, number: int, *, entry: int = 1, errand: Errand = Errand.PING, link: bool = True) -> SentCard:
    ref = MessageRef(to, "place", f"m{number}", f"https://chat.example/{number}" if link else None)
    return SentCard(ref, entry, errand, 1)


def written(
    effect: Effect, escalation: Escalation, to: Address, *, here: Situation | None = None, language: Language = EN
) -> Message:
    situation = here or at()
    is_channel = situation.roster.directory.is_channel(to)
    reader = Reader(language, None if is_channel else PersonId(to), to if is_channel else None)
    desk = Desk(situation, lambda who: who.removeprefix("chat:"))
    return letters.compose(parcel(effect), escalation, to, reader, desk)


def line(effect: Effect, escalation: Escalation, to: Address = ANN, **more: object) -> Line:
    message = written(effect, escalation, to, **more)  # type: ignore[arg-type]
    assert isinstance(message, Line)
    return message


def reminder(current: Escalation, now: datetime, kind: str) -> str:
    """What the assignee reads when this reminder goes out."""
    planned = next(nudge for nudge in current.entry.nudges if nudge.kind == kind)
    outcome = advance(current, NudgeDue(current.entry.number, planned.at), at(now))
    effect = next(effect for effect in outcome.effects if effect.errand is Errand.REMIND)
    assert effect.to is not None
    return line(effect, outcome.escalation, effect.to, here=at(now)).fallback


# The route


def test_a_ping_goes_to_the_person_the_channel_the_fallback_owner_and_the_fallback_channel() -> None:
    assert route(Effect(Errand.PING, 1, ANN), is_open(), at(**SAFE).roster) == (ANN, ROOM, DUTY, BACK_ROOM)
    assert route(Effect(Errand.REMIND, 1, ANN), is_open(), at(**SAFE).roster) == (ANN, ROOM, DUTY, BACK_ROOM)


def test_without_channel_and_fallback_there_is_the_person_alone() -> None:
    assert route(Effect(Errand.PING, 1, BEN), is_open(level=2), at().roster) == (BEN,)


def test_each_place_is_tried_once() -> None:
    here = at(fallback_owner=ANN, fallback_channel=ROOM)

    assert route(Effect(Errand.PING, 1, ANN), is_open(here=here), here.roster) == (ANN, ROOM)


def test_the_post_of_a_role_that_people_hold_goes_to_its_channel_only() -> None:
    assert route(Effect(Errand.POST, 1, ROOM), is_open(), at(**SAFE).roster) == (ROOM,)


def test_the_post_of_a_channel_without_owners_is_the_ping() -> None:
    here = at(held={**HELD, "r1": Binding(channel=ROOM)}, **SAFE)

    assert route(Effect(Errand.POST, 1, ROOM), is_open(here=here), here.roster) == (ROOM, DUTY, BACK_ROOM)


def test_the_post_of_a_role_that_nobody_holds_goes_to_the_fallbacks() -> None:
    here = at(held={**HELD, "r1": Binding()}, **SAFE)

    assert route(Effect(Errand.POST, 1, None), is_open(here=here), here.roster) == (DUTY, BACK_ROOM)


def test_what_is_told_to_one_person_goes_nowhere_else() -> None:
    for errand in (Errand.TELL, Errand.CARD):
        assert route(Effect(errand, 1, OPENER), is_open(), at(**SAFE).roster) == (OPENER,)


def test_history_goes_to_the_channel_and_an_alarm_to_the_admins() -> None:
    assert route(Effect(Errand.HISTORY, 1, ROOM), is_open(), at().roster) == (ROOM,)
    assert route(Effect(Errand.ALERT, 1), is_open(), at(**SAFE).roster) == (ADMINS, ADMIN, BACK_ROOM)


def test_pings_come_before_edits_and_history_last() -> None:
    assert sorted(PRIORITY, key=PRIORITY.__getitem__) == [
        Errand.PING, Errand.POST, Errand.REMIND, Errand.ALERT, Errand.TELL, Errand.CARD, Errand.REDRAW, Errand.HISTORY,
    ]  # fmt: skip


# Read again at the moment of sending


@pytest.mark.parametrize("errand", [Errand.PING, Errand.POST, Errand.REMIND])
def test_nobody_is_asked_to_act_after_the_end_or_for_an_earlier_entry(errand: Errand) -> None:
    effect = parcel(Effect(errand, 1, ANN))

    assert not letters.outdated(effect, is_open())
    assert letters.outdated(effect, after(is_open(), Resolved(ANN, "")))
    assert letters.outdated(effect, after(is_open(), EscalatedNow(ANN, "why")))


@pytest.mark.parametrize("errand", [Errand.TELL, Errand.HISTORY, Errand.ALERT, Errand.REDRAW])
def test_what_has_happened_is_told_all_the_same(errand: Errand) -> None:
    assert not letters.outdated(parcel(Effect(errand, 1, ANN)), after(is_open(), Resolved(ANN, "")))


def test_nobody_is_pinged_for_what_was_handed_to_another() -> None:
    handed = after(is_open(), HandedOver(ANN, EVE))

    assert letters.outdated(parcel(Effect(Errand.PING, 1, ANN)), handed)
    assert not letters.outdated(parcel(Effect(Errand.PING, 1, EVE)), handed)


@pytest.mark.parametrize("fact", [Fact(FactKind.REMINDED, 1, code="half"), Fact(FactKind.REMINDED, 1, code="last"),
                                  Fact(FactKind.RELEASED, 1)])  # fmt: skip
def test_nobody_is_reminded_of_waiting_once_somebody_has_it(fact: Fact) -> None:
    effect = parcel(Effect(Errand.REMIND, 1, ANN, fact))

    assert not letters.outdated(effect, is_open())
    assert letters.outdated(effect, after(is_open(), Acknowledged(ANN)))


def test_nobody_is_asked_to_decide_once_it_is_decided() -> None:
    plan = a_plan(a_level(1, "1h", on_expiry=OnExpiry.ASK), a_level(2))
    ended = at(NINE + timedelta(hours=1, seconds=1))
    asked = after(is_open(plan), (WindowPassed(1, NINE + timedelta(hours=1)), ended))
    effect = parcel(Effect(Errand.REMIND, 1, ANN, Fact(FactKind.REMINDED, 1, code="ask")))

    assert not letters.outdated(effect, asked)
    assert letters.outdated(effect, after(asked, (MoreTimeTaken(ANN, Window(10, Unit.MINUTE)), ended)))


# Threads


def test_a_card_stands_alone_and_the_rest_goes_to_its_thread() -> None:
    cards = [sent_card(ANN, 1), sent_card(ROOM, 2, errand=Errand.POST), sent_card(ANN, 3, entry=2)]

    def thread(errand: Errand, to: Address, entry: int = 1) -> str | None:
        ref = letters.thread_of(parcel(Effect(errand, entry, to)), to, cards)
        return ref.id if ref else None

    assert [thread(errand, ANN) for errand in (Errand.POST, Errand.CARD, Errand.ALERT)] == [None, None, None]
    assert thread(Errand.PING, BEN) is None
    assert thread(Errand.PING, ANN) == "m1", "pinged again in the thread: one root card per entry and address"
    assert thread(Errand.PING, ANN, entry=3) is None
    assert thread(Errand.REMIND, ANN) == "m1"
    assert thread(Errand.TELL, ANN, entry=3) == "m3"
    assert thread(Errand.HISTORY, ROOM) == "m2"
    assert thread(Errand.TELL, BEN) is None


def test_a_mention_in_the_channel_goes_below_its_post() -> None:
    cards = [sent_card(ROOM, 2, errand=Errand.POST)]

    assert letters.thread_of(parcel(Effect(Errand.PING, 1, ANN)), ROOM, cards) == cards[0].ref


def test_the_newest_card_is_the_channels() -> None:
    cards = [sent_card(ANN, 1), sent_card(ROOM, 2, errand=Errand.POST), sent_card(BEN, 3, entry=2)]

    assert letters.newest_link(cards, 1) == "https://chat.example/2"
    assert letters.newest_link(cards, 2) == "https://chat.example/3"
    assert letters.newest_link(cards, 3) is None
    assert letters.newest_link([sent_card(ANN, 1, link=False)], 1) is None


# What is said


def test_a_card_in_place_of_a_ping_names_who_was_not_reached() -> None:
    card = written(Effect(Errand.PING, 1, ANN), is_open(), ROOM)

    assert isinstance(card, Card)
    assert Mention(ANN) in card.lead
    assert wording.plain(EN, card.lead, str) == "For chat:ann, who could not be reached directly."


def test_a_ping_that_goes_out_late_says_how_late() -> None:
    card = written(Effect(Errand.PING, 1, ANN), is_open(), ANN, here=at(NINE + 5 * MINUTE))

    assert isinstance(card, Card)
    assert wording.plain(EN, card.footer, str) == "Delivered 5 min late."


@pytest.mark.parametrize(
    ("kind", "minutes", "said"),
    [
        ("half", 8, "Reminder: ESC-42 · checkout fails is waiting for someone. 7 min left before it moves to level 2."),
        ("last", 12, "Nobody has taken ESC-42 · checkout fails yet: it moves to level 2 in 3 min."),
        ("last", 15, "Nobody has taken ESC-42 · checkout fails yet: it moves to level 2 in 0 min."),
    ],
)
def test_reminders_say_how_much_is_left(kind: str, minutes: int, said: str) -> None:
    assert reminder(is_open(), NINE + minutes * MINUTE, kind) == said


def test_the_heads_up_offers_to_resolve_or_to_take_more_time() -> None:
    taken = after(is_open(), Acknowledged(ANN))

    told = line(
        Effect(Errand.REMIND, 1, ANN, Fact(FactKind.REMINDED, 1, code="heads_up")), taken, here=at(NINE + 12 * MINUTE)
    )

    assert told.fallback == "ESC-42 · checkout fails moves to level 2 in 3 min. Is it solved, or do you need more time?"
    assert [button.press for button in told.buttons] == ["resolve", "more_time"]


@pytest.mark.parametrize("plan", [a_plan(a_level(1, "1h", on_expiry=OnExpiry.STAY), a_level(2)), a_plan(a_level(1, "1h")),
                                  a_plan(a_level(1, "1h", on_expiry=OnExpiry.ASK), a_level(2))])  # fmt: skip
def test_a_level_that_keeps_the_issue_does_not_threaten_to_move_it(plan: object) -> None:
    said = reminder(is_open(plan), NINE + 30 * MINUTE, "half")  # type: ignore[arg-type]

    assert said == "Reminder: ESC-42 · checkout fails is waiting for someone. 30 min left before its deadline."


def test_reminders_name_the_level_that_really_comes() -> None:
    plan = a_plan(a_level(1, "1h"), a_level(2, skip=True), a_level(3))
    held = {"r1": HELD["r1"], "r3": HELD["r3"]}
    current = is_open(plan, here=at(held=held))
    effect = Effect(Errand.REMIND, 1, ANN, Fact(FactKind.REMINDED, 1, code="half"))

    assert "before it moves to level 3" in line(effect, current, here=at(NINE + 30 * MINUTE, held)).fallback


def test_reminders_are_in_the_readers_language() -> None:
    effect = Effect(Errand.REMIND, 1, ANN, Fact(FactKind.REMINDED, 1, code="half"))

    assert line(effect, is_open(), here=at(NINE + 8 * MINUTE), language=FR).fallback == (
        "Rappel\u00a0: ESC-42 · checkout fails attend quelqu’un. Encore 7 min avant le niveau 2."
    )


def test_a_reminder_in_the_channel_mentions_whom_it_was_for() -> None:
    told = line(Effect(Errand.REMIND, 1, ANN, Fact(FactKind.REMINDED, 1, code="half")), is_open(), ROOM)

    assert told.text[0] == Mention(ANN)


def test_a_release_pings_again() -> None:
    outcome = advance(after(is_open(), Acknowledged(ANN)), Released(ANN), at())

    told = line(outcome.effects[0], outcome.escalation)

    assert told.fallback == "ESC-42 · checkout fails is waiting again at level 1 of 3 · role 1."
    assert [button.press for button in told.buttons] == ["acknowledge", "escalate"]


def test_the_alarm_names_the_level_and_leads_to_the_timeline() -> None:
    outcome = advance(is_open(), NobodyReached(1), at())
    effect = next(effect for effect in outcome.effects if effect.errand is Errand.ALERT)

    told = line(effect, outcome.escalation, ADMINS)

    assert told.fallback == "ESC-42 · checkout fails · Nobody could be reached at level 1 of 3 · role 1."
    assert told.tone is Tone.ALARM
    assert [button.press for button in told.buttons] == ["timeline"]


def test_who_had_it_is_told_where_it_went() -> None:
    outcome = advance(after(is_open(), Acknowledged(DAN)), WindowPassed(1, DUE), at(DUE + MINUTE / 60))
    effect = next(effect for effect in outcome.effects if effect.to == DAN)

    assert line(effect, outcome.escalation, DAN).fallback == (
        "ESC-42 · checkout fails · Time was up: moved to level 2 of 3 · role 2; ben pinged."
    )


def test_the_ping_of_a_channel_is_not_told_as_nobody() -> None:
    held = {**HELD, "r2": Binding(channel=Address("chat:#r2"))}
    outcome = advance(is_open(), EscalatedNow(ANN, "too hard"), at(held=held))
    effect = next(effect for effect in outcome.effects if effect.to == OPENER)

    assert line(effect, outcome.escalation, OPENER, here=at(held=held)).fallback == (
        "ESC-42 · checkout fails · ann escalated it to level 2 of 3 · role 2: too hard (#r2 pinged)"
    )
    assert CAT not in {effect.to for effect in outcome.effects}
