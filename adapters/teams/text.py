"""Words made safe and short for Teams (pure): cleaned, markup neutralised, cut between whole characters."""

import re

from adapters.clipping import clean, clip, fitting, length, more

__all__ = ["NOTHING", "clean", "clip", "fitting", "inert", "length", "more", "one_line", "quiet"]

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
