"""Working hours as a person writes them: days, periods and dates. Each function raises HoursError with what to write."""

import re
from collections.abc import Iterable
from datetime import date, time
from itertools import pairwise

from matrix.hints import did_you_mean, shown

Period = tuple[time, time]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = time(0, 0)  # as the end of a period: the end of the day
_PERIOD = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_SUBDIVISION = re.compile(r"\w[\w .'-]{0,39}")


class HoursError(ValueError):
    """Hours that cannot be read."""


def parse_days(given: str) -> tuple[int, ...]:
    """`mon` or `mon-fri` → numbers, Monday being 0."""
    first, _, last = given.lower().partition("-")
    numbers: list[int] = []
    for day in (first, last or first):
        if day not in DAYS:
            raise HoursError(f"day {shown(given)} is unknown; write mon, tue, wed, thu, fri, sat or sun, or mon-fri")
        numbers.append(DAYS.index(day))
    if numbers[0] > numbers[1]:
        raise HoursError(f"{shown(given)} runs backwards; the week begins on mon: write two lines instead")
    return tuple(range(numbers[0], numbers[1] + 1))


def parse_period(given: str) -> Period:
    """`09:00-12:30` → its wall times. An end of 24:00 is told as `MIDNIGHT`."""
    found = _PERIOD.fullmatch(given.strip())
    if not found:
        raise HoursError(f"{shown(given)} is no period; write it as 09:00-12:30")
    start, end = (_minutes(given, found[hour], found[minute]) for hour, minute in ((1, 2), (3, 4)))
    if start == end or start == 24 * 60:
        raise HoursError(f"{shown(given)} is empty; the end of a period comes after its start")
    if end == 0:
        raise HoursError(f"{shown(given)} ends at 00:00; write 24:00 for the end of the day")
    if start > end:
        raise HoursError(
            f"{shown(given)} runs past midnight; write it as two periods, up to 24:00 and from 00:00 of the next day"
        )
    return time(start // 60, start % 60), MIDNIGHT if end == 24 * 60 else time(end // 60, end % 60)


def _minutes(given: str, hour: str, minute: str) -> int:
    total = int(hour) * 60 + int(minute)
    if total > 24 * 60 or int(minute) > 59:
        raise HoursError(f"{shown(given)} has no such time; write times from 00:00 to 24:00")
    return total


def parse_periods(given: Iterable[str]) -> tuple[Period, ...]:
    """Periods of one day, sorted; none may overlap."""
    periods = sorted((parse_period(period) for period in given), key=lambda period: period[0])
    for earlier, later in pairwise(periods):
        if earlier[1] == MIDNIGHT or later[0] < earlier[1]:
            raise HoursError(
                f"{_written(earlier)} and {_written(later)} overlap; write one period, or end the first sooner"
            )
    return tuple(periods)


def _written(period: Period) -> str:
    end = "24:00" if period[1] == MIDNIGHT else f"{period[1]:%H:%M}"
    return f"{period[0]:%H:%M}-{end}"


def parse_date(given: str) -> date:
    """`2026-12-24`."""
    try:
        if _DATE.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        raise HoursError(f"there is no day {shown(given)}; write a date as 2026-12-24") from None
    raise HoursError(f"{shown(given)} is no date; write it as 2026-12-24")


def parse_holidays(given: dict[str, str]) -> tuple[str, str | None]:
    """Country and subdivision, as codes. Whether there are holidays for them is the calendar's affair."""
    for field in given:
        if field not in {"country", "subdivision"}:
            raise HoursError(
                f"holidays have no field {shown(field)}; {did_you_mean(field, ('country', 'subdivision'))}"
            )
    country, subdivision = given.get("country", ""), given.get("subdivision")
    if not _COUNTRY.fullmatch(country):
        near = f"did you mean {country.upper()}?" if _COUNTRY.fullmatch(country.upper()) else "write FR, or FR-57"
        raise HoursError(f"country {shown(country)} is no code of two capitals; {near}")
    if subdivision is not None and not _SUBDIVISION.fullmatch(subdivision):
        raise HoursError(f"subdivision {shown(subdivision)} is no code; write it as in FR-57")
    return country, subdivision
