"""Activities of Teams, read into plain values; Malformed for whatever is not what Teams sends."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, cast

from adapters.teams.connector import Place
from adapters.teams.dialogs import zone_of
from adapters.teams.gateway import THREAD, is_channel
from adapters.teams.marks import PLATFORM
from adapters.teams.people import Sender
from bot.directory import Address

Body = Mapping[str, Any]

LONGEST_WORDS = 20_000
EXECUTE = "Action.Execute"
_AT = re.compile(r"<at(?:\s[^<>]*)?>(.*?)</at>", re.IGNORECASE | re.DOTALL)


class Malformed(ValueError):
    """An activity that Teams would not send; the message names the place that is missing or of the wrong kind."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What every activity says: who, where, and an id that is the same when it is delivered again.

    `channel` is the channel's address, None in a personal chat; `thread` the (place, message) it was said under.
    """

    who: Sender
    place: Place
    tenant: str
    request: str
    id: str
    channel: Address | None = None
    thread: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A mention in a text: how it is written, and whom it means (an id for this bot only)."""

    written: str
    user: str
    bot: bool


def plausible(body: Body) -> Body:
    """The activity itself, if every part that is looked into is of the kind it should be. Raises Malformed."""
    for name in ("from", "conversation", "channelData", "recipient"):
        if body.get(name) is not None:
            mapping(body, name)
    for name in ("type", "id", "name", "serviceUrl", "channelId", "text", "locale", "replyToId", "localTimezone"):
        text(body, name, default="")
    text(body, "type")
    text(mapping(body, "conversation"), "id")
    for each in mappings(body, "entities"):
        text(each, "type", default="")
    return body


def asked(body: Body) -> Asked:
    """Who asks, and where. Raises Malformed."""
    conversation, who = mapping(body, "conversation"), _mapping(body.get("from"))
    named = text(conversation, "id")
    base, _, root = named.partition(THREAD)
    channel = Address(f"{PLATFORM}:{base}")
    id, reply_to = text(body, "id", default=""), text(body, "replyToId", default="")
    under = root or reply_to
    return Asked(
        who=_sender(body, who),
        place=Place(text(body, "serviceUrl", default=""), named),
        tenant=text(conversation, "tenantId", default=""),
        request=f"{PLATFORM}:{named}:{id}",
        id=id,
        channel=channel if is_channel(channel) else None,
        thread=(base, under) if under else None,
    )


def mentions(body: Body) -> list[Mentioned]:
    """Who is mentioned in a message."""
    recipient = text(_mapping(body.get("recipient")), "id", default="")
    found: list[Mentioned] = []
    for entity in mappings(body, "entities"):
        who = _mapping(entity.get("mentioned"))
        written, user = text(entity, "text", default=""), text(who, "id", default="")
        if entity.get("type") == "mention" and written:
            found.append(Mentioned(written, user, user == recipient or user.startswith("28:")))
    return found


def said(body: Body) -> str:
    """The words of a message, as they were typed; the tags of mentions still in it."""
    typed = text(body, "text", default="")[:LONGEST_WORDS]
    plain = typed if "<at" not in typed.lower() else _AT.sub(lambda found: f"<at>{found[1]}</at>", typed)
    return html.unescape(plain).replace("\xa0", " ")


def without_tags(words: str) -> str:
    """The words with whatever mention is left in them as a plain name."""
    return _AT.sub(lambda found: found[1], words).strip()


def submitted(body: Body) -> Body:
    """What a button sent as a message; empty for a message of words."""
    return {} if text(body, "text", default="").strip() else _mapping(body.get("value"))


def data(body: Body) -> Body:
    """What a button or a dialog sent in an invoke. Raises Malformed."""
    return _mapping(mapping(body, "value").get("data"))


def executed(body: Body) -> Body:
    """What an Action.Execute sent, its verb as `press` where the data names none. Raises Malformed."""
    action = mapping(mapping(body, "value"), "action")
    if text(action, "type", default=EXECUTE) != EXECUTE:
        raise Malformed("value.action is another one")
    verb = text(action, "verb", default="")
    return {"press": verb} | dict(_mapping(action.get("data")))


def chosen(body: Body) -> tuple[str, str | None]:
    """(words, link) of the message that a message extension was used on. Raises Malformed."""
    payload = _mapping(mapping(body, "value").get("messagePayload"))
    content = _mapping(payload.get("body"))
    words = text(content, "content", default="")[:LONGEST_WORDS]
    if text(content, "contentType", default="html") == "html":
        words = _plain(words)
    subject = text(payload, "subject", default="")
    link = text(payload, "linkToMessage", default="")
    return f"{subject}\n{words}".strip(), link if link.startswith("https://") else None


def mapping(owner: Body, name: str) -> Body:
    """The object under `name`. Raises Malformed."""
    found: object = owner.get(name)
    if not isinstance(found, Mapping):
        raise Malformed(f"{name} is no object")
    return cast("Body", found)


def mappings(owner: Body, name: str) -> list[Body]:
    """The objects of the list under `name`; none where it is missing."""
    found: object = owner.get(name)
    return [_mapping(one) for one in cast("list[object]", found)] if isinstance(found, list) else []


def text(owner: Body, name: str, *, default: str | None = None) -> str:
    """The string under `name`; `default` where it is missing or null. Raises Malformed."""
    found: object = owner.get(name)
    if found is None and default is not None:
        return default
    if not isinstance(found, str) or (default is None and not found):
        raise Malformed(f"{name} is no text")
    return found


def _sender(body: Body, who: Body) -> Sender:
    told = [one for one in mappings(body, "entities") if one.get("type") == "clientInfo"]
    client: Body = told[0] if told else {}
    zone = text(body, "localTimezone", default="") or text(client, "timezone", default="")
    return Sender(
        person=text(who, "aadObjectId", default="").lower(),
        user=text(who, "id", default=""),
        name=text(who, "name", default=""),
        tenant=text(who, "tenantId", default="").lower(),
        role=text(who, "userRole", default="").lower() or text(who, "role", default="").lower(),
        locale=text(body, "locale", default="") or text(client, "locale", default=""),
        zone=zone if zone and zone_of(zone) == zone else "",
    )


def _mapping(value: object) -> Body:
    return cast("Body", value) if isinstance(value, Mapping) else {}


class _Words(HTMLParser):
    """The words of a message, one block a line; pictures by what they show."""

    _BLOCKS = frozenset({"p", "div", "br", "li", "tr", "blockquote", "pre", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._BLOCKS:
            self.parts.append("\n")
        if tag in {"img", "emoji"}:
            self.parts.append(dict(attrs).get("alt") or "")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _plain(markup: str) -> str:
    reader = _Words()
    reader.feed(markup)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)
