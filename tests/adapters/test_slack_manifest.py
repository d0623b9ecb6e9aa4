"""The manifest, the code and `check --live` agree on scopes, names and events; and what is missing is named."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.slack import checks, listeners
from adapters.slack.gateway import web_client
from bot.directory import Address, Binding, Directory, PersonId, WorkspaceId
from bot.plan import RoleId
from tests.slack_server import SlackServer

FOLDER = Path(__file__).parents[2] / "adapters" / "slack"
MANIFEST: dict[str, Any] = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))
SCOPES = set(MANIFEST["oauth_config"]["scopes"]["bot"])

# https://docs.slack.dev/reference/methods : what each method that we call needs (all of them)
NEEDS = {
    "apps.connections.open": set(),  # the app token's connections:write
    "auth.test": set(),
    "chat.getPermalink": set(),
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"im:history"},  # of direct messages only
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.members": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
    "conversations.replies": {"im:history"},
    "usergroups.users.list": {"usergroups:read"},
    "users.info": {"users:read"},
    "views.open": set(),
    "views.push": set(),
    "views.update": set(),
}
EVENT_NEEDS = {"app_mention": "app_mentions:read", "message.im": "im:history", "subteam_updated": "usergroups:read"}
METHOD = re.compile(r'"((?:apps|auth|chat|conversations|reactions|usergroups|users|views|team|files)\.[\w.]+)"')
TOKENS = {"token": "ECHELON_SLACK_BOT_TOKEN", "app_token_name": "ECHELON_SLACK_APP_TOKEN"}


def called() -> set[str]:
    """The methods that the code names."""
    sources = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")]
    return {method for source in sources for method in METHOD.findall(source)}


def test_every_method_that_is_called_has_its_scope():
    assert called() == set(NEEDS)
    assert set().union(*NEEDS.values()) <= SCOPES


def test_no_scope_is_asked_for_without_a_use():
    used = set().union(*NEEDS.values(), EVENT_NEEDS.values(), {"commands"})

    assert used == SCOPES == checks.SCOPES
    assert "user" not in MANIFEST["oauth_config"]["scopes"]


def test_the_names_are_those_that_are_listened_to():
    features, settings = MANIFEST["features"], MANIFEST["settings"]

    assert [one["command"] for one in features["slash_commands"]] == [listeners.COMMAND]
    assert features["slash_commands"][0]["should_escape"] is True
    assert [(one["type"], one["callback_id"]) for one in features["shortcuts"]] == [("message", listeners.SHORTCUT)]
    events = settings["event_subscriptions"]["bot_events"]
    assert set(events) == set(EVENT_NEEDS)
    assert {event.partition(".")[0] for event in events} == set(listeners.EVENTS)
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["socket_mode_enabled"] is True
    assert features["app_home"]["messages_tab_read_only_enabled"] is False


def test_the_manifest_keeps_slacks_limits():
    # https://docs.slack.dev/reference/app-manifest
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140
    assert 174 <= len(MANIFEST["display_information"]["long_description"]) <= 4000
    assert len(MANIFEST["features"]["shortcuts"][0]["name"]) <= 24
    assert len(MANIFEST["features"]["slash_commands"][0]["usage_hint"]) <= 1000


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(scopes=SCOPES) as server:
        server.person("U1", name="Ada")
        server.person("U2", name="Gone", deleted=True)
        server.person("U3", name="Guest", guest=True)
        server.channel("C1", name="support")
        server.channel("C2", name="elsewhere", bot_is_member=False)
        server.channel("C3", name="old", archived=True)
        server.channel("C4", name="secret", private=True, bot_is_member=False)
        server.group("S1", members=["U1"])
        server.group("S2", members=[])
        yield server


def a_directory(*owners: str, group: str = "S1", channel: str = "C1") -> Directory:
    people = tuple(PersonId(Address(f"slack:{owner}")) for owner in owners)
    binding = Binding(people, (Address(f"slack:{group}"),), Address(f"slack:{channel}"))
    return Directory(WorkspaceId("acme"), "Acme", "office", roles={RoleId("support"): binding})


async def found(slack: SlackServer, directory: Directory, *, bot: str = "", app: str | None = None) -> list[str]:
    client = web_client(bot or slack.bot_token, base_url=slack.base_url, timeout=10)
    asked = checks.problems(client, directory, app_token=slack.app_token if app is None else app, **TOKENS)
    return [str(problem) async for problem in asked]


async def test_what_is_in_order_has_no_problems(slack: SlackServer):
    assert await found(slack, a_directory("U1")) == []


async def test_every_address_that_will_not_do_is_named(slack: SlackServer):
    sentences = await found(slack, a_directory("U2", "U3", "U0", "UBOT", group="S2", channel="C2"))

    assert sentences == [
        "roles.support.channel: Echelon is not in #elsewhere (C2): type /invite @Echelon there",
        "roles.support.groups: the user group S2 has no members: nobody would be pinged",
        "roles.support.owners: there is no person U0 in Acme",
        "roles.support.owners: the account of Gone (U2) is deactivated: name somebody else",
        "roles.support.owners: Guest (U3) is a guest and may not act: name a member of the organisation",
        "roles.support.owners: Echelon (UBOT) is a bot and may not act: name a member of the organisation",
    ]
    for channel, words in (("C3", "archived"), ("C4", "/invite Echelon"), ("C0", "no channel C0")):
        (sentence,) = await found(slack, a_directory("U1", channel=channel))
        assert words in sentence
    (sentence,) = await found(slack, a_directory("U1", group="S0"))
    assert "no user group S0" in sentence


async def test_each_missing_scope_is_named(slack: SlackServer):
    slack.scopes -= {"users:read", "im:write"}

    sentences = await found(slack, a_directory("U1"))

    assert [re.search(r"scope (\S+)", sentence)[1] for sentence in sentences] == ["im:write", "users:read"]  # type: ignore[index]
    assert all(sentence.startswith("ECHELON_SLACK_BOT_TOKEN: ") for sentence in sentences)


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive"])
async def test_a_token_that_is_no_use_is_all_that_is_said(slack: SlackServer, error: str):
    slack.token_error = error

    (sentence,) = await found(slack, a_directory("U2"))

    assert "install the app into the workspace again" in sentence


async def test_tokens_of_the_wrong_kind_are_told_apart(slack: SlackServer):
    assert "xoxb-" in (await found(slack, a_directory("U1"), bot="nonsense"))[0]
    assert "another kind of token" in (await found(slack, a_directory("U1"), bot=slack.app_token))[0]
    (sentence,) = await found(slack, a_directory("U1"), app="xapp-nonsense")
    assert sentence.startswith("ECHELON_SLACK_APP_TOKEN: ")
    assert "xapp-nonsense" not in sentence

    slack.faults.once("apps.connections.open", code="missing_scope")
    (sentence,) = await found(slack, a_directory("U1"))
    assert "connections:write" in sentence


async def test_over_http_no_app_token_is_needed(slack: SlackServer):
    client = web_client(slack.bot_token, base_url=slack.base_url, timeout=10)

    assert [one async for one in checks.problems(client, a_directory("U1"), token="T")] == []
    assert slack.count("apps.connections.open") == 0


async def test_what_could_not_be_checked_is_said(slack: SlackServer):
    slack.faults.always("users.info", code="internal_error")

    assert await found(slack, a_directory("U1")) == ["roles.support.owners: could not be checked: internal_error"]
