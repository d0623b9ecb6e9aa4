"""Ids sort by time, are UUIDs, and nobody can guess the next."""

from uuid import RFC_4122, UUID

from storage.ids import RandomIds
from tests.fakes import FakeClock


def test_ids_are_uuids_of_version_7_with_the_time_in_front():
    clock = FakeClock()
    ids = RandomIds(clock)

    number = UUID(ids.new())

    assert (number.version, number.variant) == (7, RFC_4122)
    assert number.int >> 80 == int(clock.now().timestamp() * 1000)


def test_later_ids_sort_after_earlier_ones():
    clock = FakeClock()
    ids = RandomIds(clock)
    drawn = []
    for _ in range(50):
        drawn.append(ids.new())
        clock.forward(seconds=0.001)

    assert drawn == sorted(drawn)


def test_all_that_is_not_time_or_kind_is_chance():
    ids = RandomIds(FakeClock())
    drawn = [UUID(ids.new()).int for _ in range(2000)]
    always = never = (1 << 128) - 1
    for number in drawn:
        always &= number
        never &= ~number

    changing = ~(always | never) & (1 << 128) - 1
    assert len(set(drawn)) == len(drawn)
    assert changing == 0xFFF << 64 | (1 << 62) - 1


def test_ids_of_one_instant_sort_in_the_order_in_which_they_are_drawn_and_differ_by_chance():
    clock = FakeClock()
    instant = RandomIds(clock).at_once()
    drawn = [instant.new() for _ in range(10_000)]
    numbers = [UUID(one) for one in drawn]

    assert drawn == sorted(drawn)
    assert {(number.version, number.variant) for number in numbers} == {(7, RFC_4122)}
    assert len({number.int & (1 << 62) - 1 for number in numbers}) == len(drawn)
    assert numbers[0].int >> 80 == int(clock.now().timestamp() * 1000)
    assert numbers[-1].int >> 80 == int(clock.now().timestamp() * 1000) + 2
