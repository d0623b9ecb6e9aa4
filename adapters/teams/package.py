"""The app to upload to Teams, made from the settings: a zip with manifest, icons and the French words (pure)."""

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import pairwise
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from adapters.teams.marks import Json
from bot import wording
from bot.errors import ConfigurationError, Problem
from bot.grammar import KEYWORDS, Ask, Keyword
from bot.permissions import Action
from bot.plan import EN, FR, Language

VERSION = "1.19"
SCHEMA = f"https://developer.microsoft.com/json-schemas/teams/v{VERSION}/MicrosoftTeams.schema.json"
ESCALATE_MESSAGE = "escalate_message"
"""The id of the command in the menu of a message."""
NAME = 30
LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""When everything in the zip was made, so that the same settings make the same bytes."""

# At most ten a list, and a list for each scope, of words that say something alone; `help` names the rest.
OFFERED: Mapping[str, tuple[Keyword, ...]] = {
    "personal": (
        Ask.NEW, Ask.LIST, Ask.SHOW, Action.ACKNOWLEDGE, Action.RESOLVE,
        Action.ESCALATE, Action.MORE_TIME, Ask.TIMELINE, Ask.WHO, Ask.HELP,
    ),
    "team": (
        Ask.NEW, Ask.LIST, Action.ACKNOWLEDGE, Action.RESOLVE, Action.ESCALATE,
        Action.MORE_TIME, Action.HAND_OVER, Action.NOTE, Ask.TIMELINE, Ask.HELP,
    ),
}  # fmt: skip

_APP_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_HOST_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{4,253}}\Z)(?:{_HOST_PART}\.)+(?!\d+\Z){_HOST_PART}", re.IGNORECASE | re.ASCII)
_RELEASE = re.compile(r"(?:0|[1-9]\d{0,5})(?:\.(?:0|[1-9]\d{0,5})){2}", re.ASCII)

_WORDS: Mapping[Language, Mapping[str, str]] = {
    EN: {
        "full_name": "on-call escalation",
        "short": "Brings every issue to the right person at the right level in time.",
        "full": (
            "Write to {name} or mention it, and say what is wrong. {name} tells the person who should act, says what is"
            " expected of them, and moves the issue up when the time of a level ends, until somebody resolves it. It"
            " reads what is written to it: personal messages, mentions, its own forms and buttons, and nothing else."
        ),
        "command": "Escalate this message",
        "about": "Opens the form with this message in it",
    },
    FR: {
        "full_name": "remontée d’incidents",
        "short": "Mène chaque problème à la bonne personne, au bon niveau, à temps.",
        "full": (
            "Écrivez à {name} ou mentionnez-le, et dites ce qui ne va pas. {name} prévient la personne qui doit agir,"
            " dit ce qui est attendu d’elle, et fait remonter le problème quand le délai d’un niveau est écoulé,"
            " jusqu’à ce que quelqu’un le résolve. Il lit ce qui lui est adressé : messages personnels, mentions, ses"
            " propres formulaires et boutons, et rien d’autre."
        ),
        "command": "Faire remonter ce message",
        "about": "Ouvre le formulaire, avec ce message",
    },
}
_WORD_OF: Mapping[Language, int] = {EN: 0, FR: 1}


def build(app_id: str, *, name: str, domain: str | None, version: str) -> bytes:
    """The zip to upload. `domain` is the public host of the endpoint, None to leave it out.

    Raises ConfigurationError with everything that is wrong with what was given.
    """
    if problems := tuple(_problems(app_id, name, domain, version)):
        raise ConfigurationError(problems)
    files = {
        "manifest.json": _written(_manifest(app_id.lower(), name, domain.lower() if domain else None, version)),
        "color.png": _png(192, 5.0, _in_colour),
        "outline.png": _png(32, 1.3, _in_white),
        "fr.json": _written(_french(name)),
    }
    held = BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as package:
        for path, content in files.items():
            about = ZipInfo(path, EPOCH)
            about.external_attr, about.create_system, about.compress_type = 0o644 << 16, 3, ZIP_DEFLATED
            package.writestr(about, content)
    return held.getvalue()


def _problems(app_id: str, name: str, domain: str | None, version: str) -> Iterator[Problem]:
    if not _APP_ID.fullmatch(app_id):
        said = "is no app id; copy the Microsoft App ID of the Azure bot, 01234567-89ab-cdef-0123-456789abcdef"
        yield Problem("ECHELON_TEAMS_APP_ID", f"{app_id!r} {said}")
    if not 0 < len(name) <= NAME or name != name.strip() or not name.isprintable():
        yield Problem("name", f"{name!r} will not do; write 1 to {NAME} characters")
    if domain is not None and not _HOST.fullmatch(domain):
        said = "is no public host name; write it without https:// and without a path, echelon.example.com"
        yield Problem("--domain", f"{domain!r} {said}")
    if not _RELEASE.fullmatch(version):
        yield Problem("version", f"{version!r} will not do; write three numbers, 1.0.0")


def _manifest(app_id: str, name: str, domain: str | None, version: str) -> Json:
    english = _described(EN, name)
    home = f"https://{domain}/" if domain else LICENCE
    lists = [{"scopes": [scope], "commands": _commands(EN, offered)} for scope, offered in OFFERED.items()]
    command = {"id": ESCALATE_MESSAGE, "type": "action", "context": ["message"], "fetchTask": True}
    return {
        "$schema": SCHEMA,
        "manifestVersion": VERSION,
        "version": version,
        "id": app_id,
        "developer": {"name": name, "websiteUrl": home, "privacyUrl": home, "termsOfUseUrl": LICENCE},
        "localizationInfo": {
            "defaultLanguageTag": "en",
            "additionalLanguages": [{"languageTag": "fr", "file": "fr.json"}],
        },
        "name": {"short": english["name.short"], "full": english["name.full"]},
        "description": {"short": english["description.short"], "full": english["description.full"]},
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#17635c",
        "bots": [
            {
                "botId": app_id,
                "scopes": list(OFFERED),
                "supportsFiles": False,
                "isNotificationOnly": False,
                "commandLists": lists,
            }
        ],
        "composeExtensions": [{"botId": app_id, "commands": [command | _command(EN)]}],
        "defaultInstallScope": "personal",
        "defaultGroupCapability": {"team": "bot"},
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [domain] if domain else [],
    }


def _french(name: str) -> Json:
    """The words of the manifest in French, by their place in it."""
    said: Json = {"$schema": SCHEMA.replace(".schema.json", ".Localization.schema.json"), **_described(FR, name)}
    for index, offered in enumerate(OFFERED.values()):
        for number, one in enumerate(_commands(FR, offered)):
            place = f"bots[0].commandLists[{index}].commands[{number}]"
            said |= {f"{place}.title": one["title"], f"{place}.description": one["description"]}
    command = _command(FR)
    place = "composeExtensions[0].commands[0]"
    return said | {f"{place}.title": command["title"], f"{place}.description": command["description"]}


def _described(language: Language, name: str) -> dict[str, str]:
    said = _WORDS[language]
    return {
        "name.short": name,
        "name.full": f"{name}{' : ' if language == FR else ': '}{said['full_name']}",
        "description.short": said["short"],
        "description.full": said["full"].format(name=name),
    }


def _commands(language: Language, offered: tuple[Keyword, ...]) -> list[dict[str, str]]:
    """Choosing one writes its title: so that is the keyword itself."""
    return [
        {"title": keyword, "description": wording.words(language, f"help_{one.value}", keyword=keyword)}
        for one in offered
        for keyword in [KEYWORDS[one][min(_WORD_OF[language], len(KEYWORDS[one]) - 1)]]
    ]


def _command(language: Language) -> dict[str, str]:
    said = _WORDS[language]
    return {"title": said["command"], "description": said["about"]}


def _written(value: Json) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


# The mark: stairs of three steps and a light above the last, in the units of adapters/local/page/icon.svg.
_STAIRS = ((7, 24), (12, 24), (12, 19), (18, 19), (18, 14), (24, 14), (24, 8))
_LINE, _LIGHT, _GLOW, _GAP = 1.5, (24.5, 7.5), 3.0, 4.2
_MIDDLE = (16.5, 15.0)
_GREEN, _WHITE, _AMBER = (0x17, 0x63, 0x5C), (255, 255, 255), (0xFF, 0xC7, 0x66)

Pixel = tuple[int, int, int, int]


def _png(side: int, scale: float, paint: Callable[[float, float, float], Pixel]) -> bytes:
    """A square picture, eight bits for red, green, blue and opacity: https://www.w3.org/TR/png-3/"""
    rows = bytearray()
    for down in range(side):
        rows.append(0)  # no filter
        for right in range(side):
            x, y = (_MIDDLE[axis] + (place + 0.5 - side / 2) / scale for axis, place in enumerate((right, down)))
            rows += bytes(paint(x, y, scale))
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(bytes(rows), 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _in_colour(x: float, y: float, scale: float) -> Pixel:
    """White stairs and an amber light on green; Teams rounds the corners."""
    ink = _GREEN
    for colour, much in ((_WHITE, _stairs(x, y, scale)), (_AMBER, _disc(x, y, _GLOW, scale))):
        red, green, blue = (round(old + (new - old) * much) for old, new in zip(ink, colour, strict=True))
        ink = (red, green, blue)
    return (*ink, 255)


def _in_white(x: float, y: float, scale: float) -> Pixel:
    """White on nothing, with a gap around the light."""
    much = max(_disc(x, y, _GLOW, scale), _stairs(x, y, scale) * (1 - _disc(x, y, _GAP, scale)))
    return (*_WHITE, round(255 * much)) if much else (0, 0, 0, 0)


def _stairs(x: float, y: float, scale: float) -> float:
    near = min(_distance(x, y, start, end) for start, end in pairwise(_STAIRS))
    return _covered(_LINE - near, scale)


def _disc(x: float, y: float, radius: float, scale: float) -> float:
    return _covered(radius - _distance(x, y, _LIGHT, _LIGHT), scale)


def _distance(x: float, y: float, start: tuple[float, float], end: tuple[float, float]) -> float:
    """To the nearest point of a line that is level or upright."""
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return ((x - min(max(x, left), right)) ** 2 + (y - min(max(y, top), bottom)) ** 2) ** 0.5


def _covered(inside: float, scale: float) -> float:
    """How much of a pixel lies inside, given how far inside its middle is: smooth edges."""
    return min(1.0, max(0.0, 0.5 + inside * scale))
