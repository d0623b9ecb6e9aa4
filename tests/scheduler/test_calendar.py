"""Calendars by example: the decisions about the clock, one sentence each."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

from bot.directory import CalendarRules
from bot.errors import CalendarError
from bot.plan import Deadline, Window
from scheduler.calendar import BusinessCalendar, NamedCalendars
from scheduler.clock import SystemClock

NINE_TO_FIVE = ((time(9), time(17)),)
OFFICE_WEEK = (NINE_TO_FIVE,) * 5 + ((), ())
WHOLE_DAY = ((time(0), time(0)),)
PARIS = CalendarRules("Europe/Paris", weekly=OFFICE_WEEK, holidays="FR")
ROUND_THE_CLOCK = CalendarRules("Europe/Paris", always=True)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of the pinned tzdata: the machine's own may be older."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def an_office(**changes: object) -> BusinessCalendar:
    """Monday to Friday, nine to five, in Paris, with nothing else unless it is said."""
    return BusinessCalendar(CalendarRules(**{"zone": "Europe/Paris", "weekly": OFFICE_WEEK, **changes}))


def every_day(name: str, *periods: tuple[time, time]) -> BusinessCalendar:
    return BusinessCalendar(CalendarRules(name, weekly=(periods,) * 7))


def at(wall: str, name: str = "Europe/Paris") -> datetime:
    return datetime.fromisoformat(wall).replace(tzinfo=zone(name)).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ends(calendar: BusinessCalendar, start: str, window: str) -> str:
    """The end on the wall of the calendar's zone, from a start on the same wall."""
    return wall(calendar, deadline(calendar, at(start, calendar.zone), window).at)


def wall(calendar: BusinessCalendar, instant: datetime) -> str:
    return f"{instant.astimezone(zone(calendar.zone)):%a %d %b %Y %H:%M}"


def deadline(calendar: BusinessCalendar, start: datetime, window: str) -> Deadline:
    read = Window.parse(window)
    assert read is not None
    return calendar.deadline(start, read)


def reasons(calendar: BusinessCalendar, start: str, window: str) -> list[tuple[str, str]]:
    return list(deadline(calendar, at(start, calendar.zone), window).reasons)


class TestBusinessDays:
    @pytest.mark.parametrize(
        ("start", "window", "end"),
        [
            ("2026-11-20 16:30", "1bd", "Mon 23 Nov 2026 16:30"),
            ("2026-11-23 03:00", "1bd", "Tue 24 Nov 2026 09:00"),
            ("2026-11-11 10:00", "1bd", "Fri 13 Nov 2026 09:00"),
            ("2026-11-24 10:00", "3bd", "Fri 27 Nov 2026 10:00"),
            ("2026-11-25 10:00", "3bd", "Mon 30 Nov 2026 10:00"),
            ("2026-11-21 10:00", "1bd", "Tue 24 Nov 2026 09:00"),
            ("2026-12-24 16:00", "1bd", "Mon 28 Dec 2026 16:00"),
            ("2026-12-31 16:00", "1bd", "Mon 04 Jan 2027 16:00"),
        ],
    )
    def test_keep_the_wall_time_n_working_days_on(self, start: str, window: str, end: str):
        assert ends(BusinessCalendar(PARIS), start, window) == end

    def test_from_the_closing_instant_count_from_the_next_opening(self):
        assert ends(an_office(), "2026-11-23 17:00", "1bd") == "Wed 25 Nov 2026 09:00"

    def test_from_the_opening_instant_count_from_there(self):
        assert ends(an_office(), "2026-11-23 09:00", "1bd") == "Tue 24 Nov 2026 09:00"

    def test_that_end_after_a_short_friday_roll_to_monday(self):
        calendar = an_office(weekly=(NINE_TO_FIVE,) * 4 + (((time(9), time(12)),), (), ()))

        assert ends(calendar, "2026-11-19 15:00", "1bd") == "Mon 23 Nov 2026 09:00"
        assert ends(calendar, "2026-11-19 12:00", "1bd") == "Mon 23 Nov 2026 09:00"
        assert ends(calendar, "2026-11-19 11:59", "1bd") == "Fri 20 Nov 2026 11:59"

    def test_that_end_in_a_lunch_break_roll_to_the_afternoon(self):
        lunch = ((time(9), time(12)), (time(13), time(17)))
        calendar = an_office(weekly=(NINE_TO_FIVE, lunch, *OFFICE_WEEK[2:]))

        assert ends(calendar, "2026-11-23 12:30", "1bd") == "Tue 24 Nov 2026 13:00"

    def test_cross_a_leap_day(self):
        calendar = every_day("Europe/Paris", (time(9), time(17)))

        assert ends(calendar, "2028-02-28 10:00", "1bd") == "Tue 29 Feb 2028 10:00"
        assert ends(calendar, "2028-02-28 10:00", "2bd") == "Wed 01 Mar 2028 10:00"

    def test_of_a_country_skip_observed_holidays(self):
        calendar = an_office(zone="America/New_York", holidays="US")

        assert ends(calendar, "2027-12-30 10:00", "1bd") == "Mon 03 Jan 2028 10:00"

    def test_of_a_subdivision_skip_its_own_holidays(self):
        alsace = an_office(holidays="FR", subdivision="6AE")

        assert ends(alsace, "2025-12-24 10:00", "1bd") == "Mon 29 Dec 2025 10:00"
        assert ends(BusinessCalendar(PARIS), "2025-12-24 10:00", "1bd") == "Fri 26 Dec 2025 10:00"


class TestWorkingTime:
    @pytest.mark.parametrize(
        ("start", "window", "end"),
        [
            ("2026-11-20 16:30", "30bm", "Fri 20 Nov 2026 17:00"),
            ("2026-11-20 16:30", "31bm", "Mon 23 Nov 2026 09:01"),
            ("2026-11-20 16:30", "4bh", "Mon 23 Nov 2026 12:30"),
            ("2026-11-21 12:00", "1bh", "Mon 23 Nov 2026 10:00"),
            ("2026-11-10 16:00", "2bh", "Thu 12 Nov 2026 10:00"),
            ("2026-12-31 16:00", "8bh", "Mon 04 Jan 2027 16:00"),
            ("2026-11-23 09:00", "40bh", "Fri 27 Nov 2026 17:00"),
        ],
    )
    def test_ends_at_the_earliest_instant_with_that_much(self, start: str, window: str, end: str):
        assert ends(BusinessCalendar(PARIS), start, window) == end

    def test_does_not_pass_during_lunch(self):
        calendar = an_office(weekly=(((time(13), time(17)), (time(9), time(12))),) * 5 + ((), ()))

        assert ends(calendar, "2026-11-23 11:30", "1bh") == "Mon 23 Nov 2026 13:30"
        assert ends(calendar, "2026-11-23 11:00", "1bh") == "Mon 23 Nov 2026 12:00"

    @pytest.mark.parametrize("midnight", [time(0), time.max])
    def test_runs_through_midnight_where_two_periods_meet(self, midnight: time):
        calendar = every_day("Asia/Kolkata", (time(0), time(6)), (time(22), midnight))

        assert ends(calendar, "2026-11-23 23:00", "2bh") == "Tue 24 Nov 2026 01:00"
        assert ends(calendar, "2026-11-23 22:00", "2bh") == "Tue 24 Nov 2026 00:00"
        assert ends(calendar, "2026-11-23 05:00", "2bh") == "Mon 23 Nov 2026 23:00"

    def test_is_all_time_where_every_period_is_a_whole_day(self):
        calendar = every_day("Asia/Kolkata", *WHOLE_DAY)

        assert ends(calendar, "2028-02-28 10:15", "49bh") == "Wed 01 Mar 2028 11:15"


class TestElapsedWindows:
    def test_ask_no_calendar(self):
        calendar = BusinessCalendar(PARIS)

        assert ends(calendar, "2026-11-21 23:59", "90s") == "Sun 22 Nov 2026 00:00"
        assert reasons(calendar, "2026-11-21 23:59", "15m") == []

    def test_are_as_long_on_the_night_the_clocks_change(self):
        assert deadline(an_office(), utc("2026-03-28 23:00"), "4h").at == utc("2026-03-29 03:00")


class TestCalendarDays:
    def test_roll_forward_into_working_time(self):
        calendar = BusinessCalendar(PARIS)

        assert ends(calendar, "2026-11-20 16:30", "1d") == "Mon 23 Nov 2026 09:00"
        assert ends(calendar, "2026-11-20 16:30", "1w") == "Fri 27 Nov 2026 16:30"
        assert ends(calendar, "2026-11-20 17:00", "1w") == "Mon 30 Nov 2026 09:00"
        assert ends(calendar, "2026-11-04 10:00", "1w") == "Thu 12 Nov 2026 09:00"

    def test_stay_where_they_are_round_the_clock(self):
        assert ends(BusinessCalendar(ROUND_THE_CLOCK), "2026-11-20 16:30", "1d") == "Sat 21 Nov 2026 16:30"

    def test_count_the_leap_day(self):
        assert ends(BusinessCalendar(ROUND_THE_CLOCK), "2028-02-28 16:30", "2d") == "Wed 01 Mar 2028 16:30"


class TestSevenLevels:
    @pytest.mark.parametrize(
        ("start", "window", "end"),
        [
            ("2026-11-20 16:30", "15m", "Fri 20 Nov 2026 16:45"),
            ("2026-11-20 16:45", "1h", "Fri 20 Nov 2026 17:45"),
            ("2026-11-20 17:45", "4h", "Fri 20 Nov 2026 21:45"),
            ("2026-11-20 21:45", "1bd", "Tue 24 Nov 2026 09:00"),
            ("2026-11-24 09:00", "3bd", "Fri 27 Nov 2026 09:00"),
            ("2026-11-27 09:00", "1w", "Fri 04 Dec 2026 09:00"),
        ],
    )
    def test_on_a_friday_afternoon(self, start: str, window: str, end: str):
        assert ends(BusinessCalendar(PARIS), start, window) == end


class TestOwnDates:
    def test_closed_are_skipped(self):
        calendar = an_office(closed=frozenset({date(2026, 11, 23)}))

        assert ends(calendar, "2026-11-20 16:30", "1bd") == "Tue 24 Nov 2026 16:30"

    def test_opened_have_periods_of_their_own(self):
        calendar = an_office(opened={date(2026, 11, 21): ((time(10), time(12)),)})

        assert ends(calendar, "2026-11-20 16:30", "1bh") == "Sat 21 Nov 2026 10:30"
        assert ends(calendar, "2026-11-20 11:00", "1bd") == "Sat 21 Nov 2026 11:00"
        assert ends(calendar, "2026-11-20 16:30", "1bd") == "Mon 23 Nov 2026 09:00"

    def test_opened_go_before_public_holidays(self):
        calendar = an_office(holidays="FR", opened={date(2026, 11, 11): NINE_TO_FIVE})

        assert ends(calendar, "2026-11-10 10:00", "1bd") == "Wed 11 Nov 2026 10:00"

    def test_opened_may_be_all_there_is(self):
        calendar = an_office(weekly=((),) * 7, opened={date(2026, 12, 1): NINE_TO_FIVE})

        assert ends(calendar, "2026-11-20 16:30", "8bh") == "Tue 01 Dec 2026 17:00"


class TestReasons:
    def test_are_none_within_a_day(self):
        assert reasons(BusinessCalendar(PARIS), "2026-11-23 10:00", "4bh") == []

    def test_name_the_weekend_and_the_opening_counted_from(self):
        assert reasons(BusinessCalendar(PARIS), "2026-11-20 21:45", "1bd") == [
            ("weekend", "2026-11-21"),
            ("weekend", "2026-11-22"),
            ("opens", "2026-11-23T09:00"),
        ]

    def test_name_the_holiday(self):
        assert reasons(BusinessCalendar(PARIS), "2026-11-10 10:00", "1bd") == [("holiday", "2026-11-11|Armistice Day")]

    def test_name_own_closed_dates_and_weekdays_off(self):
        calendar = an_office(
            weekly=(NINE_TO_FIVE, NINE_TO_FIVE, (), NINE_TO_FIVE, (), (), ()), closed=frozenset({date(2026, 11, 24)})
        )

        assert reasons(calendar, "2026-11-23 16:00", "1bd") == [("closed", "2026-11-24"), ("closed", "2026-11-25")]
        assert reasons(calendar, "2026-11-26 16:00", "1bd")[0] == ("weekend", "2026-11-27")

    def test_leave_out_the_days_that_a_week_runs_over_anyway(self):
        assert reasons(BusinessCalendar(PARIS), "2026-11-20 16:30", "1w") == []
        assert reasons(BusinessCalendar(PARIS), "2026-11-04 10:00", "1w") == [
            ("holiday", "2026-11-11|Armistice Day"),
            ("opens", "2026-11-12T09:00"),
        ]

    def test_leave_out_the_weekend_after_a_friday_that_closes_at_midnight(self):
        calendar = an_office(weekly=(((time(9), time(0)),),) * 5 + ((), ()))

        assert reasons(calendar, "2026-11-20 22:00", "2bh") == []

    def test_name_the_clock_change_that_shifted_the_end(self):
        calendar = BusinessCalendar(ROUND_THE_CLOCK)

        assert reasons(calendar, "2026-03-28 02:30", "1d") == [("clock_change", "2026-03-29")]
        assert reasons(calendar, "2026-03-28 03:30", "1d") == []

    @pytest.mark.parametrize("language", ["fr_FR", "th_TH", "C"])
    def test_do_not_depend_on_the_language_of_the_machine(self, monkeypatch: pytest.MonkeyPatch, language: str):
        monkeypatch.setenv("LANGUAGE", language)
        belgium = an_office(holidays="BE")

        assert reasons(belgium, "2026-11-10 10:00", "1bd") == [("holiday", "2026-11-11|Armistice Day")]


class TestClockChanges:
    """On a 24/7 calendar a day keeps the wall time; the ends are written in UTC, worked out by hand."""

    @pytest.mark.parametrize(
        ("name", "start", "end"),
        [
            ("Europe/Paris", "2026-03-28 01:30", "2026-03-29 01:30"),  # 02:30 is skipped: 03:30 summer time
            ("Europe/Paris", "2026-10-24 00:30", "2026-10-25 00:30"),  # 02:30 comes twice: the first
            ("Europe/Paris", "2026-10-25 01:30", "2026-10-26 01:30"),  # from the second 02:30
            ("America/New_York", "2026-03-07 07:30", "2026-03-08 07:30"),  # 02:30 -> 03:30
            ("America/New_York", "2026-03-07 17:00", "2026-03-08 16:00"),  # noon to noon is 23 hours
            ("America/New_York", "2026-10-31 05:30", "2026-11-01 05:30"),  # 01:30 comes twice: the first
            ("Australia/Lord_Howe", "2026-10-02 15:45", "2026-10-03 15:45"),  # 02:15 -> 02:45: a gap of half an hour
            ("Australia/Lord_Howe", "2026-04-03 14:45", "2026-04-04 14:45"),  # 01:45 comes twice: the first
            ("Australia/Lord_Howe", "2026-04-04 01:00", "2026-04-05 01:30"),  # noon to noon is 24 and a half hours
            ("Africa/Casablanca", "2025-04-05 02:30", "2025-04-06 02:30"),  # after Ramadan: 02:30 -> 03:30
            ("Africa/Casablanca", "2025-02-22 01:30", "2025-02-23 01:30"),  # Ramadan begins: 02:30 twice
            ("America/St_Johns", "2026-03-07 05:45", "2026-03-08 05:45"),  # 02:15 -> 03:15
            ("America/St_Johns", "2026-10-31 04:00", "2026-11-01 04:00"),  # 01:30 comes twice: the first
            ("Asia/Kolkata", "2026-03-28 21:00", "2026-03-29 21:00"),  # never changes
        ],
    )
    @pytest.mark.parametrize("window", ["1d", "1bd"])
    def test_shift_a_skipped_wall_time_and_take_the_first_of_two(self, name: str, start: str, end: str, window: str):
        calendar = BusinessCalendar(CalendarRules(name, always=True))

        assert deadline(calendar, utc(start), window).at == utc(end)

    @pytest.mark.parametrize(
        ("start", "window", "end"),
        [
            ("2026-03-29 00:00", "4bh", "2026-03-29 04:00"),
            ("2026-10-24 23:00", "4bh", "2026-10-25 03:00"),
        ],
    )
    def test_do_not_stretch_working_time(self, start: str, window: str, end: str):
        night = every_day("Europe/Paris", (time(0), time(6)))

        for calendar in (night, BusinessCalendar(ROUND_THE_CLOCK)):
            assert deadline(calendar, utc(start), window).at == utc(end)

    @pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 5), ("2026-10-25", 7), ("2026-11-25", 6)])
    def test_make_a_night_shorter_or_longer(self, day: str, hours: int):
        calendar = every_day("Europe/Paris", (time(0), time(6)))
        start, end = at(f"{day} 00:00"), at(f"{day} 06:00")

        assert calendar.remaining(start, end, working=True) == timedelta(hours=hours)

    def test_open_later_when_the_opening_is_skipped(self):
        calendar = every_day("Europe/Paris", (time(2, 30), time(6)))

        assert deadline(calendar, utc("2026-03-28 20:00"), "1bh").at == utc("2026-03-29 02:30")

    def test_may_leave_a_day_without_working_time(self):
        calendar = every_day("Europe/Paris", (time(2), time(3)))

        assert ends(calendar, "2026-03-28 02:15", "1bd") == "Mon 30 Mar 2026 02:15"
        assert reasons(calendar, "2026-03-28 02:15", "1bd") == [("clock_change", "2026-03-29")]

    def test_never_count_time_twice_where_they_push_one_period_into_another(self):
        calendar = every_day("Europe/Paris", (time(2), time(2, 45)), (time(3), time(4)))

        assert calendar.remaining(at("2026-03-29 00:00"), at("2026-03-30 00:00"), working=True) == timedelta(hours=1)

    @pytest.mark.parametrize(
        ("name", "day", "hours"),
        [
            ("America/Santiago", "2026-04-04", 3),  # 24:00 goes back to 23:00
            ("America/Havana", "2026-03-07", 2),  # 24:00 jumps to 01:00
            ("America/Nuuk", "2026-03-28", 1),  # 23:00 jumps to 24:00
        ],
    )
    def test_at_midnight_belong_to_the_evening(self, name: str, day: str, hours: int):
        calendar = every_day(name, (time(22), time(0)))
        start = at(f"{day} 12:00", name)

        assert calendar.remaining(start, start + timedelta(hours=20), working=True) == timedelta(hours=hours)


class TestPartOfAWindow:
    def test_counts_working_time(self):
        calendar = BusinessCalendar(PARIS)
        start, end = at("2026-11-20 16:00"), at("2026-11-24 16:00")

        assert wall(calendar, calendar.part(start, end, 0.5, working=True)) == "Mon 23 Nov 2026 16:00"
        assert wall(calendar, calendar.part(start, end, 0.5, working=False)) == "Sun 22 Nov 2026 16:00"

    def test_at_a_closing_instant_moves_to_the_next_opening(self):
        calendar = BusinessCalendar(PARIS)
        start, end = at("2026-11-20 16:00"), at("2026-11-23 10:00")

        assert wall(calendar, calendar.part(start, end, 0.5, working=True)) == "Mon 23 Nov 2026 09:00"

    def test_is_the_end_where_nothing_is_between(self):
        start, end = at("2026-11-21 10:00"), at("2026-11-22 10:00")

        assert an_office().part(start, end, 0.5, working=True) == end
        assert an_office().part(start, start, 0.5, working=False) == start

    def test_whole_is_the_end(self):
        start, end = at("2026-11-20 16:00"), at("2026-11-21 10:00")

        assert an_office().part(start, end, 1.0, working=True) == end


class TestRemainingTime:
    def test_is_never_negative(self):
        late, early = at("2026-11-24 10:00"), at("2026-11-23 10:00")

        assert an_office().remaining(late, early, working=True) == timedelta()
        assert an_office().remaining(late, early, working=False) == timedelta()

    def test_counts_working_time_or_all_time(self):
        start, end = at("2026-11-20 16:00"), at("2026-11-23 10:00")

        assert an_office().remaining(start, end, working=True) == timedelta(hours=2)
        assert an_office().remaining(start, end, working=False) == timedelta(hours=66)


def test_the_closing_instant_is_not_open():
    calendar = an_office()

    assert calendar.is_open(at("2026-11-23 09:00"))
    assert calendar.is_open(at("2026-11-23 16:59"))
    assert not calendar.is_open(at("2026-11-23 17:00"))
    assert not calendar.is_open(at("2026-11-23 08:59"))


def test_a_calendar_that_stays_closed_says_so():
    calendar = an_office(weekly=((),) * 7, opened={date(2026, 11, 20): NINE_TO_FIVE})

    with pytest.raises(CalendarError, match="stays closed for two years"):
        ends(calendar, "2026-11-20 16:30", "1bh")
    with pytest.raises(CalendarError, match="stays closed for two years"):
        ends(calendar, "2026-11-20 16:30", "1bd")
    with pytest.raises(CalendarError, match="stays closed for two years"):
        ends(calendar, "2026-11-20 16:30", "1d")


@pytest.mark.parametrize("window", ["999999bd", "999999bh", "999999w"])
def test_a_window_beyond_all_reason_is_refused_not_walked(window: str):
    with pytest.raises(CalendarError):
        ends(an_office(), "2026-11-20 16:30", window)


def test_an_instant_without_zone_is_refused():
    with pytest.raises(ValueError, match="names no zone"):
        an_office().is_open(datetime(2026, 11, 20, 16, 30))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zone": "Europe/Pariss"}, "no time zone 'Europe/Pariss'; did you mean 'Europe/Paris'?"),
        ({"zone": "paris"}, "no time zone 'paris'; did you mean 'Europe/Paris'?"),
        ({"zone": "../../secret"}, "no time zone '../../secret'"),
        ({"zone": "New York"}, "did you mean 'America/New_York'?"),
        ({"holidays": "France"}, "no public holidays for country 'France'; did you mean 'FR'?"),
        ({"holidays": "fr"}, "country 'fr'; did you mean 'FR'?"),
        ({"holidays": "FR", "subdivision": "Alsacee"}, "no subdivision 'Alsacee' of 'FR'; did you mean '6AE'?"),
        ({"subdivision": "6AE"}, "subdivision '6AE' without a country"),
        ({"always": True}, "'always' is mixed with weekly hours"),
        ({"always": True, "weekly": ((),) * 7, "holidays": "FR"}, "'always' is mixed with holidays"),
        ({"weekly": ((),) * 7}, "no working time at all"),
        ({"weekly": OFFICE_WEEK[:5]}, "weekly hours for 5 days; write all seven"),
        ({"weekly": (((time(17), time(9)),), *OFFICE_WEEK[1:])}, "17:00-09:00 on Monday is reversed"),
        ({"weekly": (((time(9), time(9)),), *OFFICE_WEEK[1:])}, "09:00-09:00 on Monday is reversed or empty"),
        (
            {"weekly": (*OFFICE_WEEK[:6], ((time(9), time(12)), (time(11), time(14))))},
            "09:00-12:00 and 11:00-14:00 on Sunday overlap",
        ),
        ({"weekly": (((time(9), time(0)), (time(20), time(21))), *OFFICE_WEEK[1:])}, "09:00-24:00 and 20:00-21:00"),
        ({"opened": {date(2026, 11, 21): ((time(12), time(10)),)}}, "12:00-10:00 on 2026-11-21 is reversed"),
        ({"opened": {date(2026, 11, 21): ()}}, "2026-11-21 is opened without hours"),
        (
            {"opened": {date(2026, 11, 21): NINE_TO_FIVE}, "closed": frozenset({date(2026, 11, 21)})},
            "2026-11-21 is both closed and opened",
        ),
    ],
)
def test_rules_that_make_no_calendar_are_refused_in_a_sentence(changes: dict[str, object], sentence: str):
    with pytest.raises(CalendarError) as refused:
        an_office(**changes)

    assert sentence in str(refused.value)


def test_calendars_with_the_same_rules_are_equal():
    calendar = an_office()
    ends(calendar, "2026-11-20 16:30", "1bd")

    assert calendar == an_office()
    assert calendar != BusinessCalendar(PARIS)


class TestNamedCalendars:
    RULES: ClassVar = {"paris": PARIS, "night": CalendarRules("Asia/Kolkata", always=True)}

    def test_give_the_workspaces_own_for_no_name_and_for_a_name_that_is_gone(self):
        calendars = NamedCalendars(self.RULES, "paris")

        assert calendars.named("night").zone == "Asia/Kolkata"
        assert calendars.named(None).zone == "Europe/Paris"
        assert calendars.named("gone").zone == "Europe/Paris"

    def test_refuse_an_unknown_default(self):
        with pytest.raises(CalendarError, match="no calendar 'pariss'; did you mean 'paris'"):
            NamedCalendars(self.RULES, "pariss")

    def test_say_which_calendar_is_wrong(self):
        with pytest.raises(CalendarError, match="calendar 'bad': no time zone 'Mars'"):
            NamedCalendars({**self.RULES, "bad": CalendarRules("Mars")}, "paris")


def test_the_system_clock_tells_aware_instants_and_waits_by_them():
    clock = SystemClock()
    now = clock.now()

    assert now.tzinfo is UTC
    assert 59 < clock.seconds_until(now + timedelta(minutes=1)) <= 60
    assert clock.seconds_until(now - timedelta(minutes=1)) <= -60
    assert clock.monotonic() <= clock.monotonic()
