"""What Slack sends, read into plain values; Malformed for whatever is not what Slack sends."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from adapters.slack.render import MENU, PRESS
from adapters.slack.views import INPUT, Origin, read_metadata, value, values

Body = Mapping[str, Any]


class Malformed(ValueError):
    """A body that Slack would not send; the message names the place that is missing or of the wrong kind."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who sent it, and the team that Slack says they belong to, "" where it does not say."""

    user: str
    team: str = ""


@dataclass(frozen=True, slots=True)
class Slash:
    """`/escalate words`."""

    who: Who
    origin: Origin
    words: str
    trigger: str
    request: str


@dataclass(frozen=True, slots=True)
class Said:
    """Words to the bot: a mention in a channel, or a direct message."""

    who: Who
    origin: Origin
    id: str
    words: str
    request: str
    direct: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button, or a line of a menu; `view` is the view it stands in, "" for a message."""

    who: Who
    origin: Origin
    press: str
    subject: str
    trigger: str
    request: str
    view: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A field that others depend on."""

    who: Who
    origin: Origin
    view: str
    hash: str
    form: str
    context: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A form that was sent; `sent` is the view, for telling which fields it has."""

    who: Who
    origin: Origin
    form: str
    context: str
    values: dict[str, str]
    request: str
    sent: Body


@dataclass(frozen=True, slots=True)
class OnMessage:
    """The shortcut on a message: its words and its place."""

    who: Who
    origin: Origin
    id: str
    words: str
    trigger: str
    request: str


_OBJECTS = ("event", "view", "message", "previous_message", "container", "item", "assistant_thread")
_TEXTS_OR_OBJECTS = ("team", "user", "channel", "enterprise")
_LISTS = ("actions", "authorizations", "response_urls")
_TEXTS = (
    *("type", "id", "subtype", "command", "challenge", "ts", "thread_ts", "channel_type", "response_url", "bot_id"),
    *("action_id", "block_id", "callback_id", "team_id", "user_id", "channel_id", "enterprise_id", "user_team"),
    *("app_installed_team_id", "context_team_id", "parent_user_id", "function_execution_id"),
)
_FROM_A_PERSON = frozenset({"block_actions", "view_submission", "message_action", "shortcut"})


def plausible(body: Body) -> Body:
    """The body itself, if every part that Bolt looks into is of the kind it expects. Raises Malformed."""
    _plausible(body)
    if body.get("type") in _FROM_A_PERSON:
        mapping(body, "user")
    if body.get("type") in {"view_submission", "view_closed"}:
        text(mapping(body, "view"), "type")
    if body.get("type") == "block_actions":
        text(_action(body), "action_id")
    if body.get("type") == "url_verification":
        text(body, "challenge")
    if body.get("type") == "event_callback":
        text(mapping(body, "event"), "type")
    return body


def _plausible(part: Body) -> None:
    for name in _TEXTS:
        text(part, name, default="")
    for name in (*_OBJECTS, *_TEXTS_OR_OBJECTS):
        inner = part.get(name)
        if inner is not None and not (name in _TEXTS_OR_OBJECTS and isinstance(inner, str)):
            _plausible(mapping(part, name))
    for name in _LISTS:
        for one in _list(part, name):
            _plausible(one)


def _list(body: Body, name: str) -> list[Body]:
    found = body.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in cast("list[object]", found)):
        raise Malformed(f"{name} is no list of objects")
    return cast("list[Body]", found)


def slash(body: Body) -> Slash:
    trigger = text(body, "trigger_id")
    who = Who(text(body, "user_id"), text(body, "team_id", default=""))
    words = spoken(text(body, "text", default=""))
    return Slash(who, Origin(text(body, "channel_id")), words, trigger, f"slack:command:{trigger}")


def said(body: Body, bot_user: str) -> Said | None:
    """A mention or a direct message; None for what no person said to the bot just now."""
    event = mapping(body, "event")
    user = text(event, "user", default="")
    if text(event, "subtype", default="") not in {"", "file_share"} or event.get("bot_id") or not user:
        return None
    channel, direct = text(event, "channel"), text(event, "type") == "message"
    if user == bot_user or direct != channel.startswith("D"):
        return None
    team = text(event, "user_team", default="") or text(event, "team", default="")
    words = spoken(text(event, "text", default=""), bot_user)
    origin = Origin(channel, text(event, "thread_ts", default=""))
    return Said(Who(user, team), origin, text(event, "ts"), words, f"slack:event:{text(body, 'event_id')}", direct)


def pressed(body: Body) -> Pressed:
    action, container = _action(body), mapping(body, "container")
    who, view = _person(body), _view(body)
    press, subject = _press_of(action)
    marks = (text(container, "message_ts", default="") or text(view, "id", default=""), text(action, "action_ts"))
    request = ":".join(("slack:press", *marks, who.user, text(action, "action_id"), press))
    trigger = text(body, "trigger_id")
    return Pressed(who, _origin(body, view), press, subject, trigger, request, text(view, "id", default=""))


def changed(body: Body) -> Changed | None:
    """None for a field in a message: there is none of ours. The action itself says what was chosen last."""
    view, action = _view(body), _action(body)
    if not view or not text(action, "action_id").startswith(f"{INPUT}:"):
        return None
    context, origin = read_metadata(text(view, "private_metadata", default=""))
    form, mark = text(view, "callback_id"), text(view, "hash")
    now = values(view) | {text(action, "block_id"): value(action)}
    return Changed(_person(body), origin, text(view, "id"), mark, form, context, now)


def submitted(body: Body) -> Submitted:
    view = mapping(body, "view")
    context, origin = read_metadata(text(view, "private_metadata", default=""))
    request = f"slack:view:{text(view, 'id')}:{text(view, 'hash')}"
    return Submitted(_person(body), origin, text(view, "callback_id"), context, values(view), request, view)


def on_message(body: Body) -> OnMessage:
    message, trigger = mapping(body, "message"), text(body, "trigger_id")
    channel = text(mapping(body, "channel"), "id")
    origin = Origin(channel, text(message, "thread_ts", default=""))
    words = spoken(text(message, "text", default=""))
    return OnMessage(_person(body), origin, text(message, "ts"), words, trigger, f"slack:shortcut:{trigger}")


_TOKEN = re.compile(r"<([^<>]*)>")


def spoken(wire: str, bot_user: str = "") -> str:
    """The words that a person typed, as they read them; people as `@slack:U…`. The bot's own mention is left out once."""
    if bot_user:
        wire = re.sub(rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>[\s:,]*", "", wire, count=1)
    words = _TOKEN.sub(lambda found: _token(found[1]), wire)
    return words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _token(inside: str) -> str:
    id, _, label = inside.partition("|")
    if id.startswith("@"):
        return f"@slack:{id[1:]}"
    if id.startswith("#"):
        return f"#{label or id[1:]}"
    if id.startswith("!"):
        return label or f"@{id[1:].partition('^')[0]}"
    if not label or label == id or id.partition("://")[2].rstrip("/") == label.rstrip("/"):
        return id.removeprefix("mailto:")
    return label if id == f"mailto:{label}" else f"{label} ({id})"


def mapping(owner: Body, name: str) -> Body:
    """The object under `name`. Raises Malformed."""
    found = owner.get(name)
    if not isinstance(found, Mapping):
        raise Malformed(f"{name} is no object")
    return cast(Body, found)


def text(owner: Body, name: str, *, default: str | None = None) -> str:
    """The string under `name`; `default` where it is missing or null. Raises Malformed."""
    found = owner.get(name)
    if found is None and default is not None:
        return default
    if not isinstance(found, str) or (default is None and not found):
        raise Malformed(f"{name} is no text")
    return found


def _action(body: Body) -> Body:
    actions = _list(body, "actions")
    if not actions:
        raise Malformed("actions hold none")
    return actions[0]


def _press_of(action: Body) -> tuple[str, str]:
    """(press, subject) of a button or of the chosen line of a menu."""
    kind, _, press = text(action, "action_id").partition(":")
    if kind == MENU:
        press, _, subject = text(mapping(action, "selected_option"), "value").partition(" ")
        return press, subject
    if kind != PRESS:
        raise Malformed("action_id is none of ours")
    return press, text(action, "value", default="").strip()


def _person(body: Body) -> Who:
    user = mapping(body, "user")
    return Who(text(user, "id"), text(user, "team_id", default=""))


def _view(body: Body) -> Body:
    return mapping(body, "view") if body.get("view") is not None else {}


def _origin(body: Body, view: Body) -> Origin:
    """Where the pressed thing stands: its message's channel and thread, or where its view was opened from."""
    if view:
        return read_metadata(text(view, "private_metadata", default=""))[1]
    container = mapping(body, "container")
    channel, thread = text(container, "channel_id", default=""), text(container, "thread_ts", default="")
    if channel.startswith("D"):  # nothing is private to one person there: the answer goes under the card, not beside it
        thread = thread or text(container, "message_ts", default="")
    return Origin(channel, thread)
