"""Words after `/escalate`, after a mention, or in a direct message → what is asked, or a hint.

A keyword counts only if the rest parses fully; else the words are the issue ("list of customers vanished"). English and
French keywords are understood side by side. A person is written `@platform:id`; adapters write their mentions so.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from bot.directory import Address, PersonId
from bot.errors import WindowError
from bot.permissions import Action
from bot.plan import Window


class Ask(StrEnum):
    """What may be asked that is not an action on an escalation."""

    LIST = "list"
    SHOW = "show"
    TIMELINE = "timeline"
    WHO = "who"
    LANGUAGE = "lang"
    HELP = "help"
    NEW = "new"


Keyword = Action | Ask

KEYWORDS: Mapping[Keyword, tuple[str, ...]] = {
    Ask.LIST: ("list", "liste", "lister"),
    Ask.SHOW: ("show", "voir", "montrer", "afficher"),
    Action.ACKNOWLEDGE: ("ack", "prendre", "prends", "acknowledge"),
    Action.RELEASE: ("release", "libérer", "relâcher", "rendre"),
    Action.MORE_TIME: ("more", "prolonger", "délai"),
    Action.HAND_OVER: ("handover", "transmettre", "confier"),
    Action.ESCALATE: ("up", "remonter", "monter"),
    Action.NOTE: ("note", "noter"),
    Action.RESOLVE: ("resolve", "résoudre", "résolu"),
    Action.REOPEN: ("reopen", "rouvrir"),
    Action.CANCEL: ("cancel", "annuler"),
    Ask.TIMELINE: ("timeline", "chronologie", "journal"),
    Ask.WHO: ("who", "qui"),
    Ask.LANGUAGE: ("lang", "langue", "language"),
    Ask.HELP: ("help", "aide"),
    Ask.NEW: ("new", "nouveau", "nouvelle"),
}
"""English hints show the first word, French ones the second: the word of the button where there is one."""

_FREE_TEXT = frozenset({Action.NOTE, Action.RESOLVE, Action.REOPEN, Action.CANCEL, Action.ESCALATE})
_MINE = frozenset({"mine", "me", "moi", "miennes", "mes"})
_ALL = frozenset({"all", "tout", "toutes", "tous"})
_REFERENCE = re.compile(r"(?:esc[- ]?|#)?(\d{1,9})", re.IGNORECASE | re.ASCII)
_CLEAR_REFERENCE = re.compile(r"(?:esc[- ]?|#)(\d{1,9})", re.IGNORECASE | re.ASCII)
_PERSON = re.compile(r"@([a-z]{2,10}:[^\s@]{1,200})")
_TO_LEVEL = re.compile(r"(?:to|au|vers|à)\s+(?:(?:level|niveau)\s*)?(\d{1,2})\b[\s:,]*", re.IGNORECASE)
_DUPLICATE = re.compile(r"(?:duplicate|doublon)\s+(?:of|de)?\s*", re.IGNORECASE)
_SPELLED = {"min": "m", "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
            "heure": "h", "heures": "h", "day": "d", "days": "d", "j": "d", "jour": "d", "jours": "d", "week": "w",
            "weeks": "w", "semaine": "w", "semaines": "w", "jo": "bd"}  # fmt: skip
_HAND_OVER = re.compile(r"hand\s+over\b\s*", re.IGNORECASE)
"""One keyword in two words."""
_LENGTH = re.compile(r"(\d{1,6})\s*([a-zA-Z]+)", re.ASCII)
_LANGUAGES = {"english": "en", "anglais": "en", "french": "fr", "francais": "fr"}
_LANGUAGE_CODE = re.compile(r"[a-z]{2}([-_][a-z]{2})?", re.IGNORECASE | re.ASCII)
NEAR = 0.75
"""How alike a word must be to a keyword to be taken for a slip of the fingers."""


@dataclass(frozen=True, slots=True)
class Words:
    """An issue in the person's words, with the issue type that they named before a colon. Empty words: the form."""

    words: str
    issue_type: str | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Something to look at: `number` of an escalation where one was named, `rest` the filter, role or language."""

    ask: Ask
    number: int | None = None
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """An action on an escalation (`number` None: the one of this thread, or the only one), with what was said for it."""

    action: Action
    number: int | None = None
    text: str = ""
    to: PersonId | None = None
    length: Window | None = None
    level: int | None = None
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Misread:
    """What could not be read, and the nearest form that could."""

    keyword: Keyword
    typed: str


Asked = Words | Question | Deed | Misread


def read(
    typed: str,
    *,
    issue_types: Sequence[tuple[str, Sequence[str]]] = (),
    roles: Collection[str] = (),
    in_thread: bool = False,
) -> Asked:
    """What `typed` asks for. `issue_types` are (id, its titles), `roles` the ids that may follow *who*;
    `in_thread`: said in the thread of an escalation.

    Never raises: whatever is no request is the words of an issue, or Misread when it looks like a request gone wrong.
    """
    text = typed.strip()
    first, rest = (*text.split(maxsplit=1), "", "")[:2]
    if number := _number(text, _CLEAR_REFERENCE):
        return Question(Ask.SHOW, number)
    keyword = _keyword(first)
    if keyword is None and (found := _HAND_OVER.match(text)):
        keyword, rest = Action.HAND_OVER, text[found.end() :]
    if keyword is Ask.NEW and rest:
        return _words(rest, issue_types, forced=True)
    if keyword is not None:
        asked = _request(keyword, rest, roles=roles, in_thread=in_thread)
        if asked is not None:
            return asked
        if _starts_with_reference(rest) or in_thread or not rest:
            return Misread(keyword, text)
    elif (near := _nearest(first)) and (_starts_with_reference(rest) or (in_thread and not rest)):
        return Misread(near, text)
    if in_thread and text:
        return Misread(Action.NOTE, text)
    return _words(text, issue_types)


def length(text: str) -> Window | None:
    """A length of time as people type it: `30m`, `2 h`, `1 day`, `3bd`. None when it is not one."""
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        return None
    try:
        return Window.parse(f"{found[1]}{_SPELLED.get(found[2].lower(), found[2])}")
    except WindowError:
        return None


def plainly(word: str) -> str:
    """Lower case, without accents: what a person types on any keyboard."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


_BY_WORD: Mapping[str, Keyword] = {plainly(word): keyword for keyword, words in KEYWORDS.items() for word in words}


def _request(keyword: Keyword, rest: str, *, roles: Collection[str], in_thread: bool) -> Question | Deed | None:
    match keyword:
        case Ask.LIST:
            whose = "mine" if plainly(rest) in _MINE else "all" if not rest or plainly(rest) in _ALL else None
            return Question(Ask.LIST, rest=whose) if whose else None
        case Ask.SHOW | Ask.TIMELINE:
            number = _number(rest, _REFERENCE)
            return Question(keyword, number) if number or not rest else None
        case Ask.WHO:
            return Question(Ask.WHO, rest=rest) if rest in {"", *roles} else None
        case Ask.LANGUAGE:
            return Question(Ask.LANGUAGE, rest=_LANGUAGES.get(plainly(rest), rest.lower())) if _tongue(rest) else None
        case Ask.HELP | Ask.NEW:
            return None if rest else Question(keyword)
        case Action():
            return _deed(keyword, rest, in_thread=in_thread)


def _tongue(rest: str) -> bool:
    """A language by its code or its name; other words are an issue ("language barrier with a customer")."""
    return bool(_LANGUAGE_CODE.fullmatch(rest)) or plainly(rest) in _LANGUAGES


def _deed(action: Action, rest: str, *, in_thread: bool) -> Deed | None:
    if action is Action.MORE_TIME and (window := length(rest)):
        return Deed(action, length=window)
    number, said = _split_reference(rest)
    if not said:
        return Deed(action, number)
    if number is None and not in_thread and action in _FREE_TEXT:
        return None
    match action:
        case Action.HAND_OVER:
            person = _PERSON.fullmatch(said.removeprefix("to ").removeprefix("à ").strip())
            return Deed(action, number, to=PersonId(Address(person[1]))) if person else None
        case Action.MORE_TIME:
            window = length(said)
            return Deed(action, number, length=window) if window else None
        case Action.ESCALATE:
            level = _TO_LEVEL.match(said)
            reason = said[level.end() :] if level else said
            return Deed(action, number, reason.strip(), level=int(level[1]) if level else None)
        case Action.CANCEL:
            return _cancel(number, said)
        case Action.NOTE | Action.RESOLVE | Action.REOPEN:
            return Deed(action, number, said)
        case Action.ACKNOWLEDGE | Action.RELEASE:
            return None


def _cancel(number: int | None, said: str) -> Deed:
    duplicate = _DUPLICATE.match(said)
    other = _number(said[duplicate.end() :], _REFERENCE) if duplicate else None
    return Deed(Action.CANCEL, number, "" if other else said, duplicate_of=other)


def _words(text: str, issue_types: Sequence[tuple[str, Sequence[str]]], *, forced: bool = False) -> Words:
    named, colon, rest = text.partition(":")
    if colon and rest.strip() and (found := _issue_type(named, issue_types)):
        return Words(rest.strip(), found, forced)
    return Words(text, None, forced)


def _issue_type(named: str, issue_types: Sequence[tuple[str, Sequence[str]]]) -> str | None:
    """The one issue type whose id or title is what was typed, or begins with it; None when none or several do."""
    wanted = plainly(named.strip())
    if not wanted:
        return None
    names = [(id, [plainly(name) for name in (id, *titles)]) for id, titles in issue_types]
    exact = [id for id, known in names if wanted in known]
    fits = exact or [id for id, known in names if any(name.startswith(wanted) for name in known)]
    return fits[0] if len(fits) == 1 else None


def _keyword(word: str) -> Keyword | None:
    return _BY_WORD.get(plainly(word))


def _nearest(word: str) -> Keyword | None:
    close = get_close_matches(plainly(word)[:40], _BY_WORD, n=1, cutoff=NEAR)
    return _BY_WORD[close[0]] if close else None


def _number(text: str, pattern: re.Pattern[str]) -> int | None:
    found = pattern.fullmatch(text.strip())
    return int(found[1]) if found else None


def _starts_with_reference(rest: str) -> bool:
    return bool(_CLEAR_REFERENCE.match(rest))


def _ends_reference(letter: str) -> bool:
    return letter.isspace() or letter in ":,;"


def _split_reference(rest: str) -> tuple[int | None, str]:
    """A reference at the start, and what follows. A bare number counts only when it stands alone."""
    found = _CLEAR_REFERENCE.match(rest) or _REFERENCE.fullmatch(rest)
    if not found or (found.end() < len(rest) and not _ends_reference(rest[found.end()])):
        return None, rest
    return int(found[1]), rest[found.end() :].strip().lstrip(":,; ").strip()
