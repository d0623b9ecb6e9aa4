"""A local server that plays Microsoft Teams: the Connector's REST API, signed activities, and Microsoft's logins.

    async with TeamsServer() as teams:
        teams.person("aad-ada", name="Ada")
        teams.team("19:team@thread.tacv2", name="Support")
        teams.channel("19:help@thread.tacv2", name="help", team="19:team@thread.tacv2")
        door = teams.door("http://127.0.0.1:3978/api/messages")
        ack = await door.direct_message("help", user="aad-ada")

Point the app at `teams.service_url` (comes with each activity), `teams.identity.openid_url` (keys of what comes in) and
`teams.identity.url` (logins for what goes out). `to` is a person's AAD id, a channel's id or a conversation's id.
"""

import asyncio
import copy
import hashlib
import itertools
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, web

from tests.faults import Fault, Faults
from tests.teams_tokens import Identity, Minter

Json = dict[str, Any]
Clock = Callable[[], float]

APP_ID, APP_PASSWORD = "00000000-0000-0000-0000-00000000ec40", "test-app-password"
TENANT, OTHER_TENANT = "00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb"
CARD = "application/vnd.microsoft.card.adaptive"
NO_ANSWER = 0
WINDOWS = ((1, 7), (2, 8), (30, 60), (3600, 1800))  # seconds, sends: for each bot in each thread
MOST_MESSAGE, MOST_CARD = 100 * 1024, 28 * 1024
MOST_REFRESHED = 60
ACTIONS = {"Action.Execute", "Action.Submit", "Action.OpenUrl", "Action.ShowCard", "Action.ToggleVisibility"}
ELEMENTS = (
    "TextBlock Image Media RichTextBlock Container ColumnSet Column FactSet ImageSet ActionSet Table TableRow TableCell"
    " Input.Text Input.Number Input.Date Input.Time Input.Toggle Input.ChoiceSet TextRun Data.Query AdaptiveCard"
    " BackgroundImage Authentication"
)
KNOWN = ACTIONS | set(ELEMENTS.split())
CODES = {
    400: "BadArgument",
    403: "MessageWritesBlocked",
    404: "ConversationNotFound",
    412: "PreconditionFailed",
    413: "MessageSizeTooBig",
    429: "Throttled",
}


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, status: int, code: str, message: str = "", retry_after: int | None = None) -> None:
        super().__init__(code)
        self.status, self.retry_after = status, retry_after
        self.answer = {"error": {"code": code, "message": message or code}}


class Call(NamedTuple):
    method: str
    args: Json  # what the path names
    body: Any
    at: float


@dataclass
class Person:
    id: str  # the AAD object id
    name: str
    locale: str
    tz: str
    installed: bool
    blocked: bool
    guest: bool
    email: str
    chat_open: bool = False  # the bot may write to it: someone opened it

    @property
    def mri(self) -> str:
        """The id that this bot knows the person by."""
        return "29:1" + hashlib.sha256(self.id.encode()).hexdigest()[:40]

    @property
    def chat(self) -> str:
        """The conversation id of the personal chat with the bot."""
        return "a:1" + hashlib.sha256(b"chat" + self.id.encode()).hexdigest()[:40]

    def account(self) -> Json:
        return {"id": self.mri, "name": self.name, "aadObjectId": self.id}

    def member(self, tenant: str) -> Json:
        first, _, last = self.name.partition(" ")
        names = {"givenName": first, "surname": last, "email": self.email, "userPrincipalName": self.email}
        role = {"userRole": "guest" if self.guest else "user", "tenantId": tenant, "objectId": self.id}
        return self.account() | names | role


@dataclass
class Team:
    id: str
    name: str
    installed: bool = True


@dataclass
class Channel:
    id: str
    name: str
    team: str
    deleted: bool = False


@dataclass
class Message:
    conversation: str  # without the thread's part
    id: str
    sender: str | None  # an AAD id; None is the bot
    text: str
    card: Json | None = None
    thread: str | None = None  # the id of the root message, in the root itself too; None in personal chats
    entities: list[Json] = field(default_factory=list)
    edited: int = 0
    activity: Json = field(default_factory=dict)  # as it was last sent
    versions: list[tuple[str, Json | None]] = field(default_factory=list)  # what it said before each edit
    views: dict[str, Json] = field(default_factory=dict)  # cards that single readers got by a click or a refresh
    reply_to: str | None = None

    @property
    def from_bot(self) -> bool:
        return self.sender is None

    @property
    def is_reply(self) -> bool:
        return self.thread not in {None, self.id}

    @property
    def words(self) -> str:
        """All that a reader sees, one text a line."""
        return "\n".join([*([self.text] if self.text else []), *_texts(self.card)])

    @property
    def controls(self) -> list[str]:
        """The labels of what can be clicked."""
        return _labels(self.card)

    @property
    def mentions(self) -> list[str]:
        """The ids of who is mentioned with effect."""
        return [one["mentioned"]["id"] for one in _mentions(self.entities, self.card)]

    def seen_by(self, user: str) -> Json | None:
        """The card that this person sees."""
        return self.views.get(user, self.card)

    def words_for(self, user: str) -> str:
        return "\n".join(_texts(self.seen_by(user)))

    def controls_for(self, user: str) -> list[str]:
        return _labels(self.seen_by(user))


@dataclass
class Form:
    """A dialog that stands open."""

    user: str
    title: str
    card: Json
    about: Json  # of the activity that asked for it: how a submission is addressed
    url: str | None = None

    @property
    def words(self) -> str:
        return "\n".join([self.title, *_texts(self.card)])

    @property
    def controls(self) -> list[str]:
        return _labels(self.card)

    @property
    def fields(self) -> dict[str, str]:
        """The ids of the inputs and their labels."""
        return {one["id"]: one.get("label", "") for one in _typed(self.card, "Input.")}

    @property
    def initial(self) -> dict[str, str]:
        return {one["id"]: one["value"] for one in _typed(self.card, "Input.") if one.get("value")}


@dataclass
class Ack:
    """What the app answered to one delivery; status 0 is silence."""

    status: int
    body: Any
    activity: Json
    seconds: float = 0
    form: Form | None = None  # the dialog that the answer opened
    card: Json | None = None  # the card that the answer put in the place of the old one, for this person

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The words that the answer itself shows: a text, a dialog or a card."""
        if self.form:
            return self.form.words
        value = (self.body.get("task") or self.body).get("value") if isinstance(self.body, dict) else self.body
        if isinstance(value, dict) and value.get("type") != "AdaptiveCard":
            return str(value.get("message", ""))
        return value if isinstance(value, str) else "\n".join(_texts(value))


class TeamsServer:
    """The tenant and its Connector. `complaints` collects what Teams or its clients would not put up with."""

    def __init__(
        self,
        *,
        app_id: str = APP_ID,
        password: str = APP_PASSWORD,
        tenant: str = TENANT,
        throttles: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self.app_id, self.password, self.tenant = app_id, password, tenant
        self.throttles, self.clock = throttles, clock
        self.identity = Identity(app_id, password, tenant, clock)
        self.bot_name = "Echelon"
        self.people: dict[str, Person] = {}
        self.teams: dict[str, Team] = {}
        self.channels: dict[str, Channel] = {}
        self.calls: list[Call] = []
        self.faults = Faults()
        self.complaints: list[str] = []
        self.forms: defaultdict[str, list[Form]] = defaultdict(list)
        self._all: list[Message] = []
        self._sent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOWS[-1][1]))
        self._last_id = 0
        self._numbers = itertools.count(1)
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.identity.start()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        self.client = ClientSession(timeout=ClientTimeout(total=None))
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        await self.client.close()
        await self._runner.cleanup()
        await asyncio.to_thread(self.identity.stop)

    @property
    def service_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/emea/"

    @property
    def bot(self) -> Json:
        return {"id": f"28:{self.app_id}", "name": self.bot_name}

    # The world

    def person(
        self,
        id: str,
        *,
        name: str,
        locale: str = "en-US",
        tz: str = "Europe/London",
        installed: bool = True,
        blocked: bool = False,
        guest: bool = False,
        email: str = "",
    ) -> Person:
        email = email or f"{id}@example.com"
        self.people[id] = Person(id, name, locale, tz, installed, blocked, guest, email)
        return self.people[id]

    def team(self, id: str, *, name: str, installed: bool = True) -> Team:
        self.teams[id] = Team(id, name, installed)
        return self.teams[id]

    def channel(self, id: str, *, name: str, team: str) -> Channel:
        self.channels[id] = Channel(id, name, team)
        return self.channels[id]

    # What was said

    def messages(self, to: str, *, thread: str | None = None) -> list[Message]:
        """Everything that stands at a place, as it reads now."""
        place, _, root = to.partition(";messageid=")
        place = self.people[place].chat if place in self.people else place
        said = [message for message in self._all if message.conversation == place]
        wanted = thread or root
        return [message for message in said if not wanted or message.thread == wanted]

    def say(self, to: str, user: str | None, text: str, *, thread: str | None = None, **more: Any) -> Message:
        """Store a message without telling the app."""
        place = self.people[to].chat if to in self.people else to
        message = Message(place, self._next_id(), user, text, **more)
        if place in self.channels:
            message.thread = thread or message.id
        self._all.append(message)
        return message

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)

    def door(self, url: str, *, app_id: str | None = None, tenant: str | None = None, timeout: float = 15) -> "Door":
        return Door(self, url, app_id or self.app_id, tenant or self.tenant, timeout)

    def place_of(self, message: Message) -> str:
        """The conversation id of the message, with its thread."""
        return f"{message.conversation};messageid={message.thread}" if message.thread else message.conversation

    def _next_id(self) -> str:
        self._last_id = max(self._last_id + 1, int(self.clock() * 1000))
        return str(self._last_id)

    # The Connector: the wire

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        parts = [unquote(part) for part in request.rel_url.raw_path.strip("/").split("/")]
        parts = parts[parts.index("v3") + 1 :] if "v3" in parts else []
        name, args = _route(request.method, parts)
        raw = await request.read()
        body, broken = _json(raw)
        self.calls.append(Call(name, args | dict(request.query), body, time.monotonic()))
        fault = self.faults.next(name, self._places(args, body))
        status, answer, headers = 500, dict[str, Any](), dict[str, str]()
        if fault is None or fault.takes_effect:
            try:
                if not self.identity.accepts(request.headers.get("Authorization", "")):
                    raise Refused(401, "Unauthorized", "Authorization has been denied for this request.")
                if broken:
                    raise Refused(400, "BadSyntax", "The body is no JSON.")
                if len(raw.decode().encode("utf-16-le")) > MOST_MESSAGE:
                    raise Refused(413, "MessageSizeTooBig", "Message size too large.")
                status, answer = self._answer(name, args | dict(request.query), body)
            except Refused as refused:
                status, answer = refused.status, refused.answer
                if refused.retry_after is not None:
                    headers["Retry-After"] = str(refused.retry_after)
        if fault:
            return await self._go_wrong(fault, status, answer, request)
        return web.json_response(answer, status=status, headers=headers)

    async def _go_wrong(self, fault: Fault, status: int, answer: Json, request: web.Request) -> web.Response:
        await asyncio.sleep(fault.delay)
        if fault.hang:
            await self._closing.wait()
        if fault.drop and request.transport:
            request.transport.close()
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        status = status if fault.status == 200 else fault.status
        if fault.html:
            body = f"<html><body><h1>{fault.status} Server Error</h1></body></html>"
            return web.Response(status=status, text=body, content_type="text/html", headers=headers)
        if fault.code or fault.status != 200:
            code = fault.code or CODES.get(fault.status, "ServiceError")
            answer = Refused(status, code).answer
        return web.json_response(answer, status=status, headers=headers)

    def _places(self, args: Json, body: Any) -> frozenset[str]:
        """The ids by which a fault may name where a call goes."""
        body = body if isinstance(body, dict) else {}
        ids = {str(value) for value in args.values()} | {str(args.get("conversation")).partition(";")[0]}
        ids.add(str((body.get("channelData") or {}).get("channel", {}).get("id")))
        ids |= {str(member.get("id")) for member in body.get("members") or ()}
        return frozenset(ids | {person.id for person in self.people.values() if ids & {person.chat, person.mri}})

    def _answer(self, name: str, args: Json, body: Any) -> tuple[int, Json | list[Json]]:
        handle: Callable[[Json, Any], tuple[int, Any]] | None = getattr(self, "_do_" + name.replace(".", "_"), None)
        if handle is None:
            raise Refused(405, "MethodNotAllowed")
        return handle(args, body)

    # The Connector: the methods

    def _do_conversations_create(self, _: Json, body: Json) -> tuple[int, Json]:
        channel = (body.get("channelData") or {}).get("channel", {}).get("id")
        if channel is None:
            return 201, {"id": self._open_chat(body).chat, "serviceUrl": self.service_url}
        self._may_write(channel)
        if not body.get("isGroup"):
            self.complaints.append("conversations.create in a channel without isGroup")
        if not body.get("activity"):
            raise Refused(400, "BadSyntax", "Incorrect conversation creation parameters: no activity")
        message = self._post(channel, body["activity"], thread=None)
        return 201, {"id": self.place_of(message), "activityId": message.id, "serviceUrl": self.service_url}

    def _open_chat(self, body: Json) -> Person:
        members = body.get("members") or []
        tenant = (
            body.get("tenantId") or body.get("tenantID") or (body.get("channelData") or {}).get("tenant", {}).get("id")
        )
        if len(members) != 1 or body.get("isGroup"):
            raise Refused(400, "BadSyntax", "Incorrect conversation creation parameters")
        if tenant != self.tenant:
            raise Refused(403, "Forbidden", f"The tenant {tenant} is not the bot's")
        if body.get("activity"):
            self.complaints.append("conversations.create of a personal chat: the activity is not delivered")
        if (body.get("bot") or self.bot).get("id") != self.bot["id"]:
            raise Refused(400, "BadSyntax", "The bot is not the caller")
        person = self._person(members[0].get("id", ""))
        if not person.installed:
            raise Refused(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        person.chat_open = True
        return person

    def _person(self, id: str) -> Person:
        for person in self.people.values():
            if id in {person.mri, person.id, f"8:orgid:{person.id}"}:
                return person
        raise Refused(404, "MemberNotFoundInConversation", f"No member {id}")

    def _may_write(self, place: str) -> None:
        """Whether the bot may write there; `place` is without a thread."""
        owner = next((person for person in self.people.values() if person.chat == place and person.chat_open), None)
        channel = self.channels.get(place)
        if owner:
            if owner.blocked or not owner.installed:
                raise Refused(403, "MessageWritesBlocked", "Message writes are blocked.")
        elif channel is None or channel.deleted:
            raise Refused(404, "ConversationNotFound", "Conversation not found.")
        elif not self.teams[channel.team].installed:
            raise Refused(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")

    def _throttle(self, conversation: str) -> None:
        now, sent = self.clock(), self._sent[conversation]
        full = [seconds for seconds, most in WINDOWS if sum(at > now - seconds for at in sent) >= most]
        if full and self.throttles:
            raise Refused(429, "Throttled", "Too many requests.", retry_after=max(full))
        sent.append(now)

    def _do_activities_send(self, args: Json, body: Json) -> tuple[int, Json]:
        place, _, root = args["conversation"].partition(";messageid=")
        self._may_write(place)
        if root and not self._find(place, root):
            raise Refused(404, "ConversationNotFound", f"No thread {root}")
        message = self._post(place, body, thread=root or None, reply_to=args.get("activity"))
        return 201, {"id": message.id}

    def _do_activities_reply(self, args: Json, body: Json) -> tuple[int, Json]:
        place = args["conversation"].partition(";messageid=")[0]
        if args["activity"].isdigit() and not self._find(place, args["activity"]):
            self.complaints.append(f"activities.reply: no message {args['activity']} in {place} to reply to")
        return self._do_activities_send(args, body)

    def _post(self, place: str, activity: Json, *, thread: str | None, reply_to: str | None = None) -> Message:
        self._throttle(f"{place};{thread}")
        kind = activity.get("type")
        if kind == "typing":
            return Message(place, self._next_id(), None, "")
        if kind != "message":
            raise Refused(400, "BadArgument", f"Unknown activity type {kind!r}")
        self._check(activity)
        message = self.say(place, None, "", thread=thread, reply_to=reply_to)
        self._write(message, activity)
        return message

    def _write(self, message: Message, activity: Json) -> None:
        message.text, message.entities = activity.get("text") or "", activity.get("entities") or []
        cards = [one["content"] for one in activity.get("attachments") or () if one.get("contentType") == CARD]
        message.card, message.activity, message.views = (cards or [None])[0], activity, {}

    def _check(self, activity: Json) -> None:
        for attachment in activity.get("attachments") or ():
            if not attachment.get("contentType"):
                self.complaints.append("attachment without contentType")
                raise Refused(400, "BadSyntax", "Attachment without contentType")
        if not activity.get("text") and not activity.get("attachments"):
            raise Refused(400, "BadSyntax", "Activity must include non empty text or at least one attachment")
        self.complaints += activity_problems(activity, {person.mri for person in self.people.values()})

    def _do_activities_update(self, args: Json, body: Json) -> tuple[int, Json]:
        place = args["conversation"].partition(";messageid=")[0]
        self._may_write(place)
        message = self._own_message(place, args["activity"])
        self._throttle(self.place_of(message))
        self._check(body)
        message.versions.append((message.text, copy.deepcopy(message.card)))
        message.edited += 1
        self._write(message, body)
        return 200, {"id": message.id}

    def _do_activities_delete(self, args: Json, _: Any) -> tuple[int, Json]:
        place = args["conversation"].partition(";messageid=")[0]
        self._may_write(place)
        self._all.remove(self._own_message(place, args["activity"]))
        return 200, {}

    def _own_message(self, place: str, id: str) -> Message:
        message = self._find(place, id)
        if message is None:
            raise Refused(404, "ActivityNotFoundInConversation", "The activity does not exist.")
        if not message.from_bot:
            raise Refused(403, "NotEnoughPermissions", "The bot may only change its own messages.")
        return message

    def _find(self, place: str, id: str) -> Message | None:
        return next((m for m in self._all if (m.conversation, m.id) == (place, id)), None)

    def _members(self, conversation: str) -> list[Json]:
        place = conversation.partition(";messageid=")[0]
        if place in self.teams:
            everyone = list(self.people.values())
        else:
            self._may_write(place)
            everyone = [one for one in self.people.values() if place in self.channels or one.chat == place]
        return [one.member(self.tenant) for one in everyone]

    def _do_members_list(self, args: Json, _: Any) -> tuple[int, list[Json]]:
        return 200, self._members(args["conversation"])

    def _do_members_page(self, args: Json, _: Any) -> tuple[int, Json]:
        everyone, size = self._members(args["conversation"]), int(args.get("pageSize") or 50)
        start = int(args.get("continuationToken") or 0)
        page: Json = {"members": everyone[start : start + size]}
        return 200, page | ({"continuationToken": str(start + size)} if start + size < len(everyone) else {})

    def _do_members_get(self, args: Json, _: Any) -> tuple[int, Json]:
        person = self._person(args["member"])
        if person.id not in {member["aadObjectId"] for member in self._members(args["conversation"])}:
            raise Refused(404, "MemberNotFoundInConversation")
        return 200, person.member(self.tenant)

    def _team(self, id: str) -> Team:
        if id not in self.teams:
            raise Refused(404, "NotFound", f"No team {id}")
        if not self.teams[id].installed:
            raise Refused(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        return self.teams[id]

    def _do_teams_get(self, args: Json, _: Any) -> tuple[int, Json]:
        team = self._team(args["team"])
        count = sum(channel.team == team.id for channel in self.channels.values())
        return 200, {"id": team.id, "name": team.name, "channelCount": count, "memberCount": len(self.people)}

    def _do_teams_channels(self, args: Json, _: Any) -> tuple[int, Json]:
        team = self._team(args["team"])
        found = [one for one in self.channels.values() if one.team == team.id and not one.deleted]
        return 200, {"conversations": [{"id": one.id, "name": one.name} for one in found]}


class Door:
    """What people do in Teams, delivered to the app with a token. Each method returns the app's Ack.

    Delivers nothing twice by itself: `again(ack)` does what Teams does after a lost answer.
    """

    def __init__(self, teams: TeamsServer, url: str, app_id: str, tenant: str, timeout: float) -> None:
        self.teams, self.url, self.app_id, self.tenant, self.timeout = teams, url, app_id, tenant, timeout

    @property
    def minter(self) -> Minter:
        return Minter(self.teams.identity, self.app_id, self.teams.service_url)

    def token(self, **how: Any) -> str:
        """A token as Teams makes it, but for what is given: see Minter.token."""
        return self.minter.token(**how)

    def forgeries(self) -> dict[str, str | None]:
        """Authorization headers that must be refused, by name; send them with `raw(…, header=…)`."""
        return self.minter.forgeries()

    # Messages

    async def direct_message(self, text: str, user: str, **more: Any) -> Ack:
        self.teams.people[user].chat_open = True
        message = self.teams.say(user, user, text)
        return await self._send(self.message_activity(message) | more)

    async def mention(self, text: str, user: str, channel: str, thread: str | None = None, **more: Any) -> Ack:
        """`text` gets the bot's mention in front unless it has it somewhere; `thread` is the root's id."""
        call = f"<at>{self.teams.bot_name}</at>"
        said = text if call in text else f"{call} {text}"
        return await self._send(self.message_activity(self.teams.say(channel, user, said, thread=thread)) | more)

    def message_activity(self, message: Message) -> Json:
        """The activity that tells the app of a person's message."""
        activity = self._activity("message", message.sender or "", message) | {"id": message.id, "text": message.text}
        names = {person.name: person.account() for person in self.teams.people.values()}
        names[self.teams.bot_name] = self.teams.bot
        for name in re.findall("<at>(.*?)</at>", message.text):
            mentioned = {"id": names[name]["id"], "name": name}
            activity["entities"].append({"type": "mention", "mentioned": mentioned, "text": f"<at>{name}</at>"})
        html = {"contentType": "text/html", "content": f"<p>{message.text}</p>"}
        return activity | {"textFormat": "plain", "attachments": [html]}

    # Cards

    async def execute(
        self,
        message: Message,
        label: str,
        user: str,
        data: Any = None,
        inputs: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Ack:
        """Press an Action.Execute, named by title or verb; `data` takes the place of the button's own."""
        card = message.seen_by(user)
        action = _find_action(card, label, "Action.Execute")
        return await self._act(message, user, action, "manual", data, _filled_in(card, inputs or {}), more)

    async def refresh(self, message: Message, user: str, **more: Any) -> Ack:
        """What this person's client does by itself when it shows the card."""
        refresh = (message.card or {}).get("refresh")
        if not refresh:
            raise LookupError("the card has no refresh")
        if self.teams.people[user].mri not in refresh.get("userIds", []):
            raise LookupError(f"the card does not refresh for {user}")
        return await self._act(message, user, refresh["action"], "automatic", None, {}, more)

    async def _act(
        self, message: Message, user: str, action: Json, trigger: str, data: Any, inputs: Json, more: Json
    ) -> Ack:
        named = {key: action[key] for key in ("type", "title", "id", "verb") if key in action}
        own = {**(action.get("data") or {}), **inputs} if data is None else data
        ack = await self._invoke(
            "adaptiveCard/action", {"action": named | {"data": own}, "trigger": trigger}, user, message, more
        )
        if ack.card is not None:
            message.views[user] = ack.card
        return ack

    async def submit(
        self, message: Message, label: str, user: str, inputs: Mapping[str, str] | None = None, **more: Any
    ) -> Ack:
        """Press an Action.Submit, or an Action.Execute in a client that falls back to it."""
        card = message.seen_by(user)
        action = _find_action(card, label, "Action.Submit")
        activity = self._activity("message", user, message) | {"replyToId": message.id, "id": self._invoke_id()}
        return await self._send(activity | {"value": _data(action) | _filled_in(card, inputs or {})} | more)

    # Dialogs and message extensions

    async def task_fetch(
        self, message: Message, label: str, user: str, inputs: Mapping[str, str] | None = None, **more: Any
    ) -> Ack:
        """Press a button that opens a dialog; the form is in `ack.form`."""
        card = message.seen_by(user)
        data = _data(_find_action(card, label, "Action.Submit"))
        if (data.get("msteams") or {}).get("type") != "task/fetch":
            raise LookupError(f"{label!r} opens no dialog: {data}")
        value = {"data": data | _filled_in(card, inputs or {}), "context": {"theme": "default"}}
        return await self._invoke("task/fetch", value, user, message, more)

    async def task_submit(
        self, form: Form, values: Mapping[str, Any], user: str | None = None, label: str | None = None, **more: Any
    ) -> Ack:
        """Fill in a dialog by id or label and press its button (the first one, or that with this label)."""
        value = {"data": _submission(form, values, label), "context": {"theme": "default"}}
        return await self._again_about("task/submit", form, value, user, more)

    async def compose_fetch(self, message: Message, user: str, command: str = "escalate", **more: Any) -> Ack:
        """Choose the message extension's command on a message."""
        value = {"commandId": command, "commandContext": "message", "context": {"theme": "default"}}
        value["messagePayload"] = self._payload(message)
        return await self._invoke("composeExtension/fetchTask", value, user, message, more, replies=False)

    async def compose_submit(
        self, form: Form, values: Mapping[str, Any], user: str | None = None, label: str | None = None, **more: Any
    ) -> Ack:
        kept = {key: value for key, value in form.about["value"].items() if key != "data"}
        value = kept | {"data": _submission(form, values, label)}
        return await self._again_about("composeExtension/submitAction", form, value, user, more)

    async def _again_about(self, name: str, form: Form, value: Json, user: str | None, more: Json) -> Ack:
        who = self.teams.people[user or form.user]
        activity = form.about | {"name": name, "value": value, "id": self._invoke_id(), "from": who.account()}
        if form in self.teams.forms[form.user]:
            self.teams.forms[form.user].remove(form)
        return await self._send(activity | more)

    def _payload(self, message: Message) -> Json:
        teams = self.teams
        who: Json = {"user": None, "application": None}
        if message.sender:
            person = teams.people[message.sender]
            who["user"] = {"userIdentityType": "aadUser", "id": person.id, "displayName": person.name}
        else:
            app = {"applicationIdentityType": "bot", "id": teams.app_id, "displayName": teams.bot_name}
            who["application"] = app
        link = f"https://teams.microsoft.com/l/message/{message.conversation}/{message.id}"
        payload: Json = {"id": message.id, "messageType": "message", "from": who, "linkToMessage": link}
        html = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        payload |= {"body": {"contentType": "html", "content": f"<div>{html}</div>"}, "importance": "normal"}
        payload |= {"createdDateTime": _iso(int(message.id) / 1000), "locale": "en-us", "deleted": False}
        payload |= {"replyToId": message.thread if message.is_reply else None, "attachments": [], "mentions": []}
        return payload

    # The app comes and goes

    async def installed(self, user: str | None = None, *, team: str | None = None, **more: Any) -> Ack:
        """The app is added by a person for themselves, or to a team by that person; the last of two Acks, or the bad one."""
        teams = self.teams
        if team:
            teams.teams[team].installed = True
        elif user:
            teams.people[user].installed = teams.people[user].chat_open = True
        activity = self._about_app(user, team) | more
        first = await self._send(activity | {"type": "installationUpdate", "action": "add"})
        joined = {"type": "conversationUpdate", "membersAdded": [{"id": teams.bot["id"]}], "id": self._invoke_id()}
        return await self._send(activity | joined) if first.ok else first

    async def uninstalled(self, user: str | None = None, *, team: str | None = None, **more: Any) -> Ack:
        if team:
            self.teams.teams[team].installed = False
        elif user:
            self.teams.people[user].installed = False
        activity = self._about_app(user, team) | {"type": "installationUpdate", "action": "remove"}
        return await self._send(activity | more)

    async def channel_event(self, event: str, *, channel: str, user: str, name: str | None = None, **more: Any) -> Ack:
        """channelCreated, channelRenamed (with `name`), channelDeleted, channelRestored."""
        place = self.teams.channels[channel]
        place.name, place.deleted = name or place.name, event == "channelDeleted"
        activity = self._about_app(user, place.team)
        activity["channelData"] |= {"eventType": event, "channel": {"id": channel, "name": place.name}}
        return await self._send(activity | {"type": "conversationUpdate"} | more)

    def _about_app(self, user: str | None, team: str | None) -> Json:
        who = user or next(iter(self.teams.people))
        if team is None:
            return self._activity("", who, None) | {"id": self._invoke_id()}
        activity = self._activity("", who, None, place=team) | {"id": self._invoke_id()}
        activity["channelData"] |= {"team": {"id": team, "name": self.teams.teams[team].name}}
        return activity

    # The wire

    async def again(self, ack: Ack) -> Ack:
        """Deliver the very same activity once more, as Teams does when an answer is lost."""
        return await self._send(ack.activity, heed=False)

    async def raw(
        self, activity: Json | bytes, token: str | None = None, *, header: str | None = None
    ) -> tuple[int, Any]:
        """Send this with this token, or this whole Authorization header, and nothing else: for forged requests."""
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Microsoft-BotFramework/3.1"}
        header = f"Bearer {token}" if token is not None else header
        if header is not None:
            headers["Authorization"] = header
        raw = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        try:
            async with (
                asyncio.timeout(self.timeout),
                self.teams.client.post(self.url, data=raw, headers=headers) as answer,
            ):
                text = await answer.text()
                is_json = answer.content_type == "application/json" and text
                return answer.status, json.loads(text) if is_json else text or None
        except (TimeoutError, ClientConnectionError):
            return NO_ANSWER, None

    def activity(self, text: str = "hello", user: str | None = None) -> Json:
        """A personal message as an activity, for `raw`."""
        who = user or next(iter(self.teams.people))
        self.teams.people[who].chat_open = True
        return self.message_activity(self.teams.say(who, who, text))

    def _invoke_id(self) -> str:
        return f"f:{next(self.teams._numbers):08d}-0000-0000-0000-{int(time.time() * 1000)}"

    def _activity(self, kind: str, user: str, message: Message | None, *, place: str | None = None) -> Json:
        """What every activity says; without a message or place it is about the personal chat."""
        teams, person = self.teams, self.teams.people[user]
        place = place or (teams.place_of(message) if message else person.chat)
        base = place.partition(";")[0]
        now = teams.clock()
        activity: Json = {"type": kind, "id": teams._next_id(), "timestamp": _iso(now), "channelId": "msteams"}
        local = datetime.fromtimestamp(now, ZoneInfo(person.tz)).isoformat(timespec="milliseconds")
        activity |= {"localTimestamp": local, "localTimezone": person.tz, "locale": person.locale}
        activity |= {"serviceUrl": teams.service_url, "from": person.account(), "recipient": teams.bot}
        client = {"locale": person.locale, "country": person.locale[-2:], "platform": "Web", "timezone": person.tz}
        activity["entities"] = [{"type": "clientInfo", **client}]
        activity["channelData"] = {"tenant": {"id": self.tenant}}
        if not place.startswith("19:"):
            talk: Json = {"conversationType": "personal", "tenantId": self.tenant, "id": place}
            return activity | {"conversation": talk}
        team = teams.channels[base].team if base in teams.channels else base
        activity["channelData"] |= {"teamsChannelId": base, "teamsTeamId": team}
        activity["channelData"] |= {"channel": {"id": base}, "team": {"id": team}}
        talk = {"isGroup": True, "conversationType": "channel", "tenantId": self.tenant, "id": place}
        return activity | {"conversation": talk}

    async def _invoke(
        self, name: str, value: Json, user: str, message: Message, more: Json, *, replies: bool = True
    ) -> Ack:
        activity = self._activity("invoke", user, message) | {"name": name, "value": value, "id": self._invoke_id()}
        if replies:
            activity["replyToId"] = message.id
        return await self._send(activity | more)

    async def _send(self, activity: Json, *, heed: bool = True) -> Ack:
        activity = copy.deepcopy(activity)
        started = time.monotonic()
        status, body = await self.raw(activity, self.token())
        ack = Ack(status, body, activity, time.monotonic() - started)
        if heed and ack.ok:
            self._heed(ack)
        return ack

    def _heed(self, ack: Ack) -> None:
        """Do what Teams does with the answer."""
        name, teams = ack.activity.get("name", ""), self.teams
        if ack.activity["type"] != "invoke":
            if ack.body:
                teams.complaints.append(f"{ack.activity['type']} was answered with a body: {ack.body}")
        elif name == "adaptiveCard/action":
            teams.complaints += [f"adaptiveCard/action: {problem}" for problem in self._heed_card(ack)]
        else:
            teams.complaints += [f"{name}: {problem}" for problem in self._heed_task(ack, name)]

    def _heed_card(self, ack: Ack) -> list[str]:
        body = ack.body
        if not isinstance(body, dict) or not isinstance(body.get("statusCode"), int):
            return [f"answered without a statusCode: {body}"]
        kind, value = body.get("type"), body.get("value")
        if kind == CARD:
            ack.card = value
            return card_problems(value) if body["statusCode"] == 200 else ["a card with an error's statusCode"]
        if kind == "application/vnd.microsoft.activity.message":
            return [] if isinstance(value, str) else [f"a message that is no text: {value}"]
        if kind == "application/vnd.microsoft.error":
            return [] if isinstance(value, dict) and {"code", "message"} <= set(value) else [f"a bad error: {value}"]
        return [f"answered with type {kind!r}"]

    def _heed_task(self, ack: Ack, name: str) -> list[str]:
        if ack.body is None and not name.endswith(("fetch", "fetchTask")):
            return []  # the dialog closes
        if not isinstance(ack.body, dict):
            return [f"answered with {ack.body!r}"]
        task = ack.body.get("task")
        if task is None:
            return [] if not name.endswith(("fetch", "fetchTask")) else [f"opens nothing: {ack.body}"]
        value = task.get("value")
        if task.get("type") == "message":
            return [] if isinstance(value, str) else [f"a message that is no text: {value}"]
        if task.get("type") != "continue" or not isinstance(value, dict):
            return [f"a task of type {task.get('type')!r} with {value!r}"]
        attachment = value.get("card") or {}
        user = next(person.id for person in self.teams.people.values() if person.mri == ack.activity["from"]["id"])
        card = attachment.get("content") or {}
        ack.form = Form(user, value.get("title", ""), card, ack.activity, value.get("url"))
        self.teams.forms[user].append(ack.form)
        if ack.form.url:
            return []
        if attachment.get("contentType") != CARD:
            return [f"a dialog's card with contentType {attachment.get('contentType')!r}"]
        executes = [one for one in _typed(card, "Action.") if one["type"] == "Action.Execute"]
        return card_problems(card) + (["Action.Execute does not work in a dialog"] if executes else [])


# What Teams and its clients do not put up with


def activity_problems(activity: Json, people: set[str]) -> list[str]:
    """What is wrong with a message; `people` are the ids that may be mentioned in its text."""
    problems = []
    text, entities = activity.get("text") or "", activity.get("entities") or []
    named = set()
    for entity in entities:
        if entity.get("type") != "mention":
            continue
        mentioned, at = entity.get("mentioned") or {}, entity.get("text") or ""
        named.add(at)
        if not re.fullmatch("<at>.+</at>", at) or at not in text:
            problems.append(f"mention: {at!r} does not stand in the text")
        if mentioned.get("id") not in people or not mentioned.get("name"):
            problems.append(f"mention: {mentioned} is nobody")
    problems += [f"{at} has no mention entity" for at in re.findall("<at>.*?</at>", text) if at not in named]
    for attachment in activity.get("attachments") or ():
        if attachment["contentType"] == CARD:
            problems += card_problems(attachment.get("content"))
    return problems


def card_problems(card: Any) -> list[str]:
    """What is wrong with an Adaptive Card in Teams."""
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        return [f"no AdaptiveCard: {str(card)[:80]}"]
    problems = []
    size = len(json.dumps(card, ensure_ascii=False).encode())
    if size > MOST_CARD:
        problems.append(f"card of {size} bytes, more than {MOST_CARD}")
    if card.get("version") not in {"1.2", "1.3", "1.4", "1.5"}:
        problems.append(f"version {card.get('version')!r}")
    if not card.get("body") and not card.get("actions"):
        problems.append("an empty card")
    parts = list(_parts(card))
    for part in parts:
        problems += _part_problems(part)
    ids = [part.get("id") for part in parts if str(part.get("type")).startswith("Input.")]
    problems += [f"two inputs are called {id!r}" for id in sorted({str(id) for id in ids if ids.count(id) > 1})]
    return [*problems, *_refresh_problems(card.get("refresh")), *_card_mention_problems(card)]


def _part_problems(part: Json) -> Iterator[str]:
    kind = str(part.get("type"))
    if kind not in KNOWN:
        yield f"unknown type {kind!r}"
    if kind in ACTIONS and not part.get("title") and not part.get("iconUrl"):
        yield f"{kind} without a title"
    if kind == "Action.Execute" and not part.get("verb"):
        yield f"Action.Execute {part.get('title')!r} without a verb"
    if kind == "Action.OpenUrl" and not re.match("https?://", str(part.get("url"))):
        yield f"Action.OpenUrl with url {part.get('url')!r}"
    if kind == "Action.ShowCard" and not isinstance(part.get("card"), dict):
        yield "Action.ShowCard without a card"
    if kind in {"Action.Execute", "Action.Submit"} and not isinstance(part.get("data", {}), dict):
        yield f"{kind} {part.get('title')!r} with data that is no object"
    if kind.startswith("Input.") and not part.get("id"):
        yield f"{kind} without an id"
    if kind.startswith("Input.") and part.get("isRequired") and not (part.get("label") and part.get("errorMessage")):
        yield f"{kind} {part.get('id')!r} is required but has no label or no errorMessage"
    if kind == "TextBlock":
        if not isinstance(part.get("text"), str):
            yield f"TextBlock with text {part.get('text')!r}"
        for written in re.findall(r"\{\{(?:DATE|TIME)\((.*?)\)\}\}", str(part.get("text"))):
            stamp = written.partition(",")[0].strip()
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", stamp):
                yield f"{stamp!r} is no time that DATE or TIME understands"


def _refresh_problems(refresh: Json | None) -> Iterator[str]:
    if refresh is None:
        return
    action = refresh.get("action") or {}
    if action.get("type") != "Action.Execute" or not action.get("verb"):
        yield f"refresh needs an Action.Execute with a verb: {action}"
    if len(refresh.get("userIds") or ()) > MOST_REFRESHED:
        yield f"refresh for {len(refresh['userIds'])} people, more than {MOST_REFRESHED}"


def _card_mention_problems(card: Json) -> Iterator[str]:
    shown = "\n".join(_texts(card))
    named = set()
    for entity in (card.get("msteams") or {}).get("entities") or ():
        at, mentioned = entity.get("text") or "", entity.get("mentioned") or {}
        named.add(at)
        if entity.get("type") != "mention" or not mentioned.get("id") or not mentioned.get("name"):
            yield f"msteams.entities: {entity}"
        if at not in shown:
            yield f"msteams.entities: {at!r} does not stand in the card"
    for at in re.findall("<at>.*?</at>", shown):
        if at not in named:
            yield f"{at} has no entity in msteams.entities"


# Small change


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(raw: bytes) -> tuple[Any, bool]:
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        return None, True
    return body, body is not None and not isinstance(body, dict)


def _route(method: str, parts: list[str]) -> tuple[str, Json]:
    """The name of a call, and what its path names."""
    match method, parts:
        case "POST", ["conversations"]:
            return "conversations.create", {}
        case "POST", ["conversations", place, "activities"]:
            return "activities.send", {"conversation": place}
        case "POST" | "PUT" | "DELETE", ["conversations", place, "activities", activity]:
            name = {"POST": "reply", "PUT": "update", "DELETE": "delete"}[method]
            return f"activities.{name}", {"conversation": place, "activity": activity}
        case "GET", ["conversations", place, "members"]:
            return "members.list", {"conversation": place}
        case "GET", ["conversations", place, "pagedmembers"]:
            return "members.page", {"conversation": place}
        case "GET", ["conversations", place, "members", member]:
            return "members.get", {"conversation": place, "member": member}
        case "GET", ["teams", team]:
            return "teams.get", {"team": team}
        case "GET", ["teams", team, "conversations"]:
            return "teams.channels", {"team": team}
        case _:
            return f"{method} /{'/'.join(parts)}", {}


def _parts(value: Any) -> Iterator[Json]:
    """Everything in a card that has a type, hidden cards and fallbacks too; not what travels in `data`."""
    if isinstance(value, dict):
        if "type" in value:
            yield value
        for key, inner in value.items():
            if key not in {"data", "msteams", "refresh", "authentication"}:
                yield from _parts(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)


def _typed(card: Any, prefix: str) -> list[Json]:
    return [part for part in _parts(card) if str(part["type"]).startswith(prefix)]


def _texts(card: Any) -> Iterator[str]:
    for part in _parts(card):
        match part["type"]:
            case "TextBlock" | "TextRun":
                yield str(part.get("text"))
            case "FactSet":
                for fact in part.get("facts") or ():
                    yield f"{fact.get('title')} {fact.get('value')}"
            case kind if str(kind).startswith("Input."):
                yield from (part[key] for key in ("label", "title") if part.get(key))


def _labels(card: Any) -> list[str]:
    return [part.get("title") or part.get("verb") or part["type"] for part in _visible_actions(card)]


def _visible_actions(value: Any) -> Iterator[Json]:
    """The actions that a client of today offers: no fallbacks."""
    if isinstance(value, dict):
        if str(value.get("type")).startswith("Action."):
            yield value
        for key, inner in value.items():
            if key not in {"data", "msteams", "refresh", "authentication", "fallback"}:
                yield from _visible_actions(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _visible_actions(one)


def _find_action(card: Any, which: str, kind: str) -> Json:
    """The action of this kind with this title, verb or id; a fallback goes by the name of what it stands in for."""
    for action in _visible_actions(card):
        names = {action.get("title"), action.get("verb"), action.get("id")}
        fallback = action.get("fallback")
        if which not in names:
            continue
        if action["type"] == kind:
            return action
        if isinstance(fallback, dict) and fallback.get("type") == kind:
            return fallback
    raise LookupError(f"no {kind} {which!r}; there are {_labels(card)}")


def _data(action: Json) -> Json:
    return copy.deepcopy(action.get("data") or {})


def _mentions(entities: list[Json], card: Any) -> list[Json]:
    in_card = ((card or {}).get("msteams") or {}).get("entities") or []
    return [one for one in [*entities, *in_card] if one.get("type") == "mention"]


def _submission(form: Form, values: Mapping[str, Any], label: str | None) -> Json:
    buttons = [one for one in _visible_actions(form.card) if one["type"] == "Action.Submit"]
    fits = [one for one in buttons if label in {None, one.get("title")}]
    if not fits:
        raise LookupError(f"no button {label!r}; there are {_labels(form.card)}")
    return _data(fits[0]) | _filled_in(form.card, values)


def _filled_in(card: Any, values: Mapping[str, Any]) -> Json:
    """The inputs after a person filled in these, by id or label; refuses what the client would not let through."""
    inputs = _typed(card, "Input.")
    names = {name: one["id"] for one in inputs for name in (one.get("label"), one["id"]) if name}
    unknown = set(values) - set(names)
    if unknown:
        raise LookupError(f"no fields {sorted(unknown)}; there are {sorted(names)}")
    given, filled = {names[name]: value for name, value in values.items()}, {}
    for one in inputs:
        value = str(given.get(one["id"], one.get("value", "")) or "")
        if one["type"] == "Input.Toggle":
            value = value or one.get("valueOff", "false")
        if not value:
            if one.get("isRequired"):
                raise ValueError(f"{one.get('label', one['id'])!r} is required")
            continue
        filled[one["id"]] = _checked(one, value)
    return filled


def _checked(field: Json, value: str) -> str:
    label = field.get("label", field["id"])
    if field["type"] == "Input.ChoiceSet" and not field.get("choices.data"):
        choices = {choice["title"]: choice["value"] for choice in field["choices"]}
        picked = [choices.get(one, one) for one in (value.split(",") if field.get("isMultiSelect") else [value])]
        if not set(picked) <= set(choices.values()):
            raise LookupError(f"{label!r} has no choice {value!r}; there are {list(choices)}")
        return ",".join(picked)
    if field["type"] == "Input.Text":
        if len(value) > field.get("maxLength", len(value)):
            raise ValueError(f"{label!r} takes {field['maxLength']} characters")
        if field.get("regex") and not re.search(field["regex"], value):
            raise ValueError(f"{label!r} must match {field['regex']}")
    shapes = {"Input.Number": r"-?\d+(\.\d+)?", "Input.Date": r"\d{4}-\d\d-\d\d", "Input.Time": r"\d\d:\d\d"}
    if not re.fullmatch(shapes.get(field["type"], ".*"), value, re.DOTALL):
        raise ValueError(f"{label!r} is no {field['type']}")
    if field["type"] == "Input.Number":
        low, high = field.get("min", float(value)), field.get("max", float(value))
        if not low <= float(value) <= high:
            raise ValueError(f"{label!r} goes from {low} to {high}")
    return value
