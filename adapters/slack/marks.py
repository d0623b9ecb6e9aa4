"""Rich text → mrkdwn (pure): Slack's own tokens for people, groups, channels and instants; everything else is words."""

import re
from collections.abc import Callable, Sequence

from adapters.slack import text as words
from bot import wording
from bot.directory import Address, PersonId, local_part, platform_of
from bot.plan import Language
from bot.rich import Group, Link, Mention, Moment, Piece, Rich, Room, Strong, When

Names = Callable[[PersonId], str]

PERSON = re.compile(r"[UW][A-Z0-9]{1,30}")
_GROUP = re.compile(r"S[A-Z0-9]{1,30}")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,30}")
WEB = re.compile(r"https?://[^\s<>|\"`]{1,2000}", re.IGNORECASE)
# https://docs.slack.dev/messaging/formatting-message-text#date-formatting
_MOMENTS = {Moment.TIME: "{time}", Moment.DAY_TIME: "{date_short_pretty} {time}"}
NOTHING = "—"


def marked(rich: Rich, language: Language, names: Names, most: int) -> str:
    """Rich text as mrkdwn, at most `most` long; never empty. A token is shown whole or not at all."""
    pieces = [words.clean(piece) if isinstance(piece, str) else piece for piece in rich]
    tokens = [token(piece, language, names) for piece in pieces]
    full = "".join(tokens)
    if words.length(full) <= most:
        return full if full.strip() else NOTHING
    return _shortened(pieces, tokens, language, names, most)


def token(piece: Piece, language: Language, names: Names) -> str:
    """One piece as Slack reads it."""
    match piece:
        case str():
            return words.inert(piece)
        case Mention(person):
            return _addressed("@", person, PERSON) or words.inert(one_line(names(person)))
        case Group(group):
            return _addressed("!subteam^", group, _GROUP) or words.inert(one_line(local_part(group)))
        case Room(channel):
            return _addressed("#", channel, _CHANNEL) or words.inert(one_line(local_part(channel)))
        case When():
            absolute = words.escape(words.clean(wording.absolute(language, piece))).replace("|", "/")
            return f"<!date^{int(piece.at.timestamp())}^{_MOMENTS[piece.shown]}|{absolute}>"
        case Link(url, label):
            return _link(url, words.inert(one_line(label)).replace("|", "¦"))
        case Strong(strong):
            inner = words.inert(one_line(strong))
            return f"*{inner}*" if inner != NOTHING else ""


def whole(text: str) -> str:
    """Cleaned, and never empty: Slack refuses empty texts."""
    cleaned = words.clean(text)
    return cleaned if cleaned.strip() else NOTHING


def one_line(text: str) -> str:
    """One line, without blanks at its ends."""
    return " ".join(words.clean(text).split()) or NOTHING


def _shortened(pieces: Sequence[Piece], tokens: Sequence[str], language: Language, names: Names, most: int) -> str:
    left = sum(len(wording.plain(language, (piece,), names)) for piece in pieces)
    room = most - words.length(words.more(language, left))
    shown: list[str] = []
    for piece, rendered in zip(pieces, tokens, strict=True):
        if words.length(rendered) > room:
            if isinstance(piece, str):
                kept = words.fitting(piece, room, words.inert)
                shown.append(words.inert(piece[:kept]))
                left -= kept
            break
        shown.append(rendered)
        room -= words.length(rendered)
        left -= len(wording.plain(language, (piece,), names))
    return "".join(shown).rstrip() + words.more(language, max(1, left))


def _addressed(sign: str, address: Address, shape: re.Pattern[str]) -> str:
    """A live token for an id of Slack, "" for anything else."""
    name = local_part(address)
    return f"<{sign}{name}>" if platform_of(address) == "slack" and shape.fullmatch(name) else ""


def _link(url: str, label: str) -> str:
    if not WEB.fullmatch(url):
        return label
    return f"<{words.escape(url)}|{label}>"
