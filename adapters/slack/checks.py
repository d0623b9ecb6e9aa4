"""`check --live` for Slack: asks Slack whether the tokens, the scopes and every address of the directory will do."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import identify
from adapters.slack.gateway import PLATFORM, ask, asked
from adapters.slack.listeners import Installation
from adapters.slack.people import read_person
from bot.commands import Standing
from bot.directory import Address, Directory, local_part, platform_of
from bot.errors import DeliveryError, Problem, Refused

SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:read",
        "chat:write",
        "commands",
        "groups:read",
        "im:history",
        "im:write",
        "usergroups:read",
        "users:read",
    }
)
"""The bot scopes of manifest.yaml."""

_TOKEN = {
    "invalid_auth": "Slack does not know this token: copy the Bot User OAuth Token (xoxb-…) again",
    "not_authed": "no token was given: set it to the Bot User OAuth Token (xoxb-…)",
    "token_revoked": "the token was revoked: install the app into the workspace again and copy the new token",
    "token_expired": "the token has expired: turn token rotation off in the app's settings and install it again",
    "account_inactive": "the bot's account is deactivated: install the app into the workspace again",
    "not_allowed_token_type": "this is another kind of token: the bot token begins with xoxb-, the app token with xapp-",
}

MEMBERS_ONLY = frozenset({Standing.MEMBER})


async def problems(
    client: AsyncWebClient,
    directory: Directory,
    *,
    token: str,
    app_token: str | None = None,
    app_token_name: str = "",
    admitted: frozenset[Standing] = MEMBERS_ONLY,
) -> AsyncIterator[Problem]:
    """What is wrong, one sentence each. `token` and `app_token_name` are the names of the settings, for the sentences;
    `admitted` is who may act.

    `app_token` None: HTTP mode, which needs none.
    """
    try:
        installation = await identify(client)
    except DeliveryError as error:
        yield Problem(token, _TOKEN.get(error.reason, f"Slack does not answer ({error.reason}): try again"))
        return
    for problem in _missing_scopes(installation, token):
        yield problem
    if app_token is not None:
        async for problem in _app_token(client, app_token, app_token_name):
            yield problem
    for place, channel in sorted(set(_channels(directory))):
        async for problem in _channel(client, place, channel):
            yield problem
    for place, group in sorted(set(_groups(directory))):
        async for problem in _group(client, place, group):
            yield problem
    for place, person in sorted(set(_people(directory))):
        async for problem in _person(client, place, person, installation, admitted):
            yield problem


def _missing_scopes(installation: Installation, token: str) -> Iterator[Problem]:
    for scope in sorted(SCOPES - installation.scopes):
        yield Problem(
            token, f"the scope {scope} is missing: add it under OAuth & Permissions, then install the app again"
        )


async def _app_token(client: AsyncWebClient, app_token: str, name: str) -> AsyncIterator[Problem]:
    """Asks for the address of a socket, which is not used: only that shows whether the app token will do."""
    asking = AsyncWebClient(
        token=app_token, base_url=client.base_url, timeout=client.timeout, session=client.session, retry_handlers=[]
    )
    try:
        await ask(asking, "apps.connections.open")
    except DeliveryError as error:
        sentences = _TOKEN | {
            "missing_scope": "the scope connections:write is missing: create an App-Level Token that has it",
            "invalid_auth": "Slack does not know this token: copy the App-Level Token (xapp-…) again",
            "not_allowed": "Socket Mode is off: turn it on in the app's settings",
            "forbidden_team": "Socket Mode is off: turn it on in the app's settings",
        }
        yield Problem(name, sentences.get(error.reason, f"no socket can be opened ({error.reason}): try again"))


async def _channel(client: AsyncWebClient, place: str, channel: Address) -> AsyncIterator[Problem]:
    named = local_part(channel)
    try:
        told: Any = (await ask(client, "conversations.info", channel=named)).get("channel") or {}
    except DeliveryError as error:
        yield Problem(place, _unasked(error, f"there is no channel {named}, or it is private: /invite Echelon there"))
        return
    shown = f"#{told.get('name') or named}"
    if told.get("is_archived"):
        yield Problem(place, f"{shown} ({named}) is archived: name another channel, or restore it")
    elif not told.get("is_member"):
        yield Problem(place, f"Echelon is not in {shown} ({named}): type /invite @Echelon there")


async def _group(client: AsyncWebClient, place: str, group: Address) -> AsyncIterator[Problem]:
    named = local_part(group)
    try:
        told, _ = await asked(client, "usergroups.users.list", usergroup=named)
    except DeliveryError as error:
        yield Problem(place, _unasked(error, f"there is no user group {named}, or it is disabled"))
        return
    if not told.get("users"):
        yield Problem(place, f"the user group {named} has no members: nobody would be pinged")


async def _person(
    client: AsyncWebClient, place: str, person: Address, installation: Installation, admitted: frozenset[Standing]
) -> AsyncIterator[Problem]:
    named = local_part(person)
    try:
        told: Any = (await ask(client, "users.info", user=named)).get("user") or {}
    except DeliveryError as error:
        yield Problem(place, _unasked(error, f"there is no person {named} in {installation.team_name}"))
        return
    known = read_person(told, team=installation.team, until=0)
    shown = f"{known.name} ({named})"
    if known.deleted:
        yield Problem(place, f"the account of {shown} is deactivated: name somebody else")
    elif known.standing not in admitted:
        kinds = {Standing.GUEST: "a guest", Standing.BOT: "a bot", Standing.FOREIGN: "of another organisation"}
        yield Problem(place, f"{shown} is {kinds[known.standing]} and may not act: name a member of the organisation")


def _unasked(error: DeliveryError, gone: str) -> str:
    """The sentence for a refusal, or for a check that could not be made."""
    return gone if isinstance(error, Refused) else f"could not be checked: {error.reason}"


def _channels(directory: Directory) -> Iterator[tuple[str, Address]]:
    named = [(f"roles.{role}.channel", binding.channel) for role, binding in directory.roles.items()]
    named += [("admin_channel", directory.admin_channel), ("fallback_channel", directory.fallback_channel)]
    yield from ((place, channel) for place, channel in named if channel and platform_of(channel) == PLATFORM)


def _groups(directory: Directory) -> Iterator[tuple[str, Address]]:
    for role, binding in directory.roles.items():
        yield from _ours((f"roles.{role}.groups", group) for group in binding.groups)


def _people(directory: Directory) -> Iterator[tuple[str, Address]]:
    for role, binding in directory.roles.items():
        yield from _ours((f"roles.{role}.owners", owner) for owner in binding.owners)
    yield from _ours(("admins", admin) for admin in directory.admins)
    if directory.fallback_owner:
        yield from _ours([("fallback_owner", directory.fallback_owner)])


def _ours(named: Iterable[tuple[str, Address]]) -> Iterator[tuple[str, Address]]:
    yield from ((place, address) for place, address in named if platform_of(address) == PLATFORM)
