"""Working time: the rules of an office in wall time, turned into instants; the only module that knows zones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, pairwise
from operator import itemgetter
from typing import Final
from zoneinfo import ZoneInfo

from holidays import country_holidays, list_supported_countries
from holidays.registry import COUNTRIES

from bot.directory import CalendarRules
from bot.errors import CalendarError
from bot.plan import Calendar, Deadline, Unit, Window

Period = tuple[time, time]
Span = tuple[datetime, datetime]
Reason = tuple[str, str]

MIDNIGHT: Final = time(0)
ONE_DAY: Final = timedelta(days=1)
LONGEST_CLOSURE: Final = timedelta(days=731)
FARTHEST: Final = timedelta(days=3653)
FRIDAY: Final = 4
WHOLE_DAY: Final = ((MIDNIGHT, MIDNIGHT),)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LENGTHS: Final[Mapping[Unit, timedelta]] = {
    Unit.BUSINESS_MINUTE: timedelta(minutes=1),
    Unit.BUSINESS_HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Working time of one office, or round the clock, as a value.

    Raises CalendarError when the rules make no calendar. A period that ends at 24:00 is written with the end 00:00
    (or `time.max`): 00:00-00:00 is the whole day. A closed date is closed whatever the week says; an opened date
    has its own periods, even on a holiday. A period lies within its date: what a clock change pushes out of it is lost.
    """

    rules: CalendarRules
    _days: "_Days" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_days", _Days(self.rules))

    @property
    def zone(self) -> str:
        """IANA name."""
        return self.rules.zone

    def deadline(self, start: datetime, window: Window) -> Deadline:
        """When `window`, begun at `start`, ends.

        Raises CalendarError when the calendar stays closed for two years, or a working window takes more than ten.
        """
        begun = _utc(start)
        try:
            return self._deadline(begun, window)
        except OverflowError:
            raise CalendarError(f"a window of {window.label} ends after the year 9999; write a shorter one") from None

    def part(self, start: datetime, end: datetime, fraction: float, *, working: bool) -> datetime:
        """The instant at `fraction` (0..1) of start..end; in working time if `working`, `end` when there is none."""
        total = self.remaining(start, end, working=working)
        share = total * fraction
        if share >= total:
            return _utc(end)
        reached = self.after(start, share, working=working)
        return min(self._first_open(reached), _utc(end)) if working else reached

    def remaining(self, start: datetime, end: datetime, *, working: bool) -> timedelta:
        """Time between the two instants: working time if `working`, else plain length. Never negative."""
        begun, ended = _utc(start), _utc(end)
        if not working:
            return max(ended - begun, timedelta())
        total = timedelta()
        for opens, closes in self._open_from(begun):
            if opens >= ended:
                break
            total += min(closes, ended) - opens
        return total

    def after(self, start: datetime, time: timedelta, *, working: bool) -> datetime:
        """The earliest instant with `time` of working time since `start` if `working`, else start + time."""
        begun = _utc(start)
        if not working:
            return begun + time
        if time <= timedelta():
            return begun
        left = time
        for opens, closes in self._open_from(begun):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        raise self._closed_after(begun)

    def is_open(self, at: datetime) -> bool:
        """Whether `at` is working time; the closing instant is not."""
        instant = _utc(at)
        return any(opens <= instant < closes for opens, closes in self._days.spans(self._days.of(instant)))

    def _deadline(self, start: datetime, window: Window) -> Deadline:
        if window.elapsed is not None:
            return Deadline(start + window.elapsed, self.zone)
        if window.unit is Unit.BUSINESS_DAY:
            return self._after_business_days(start, window.amount)
        if window.working:
            return self._after_working_time(start, LENGTHS[window.unit] * window.amount)
        return self._after_calendar_days(start, LENGTHS[window.unit] * window.amount)

    def _after_business_days(self, start: datetime, count: int) -> Deadline:
        opened = self._first_open(start)
        first = self._days.of(opened)
        day = next(islice(self._working_days(first), count, None), None)
        if day is None:
            raise self._closed_after(start)
        wall = self._days.wall(opened).time()
        landed = self._days.instant(day, wall)
        end = self._first_open(landed)
        reasons = (*self._opens(start, opened), *self._skipped(start, end), *self._shift(landed, end, day, wall))
        return self._told(end, reasons)

    def _after_working_time(self, start: datetime, length: timedelta) -> Deadline:
        end = self.after(start, length, working=True)
        return self._told(end, (*self._opens(start, self._first_open(start)), *self._skipped(start, end)))

    def _after_calendar_days(self, start: datetime, length: timedelta) -> Deadline:
        asked = self._days.wall(start) + length
        landed = self._days.instant(asked.date(), asked.time())
        end = self._first_open(landed)
        return self._told(end, (*self._skipped(landed, end), *self._shift(landed, end, asked.date(), asked.time())))

    def _told(self, end: datetime, reasons: tuple[Reason, ...]) -> Deadline:
        """Reasons in the order of their dates, with which each argument begins."""
        return Deadline(end, self.zone, tuple(sorted(set(reasons), key=itemgetter(1, 0))))

    def _shift(self, landed: datetime, end: datetime, day: date, wall: time) -> Iterator[Reason]:
        """Why the end is not at the wall time asked for: closed then, or no such time that day."""
        if end != landed:
            yield from self._opens(landed, end)
        elif self._days.wall(landed).time() != wall:
            yield ("clock_change", day.isoformat())

    def _opens(self, at: datetime, opened: datetime) -> Iterator[Reason]:
        if opened != at:
            yield ("opens", self._days.wall(opened).isoformat(timespec="minutes"))

    def _skipped(self, start: datetime, end: datetime) -> Iterator[Reason]:
        """One reason for each date without working time between the two instants."""
        day = self._days.of(start)
        while self._days.begin(day) < end:
            if not self._days.spans(day):
                yield self._days.why_closed(day)
            day += ONE_DAY

    def _working_days(self, first: date) -> Iterator[date]:
        """Dates with working time from `first` on, until two years without any or ten years are through."""
        found = day = first
        while day - found <= LONGEST_CLOSURE and day - first <= FARTHEST:
            if self._days.spans(day):
                found = day
                yield day
            day += ONE_DAY

    def _open_from(self, start: datetime) -> Iterator[Span]:
        """Working time from `start` on, span by span, as far as `_working_days` goes."""
        for day in self._working_days(self._days.of(start)):
            for opens, closes in self._days.spans(day):
                if closes > start:
                    yield max(opens, start), closes

    def _first_open(self, at: datetime) -> datetime:
        for opens, _ in self._open_from(at):
            return opens
        raise self._closed_after(at)

    def _closed_after(self, start: datetime) -> CalendarError:
        return CalendarError(
            f"not enough working time in {self.zone} after {start:%Y-%m-%d}: the calendar stays closed for two years, "
            "or the window takes more than ten; add hours or opened dates, or shorten the window"
        )


class NamedCalendars:
    """The calendars of a workspace, all checked when built; a name that is not known gives the workspace's own."""

    def __init__(self, rules: Mapping[str, CalendarRules], default: str) -> None:
        """Raises CalendarError, naming the calendar, for rules that make none and for an unknown default."""
        if default not in rules:
            raise CalendarError(f"no calendar {default!r}{_hint(default, {name: name for name in rules})}")
        self._calendars = {name: _named(name, one) for name, one in rules.items()}
        self._default = self._calendars[default]

    def named(self, name: str | None) -> Calendar:
        """The calendar with this name, the workspace's own for None or for a name that no longer exists."""
        return self._default if name is None else self._calendars.get(name, self._default)


class _Days:
    """What each date is: when it begins, its working spans, and why it has none. Remembers what it has worked out.

    Dates part all instants: a date runs from its first midnight to the next date's, even where a clock change meets
    midnight. An instant asked for by wall time is the first of two, and shifted forward by the gap where there is none:
    that is what `fold=0` means to zoneinfo.
    """

    def __init__(self, rules: CalendarRules) -> None:
        self._zone = _zone(rules.zone)
        self._weekly = (WHOLE_DAY,) * 7 if rules.always else _weekly(rules)
        self._opened = _opened(rules)
        self._closed = rules.closed
        self._country = _country(rules)
        self._begins: dict[date, datetime] = {}
        self._spans: dict[date, tuple[Span, ...]] = {}
        if rules.always:
            _refuse_hours(rules)
        elif not any(self._weekly) and not self._opened:
            raise CalendarError(f"no working time at all in {rules.zone}; write weekly hours, opened dates or always")

    def wall(self, at: datetime) -> datetime:
        """What the clock on the wall shows, without zone."""
        return at.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def instant(self, day: date, wall: time) -> datetime:
        """When the clock on the wall shows this."""
        return datetime.combine(day, wall, tzinfo=self._zone).astimezone(UTC)

    def begin(self, day: date) -> datetime:
        """The first midnight of a date."""
        if day not in self._begins:
            self._begins[day] = self.instant(day, MIDNIGHT)
        return self._begins[day]

    def of(self, at: datetime) -> date:
        """The date to which an instant belongs."""
        day = at.astimezone(self._zone).date()
        while at < self.begin(day):
            day -= ONE_DAY
        while at >= self.begin(day + ONE_DAY):
            day += ONE_DAY
        return day

    def spans(self, day: date) -> tuple[Span, ...]:
        """Working time of a date, in order and apart."""
        if day not in self._spans:
            self._spans[day] = tuple(self._merged(day))
        return self._spans[day]

    def why_closed(self, day: date) -> Reason:
        """The reason for a date without working time."""
        if not self._weekly[day.weekday()]:
            return ("weekend" if day.weekday() >= FRIDAY else "closed", day.isoformat())
        if holiday := self._holiday(day):
            return ("holiday", f"{day.isoformat()}|{holiday}")
        return ("closed" if day in self._closed else "clock_change", day.isoformat())

    def _merged(self, day: date) -> Iterator[Span]:
        """A clock change may push one period into another, or leave nothing of it."""
        first, last = self.begin(day), self.begin(day + ONE_DAY)
        reached = first
        for opens, closes in sorted(self._raw(day)):
            span = max(opens, reached), min(closes, last)
            if span[0] < span[1]:
                yield span
                reached = span[1]

    def _raw(self, day: date) -> Iterator[Span]:
        for opens, closes in self._periods(day):
            ends = self.begin(day + ONE_DAY) if closes == MIDNIGHT else self.instant(day, closes)
            yield self.instant(day, opens), ends

    def _periods(self, day: date) -> tuple[Period, ...]:
        if day in self._opened:
            return self._opened[day]
        usual = self._weekly[day.weekday()]
        return () if not usual or day in self._closed or self._holiday(day) else usual

    def _holiday(self, day: date) -> str | None:
        return _holidays(*self._country, day.year).get(day) if self._country else None


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} names no zone; calendars take and give UTC")
    return at.astimezone(UTC)


def _named(name: str, rules: CalendarRules) -> BusinessCalendar:
    try:
        return BusinessCalendar(rules)
    except CalendarError as wrong:
        raise CalendarError(f"calendar {name!r}: {wrong}") from wrong


def _refuse_hours(rules: CalendarRules) -> None:
    said = {
        "weekly hours": any(rules.weekly),
        "holidays": rules.holidays or rules.subdivision,
        "closed dates": rules.closed,
        "opened dates": rules.opened,
    }
    for what, present in said.items():
        if present:
            raise CalendarError(f"'always' is mixed with {what}; round the clock takes nothing but a zone")


def _weekly(rules: CalendarRules) -> tuple[tuple[Period, ...], ...]:
    if len(rules.weekly) != len(WEEKDAYS):
        raise CalendarError(f"weekly hours for {len(rules.weekly)} days; write all seven, Monday to Sunday")
    return tuple(_in_order(periods, on) for periods, on in zip(rules.weekly, WEEKDAYS, strict=True))


def _opened(rules: CalendarRules) -> dict[date, tuple[Period, ...]]:
    for day, periods in rules.opened.items():
        if day in rules.closed:
            raise CalendarError(f"{day} is both closed and opened; remove one of them")
        if not periods:
            raise CalendarError(f"{day} is opened without hours; write its periods, or make it a closed date")
    return {day: _in_order(periods, str(day)) for day, periods in rules.opened.items()}


def _in_order(periods: tuple[Period, ...], on: str) -> tuple[Period, ...]:
    """The periods of one day, sorted, 24:00 written as 00:00."""
    tidy = sorted((opens, MIDNIGHT if closes == time.max else closes) for opens, closes in periods)
    for opens, closes in tidy:
        if opens.tzinfo or closes.tzinfo:
            raise CalendarError(f"{_span(opens, closes)} on {on} names a zone; periods are wall time of the calendar's")
        if MIDNIGHT != closes <= opens:
            raise CalendarError(
                f"{_span(opens, closes)} on {on} is reversed or empty; a night is two periods, one a day"
            )
    for one, other in pairwise(tidy):
        if one[1] == MIDNIGHT or one[1] > other[0]:
            raise CalendarError(f"{_span(*one)} and {_span(*other)} on {on} overlap; part or join them")
    return tuple((opens.replace(fold=0), closes.replace(fold=0)) for opens, closes in tidy)


def _span(opens: time, closes: time) -> str:
    return f"{opens:%H:%M}-{'24:00' if closes == MIDNIGHT else format(closes, '%H:%M')}"


@cache
def _zone(name: str) -> ZoneInfo:
    """The zone as in the pinned tzdata, so that every machine finds the same instant whatever its system holds."""
    tzdata = files("tzdata")
    zones = tzdata.joinpath("zones").read_text().split()
    if name not in zones:
        raise CalendarError(f"no time zone {name!r}{_hint(name, _spellings(zones))}")
    with tzdata.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _spellings(zones: list[str]) -> dict[str, str]:
    """Also the bare place, as in Paris for Europe/Paris."""
    return {zone.rpartition("/")[2]: zone for zone in zones} | {zone: zone for zone in zones}


def _country(rules: CalendarRules) -> tuple[str, str | None] | None:
    country, part = rules.holidays, rules.subdivision
    if country is None:
        if part is not None:
            raise CalendarError(f"subdivision {part!r} without a country; name the country of the holidays")
        return None
    known = list_supported_countries()
    if country not in known:
        names = {spelling: codes[0] for name, (_, *codes) in COUNTRIES.items() for spelling in (name, *codes)}
        raise CalendarError(f"no public holidays for country {country!r}{_hint(country, names)}")
    found = country_holidays(country)
    parts = {code: code for code in found.subdivisions} | found.subdivisions_aliases
    if part is not None and part not in parts:
        raise CalendarError(f"no subdivision {part!r} of {country!r}{_hint(part, parts)}")
    return country, part


@lru_cache(maxsize=1024)
def _holidays(country: str, subdivision: str | None, year: int) -> Mapping[date, str]:
    """Public holidays of a year. The language is always given: else the names would depend on the machine's locale."""
    kept = country_holidays(country)
    language = "en_US" if "en_US" in kept.supported_languages else kept.default_language or "en"
    return dict(country_holidays(country, subdiv=subdivision, years=year, language=language))


def _hint(value: str, spellings: Mapping[str, str]) -> str:
    lower = {spelling.lower().replace("_", " "): meant for spelling, meant in spellings.items()}
    near = get_close_matches(value.lower().replace("_", " "), lower, n=1)
    return f"; did you mean {lower[near[0]]!r}?" if near else ""
