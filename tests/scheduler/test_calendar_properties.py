"""Calendars by property, and against an oracle that steps through the minutes and knows nothing of spans."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from bot.directory import CalendarRules
from bot.plan import Unit, Window
from scheduler.calendar import BusinessCalendar

CHANGING = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns")
STEADY = ("UTC", "Asia/Kolkata", "Asia/Tokyo")
YEAR = date(2026, 1, 1)
MINUTE = timedelta(minutes=1)
FRENCH_2026 = {
    date(2026, month, day)
    for month, day in [(1, 1), (4, 6), (5, 1), (5, 8), (5, 14), (5, 25), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
}
FRENCH_2027 = {date(2027, 1, 1), date(2027, 3, 29)}

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(quick, max_examples=60)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of the pinned tzdata: the machine's own may be older."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@dataclass(frozen=True)
class Case:
    """A calendar and an instant to ask it about."""

    rules: CalendarRules
    start: datetime

    @property
    def calendar(self) -> BusinessCalendar:
        return BusinessCalendar(self.rules)


def periods(first: int, last: int, *, least: int = 0):
    """Up to three periods on quarters of an hour, between two hours of the day."""
    quarters = some.lists(some.integers(first * 4, last * 4), min_size=2 * least, max_size=6, unique=True)
    return quarters.map(lambda marks: tuple(_period(*pair) for pair in list(pairwise(sorted(marks)))[::2]))


def _period(opens: int, closes: int) -> tuple[time, time]:
    return time(opens // 4, opens % 4 * 15), time(closes // 4 % 24, closes % 4 * 15)


@some.composite
def cases(draw: some.DrawFn, *, tidy: bool = False) -> Case:
    """Any zone and any hours; `tidy` keeps the hours of changing zones away from their changes."""
    name = draw(some.sampled_from(CHANGING + STEADY))
    first, last = (5, 23) if tidy and name in CHANGING else (0, 24)
    days = some.integers(0, 364).map(lambda n: YEAR + timedelta(days=n))
    day = draw(days)
    near = some.integers(-3, 12).map(lambda n: day + timedelta(days=n))
    opened = draw(some.dictionaries(near, periods(first, last, least=1), max_size=2))
    rules = CalendarRules(
        name,
        weekly=draw(some.tuples(*[some.just(()) | periods(first, last)] * 6, periods(first, last, least=1))),
        holidays=draw(some.sampled_from((None, "FR"))),
        closed=draw(some.frozensets(near, max_size=3)) - set(opened),
        opened=opened,
    )
    minute = draw(some.integers(0, 24 * 60 - 1))
    return Case(rules, datetime(day.year, day.month, day.day, tzinfo=UTC) + minute * MINUTE)


def lengths(minutes: int):
    return some.integers(0, minutes).map(lambda n: n * MINUTE)


class Oracle:
    """Working time by looking at every minute of the wall clock."""

    def __init__(self, rules: CalendarRules) -> None:
        self._rules = rules
        self.zone = zone(rules.zone)

    def open_on(self, day: date, minute: int) -> bool:
        return any(_minutes(opens) <= minute < (_minutes(closes) or 1440) for opens, closes in self._periods(day))

    def is_open(self, at: datetime) -> bool:
        wall = at.astimezone(self.zone)
        return self.open_on(wall.date(), wall.hour * 60 + wall.minute)

    def works(self, day: date) -> bool:
        return any(self.open_on(day, minute) for minute in range(0, 1440, 15))

    def opening(self, at: datetime) -> datetime:
        while not self.is_open(at):
            at += MINUTE
        return at

    def after(self, start: datetime, minutes: int) -> datetime:
        at = start
        while minutes:
            minutes -= self.is_open(at)
            at += MINUTE
        return at

    def business_days(self, start: datetime, count: int) -> datetime:
        wall = self.opening(start).astimezone(self.zone)
        day = wall.date()
        while count:
            day += timedelta(days=1)
            count -= self.works(day)
        return self.opening(datetime.combine(day, wall.time(), self.zone).astimezone(UTC))

    def _periods(self, day: date) -> tuple[tuple[time, time], ...]:
        if day in self._rules.opened:
            return self._rules.opened[day]
        holiday = self._rules.holidays and day in FRENCH_2026 | FRENCH_2027
        return () if holiday or day in self._rules.closed else self._rules.weekly[day.weekday()]


def _minutes(wall: time) -> int:
    return wall.hour * 60 + wall.minute


@thorough
@given(cases(tidy=True), some.integers(1, 900))
def test_working_time_is_what_stepping_through_the_minutes_finds(case: Case, minutes: int):
    end = case.calendar.deadline(case.start, Window(minutes, Unit.BUSINESS_MINUTE)).at

    assert end == Oracle(case.rules).after(case.start, minutes)


@thorough
@given(cases(tidy=True), some.integers(1, 6))
def test_business_days_are_what_stepping_through_the_minutes_finds(case: Case, count: int):
    end = case.calendar.deadline(case.start, Window(count, Unit.BUSINESS_DAY)).at

    assert end == Oracle(case.rules).business_days(case.start, count)


@quick
@given(cases(tidy=True), lengths(20_000))
def test_working_time_is_open_minute_by_minute(case: Case, later: timedelta):
    at = case.start + later

    assert case.calendar.is_open(at) == Oracle(case.rules).is_open(at)


@quick
@given(cases(), some.integers(1, 20), some.sampled_from((Unit.BUSINESS_DAY, Unit.DAY, Unit.WEEK)))
def test_days_end_in_working_time_and_after_the_start(case: Case, amount: int, unit: Unit):
    end = case.calendar.deadline(case.start, Window(amount, unit)).at

    assert end > case.start
    assert case.calendar.is_open(end)


@quick
@given(cases(), some.integers(1, 5_000))
def test_working_time_ends_in_working_time_or_as_it_closes(case: Case, minutes: int):
    end = case.calendar.deadline(case.start, Window(minutes, Unit.BUSINESS_MINUTE)).at

    assert case.calendar.is_open(end - timedelta(microseconds=1))


@quick
@given(cases(), lengths(3_000), lengths(3_000))
def test_two_waits_add_up(case: Case, one: timedelta, other: timedelta):
    calendar = case.calendar
    halfway = calendar.after(case.start, one, working=True)

    assert calendar.after(halfway, other, working=True) == calendar.after(case.start, one + other, working=True)


@quick
@given(cases(), lengths(5_000))
def test_what_remains_until_a_wait_is_over_is_the_wait(case: Case, length: timedelta):
    calendar = case.calendar

    for working in (True, False):
        end = calendar.after(case.start, length, working=working)
        assert calendar.remaining(case.start, end, working=working) == length


@quick
@given(cases(), lengths(6_000), some.integers(1, 3_000))
def test_a_later_start_never_ends_working_time_earlier(case: Case, later: timedelta, minutes: int):
    window = Window(minutes, Unit.BUSINESS_MINUTE)
    calendar = case.calendar

    assert calendar.deadline(case.start, window).at <= calendar.deadline(case.start + later, window).at


@quick
@given(cases(tidy=True), lengths(6_000), some.integers(1, 8))
def test_a_later_start_never_ends_business_days_earlier(case: Case, later: timedelta, count: int):
    window = Window(count, Unit.BUSINESS_DAY)
    calendar = case.calendar

    assert calendar.deadline(case.start, window).at <= calendar.deadline(case.start + later, window).at


@quick
@given(cases(), lengths(8_000), some.floats(0, 1))
def test_a_part_lies_in_range_and_in_working_time(case: Case, length: timedelta, fraction: float):
    calendar, end = case.calendar, case.start + length
    part = calendar.part(case.start, end, fraction, working=True)

    assert case.start <= part <= end
    assert part == end or calendar.is_open(part)


@quick
@given(cases(), lengths(8_000), some.floats(0, 1), some.floats(0, 1))
def test_a_greater_part_is_never_earlier(case: Case, length: timedelta, one: float, other: float):
    calendar, end = case.calendar, case.start + length
    less, more = sorted((one, other))

    for working in (True, False):
        parts = [calendar.part(case.start, end, fraction, working=working) for fraction in (less, more)]
        assert parts == sorted(parts)


@quick
@given(cases(), lengths(8_000), lengths(8_000))
def test_what_remains_is_the_sum_of_its_parts(case: Case, one: timedelta, other: timedelta):
    calendar = case.calendar
    middle = case.start + one
    end = middle + other

    halves = calendar.remaining(case.start, middle, working=True) + calendar.remaining(middle, end, working=True)
    assert halves == calendar.remaining(case.start, end, working=True)


@quick
@given(some.sampled_from(CHANGING + STEADY), cases(), some.integers(1, 5_000))
def test_round_the_clock_working_time_is_elapsed_time(name: str, case: Case, minutes: int):
    calendar = BusinessCalendar(CalendarRules(name, always=True))

    assert calendar.deadline(case.start, Window(minutes, Unit.BUSINESS_MINUTE)).at == case.start + minutes * MINUTE
    assert calendar.is_open(case.start)


@quick
@given(some.sampled_from(CHANGING + STEADY), cases(), some.integers(1, 400))
def test_round_the_clock_days_keep_the_wall_time_that_exists(name: str, case: Case, days: int):
    calendar = BusinessCalendar(CalendarRules(name, always=True))
    end = calendar.deadline(case.start, Window(days, Unit.DAY))
    assume(not end.reasons)
    began, ended = (at.astimezone(zone(name)).replace(tzinfo=None) for at in (case.start, end.at))

    assert ended - began == timedelta(days=days)
    assert end == calendar.deadline(case.start, Window(days, Unit.BUSINESS_DAY))


@quick
@given(cases(), some.integers(1, 10), some.sampled_from(Unit))
def test_reasons_are_dated_between_the_start_and_the_end(case: Case, amount: int, unit: Unit):
    found = case.calendar.deadline(case.start, Window(amount, unit))
    first, last = (at.astimezone(zone(case.rules.zone)).date().isoformat() for at in (case.start, found.at))

    dates = [about[:10] for _, about in found.reasons]
    assert dates == sorted(dates)
    assert all(first <= day <= last for day in dates)
