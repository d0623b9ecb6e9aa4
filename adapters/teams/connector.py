"""The Connector, a small port in plain values, and the one over its REST API.

https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import quote, urlsplit

from adapters.teams.credentials import Tokens
from adapters.teams.http import Http
from adapters.teams.marks import Json
from adapters.teams.refusals import NO_SUCH_PLACE, UNAUTHORIZED, UNREADABLE, verdict_of
from bot.errors import Refused, Unreachable

HOSTS = frozenset(
    {"smba.trafficmanager.net", "smba.infra.gcc.teams.microsoft.com", "smba.infra.gov.teams.microsoft.us"}
)
"""Whose service URLs are believed: Teams, GCC and GCC High."""
SERVICE_URL = "https://smba.trafficmanager.net/teams/"
"""Where Teams is reached before it has told its own."""
PAGE = 50


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation: a personal chat, a channel, or (`;messageid=`) a thread of one."""

    service_url: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Member:
    """Who takes part in a conversation, as Teams tells."""

    person: str
    user: str
    name: str
    tenant: str
    role: str
    principal: str


class Connector(Protocol):
    """What Echelon asks of Teams. Every method raises Refused when the place never will, Unreachable when it may later."""

    async def post(self, to: Place, activity: Json) -> str:
        """Send a message; its id."""
        ...

    async def update(self, to: Place, message: str, activity: Json) -> None:
        """Replace a message."""
        ...

    async def create_personal(self, service_url: str, person: str, tenant: str) -> str:
        """The personal chat with a person, by their Entra object id or their user id; its conversation id."""
        ...

    async def create_channel_post(self, service_url: str, channel: str, tenant: str, activity: Json) -> tuple[str, str]:
        """Start a thread in a channel; (conversation id, message id)."""
        ...

    async def member(self, of: Place, person: str) -> Member:
        """One member of a conversation, by their Entra object id or their user id."""
        ...

    async def members(self, of: Place) -> tuple[Member, ...]:
        """The first members of a conversation: whether its roster may be read tells whether the app is there."""
        ...

    async def channels(self, service_url: str, team: str) -> Mapping[str, str]:
        """The channels of a team: id → name. The general one has none: it is called as its team."""
        ...


class Allowed:
    """Which service URLs may be trusted with a token: https and a host of the list. `also` are whole beginnings of
    URLs (scheme, host and port) of another cloud or of a test."""

    def __init__(self, also: frozenset[str] = frozenset()) -> None:
        self._also = frozenset(url.rstrip("/") for url in also)

    def __call__(self, url: str) -> bool:
        """Whether `url` is one."""
        if any(ord(letter) <= 0x20 or ord(letter) > 0x7E or letter in "\\@?#" for letter in url):
            return False
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if f"{parts.scheme}://{parts.netloc}" in self._also:
            return True
        return parts.scheme == "https" and parts.hostname in HOSTS and port in {None, 443}


class RestConnector:
    """`Connector` over HTTP. Each call is made once: the outbox retries."""

    def __init__(self, http: Http, tokens: Tokens, app_id: str, allowed: Allowed) -> None:
        self._http, self._tokens, self._app_id, self._allowed = http, tokens, app_id, allowed

    async def post(self, to: Place, activity: Json) -> str:
        """See `Connector.post`."""
        told = await self._ask("POST", to.service_url, f"{_conversation(to)}/activities", activity)
        return _required(told, "id")

    async def update(self, to: Place, message: str, activity: Json) -> None:
        """See `Connector.update`."""
        path = f"{_conversation(to)}/activities/{quote(message, safe='')}"
        await self._ask("PUT", to.service_url, path, activity | {"id": message})

    async def create_personal(self, service_url: str, person: str, tenant: str) -> str:
        """See `Connector.create_personal`. Here a malformed request means that there is no such person."""
        asked = {"bot": self._bot(), "isGroup": False, "members": [{"id": person}], "tenantId": tenant}
        try:
            told = await self._ask("POST", service_url, "conversations", asked | {"channelData": _tenant(tenant)})
        except Refused as error:
            if error.reason != UNREADABLE:
                raise
            raise Refused(NO_SUCH_PLACE) from None
        return _required(told, "id")

    async def create_channel_post(self, service_url: str, channel: str, tenant: str, activity: Json) -> tuple[str, str]:
        """See `Connector.create_channel_post`."""
        data = {"channel": {"id": channel}} | _tenant(tenant)
        asked = {"bot": self._bot(), "isGroup": True, "tenantId": tenant, "channelData": data, "activity": activity}
        told = await self._ask("POST", service_url, "conversations", asked)
        conversation = _required(told, "id")
        return conversation, str(told.get("activityId") or conversation.rpartition(";messageid=")[2])

    async def member(self, of: Place, person: str) -> Member:
        """See `Connector.member`."""
        told = await self._ask("GET", of.service_url, f"{_conversation(of)}/members/{quote(person, safe='')}")
        return _member(told)

    async def members(self, of: Place) -> tuple[Member, ...]:
        """See `Connector.members`."""
        told = await self._ask("GET", of.service_url, f"{_conversation(of)}/pagedmembers?pageSize={PAGE}")
        found: object = told.get("members")
        listed = cast("list[object]", found) if isinstance(found, list) else []
        return tuple(_member(cast("Mapping[str, Any]", one)) for one in listed if isinstance(one, Mapping))

    async def channels(self, service_url: str, team: str) -> Mapping[str, str]:
        """See `Connector.channels`."""
        told = await self._ask("GET", service_url, f"teams/{quote(team, safe='')}/conversations")
        found: object = told.get("conversations")
        listed = (
            [cast("Mapping[str, Any]", one) for one in cast("list[object]", found)] if isinstance(found, list) else []
        )
        return {str(one["id"]): str(one["name"]) for one in listed if one.get("id") and one.get("name")}

    async def _ask(self, method: str, service_url: str, path: str, body: Json | None = None) -> Mapping[str, Any]:
        if not self._allowed(service_url):
            raise Refused("service_url_not_allowed")
        token = await self._tokens.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{service_url.rstrip('/')}/v3/{path}"
        status, told, given = await self._http.call(method, url, body=body, headers=headers)
        if status >= 300:
            error = verdict_of(status, told, given)
            if error.reason == UNAUTHORIZED:
                self._tokens.forget()
            raise error
        return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}

    def _bot(self) -> Json:
        return {"id": f"28:{self._app_id}"}


def _member(told: Mapping[str, Any]) -> Member:
    def said(*names: str) -> str:
        return next((str(told[name]) for name in names if told.get(name)), "")

    return Member(
        person=said("aadObjectId", "objectId").lower(),
        user=said("id"),
        name=said("name"),
        tenant=said("tenantId").lower(),
        role=said("userRole").lower(),
        principal=said("userPrincipalName"),
    )


def _conversation(to: Place) -> str:
    return f"conversations/{quote(to.conversation, safe='')}"


def _tenant(tenant: str) -> Json:
    return {"tenant": {"id": tenant}}


def _required(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not found:
        raise Unreachable("not_an_answer", uncertain=True)
    return found
