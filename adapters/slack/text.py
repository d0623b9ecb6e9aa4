"""Words made safe and short for Slack (pure): cleaned, escaped once, markup neutralised, cut between whole characters."""

import re

from adapters.clipping import clean, clip, fitting, length, more

__all__ = ["clean", "clip", "escape", "fitting", "inert", "length", "more"]

# https://docs.slack.dev/messaging/formatting-message-text#escaping : these three, and only these
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

# Slack reads * _ ~ as markup only at the edge of a word: there their twins stand in, and snake_case stays as it is.
_TWINS = {"*": "∗", "_": "ˍ", "~": "∼"}
_AT_AN_EDGE = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])")
_QUOTE = re.compile(r"^([ \t]*)(>+)", re.MULTILINE)


def escape(text: str) -> str:
    """For places that know Slack's <tokens>, but no formatting: the `text` of a message."""
    return text.translate(_ESCAPES)


def inert(text: str) -> str:
    """For mrkdwn: escaped, and whatever would be formatting becomes a character that only looks alike."""
    text = text.replace("`", "ˋ")
    text = _AT_AN_EDGE.sub(lambda found: _TWINS[found[0]], text)
    return escape(_QUOTE.sub(lambda found: found[1] + "›" * len(found[2]), text))
