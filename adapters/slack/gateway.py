"""Sends and edits messages: `bot.delivery.Chat` over Slack's Web API, and who is in a channel."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import ClientSession, ClientTimeout
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.outbound import Outbound
from adapters.slack import render
from adapters.slack.marks import Names
from adapters.slack.refusals import RENDERING, translated
from bot.delivery import MessageRef
from bot.directory import Address, PersonId, local_part, platform_of
from bot.errors import DeliveryError, Refused, Unreachable
from bot.message import Message
from bot.ports import Clock

PLATFORM = "slack"
SLACK_API = "https://slack.com/api/"
OTHERS = frozenset({"slack-gov.com"})
"""Slack's hosts beside slack.com."""
TIMEOUT = 10
EVENT_TYPE = "echelon_delivery"
"""Type of the metadata of our messages; its payload holds the parcel's key."""
OPENED_FOR = 300.0
"""How long a direct channel is used unasked: a post to a deactivated person succeeds unread, only opening tells."""
MEMBERS_FOR = 60.0
PAGE = 200
PAGES = 25
_KEYS = uuid.UUID("6a3c1f5e-6d0b-5c1e-9a57-3f0f6e1c8d21")

log = logging.getLogger(__name__)


def web_client(
    token: str, *, base_url: str = SLACK_API, session: ClientSession | None = None, timeout: int = TIMEOUT
) -> AsyncWebClient:
    """A client that never sends anything twice by itself: the outbox retries, with the same key.

    A `session` is used as it is: its own time limit counts, not `timeout`.
    """
    return AsyncWebClient(token=token, base_url=base_url, timeout=timeout, session=session, retry_handlers=[])


def outbound(base_url: str) -> Outbound:
    """Slack's hosts: that of the Web API, and those below it, where files and the sockets of Socket Mode are."""
    host = URL(base_url).raw_host or ""
    own = host in OTHERS or host == "slack.com"
    return Outbound([base_url], public=[host] if own else [], domains=[f".{host}"] if own else [])


def sending(base_url: str) -> ClientSession:
    """A session for `web_client`, to be called within the running loop: a new connection for each call, because one that
    was kept may break unnoticed, and then nobody could tell whether the message was taken."""
    return outbound(base_url).session(timeout=ClientTimeout(total=TIMEOUT), keep=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Something Slack said, and until when (monotonic) it is believed."""

    value: Any
    until: float


class SlackChat:
    """Direct messages and channels of one workspace."""

    def __init__(self, client: AsyncWebClient, names: Names, clock: Clock) -> None:
        self._client, self._names, self._clock = client, names, clock
        self._opened: dict[str, _Kept] = {}

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        """Send once: Slack takes a second attempt with the same key for the first one, where it can tell."""
        shown = render.message(message, self._names)
        place = thread.place if thread else await self._place(to)
        answer = await self._show(
            "chat.postMessage",
            shown,
            channel=place,
            thread_ts=thread.id if thread else None,
            client_msg_id=str(uuid.uuid5(_KEYS, key)),
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        return await self._reference(to, str(answer.get("channel") or place), str(answer.get("ts")))

    async def edit(self, ref: MessageRef, message: Message) -> None:
        """Redraw in place; without parse=none Slack would link what looks like a mention."""
        shown = render.message(message, self._names)
        await self._show("chat.update", shown, channel=ref.place, ts=ref.id, parse="none", link_names=False)

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        """Looks in direct messages only: reading the history of channels would need scopes that nobody should grant."""
        place = thread.place if thread else ("" if _is_channel(to) else await self._place(to))
        if not place.startswith("D"):
            return None
        method = "conversations.replies" if thread else "conversations.history"
        within: dict[str, Any] = {"ts": thread.id} if thread else {}
        try:
            answer = await self._ask(method, channel=place, include_all_metadata=True, limit=PAGE, **within)
        except Refused:
            return None
        for said in _mappings(answer.get("messages")):
            payload = _mapping(_mapping(said.get("metadata")).get("event_payload"))
            if payload.get("key") == key:
                return await self._reference(to, place, str(said.get("ts")))
        return None

    async def _show(self, method: str, shown: render.Json, **given: Any) -> Mapping[str, Any]:
        """With the blocks; should Slack not like them after all, the plain line: better read than right."""
        try:
            return await self._ask(method, **given, **shown)
        except Unreachable as error:
            if error.reason not in RENDERING:
                raise
            log.error("Slack refused the look of a message: %s", error.reason, extra={"action": "slack_blocks"})
            return await self._ask(method, **given, text=shown["text"], blocks=[])

    async def _place(self, to: Address) -> str:
        """The channel of an address. Raises Refused for people who cannot be written to."""
        name = local_part(to)
        if _is_channel(to):
            return name
        kept = self._opened.get(name)
        if kept and kept.until > self._clock.monotonic():
            return str(kept.value)
        self._opened.pop(name, None)
        answer = await self._ask("conversations.open", users=name)
        place = str(_mapping(answer.get("channel")).get("id") or "")
        if not place:
            raise Refused("channel_not_found")
        self._opened[name] = _Kept(place, self._clock.monotonic() + OPENED_FOR)
        return place

    async def _reference(self, to: Address, place: str, id: str) -> MessageRef:
        try:
            answer = await self._ask("chat.getPermalink", channel=place, message_ts=id)
        except DeliveryError:  # the message is there; a link is a courtesy
            return MessageRef(to, place, id)
        link = str(answer.get("permalink") or "")
        return MessageRef(to, place, id, link if link.startswith("https://") else None)

    async def _ask(self, method: str, **given: Any) -> Mapping[str, Any]:
        return await ask(self._client, method, **given)


class SlackMembership:
    """Who is in which channel, as Slack tells; believed for a minute."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._members: dict[str, _Kept] = {}

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """Whether `person` is a member of one of `channels`; False when Slack can't be asked."""
        if platform_of(person) != PLATFORM:
            return False
        for channel in channels:
            if platform_of(channel) == PLATFORM and local_part(person) in await self._of(local_part(channel)):
                return True
        return False

    async def _of(self, channel: str) -> frozenset[str]:
        kept = self._members.get(channel)
        if kept and kept.until > self._clock.monotonic():
            return cast("frozenset[str]", kept.value)
        try:
            members = await listed(self._client, "conversations.members", "members", channel=channel)
        except DeliveryError:
            return frozenset()
        value = frozenset(str(member) for member in members)
        self._members[channel] = _Kept(value, self._clock.monotonic() + MEMBERS_FOR)
        return value


async def ask(client: AsyncWebClient, method: str, **given: Any) -> Mapping[str, Any]:
    """Call a method once. Raises Refused or Unreachable; None leaves an argument out."""
    return (await asked(client, method, **given))[0]


async def asked(client: AsyncWebClient, method: str, **given: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """The answer to a call, and its headers. Raises like `ask`."""
    sent = {name: value for name, value in given.items() if value is not None}
    reading = method in _READING
    call = cast(Any, client).api_call  # the SDK types its dictionaries as dict[Unknown, Unknown]
    with translated():
        answer = await (call(method, http_verb="GET", params=sent) if reading else call(method, json=sent))
        return _mapping(answer.data), cast(Mapping[str, str], answer.headers)


async def listed(client: AsyncWebClient, method: str, name: str, **given: Any) -> list[object]:
    """All pages of a list (at most PAGES of them)."""
    found: list[object] = []
    cursor = ""
    for _ in range(PAGES):
        answer = await ask(client, method, limit=PAGE * 5, cursor=cursor or None, **given)
        found.extend(cast(Sequence[object], answer.get(name) or ()))
        cursor = str(_mapping(answer.get("response_metadata")).get("next_cursor") or "")
        if not cursor:
            break
    return found


_READING = frozenset(
    {
        "chat.getPermalink",
        "conversations.history",
        "conversations.info",
        "conversations.members",
        "conversations.replies",
        "usergroups.users.list",
        "users.info",
    }
)
"""Methods that take their arguments in the address; the others take JSON."""


def _is_channel(to: Address) -> bool:
    return not local_part(to).startswith(("U", "W"))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Sequence[Mapping[str, Any]]:
    return [_mapping(one) for one in cast(Sequence[object], value)] if isinstance(value, list) else []
