"""Words cleaned of what breaks messages, and cut between whole characters (pure): the same for every platform."""

import re
from collections.abc import Callable, Iterator

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # would turn the rest of a line around
_LINE_ENDS = {0x2028: "\n", 0x2029: "\n"}
_CLEAN = _CONTROLS | _DIRECTIONS | _LINE_ENDS
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_JOINERS = frozenset("\u200d\u2060\ufe0e\ufe0f\u20e3")
_MORE = {"fr": "… ({} de plus)"}
_NOTED_FROM = 60
"""A shorter limit has no room for saying how much was cut: there an ellipsis must do."""


def length(text: str) -> int:
    """UTF-16 units: the strictest reading of a platform's "characters"."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """Without what no reader sees but what breaks messages: NUL, control characters, halves of characters."""
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_CLEAN)


def clip(text: str, most: int, *, language: str = "en", to: Callable[[str], str] = str) -> str:
    """`to(text)`, cut so that the result, with "… (n more)" at its end, is at most `most` long.

    The cut never falls inside a surrogate pair, an emoji sequence or a letter with its accents.
    """
    if length(text) <= most:
        whole = to(text)
        if length(whole) <= most:
            return whole
    room = most - (length(more(language, len(text))) if most >= _NOTED_FROM else 1)
    kept = fitting(text, room, to)
    if most < _NOTED_FROM:
        return to(text[:kept].rstrip()) + "…"
    return to(text[:kept].rstrip()) + more(language, len(text) - kept)


def more(language: str, count: int) -> str:
    """How many characters, lines or parts are not shown."""
    return _MORE.get(language, "… ({} more)").format(count)


def fitting(text: str, room: int, to: Callable[[str], str]) -> int:
    """The length of the longest beginning that fits, between whole characters."""
    low, high = 0, min(len(text), max(0, room))
    while low < high:  # longer beginnings are never shorter once rendered
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(to(text[:middle])) <= room else (low, middle - 1)
    return boundary(text, low)


def boundary(text: str, at: int) -> int:
    """The last place at or before `at` where `text` may be cut without splitting what reads as one character."""
    floor = max(0, at - 64)  # a "character" of more than 64 is an attack, not a letter
    place = at
    while place > floor and _joined(text, place):
        place -= 1
    return at if place == floor and floor > 0 else place


def _joined(text: str, at: int) -> bool:
    if at <= 0 or at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if before == "\u200d" or after in _JOINERS or _combines(after):
        return True
    return _flag(before) and _flag(after) and sum(1 for _ in _flags_before(text, at)) % 2 == 1


def _combines(character: str) -> bool:
    return (
        "\u0300" <= character <= "\u036f"
        or "\u1ab0" <= character <= "\u1aff"
        or "\u20d0" <= character <= "\u20ff"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )


def _flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> Iterator[str]:
    while at > 0 and _flag(text[at - 1]):
        at -= 1
        yield text[at]
