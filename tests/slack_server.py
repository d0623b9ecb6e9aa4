"""A local server that speaks Slack's protocol: Web API, response URLs, Events and interactivity over HTTP, Socket Mode.

    async with SlackServer() as slack:
        slack.person("U1", name="Ada")
        slack.channel("C1", name="support", members={"U1"})
        door = slack.http_door("http://127.0.0.1:3000/slack/events")      # or slack.socket_door()
        ack = await door.slash("/escalate", "outage", user="U1", channel="C1")

Texts given to a door are wire texts: escape `&`, `<` and `>` yourself with `typed()` where a person types them.
"""

import asyncio
import copy
import hashlib
import hmac
import itertools
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, WSMsgType, web

from tests.faults import Fault, Faults
from tests.slack_limits import length, options_of, problems

Json = dict[str, Any]
Clock = Callable[[], float]

BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-test-bot", "xapp-test-app", "test-signing-secret"
ALL_SCOPES = (  # all but chat:write.public, so that channels must be joined
    "app_mentions:read,channels:history,channels:read,chat:write,commands,groups:history,groups:read,"
    "im:history,im:read,im:write,mpim:read,team:read,usergroups:read,users:read"
)
SCOPES = {  # what each method needs; a tuple is "any one of"
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.delete": ("chat:write",),
    "users.info": ("users:read",),
    "users.list": ("users:read",),
    "conversations.open": ("im:write", "mpim:write", "groups:write", "channels:manage"),
    "usergroups.list": ("usergroups:read",),
    "usergroups.users.list": ("usergroups:read",),
}
KIND_SCOPES = {"conversations.info": "read", "conversations.members": "read"} | {
    "conversations.history": "history",
    "conversations.replies": "history",
}
TRIGGER_SECONDS = 3.0
RESPONSE_USES, RESPONSE_SECONDS = 5, 30 * 60
MOST_SOCKETS = 10
NO_ANSWER = 0


def sign(secret: str, timestamp: str | int, body: str | bytes) -> str:
    """X-Slack-Signature of this body; for forged requests too."""
    raw = body.encode() if isinstance(body, str) else body
    return "v0=" + hmac.new(secret.encode(), b"v0:%s:%s" % (str(timestamp).encode(), raw), hashlib.sha256).hexdigest()


def typed(text: str) -> str:
    """What Slack puts on the wire when a person types this."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, error: str, **more: object) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **more}


class Call(NamedTuple):
    method: str
    args: Json
    at: float


@dataclass
class Person:
    id: str
    name: str
    locale: str
    tz: str
    deleted: bool
    guest: bool | Literal["single"]
    bot: bool
    team: str
    email: str

    def to_json(self, *, with_locale: bool, now: float) -> Json:
        zone = ZoneInfo(self.tz)
        offset = datetime.fromtimestamp(now, zone).utcoffset()
        profile = {"real_name": self.name, "display_name": self.name, "email": self.email, "team": self.team}
        person: Json = {"id": self.id, "team_id": self.team, "name": self.id.lower(), "deleted": self.deleted}
        person |= {"real_name": self.name, "profile": profile, "is_bot": self.bot, "is_app_user": False}
        if self.deleted:  # Slack leaves the rest out for deactivated people
            return person
        person |= {"tz": self.tz, "tz_label": self.tz, "tz_offset": int(offset.total_seconds() if offset else 0)}
        person |= {"is_restricted": bool(self.guest), "is_ultra_restricted": self.guest == "single", "is_admin": False}
        return person | ({"locale": self.locale} if with_locale else {})


@dataclass
class Channel:
    id: str
    name: str
    members: set[str]
    archived: bool
    bot_is_member: bool
    private: bool
    shared: bool
    with_user: str | None = None  # a direct message

    @property
    def kind(self) -> str:
        return "im" if self.with_user else "group" if self.private else "channel"

    def to_json(self) -> Json:
        channel: Json = {"id": self.id, "is_archived": self.archived, "is_im": bool(self.with_user)}
        if self.with_user:
            return channel | {"user": self.with_user, "is_channel": False, "is_private": True}
        channel |= {"name": self.name, "name_normalized": self.name, "is_channel": not self.private, "is_mpim": False}
        channel |= {"is_group": self.private, "is_private": self.private, "is_member": self.bot_is_member}
        return channel | {"is_shared": self.shared, "is_ext_shared": self.shared, "num_members": len(self.members)}


@dataclass
class Group:
    id: str
    handle: str
    members: list[str]
    disabled: bool

    def to_json(self, *, with_users: bool) -> Json:
        group: Json = {"id": self.id, "handle": self.handle, "name": self.handle, "is_usergroup": True}
        group |= {"user_count": len(self.members), "date_delete": int(self.disabled)}
        return group | ({"users": self.members} if with_users else {})


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    metadata: Json | None = None
    edited: int = 0
    attachments: list[Json] = field(default_factory=list)
    to: str | None = None  # the only reader of an ephemeral message
    from_bot: bool = False
    client_msg_id: str | None = None
    versions: list[tuple[str, list[Json]]] = field(default_factory=list)  # what it said before each edit

    @property
    def words(self) -> str:
        """All that a reader sees, one text a line; without blocks, the text."""
        return "\n".join(_texts(self.blocks)) if self.blocks else self.text

    @property
    def controls(self) -> list[str]:
        """The labels of what can be clicked."""
        return _labels(self.blocks)

    def to_json(self, bot: "SlackServer", *, with_metadata: bool = False) -> Json:
        message: Json = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": bot.team}
        if self.from_bot:
            message |= {"bot_id": bot.bot_id, "app_id": bot.app_id}
        optional = {"blocks": self.blocks, "attachments": self.attachments, "thread_ts": self.thread_ts}
        optional["metadata"] = self.metadata if with_metadata else None
        if self.edited:
            optional["edited"] = {"user": self.user, "ts": self.ts}
        return copy.deepcopy(message | {key: value for key, value in optional.items() if value})


@dataclass
class View:
    id: str
    user: str
    body: Json  # as sent, with the block ids and action ids that Slack adds
    hash: str
    open: bool = True
    root: str = ""
    previous: str | None = None
    errors: dict[str, str] = field(default_factory=dict)  # of the last refused submission

    @property
    def words(self) -> str:
        return "\n".join(_texts([self.body.get("title", {}), *self.body["blocks"]]))

    @property
    def controls(self) -> list[str]:
        return _labels(self.body["blocks"])

    def to_json(self, bot: "SlackServer", values: Json | None = None) -> Json:
        ids = {"id": self.id, "team_id": bot.team, "app_id": bot.app_id, "bot_id": bot.bot_id, "hash": self.hash}
        ids |= {"root_view_id": self.root, "previous_view_id": self.previous, "app_installed_team_id": bot.team}
        defaults = {"private_metadata": "", "callback_id": "", "external_id": "", "close": None, "submit": None}
        defaults |= {"clear_on_close": False, "notify_on_close": False}
        state = _initial_values(self.body["blocks"]) if values is None else values
        return copy.deepcopy(defaults | self.body | ids | {"state": {"values": state}})


@dataclass
class _ResponseUrl:
    user: str
    channel: str
    message: Message | None
    issued: float
    uses: int = 0


@dataclass
class Ack:
    """What the app answered to one delivery; status 0 is silence."""

    status: int
    body: Any
    payload: Json
    kind: str

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def text(self) -> str:
        """The words of the answer: its text, or the texts of its blocks."""
        if isinstance(self.body, str) or self.body is None:
            return self.body or ""
        return "\n".join(_texts(self.body["blocks"])) if self.body.get("blocks") else self.body.get("text", "")


class SlackServer:
    """The workspace, its Web API and its sockets. `complaints` collects what real Slack would grumble about."""

    def __init__(
        self,
        *,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        scopes: Iterable[str] = ALL_SCOPES.split(","),
        strict_scopes: bool = False,
        honours_client_msg_id: bool = True,
        clock: Clock = time.time,
    ) -> None:
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.scopes, self.strict_scopes = set(scopes), strict_scopes
        self.honours_client_msg_id = honours_client_msg_id
        self.clock = clock
        self.token_error: str | None = None  # "token_revoked", "account_inactive": the answer to every bot call
        self.team, self.domain, self.app_id, self.bot_user, self.bot_id = "T1", "acme", "A1", "UBOT", "BBOT"
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, Group] = {}
        self.calls: list[Call] = []
        self.faults = Faults()
        self.complaints: list[str] = []
        self.opened_views: defaultdict[str, list[View]] = defaultdict(list)
        self.homes: dict[str, View] = {}
        self._all: list[Message] = []
        self._views: dict[str, View] = {}
        self._triggers: dict[str, tuple[str, float]] = {}
        self._spent_triggers: set[str] = set()
        self._responses: dict[str, _ResponseUrl] = {}
        self._tickets: set[str] = set()
        self._open_sockets: dict[web.WebSocketResponse, web.Request] = {}
        self._socket_came = asyncio.Condition()
        self._acks: defaultdict[str, deque[asyncio.Future[Any]]] = defaultdict(deque)
        self._numbers = itertools.count(1)
        self._last_second = 0
        self._turn = itertools.count()
        self._closing = asyncio.Event()
        self.person(self.bot_user, name="Echelon", bot=True)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._serve_call)
        app.router.add_post("/response/{id}", self._serve_response)
        app.router.add_get("/link", self._serve_socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        self.client = ClientSession(timeout=ClientTimeout(total=None))
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        for socket in list(self._open_sockets):
            await socket.close(code=1001)
        await self.client.close()
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """For AsyncWebClient(base_url=…)."""
        return f"http://127.0.0.1:{self.port}/api/"

    # The world

    def person(
        self,
        id: str,
        *,
        name: str,
        locale: str = "en-US",
        tz: str = "Europe/London",
        deleted: bool = False,
        guest: bool | Literal["single"] = False,
        bot: bool = False,
        team: str = "T1",
        email: str = "",
    ) -> Person:
        email = email or f"{id.lower()}@example.com"
        self.people[id] = Person(id, name, locale, tz, deleted, guest, bot, team, email)
        return self.people[id]

    def channel(
        self,
        id: str,
        *,
        name: str,
        members: Iterable[str] = (),
        archived: bool = False,
        bot_is_member: bool = True,
        private: bool = False,
        shared: bool = False,
    ) -> Channel:
        everyone = set(members) | ({self.bot_user} if bot_is_member else set())
        self.channels[id] = Channel(id, name, everyone, archived, bot_is_member, private, shared)
        return self.channels[id]

    def group(
        self,
        id: str,
        *,
        members: Iterable[str],
        handle: str = "",
        disabled: bool = False,
    ) -> Group:
        self.groups[id] = Group(id, handle or id.lower(), list(members), disabled)
        return self.groups[id]

    def dm(self, user: str) -> str:
        """The direct channel between the bot and this person, opened if need be."""
        channel = "D" + user[1:]
        if channel not in self.channels:
            self.channels[channel] = Channel(channel, "directmessage", {user, self.bot_user}, False, True, True, False)
            self.channels[channel].with_user = user
        return channel

    # What was said

    def messages(self, channel: str, *, thread: str | None = None) -> list[Message]:
        """Everything that stands in a channel (or in the DM with a U… id), as it reads now."""
        place = "D" + channel[1:] if channel in self.people else channel
        said = [message for message in self._all if message.channel == place and message.to is None]
        return [message for message in said if thread is None or thread in {message.thread_ts, message.ts}]

    def everything(self) -> list[Message]:
        """All that stands anywhere and is not for one reader only, oldest first."""
        return [message for message in self._all if message.to is None]

    def ephemerals(self, user: str, channel: str | None = None) -> list[Message]:
        return [m for m in self._all if m.to == user and channel in {None, m.channel}]

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)

    def say(self, channel: str, user: str, text: str, **more: Any) -> Message:
        """Store a message without telling the app."""
        message = Message(channel, self._next_ts(), user, text, **more)
        _fill_ids(message.blocks)
        self._all.append(message)
        return message

    # The doors

    def http_door(self, url: str, secret: str | None = None, *, timeout: float = 3.0) -> "HttpDoor":
        return HttpDoor(self, url, self.signing_secret if secret is None else secret, timeout)

    def socket_door(self, *, timeout: float = 3.0) -> "SocketDoor":
        return SocketDoor(self, timeout)

    @property
    def sockets(self) -> int:
        return len(self._open_sockets)

    async def wait_for_sockets(self, count: int = 1, *, timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout), self._socket_came:
            await self._socket_came.wait_for(lambda: self.sockets >= count)

    async def disconnect_sockets(self, reason: str = "refresh_requested", *, close: bool = False) -> None:
        """Ask every client to come back on a new socket; with close=True, end the old ones from this side too."""
        for socket in list(self._open_sockets):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink"}})
            if close:
                await socket.close()

    def cut_sockets(self) -> None:
        """Break every socket's TCP connection without a word."""
        for request in self._open_sockets.values():
            if request.transport:
                request.transport.abort()

    def trigger(self, user: str) -> str:
        number = f"{next(self._numbers)}.{next(self._numbers)}.{secrets.token_hex(16)}"
        self._triggers[number] = (user, self.clock())
        return number

    def response_url(self, user: str, channel: str, message: Message | None = None) -> str:
        name = f"{self.team}-{next(self._numbers)}-{secrets.token_hex(8)}"
        self._responses[name] = _ResponseUrl(user, channel, message, self.clock())
        return f"http://127.0.0.1:{self.port}/response/{name}"

    def _next_ts(self) -> str:
        self._last_second = max(self._last_second, int(self.clock()))
        return f"{self._last_second}.{next(self._numbers):06d}"

    # Web API: the wire

    async def _serve_call(self, request: web.Request) -> web.StreamResponse:
        method, args = request.match_info["method"], await _arguments(request)
        self.calls.append(Call(method, args, time.monotonic()))
        fault = self.faults.next(method, frozenset({str(args.get("channel"))}))
        answer = {"ok": False, "error": "internal_error"}
        if fault is None or fault.takes_effect:
            answer = self._answer(method, args, request)
        headers = {"x-oauth-scopes": ",".join(sorted(self.scopes)), "x-slack-req-id": secrets.token_hex(8)}
        if fault:
            return await self._go_wrong(fault, answer, request, headers)
        return web.json_response(answer, headers=headers)

    async def _go_wrong(self, fault: Fault, answer: Json, request: web.Request, headers: Json) -> web.Response:
        await asyncio.sleep(fault.delay)
        if fault.hang:
            await self._closing.wait()
        if fault.drop and request.transport:
            request.transport.close()
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        if fault.html:
            body = f"<html><body><h1>{fault.status} Server Error</h1></body></html>"
            return web.Response(status=fault.status, text=body, content_type="text/html", headers=headers)
        error = fault.code or ("ratelimited" if fault.status == 429 else "internal_error")
        if fault.code or fault.status != 200:
            answer = {"ok": False, "error": error}
        return web.json_response(answer, status=fault.status, headers=headers)

    def _answer(self, method: str, args: Json, request: web.Request) -> Json:
        handle = getattr(self, "_do_" + method.replace(".", "_"), None)
        try:
            self._check_token(method, args, request.headers.get("Authorization", ""))
            if handle is None:
                raise SlackError("unknown_method", req_method=method)
            self._check_scope(method, args)
            return {"ok": True, **handle(args)}
        except SlackError as error:
            return error.answer
        except KeyError as missing:
            return {"ok": False, "error": "invalid_arguments", "response_metadata": {"messages": [f"needs {missing}"]}}

    def _check_token(self, method: str, args: Json, authorization: str) -> None:
        token = authorization.removeprefix("Bearer ") or args.get("token", "")
        if not token:
            raise SlackError("not_authed")
        wanted, other = self.bot_token, self.app_token
        if method == "apps.connections.open":
            wanted, other = other, wanted
        if token == other:
            raise SlackError("not_allowed_token_type")
        if token != wanted:
            raise SlackError("invalid_auth")
        if self.token_error:
            raise SlackError(self.token_error)

    def _check_scope(self, method: str, args: Json) -> None:
        needed = SCOPES.get(method, ())
        if method in KIND_SCOPES and args.get("channel") in self.channels:
            kind = {"channel": "channels", "group": "groups", "im": "im"}[self.channels[args["channel"]].kind]
            needed = (f"{kind}:{KIND_SCOPES[method]}",)
        if self.strict_scopes and needed and not self.scopes & set(needed):
            provided = ",".join(sorted(self.scopes))
            raise SlackError("missing_scope", needed=",".join(needed), provided=provided)

    # Web API: the methods

    def _do_auth_test(self, _: Json) -> Json:
        who = {"user": "echelon", "user_id": self.bot_user, "bot_id": self.bot_id, "is_enterprise_install": False}
        return {"url": f"https://{self.domain}.slack.com/", "team": "Acme", "team_id": self.team, **who}

    def _do_apps_connections_open(self, _: Json) -> Json:
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return {"url": f"ws://127.0.0.1:{self.port}/link?ticket={ticket}&app_id={self.app_id}"}

    def _do_chat_postMessage(self, args: Json) -> Json:  # noqa: N802
        channel = self._place_to_post(args["channel"])
        twin = self._posted_before(args.get("client_msg_id"), channel)
        if twin:
            return {"channel": channel.id, "ts": twin.ts, "message": twin.to_json(self)}
        _refuse_faulty(args)
        thread = args.get("thread_ts")
        if thread and not self._find(channel.id, thread):
            self.complaints.append(f"chat.postMessage: no message {thread} in {channel.id} to reply to")
        message = self.say(
            channel.id,
            self.bot_user,
            args.get("text") or "",
            blocks=args.get("blocks") or [],
            attachments=args.get("attachments") or [],
            thread_ts=thread,
            metadata=args.get("metadata"),
            client_msg_id=args.get("client_msg_id"),
            from_bot=True,
        )
        return {"channel": channel.id, "ts": message.ts, "message": message.to_json(self)}

    def _posted_before(self, client_msg_id: str | None, channel: Channel) -> Message | None:
        if not client_msg_id or not self.honours_client_msg_id:
            return None
        same = (m for m in self._all if (m.client_msg_id, m.channel) == (client_msg_id, channel.id))
        return next(same, None)

    def _place_to_post(self, target: str) -> Channel:
        """Where a message goes.

        A deactivated person is the trap: with a DM that exists the post *succeeds* and nobody reads it (as Slack's own
        staff confirm, slackapi/python-slack-sdk#1156); without one there is no channel. Only conversations.open tells.
        """
        if target in self.people:
            person = self.people[target]
            if person.bot:
                raise SlackError("cannot_dm_bot")
            if person.deleted and "D" + target[1:] not in self.channels:
                raise SlackError("channel_not_found")
            return self.channels[self.dm(target)]
        channel = self._channel(target)
        if channel.archived:
            raise SlackError("is_archived")
        if not channel.bot_is_member and "chat:write.public" not in self.scopes:
            raise SlackError("not_in_channel")
        return channel

    def _channel(self, name: str) -> Channel:
        channel = self.channels.get(name)
        if channel is None or (channel.private and not channel.bot_is_member):
            raise SlackError("channel_not_found")
        return channel

    def _do_chat_update(self, args: Json) -> Json:
        message = self._own_message(args, refused="cant_update_message")
        if self.channels[message.channel].archived:
            raise SlackError("is_inactive")
        _refuse_faulty(args)
        self._edit(message, args)
        return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.to_json(self)}

    def _edit(self, message: Message, args: Json) -> None:
        """What is not given stays, as Slack documents it."""
        message.versions.append((message.text, copy.deepcopy(message.blocks)))
        message.edited += 1
        for part in ("text", "blocks", "attachments", "metadata"):
            if args.get(part) is not None:
                setattr(message, part, args[part])
        _fill_ids(message.blocks)

    def _do_chat_delete(self, args: Json) -> Json:
        message = self._own_message(args, refused="cant_delete_message")
        self._all.remove(message)
        return {"channel": message.channel, "ts": message.ts}

    def _own_message(self, args: Json, *, refused: str) -> Message:
        channel = self._channel(args["channel"])
        message = self._find(channel.id, args["ts"])
        if message is None:
            raise SlackError("message_not_found")
        if not message.from_bot:
            raise SlackError(refused)
        return message

    def _find(self, channel: str, ts: str) -> Message | None:
        return next((m for m in self.messages(channel) if m.ts == ts), None)

    def _do_chat_postEphemeral(self, args: Json) -> Json:  # noqa: N802
        channel = self._channel(args["channel"])
        if channel.archived:
            raise SlackError("is_archived")
        if not channel.bot_is_member:
            raise SlackError("not_in_channel")
        if args["user"] not in channel.members:
            raise SlackError("user_not_in_channel")
        _refuse_faulty(args)
        more = {"to": args["user"], "from_bot": True, "thread_ts": args.get("thread_ts")}
        blocks = args.get("blocks") or []
        message = self.say(channel.id, self.bot_user, args.get("text") or "", blocks=blocks, **more)
        return {"message_ts": message.ts}

    def _do_chat_getPermalink(self, args: Json) -> Json:  # noqa: N802
        channel, ts = self._channel(args["channel"]), args["message_ts"]
        if not self._find(channel.id, ts):
            raise SlackError("message_not_found")
        link = f"https://{self.domain}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
        return {"channel": channel.id, "permalink": link}

    def _do_views_open(self, args: Json) -> Json:
        user = self._spend_trigger(args["trigger_id"])
        return {"view": self._open_view(user, args["view"]).to_json(self)}

    def _do_views_push(self, args: Json) -> Json:
        user = self._spend_trigger(args["trigger_id"])
        stack = [view for view in self.opened_views[user] if view.open]
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= 3:
            raise SlackError("push_limit_reached")
        return {"view": self._open_view(user, args["view"], on=stack[-1]).to_json(self)}

    def _open_view(self, user: str, body: Json, *, on: View | None = None) -> View:
        _refuse_faulty_view(body, kind="modal")
        if on is None:  # a new modal takes the place of the old stack
            self._close_stack(user)
        view = View(f"V{next(self._numbers)}", user, _filled(body), secrets.token_hex(4))
        view.root, view.previous = (on.root, on.id) if on else (view.id, None)
        self._views[view.id] = view
        self.opened_views[user].append(view)
        return view

    def _close_stack(self, user: str) -> None:
        for view in self.opened_views[user]:
            view.open = False

    def _spend_trigger(self, trigger: str) -> str:
        if trigger not in self._triggers:
            raise SlackError("invalid_trigger_id")
        if trigger in self._spent_triggers:
            raise SlackError("exchanged_trigger_id")
        user, issued = self._triggers[trigger]
        if self.clock() - issued > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        self._spent_triggers.add(trigger)
        return user

    def _do_views_update(self, args: Json) -> Json:
        wanted = {args.get("view_id"), args.get("external_id")} - {None}
        found = [v for v in self._views.values() if v.open and wanted & {v.id, v.body.get("external_id")}]
        if not found:
            raise SlackError("not_found")
        view = found[-1]
        if args.get("hash") and args["hash"] != view.hash:
            raise SlackError("hash_conflict")
        self._change_view(view, args["view"])
        return {"view": view.to_json(self)}

    def _change_view(self, view: View, body: Json) -> None:
        _refuse_faulty_view(body, kind=view.body["type"])
        view.body, view.hash, view.errors = _filled(body), secrets.token_hex(4), {}

    def _do_views_publish(self, args: Json) -> Json:
        user = self._person(args["user_id"])
        _refuse_faulty_view(args["view"], kind="home")
        home = self.homes.get(user.id)
        if home is None:
            home = View(f"V{next(self._numbers)}", user.id, {}, "")
            home.root = home.id
        elif args.get("hash") and args["hash"] != home.hash:
            raise SlackError("hash_conflict")
        home.body, home.hash = _filled(args["view"]), secrets.token_hex(4)
        self.homes[user.id] = self._views[home.id] = home
        return {"view": home.to_json(self)}

    def _person(self, name: str) -> Person:
        if name not in self.people:
            raise SlackError("user_not_found")
        return self.people[name]

    def _do_users_info(self, args: Json) -> Json:
        return {"user": self._person(args["user"]).to_json(with_locale=_yes(args, "include_locale"), now=self.clock())}

    def _do_users_list(self, args: Json) -> Json:
        with_locale, now = _yes(args, "include_locale"), self.clock()
        return _page("members", [p.to_json(with_locale=with_locale, now=now) for p in self.people.values()], args)

    def _do_conversations_open(self, args: Json) -> Json:
        if args.get("channel"):
            return {"channel": self._channel(args["channel"]).to_json()}
        users = [user for user in str(args.get("users", "")).split(",") if user]
        if not users:
            raise SlackError("users_list_not_supplied")
        if len(users) > 1:
            raise SlackError("method_not_supported_for_channel_type")
        person = self._person(users[0])
        if person.deleted:
            raise SlackError("user_disabled")
        if person.bot:
            raise SlackError("cannot_dm_bot")
        already = "D" + person.id[1:] in self.channels
        channel = self.channels[self.dm(person.id)]
        opened = channel.to_json() if _yes(args, "return_im") else {"id": channel.id}
        return {"channel": opened, "no_op": already, "already_open": already}

    def _do_conversations_info(self, args: Json) -> Json:
        return {"channel": self._channel(args["channel"]).to_json()}

    def _do_conversations_members(self, args: Json) -> Json:
        return _page("members", sorted(self._channel(args["channel"]).members), args)

    def _do_conversations_history(self, args: Json) -> Json:
        said = [m for m in self._readable(args) if m.thread_ts in {None, m.ts}]
        return self._told(list(reversed(said)), args)

    def _do_conversations_replies(self, args: Json) -> Json:
        said = [m for m in self._readable(args) if args["ts"] in {m.ts, m.thread_ts}]
        if not said:
            raise SlackError("thread_not_found")
        return self._told(said, args)

    def _readable(self, args: Json) -> Iterator[Message]:
        channel = self._channel(args["channel"])
        if not channel.bot_is_member:
            raise SlackError("not_in_channel")
        oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or "inf")
        edge = _yes(args, "inclusive")
        for message in self.messages(channel.id):
            ts = float(message.ts)
            if oldest < ts < latest or (edge and ts in {oldest, latest}):
                yield message

    def _told(self, said: list[Message], args: Json) -> Json:
        with_metadata = _yes(args, "include_all_metadata")
        page = _page("messages", [m.to_json(self, with_metadata=with_metadata) for m in said], args)
        return page | {"has_more": bool(page["response_metadata"]["next_cursor"])}

    def _do_usergroups_list(self, args: Json) -> Json:
        wanted = [g for g in self.groups.values() if not g.disabled or _yes(args, "include_disabled")]
        return {"usergroups": [g.to_json(with_users=_yes(args, "include_users")) for g in wanted]}

    def _do_usergroups_users_list(self, args: Json) -> Json:
        group = self.groups.get(args["usergroup"])
        if group is None or (group.disabled and not _yes(args, "include_disabled")):
            raise SlackError("no_such_subteam")
        return {"users": group.members}

    # Response URLs

    async def _serve_response(self, request: web.Request) -> web.Response:
        name, sent = request.match_info["id"], await request.json()
        self.calls.append(Call("response_url", sent, time.monotonic()))
        fault = self.faults.next("response_url")
        status, answer = 500, {"ok": False, "error": "internal_error"}
        if fault is None or fault.takes_effect:
            status, answer = self._answer_response(name, sent)
        if fault:
            return await self._go_wrong(fault, answer, request, {})
        return web.json_response(answer, status=status)

    def _answer_response(self, name: str, sent: Json) -> tuple[int, Json]:
        given = self._responses.get(name)
        if given is None:
            return 404, {"ok": False, "error": "no_service"}
        if self.clock() - given.issued > RESPONSE_SECONDS:
            return 404, {"ok": False, "error": "expired_url"}
        if given.uses >= RESPONSE_USES:
            return 404, {"ok": False, "error": "used_url"}
        given.uses += 1
        try:
            self._respond(given, sent)
        except SlackError as error:
            return 400, error.answer
        return 200, {"ok": True}

    def _respond(self, given: _ResponseUrl, sent: Json) -> None:
        if sent.get("delete_original") and given.message in self._all:
            self._all.remove(given.message)
            return
        _refuse_faulty(sent)
        if sent.get("replace_original") and given.message:
            self._edit(given.message, sent)
            return
        to = None if sent.get("response_type") == "in_channel" else given.user
        blocks, thread = sent.get("blocks") or [], sent.get("thread_ts")
        more = {"blocks": blocks, "thread_ts": thread, "to": to, "from_bot": True}
        self.say(given.channel, self.bot_user, sent.get("text") or "", **more)

    # Socket Mode

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._tickets.discard(request.query["ticket"])
        if self.sockets >= MOST_SOCKETS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        await self._greet(socket, request)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._take_ack(json.loads(frame.data))
        finally:
            self._open_sockets.pop(socket, None)
        return socket

    async def _greet(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        info = {"host": "applink", "build_number": 1, "approximate_connection_time": 18060}
        hello = {"type": "hello", "num_connections": self.sockets + 1, "debug_info": info}
        await socket.send_json(hello | {"connection_info": {"app_id": self.app_id}})
        async with self._socket_came:
            self._open_sockets[socket] = request
            self._socket_came.notify_all()

    def _take_ack(self, ack: Json) -> None:
        waiting = self._acks.get(ack.get("envelope_id", ""))
        if not waiting:
            self.complaints.append(f"an ack for an unknown or acknowledged envelope: {ack}")
            return
        future = waiting.popleft()
        if not future.done():
            future.set_result(ack.get("payload"))

    async def _over_socket(self, envelope: Json, timeout: float) -> tuple[int, Any]:
        if not self._open_sockets:
            return NO_ANSWER, None
        socket = list(self._open_sockets)[next(self._turn) % self.sockets]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._acks[envelope["envelope_id"]].append(future)
        try:
            await socket.send_json(envelope)
            async with asyncio.timeout(timeout):
                return 200, await future
        except (TimeoutError, ConnectionError):
            return NO_ANSWER, None

    # What an answer does

    def _heed(self, ack: Ack) -> None:
        """Do what Slack does with the body of an ack."""
        if not ack.ok or not ack.body:
            return
        sent = {"text": ack.body} if isinstance(ack.body, str) else ack.body
        try:
            if ack.kind == "slash_commands":
                name = ack.payload["response_url"].rpartition("/")[2]
                self._respond(self._responses[name], sent)
            elif ack.payload.get("type") == "view_submission":
                self._heed_submission(self._views[ack.payload["view"]["id"]], sent)
            elif ack.kind == "interactive":
                self.complaints.append(f"{ack.payload['type']} was answered with a body: {sent}")
        except SlackError as error:
            self.complaints.append(f"the answer to {ack.kind} is faulty: {error.answer}")

    def _heed_submission(self, view: View, sent: Json) -> None:
        match sent.get("response_action"):
            case "errors":
                inputs = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
                if not sent.get("errors") or set(sent["errors"]) - inputs:
                    self.complaints.append(f"errors for blocks that are no inputs of the view: {sent}")
                view.open, view.errors = True, dict(sent.get("errors") or {})
            case "update":
                view.open = True
                self._change_view(view, sent["view"])
            case "push":
                view.open = True
                self._open_view(view.user, sent["view"], on=view)
            case "clear":
                self._close_stack(view.user)
            case other:
                self.complaints.append(f"view_submission was answered with response_action {other!r}")


class Door:
    """What people do in Slack, delivered to the app. Each method returns the app's Ack."""

    mode: Literal["http", "socket"]

    def __init__(self, slack: SlackServer, timeout: float) -> None:
        self.slack = slack
        self.timeout = timeout

    async def slash(self, command: str, text: str = "", *, user: str, channel: str) -> Ack:
        slack, place = self.slack, self.slack.channels[channel]
        payload = {"token": "t", "team_id": slack.people[user].team, "team_domain": slack.domain, "channel_id": channel}
        payload |= {"channel_name": "privategroup" if place.kind == "group" else place.name, "user_id": user}
        payload |= {"user_name": user.lower(), "command": command, "text": text, "api_app_id": slack.app_id}
        payload |= {"is_enterprise_install": "false", "response_url": slack.response_url(user, channel)}
        return await self._send("slash_commands", payload | {"trigger_id": slack.trigger(user)})

    async def mention(self, text: str, *, user: str, channel: str, thread_ts: str | None = None) -> Ack:
        """`text` gets the bot's mention in front unless it has it somewhere."""
        call = f"<@{self.slack.bot_user}>"
        said = text if call in text else f"{call} {text}"
        return await self._said("app_mention", said, user, channel, thread_ts)

    async def direct_message(self, text: str, *, user: str, thread_ts: str | None = None) -> Ack:
        return await self._said("message", text, user, self.slack.dm(user), thread_ts, channel_type="im")

    async def _said(self, kind: str, text: str, user: str, channel: str, thread: str | None, **more: str) -> Ack:
        message = self.slack.say(channel, user, text, thread_ts=thread)
        event: Json = {"type": kind, "user": user, "text": text, "ts": message.ts, "event_ts": message.ts}
        event |= {"channel": channel, "team": self.slack.people[user].team, "client_msg_id": secrets.token_hex(16)}
        words = [{"type": "text", "text": text}]
        rich = {"type": "rich_text", "block_id": "b", "elements": [{"type": "rich_text_section", "elements": words}]}
        event |= {"blocks": [rich], **more}
        return await self.event(event | ({"thread_ts": thread} if thread else {}))

    async def home_opened(self, *, user: str) -> Ack:
        event = {"type": "app_home_opened", "user": user, "tab": "home", "channel": self.slack.dm(user)}
        return await self.event(event | {"event_ts": self.slack._next_ts()})

    async def event(self, event: Json) -> Ack:
        """Any Events API event, in its wrapper."""
        slack = self.slack
        bot = {"enterprise_id": None, "team_id": slack.team, "user_id": slack.bot_user, "is_bot": True}
        payload: Json = {"token": "t", "team_id": slack.team, "api_app_id": slack.app_id, "event": event}
        payload |= {"type": "event_callback", "event_id": f"Ev{next(slack._numbers)}", "event_time": int(slack.clock())}
        payload |= {"authorizations": [bot | {"is_enterprise_install": False}], "is_ext_shared_channel": False}
        return await self._send("events_api", payload)

    async def click(self, on: Message | View, which: str, *, user: str | None = None, chosen: Any = None) -> Ack:
        """Use a control, named by action_id, label or the label of one of its options; `chosen` picks from a menu."""
        slack = self.slack
        who = user or (on.user if isinstance(on, View) else on.to) or ""
        blocks = on.body["blocks"] if isinstance(on, View) else on.blocks
        block, control, chosen = _find_control(blocks, which, chosen)
        action = {"type": control["type"], "action_id": control["action_id"], "block_id": block["block_id"]}
        action |= _chosen(control, chosen) | {"action_ts": f"{slack.clock():.6f}"}
        payload = self._interaction("block_actions", who) | {"actions": [action], "state": {"values": {}}}
        if isinstance(on, View):
            payload |= {"view": on.to_json(slack), "container": {"type": "view", "view_id": on.id}}
            return await self._send("interactive", payload)
        ephemeral = on.to is not None
        container = {"type": "message", "message_ts": on.ts, "channel_id": on.channel, "is_ephemeral": ephemeral}
        payload |= {"container": container | ({"thread_ts": on.thread_ts} if on.thread_ts else {})}
        payload |= self._about(on, who)
        if ephemeral:
            del payload["message"]
        return await self._send("interactive", payload)

    async def shortcut(self, callback_id: str, message: Message | None = None, *, user: str) -> Ack:
        """A shortcut on a message, or a global one without."""
        kind = "message_action" if message else "shortcut"
        payload = self._interaction(kind, user) | {"callback_id": callback_id, "action_ts": f"{self.slack.clock():.6f}"}
        if message:
            payload |= self._about(message, user) | {"message_ts": message.ts}
        return await self._send("interactive", payload)

    async def submit(self, view: View, values: Mapping[str, Any], *, user: str | None = None) -> Ack:
        """Fill in by block_id or label and press the button; the view closes unless the answer says otherwise."""
        state = _filled_in(view.body["blocks"], values)
        payload = self._interaction("view_submission", user or view.user)
        payload |= {"view": view.to_json(self.slack, state), "response_urls": []}
        view.open = False
        ack = await self._send("interactive", payload)
        if not ack.ok:  # Slack keeps the modal and says that there was trouble connecting
            view.open = True
        return ack

    async def close(self, view: View, *, user: str | None = None, cleared: bool = False) -> Ack | None:
        """Dismiss a modal; the app hears of it only if it asked to."""
        view.open = False
        if not view.body.get("notify_on_close"):
            return None
        payload = self._interaction("view_closed", user or view.user)
        return await self._send("interactive", payload | {"view": view.to_json(self.slack), "is_cleared": cleared})

    async def again(self, ack: Ack, *, retry: int = 0, reason: str = "http_timeout") -> Ack:
        """Deliver the very same thing once more; retry=1…3 marks it as Slack marks the retry of an event."""
        return await self._send(ack.kind, ack.payload, retry=retry, reason=reason, heed=False)

    def _interaction(self, kind: str, user: str) -> Json:
        slack, person = self.slack, self.slack.people[user]
        who = {"id": user, "username": user.lower(), "name": user.lower(), "team_id": person.team}
        payload: Json = {"type": kind, "user": who, "api_app_id": slack.app_id, "token": "t", "enterprise": None}
        payload |= {"team": {"id": slack.team, "domain": slack.domain}, "is_enterprise_install": False}
        return payload if kind == "view_closed" else payload | {"trigger_id": slack.trigger(user)}

    def _about(self, message: Message, user: str) -> Json:
        channel = {"id": message.channel, "name": self.slack.channels[message.channel].name}
        url = self.slack.response_url(user, message.channel, message)
        return {"message": message.to_json(self.slack), "channel": channel, "response_url": url}

    async def _send(self, kind: str, payload: Json, *, retry: int = 0, reason: str = "", heed: bool = True) -> Ack:
        payload = copy.deepcopy(payload)
        status, body = await self._deliver(kind, payload, retry, reason)
        ack = Ack(status, body, payload, kind)
        if heed:
            self.slack._heed(ack)
        return ack

    async def _deliver(self, kind: str, payload: Json, retry: int, reason: str) -> tuple[int, Any]:
        raise NotImplementedError


class HttpDoor(Door):
    """Signed requests to the app's one URL."""

    mode = "http"

    def __init__(self, slack: SlackServer, url: str, secret: str, timeout: float) -> None:
        super().__init__(slack, timeout)
        self.url, self.secret = url, secret

    async def raw(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Send these bytes with these headers and nothing else: for forged requests."""
        try:
            async with (
                asyncio.timeout(self.timeout),
                self.slack.client.post(self.url, data=body, headers=dict(headers or {})) as answer,
            ):
                text = await answer.text()
                is_json = answer.content_type == "application/json" and text
                return answer.status, json.loads(text) if is_json else text or None
        except (TimeoutError, ClientConnectionError):
            return NO_ANSWER, None

    def headers(self, body: bytes, content_type: str) -> dict[str, str]:
        now = str(int(self.slack.clock()))
        signature = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": sign(self.secret, now, body)}
        return {"Content-Type": content_type, "User-Agent": "Slackbot 1.0"} | signature

    async def _deliver(self, kind: str, payload: Json, retry: int, reason: str) -> tuple[int, Any]:
        content_type = "application/x-www-form-urlencoded"
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        elif kind == "slash_commands":
            body = urlencode(payload)
        else:
            body = urlencode({"payload": json.dumps(payload)})
        headers = self.headers(body.encode(), content_type)
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
        return await self.raw(body.encode(), headers)


class SocketDoor(Door):
    """Envelopes over one of the open sockets, in turn; without a socket there is no answer (status 0)."""

    mode = "socket"

    def __init__(self, slack: SlackServer, timeout: float) -> None:
        super().__init__(slack, timeout)
        self._names: dict[str, str] = {}  # one envelope_id a payload, so that `again` repeats it

    async def _deliver(self, kind: str, payload: Json, retry: int, reason: str) -> tuple[int, Any]:
        key = payload.get("event_id") or payload.get("trigger_id") or payload["view"]["id"] + payload["type"]
        name = self._names.setdefault(key, secrets.token_hex(16))
        envelope: Json = {"envelope_id": name, "type": kind, "payload": payload}
        envelope["accepts_response_payload"] = kind != "events_api"
        if kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason}
        return await self.slack._over_socket(envelope, self.timeout)


# The wire's small change


async def _arguments(request: web.Request) -> Json:
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        if request.can_read_body:
            args |= await request.json()
    elif request.method == "POST":
        args |= dict(await request.post())
    for key in ("blocks", "attachments", "metadata", "view"):
        if isinstance(args.get(key), str):
            try:
                args[key] = json.loads(args[key])
            except ValueError:
                args[key] = "not JSON"
    return args


def _yes(args: Json, key: str) -> bool:
    return str(args.get(key, "")).lower() in {"1", "true"}


def _page(name: str, everything: list[Any], args: Json) -> Json:
    start, limit = int(args.get("cursor") or 0), int(args.get("limit") or 100)
    following = str(start + limit) if start + limit < len(everything) else ""
    return {name: everything[start : start + limit], "response_metadata": {"next_cursor": following}}


def _refuse_faulty(message: Json) -> None:
    faults = problems(message)
    if faults:
        named = faults[0].partition(":")[0]
        known = {"no_text", "msg_too_long", "msg_blocks_too_long", "metadata_too_large", "invalid_metadata_format"}
        raise SlackError(
            named if named in known else "invalid_blocks",
            errors=faults,
            response_metadata={"messages": [f"[ERROR] {fault}" for fault in faults]},
        )


def _refuse_faulty_view(view: Json, *, kind: str) -> None:
    faults = problems(view) if view.get("type") == kind else [f"type: {view.get('type')!r}, expected {kind!r}"]
    if faults:
        messages = [f"[ERROR] {fault}" for fault in faults]
        raise SlackError("invalid_arguments", response_metadata={"messages": messages})


def _filled(view: Json) -> Json:
    view = copy.deepcopy(view)
    _fill_ids(view["blocks"])
    return view


def _controls(block: Json) -> list[Json]:
    inside = [block.get("accessory"), block.get("element"), *(block.get("elements") or [])]
    still = {"image", "mrkdwn", "plain_text", "rich_text_section"}
    if block.get("type") not in {"section", "actions", "input"}:
        return []
    return [control for control in inside if isinstance(control, dict) and control.get("type") not in still]


def _fill_ids(blocks: list[Json]) -> None:
    """Slack names what was left unnamed."""
    for block in blocks:
        block.setdefault("block_id", secrets.token_hex(3))
        for control in _controls(block):
            control.setdefault("action_id", secrets.token_hex(3))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for key in ("title", "text", "label", "fields", "elements", "accessory", "element", "blocks"):
            yield from _texts(value.get(key))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _words_of(thing: Json | None) -> str:
    return (thing or {}).get("text", "")


def _labels(blocks: list[Json]) -> list[str]:
    labels = []
    for block in blocks:
        for control in _controls(block):
            names = (control.get("text"), block.get("label"), control.get("placeholder"))
            label = next((words for name in names if (words := _words_of(name))), control["action_id"])
            options = control["type"] == "overflow" and [_words_of(option["text"]) for option in options_of(control)]
            labels += options or [label]
    return labels


def _find_control(blocks: list[Json], which: str, chosen: Any) -> tuple[Json, Json, Any]:
    pairs = [(block, control) for block in blocks for control in _controls(block)]
    for block, control in pairs:
        names = {control["action_id"], _words_of(control.get("text")), _words_of(control.get("placeholder"))}
        if which in names - {""} or (
            block["type"] == "input" and which in {_words_of(block["label"]), block["block_id"]}
        ):
            return block, control, chosen
    for block, control in pairs:
        if any(which in {_words_of(option["text"]), option["value"]} for option in options_of(control)):
            return block, control, which
    raise LookupError(f"no control {which!r}; there are {_labels(blocks)}")


def _option(control: Json, wanted: object) -> Json:
    for option in options_of(control):
        if wanted in (option, option["value"], _words_of(option["text"])):
            return option
    if control["type"].endswith("external_select"):
        return {"text": {"type": "plain_text", "text": str(wanted)}, "value": str(wanted)}
    raise LookupError(
        f"no option {wanted!r}; there are {[_words_of(option['text']) for option in options_of(control)]}"
    )


def _chosen(control: Json, value: Any) -> Json:
    """The part of an action or of a view's state that says what was chosen."""
    kind = control["type"]
    if kind == "button":
        return {key: control[key] for key in ("text", "value", "style", "url") if key in control}
    if kind in {"checkboxes", "multi_static_select", "multi_external_select"}:
        return {"selected_options": [_option(control, one) for one in value or []]}
    if kind in {"static_select", "external_select", "radio_buttons", "overflow"}:
        return {"selected_option": None if value is None else _option(control, value)}
    if kind.endswith("_select"):
        what = kind.removeprefix("multi_").removesuffix("s_select")
        many = kind.startswith("multi_")
        return {f"selected_{what}s": list(value or [])} if many else {f"selected_{what}": value}
    if kind in PICKED:
        return {PICKED[kind]: value}
    return {"value": None if value is None else str(value)}


PICKED = {"datepicker": "selected_date", "timepicker": "selected_time", "datetimepicker": "selected_date_time"}


def _initial(control: Json) -> Any:
    for key, value in control.items():
        if key == "initial_option":
            return value["value"]
        if key == "initial_options":
            return [option["value"] for option in value]
        if key.startswith("initial_"):
            return value
    return None


def _stateful(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    for block in blocks:
        for control in _controls(block):
            if control["type"] not in {"button", "overflow", "workflow_button"}:
                yield block, control


def _state(blocks: list[Json], value_of: Callable[[Json, Json], Any]) -> Json:
    state: Json = {}
    for block, control in _stateful(blocks):
        value = {"type": control["type"], **_chosen(control, value_of(block, control))}
        state.setdefault(block["block_id"], {})[control["action_id"]] = value
    return state


def _initial_values(blocks: list[Json]) -> Json:
    return _state(blocks, lambda _, control: _initial(control))


def _filled_in(blocks: list[Json], values: Mapping[str, Any]) -> Json:
    """state.values after a person filled in these; refuses what Slack's client would not let through."""
    names = {}
    for block, control in _stateful(blocks):
        own = {block["block_id"], _words_of(block.get("label")), control["action_id"]} - {""}
        names |= dict.fromkeys(own, (block["block_id"], control["action_id"]))
    unknown = set(values) - set(names)
    if unknown:
        raise LookupError(f"no fields {sorted(unknown)}; there are {sorted(names)}")
    given = {names[name]: value for name, value in values.items()}

    def value_of(block: Json, control: Json) -> Any:
        value = given.get((block["block_id"], control["action_id"]), _initial(control))
        value = None if value in ("", []) else value
        if value is None and block["type"] == "input" and not block.get("optional"):
            raise ValueError(f"{_words_of(block['label'])!r} is required")
        if value is not None and control["type"] == "plain_text_input":
            least, most = control.get("min_length", 0), control.get("max_length", 3000)
            if not least <= length(str(value)) <= most:
                raise ValueError(f"{_words_of(block['label'])!r} takes {least} to {most} characters")
        return value

    return _state(blocks, value_of)
