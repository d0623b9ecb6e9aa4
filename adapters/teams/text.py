"""Words made safe and short for Teams (pure): cleaned, markup neutralised, cut between whole characters."""

import re
from collections.abc import Callable, Iterator

_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # would turn the rest of a line around
_LINE_ENDS = {0x2028: "\n", 0x2029: "\n"}
_CLEAN = _CONTROLS | _DIRECTIONS | _LINE_ENDS
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Adaptive Cards read a part of Markdown in a TextBlock. Not every client understands a backslash before it, so twins
# stand in that only look alike; an underscore counts only at the edge of a word, and snake_case stays as it is.
# https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format
_TWINS = {"*": "∗", "_": "ˍ", "~": "∼"}
_STYLED = re.compile(r"[*~]|(?<![^\W_])_|_(?![^\W_])")
_LINK = re.compile(r"\](?=\s*[(\[:])")
_LIST = re.compile(r"^([ \t]*)([-+#>]|\d{1,9}(?=[.)]))", re.MULTILINE)
_LIST_TWINS = {"-": "‐", "+": "＋", "#": "＃", ">": "›"}
_BREAK = "\u2060"
"""An invisible joiner: whatever it stands in is no longer what it was."""
_DATE = re.compile(r"\{(?=\{)")
_AT = re.compile(r"<(?=/?at\b)", re.IGNORECASE)
_TAG = re.compile(r"<(?=[/!?\w])")
_ENTITY = re.compile(r"&(?=#|\w{1,31};)")
_ADDRESS = re.compile(r"\b(?:https?|ftp|mailto|tel|msteams|javascript|data|file)(?=:)|(?<!\w)www(?=\.)", re.IGNORECASE)
NOTHING = "—"

_JOINERS = frozenset("\u200d\u2060\ufe0e\ufe0f\u20e3")
_MORE = {"fr": "… ({} de plus)"}
_NOTED_FROM = 60
"""A shorter limit has no room for saying how much was cut: there an ellipsis must do."""


def length(text: str) -> int:
    """UTF-16 units: the strictest reading of "characters"."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """Without what no reader sees but what breaks messages: NUL, control characters, halves of characters."""
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_CLEAN)


_BLANKS = re.compile(r"[ \t\r\n\f\v\u2028\u2029]+")
"""Not the no-break space: French has it before a colon."""


def one_line(text: str) -> str:
    """One line, without blanks at its ends; never empty."""
    return " ".join(part for part in _BLANKS.split(clean(text)) if part) or NOTHING


def quiet(text: str) -> str:
    """For places that know no Markdown: no mention tag and no date function is left alive."""
    return _AT.sub("‹", _DATE.sub(f"{{{_BREAK}", text))


def inert(text: str) -> str:
    """For a TextBlock: whatever would be formatting, a link, a mention or a date becomes plain to see."""
    text = _STYLED.sub(lambda found: _TWINS[found[0]], text.replace("`", "ˋ").replace("\\", "＼"))
    text = _LIST.sub(_no_list, _LINK.sub(f"]{_BREAK}", text))
    text = _DATE.sub(f"{{{_BREAK}", _TAG.sub("‹", _ENTITY.sub(f"&{_BREAK}", text)))
    return _ADDRESS.sub(rf"\g<0>{_BREAK}", text)


def _no_list(found: re.Match[str]) -> str:
    return found[1] + _LIST_TWINS.get(found[2], f"{found[2]}{_BREAK}")


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
