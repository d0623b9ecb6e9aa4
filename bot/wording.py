"""Turns the key of a sentence into words: the catalogues, dates, lengths of time and lists in each language.

The sentences themselves are in `bot/languages/`, one module a language; a test holds them against each other.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.directory import PersonId
from bot.languages import en, fr
from bot.plan import EN, FR, Deadline, Language, Unit, Window
from bot.rich import Group, Link, Mention, Moment, Piece, Rich, Room, Strong, When

CATALOGUES: Mapping[Language, Mapping[str, str]] = {EN: en.SENTENCES, FR: fr.SENTENCES}
WEEKDAYS: Mapping[Language, tuple[str, ...]] = {EN: en.WEEKDAYS, FR: fr.WEEKDAYS}
MONTHS: Mapping[Language, tuple[str, ...]] = {EN: en.MONTHS, FR: fr.MONTHS}

_PLACE = re.compile(r"\{(\w+)\}")
_UNITS: Mapping[Unit, str] = {
    Unit.SECOND: "seconds",
    Unit.MINUTE: "minutes",
    Unit.HOUR: "hours",
    Unit.BUSINESS_MINUTE: "business_minutes",
    Unit.BUSINESS_HOUR: "business_hours",
    Unit.BUSINESS_DAY: "business_days",
    Unit.DAY: "days",
    Unit.WEEK: "weeks",
}

Words = Piece | Rich | int


def language_of(code: str) -> Language | None:
    """ "fr", "fr-CA" or "FR_fr" → "fr"; None for a language that Echelon does not speak."""
    short = Language(re.split(r"[-_]", code.strip().lower())[0])
    return short if short in CATALOGUES else None


def say(language: Language, sentence: str, /, **about: Words) -> Rich:
    """The sentence with its places filled. `count` chooses between `key.one` and `key.other`. Raises KeyError."""
    pieces: list[Piece] = []
    template = CATALOGUES[language][_plural(language, sentence, about)]
    for index, part in enumerate(_PLACE.split(template)):
        if index % 2:
            value = about[part]
            pieces.extend(value if isinstance(value, tuple) else (str(value) if isinstance(value, int) else value,))
        elif part:
            pieces.append(part)
    return join(pieces)


def words(language: Language, sentence: str, /, **about: str | int) -> str:
    """A sentence whose parts are all plain words: labels, titles, hints."""
    return plain(language, say(language, sentence, **about), names=str)


def join(pieces: Iterable[Piece]) -> Rich:
    """The pieces with neighbouring plain words made one."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def listed(language: Language, items: Iterable[Rich]) -> Rich:
    """ "a, b and c"."""
    parts = list(items)
    if len(parts) < 2:
        return parts[0] if parts else ()
    last = say(language, "and")
    middle = [piece for part in parts[1:-1] for piece in (", ", *part)]
    return join((*parts[0], *middle, *last, *parts[-1]))


def people(language: Language, persons: Iterable[PersonId]) -> Rich:
    """The people, mentioned, as a list."""
    return listed(language, ((Mention(person),) for person in persons))


def absolute(language: Language, when: When) -> str:
    """ "Tue 24 Nov 09:00, Paris": an instant that needs no reader's zone, since it names its own."""
    local = when.at.astimezone(ZoneInfo(when.zone))
    clock = f"{local:%H:%M}"
    day = "" if when.shown is Moment.TIME else f"{_day(language, local.date())} "
    return f"{day}{clock}, {_city(when.zone)}"


def plain(language: Language, rich: Rich, names: Callable[[PersonId], str]) -> str:
    """Text without any markup, for notifications and for places that know none."""
    return "".join(_plain(language, piece, names) for piece in rich)


def _plain(language: Language, piece: Piece, names: Callable[[PersonId], str]) -> str:
    match piece:
        case str():
            return piece
        case Mention(person):
            return names(person)
        case Group(group):
            return group.partition(":")[2]
        case Room(channel):
            return channel.partition(":")[2]
        case When():
            return absolute(language, piece)
        case Link(_, label):
            return label
        case Strong(said):
            return said


def window(language: Language, length: Window | None) -> str:
    """ "15 min", "3 business days", "no time limit"."""
    if length is None:
        return words(language, "no_window")
    return words(language, f"n_{_UNITS[length.unit]}", count=length.amount)


def duration(language: Language, time: timedelta) -> str:
    """A length of time to the minute, in at most two units: "12 min", "1 h 05 min", "2 days 3 h"; "40 s" below one."""
    seconds = max(0, round(time.total_seconds()))
    if 0 < seconds < 60:
        return words(language, "n_seconds", count=seconds)
    minutes = round(seconds / 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    if days:
        rest = f" {words(language, 'n_hours', count=hours)}" if hours else ""
        return words(language, "n_days", count=days) + rest
    if hours:
        rest = f" {minutes:02} {words(language, 'minutes_short')}" if minutes else ""
        return words(language, "n_hours", count=hours) + rest
    return words(language, "n_minutes", count=minutes)


def deadline(language: Language, due: Deadline) -> Rich:
    """The deadline with the reason why it is then, if there is one to give."""
    when = When(due.at, due.zone)
    said = (_reason(language, code, about) for code, about in due.reasons)
    reasons = [reason for reason in dict.fromkeys(said) if reason]
    return say(language, "deadline_because", when=when, why="; ".join(reasons)) if reasons else (when,)


def _reason(language: Language, code: str, about: str) -> str:
    match code:
        case "holiday":
            day, _, name = about.partition("|")
            return words(language, "because_holiday", day=_day(language, date.fromisoformat(day)), name=name)
        case "closed" | "clock_change":
            return words(language, f"because_{code}", day=_day(language, date.fromisoformat(about)))
        case "weekend":
            return words(language, "because_weekend")
        case "opens":
            opening = datetime.fromisoformat(about)
            return words(language, "because_opens", time=f"{opening:%H:%M}")
        case _:
            return ""


def _day(language: Language, day: date) -> str:
    return f"{WEEKDAYS[language][day.weekday()]} {day.day} {MONTHS[language][day.month - 1]}"


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def _plural(language: Language, sentence: str, about: Mapping[str, Words]) -> str:
    if "count" not in about:
        return sentence
    count = about["count"]
    one = count == 1 or (language == FR and count == 0)
    return f"{sentence}.{'one' if one else 'other'}"


def at_time(when: When) -> When:
    """The same instant, shown without its day."""
    return replace(when, shown=Moment.TIME)
