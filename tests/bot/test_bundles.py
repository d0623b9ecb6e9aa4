"""One message for many: what it lists and in which order, whom it addresses, what its buttons mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot import bundles, wording
from bot.bundles import ACKNOWLEDGE_MINE, LIST_MINE
from bot.cards import Desk, Reader
from bot.delivery import Parcel, ParcelId
from bot.directory import Address, PersonId
from bot.effects import Effect, Errand
from bot.message import Line, Subject
from bot.plan import EN, FR, Language
from bot.state import Escalation, EscalationId
from tests.bot.office import ANN, a_draft, a_level, a_plan, at, is_open
from tests.fakes import NINE

ROOM = Address("chat:#r1")


def name(person: PersonId) -> str:
    return person.removeprefix("chat:")


def numbered(number: int, *, level: int = 1) -> Escalation:
    return replace(is_open(level=level), id=EscalationId(f"e{number}"), number=number)


def parcel(escalation: Escalation, *, errand: Errand = Errand.PING, created: datetime = NINE) -> Parcel:
    effect = Effect(errand, escalation.entry.number, ANN)
    return Parcel(ParcelId(f"p{escalation.number}"), escalation.workspace, escalation.id, effect, "k", created, ANN)


def composed(
    *escalations: Escalation, reader: PersonId | None = ANN, language: Language = EN, late: timedelta = timedelta()
) -> Line:
    held = [(parcel(one), one) for one in escalations]
    return bundles.compose(held, Reader(language, reader, None if reader else ROOM), Desk(at(NINE + late), name))


def lines(message: Line) -> list[str]:
    return [wording.plain(message.language, item, name) for item in message.items]


def said(message: Line) -> str:
    return wording.plain(message.language, message.text, name)


def test_a_bundle_lists_the_highest_level_first_and_then_the_first_to_end() -> None:
    later = numbered(2)
    due = later.entry.due
    assert due
    sooner = replace(numbered(7), entry=replace(later.entry, due=replace(due, at=due.at - timedelta(minutes=5))))

    message = composed(later, sooner, numbered(9, level=2))

    assert [line.partition(" ")[0] for line in lines(message)] == ["ESC-9", "ESC-7", "ESC-2"]
    assert lines(message)[2] == "ESC-2 · checkout fails · level 1 of 3 · role 1 · Mon 23 Nov 10:15, Paris"


def test_what_has_no_deadline_stands_last_at_its_level_and_says_so() -> None:
    plan = a_plan(a_level(1, "none"), a_level(2, "none"))
    endless = replace(is_open(plan), id=EscalationId("e1"), number=1)

    message = composed(endless, numbered(2))

    assert lines(message)[1] == "ESC-1 · checkout fails · level 1 of 2 · role 1 · No deadline runs."


def test_it_names_twenty_and_counts_the_others() -> None:
    message = composed(*(numbered(n) for n in range(1, 46)))

    assert said(message) == "45 escalations are waiting for you."
    assert len(message.items) == 21
    assert lines(message)[-1] == "and 25 more; the list shows them."


def test_an_escalation_with_a_ping_and_a_reminder_is_listed_once() -> None:
    one = numbered(1)
    held = [(parcel(one), one), (parcel(one, errand=Errand.REMIND), one)]

    message = bundles.compose(held, Reader(EN, ANN), Desk(at(), name))

    assert said(message) == "1 escalation is waiting for you."
    assert len(message.items) == 1


def test_a_channel_reads_who_is_asked_to_act() -> None:
    message = composed(numbered(1), numbered(2), reader=None)

    assert said(message) == "ann · 2 escalations are waiting here."


def test_a_late_bundle_says_how_late() -> None:
    message = composed(numbered(1), numbered(2), late=timedelta(minutes=12))

    assert said(message) == "2 escalations are waiting for you. This message is 12 min late."


def test_it_is_in_the_readers_language() -> None:
    message = composed(numbered(1), numbered(2), language=FR)

    assert said(message) == "2 remontées vous attendent."
    assert [button.label for button in message.buttons] == ["Prendre toutes les miennes", "Voir la liste"]


def test_its_buttons_act_on_all_that_had_begun_when_it_was_made() -> None:
    message = composed(numbered(1), numbered(2))

    assert [button.press for button in message.buttons] == [ACKNOWLEDGE_MINE, LIST_MINE]
    assert message.subject
    assert bundles.until(Subject.read(str(message.subject))) == NINE


@given(st.datetimes(min_value=datetime(2026, 1, 2), max_value=datetime(2056, 1, 1), timezones=st.just(UTC)))
def test_the_instant_of_a_bundle_comes_back_within_a_second_and_never_earlier(made: datetime) -> None:
    read = bundles.until(Subject.read(str(bundles.subject(made))))

    assert read is not None
    assert timedelta() <= read - made < timedelta(seconds=1)


def test_the_subject_of_one_escalation_is_not_that_of_a_bundle() -> None:
    assert bundles.until(Subject(a_draft().id, 3)) is None
    assert bundles.until(None) is None
