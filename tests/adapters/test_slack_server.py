"""The local Slack is Slack enough for the real SDK and a real Bolt app, over HTTP and over sockets."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientConnectionError, web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.slack_limits import live_mentions, problems
from tests.slack_server import Door, SlackServer, sign, typed

BUTTON = {"type": "button", "action_id": "ack:7", "text": {"type": "plain_text", "text": "Acknowledge"}, "value": "7"}
CARD = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Checkout fails*"}},
    {"type": "actions", "elements": [BUTTON]},
]
MODAL = {
    "type": "modal",
    "callback_id": "details",
    "title": {"type": "plain_text", "text": "Details"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "what",
            "label": {"type": "plain_text", "text": "What happened?"},
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 200},
        },
        {
            "type": "input",
            "block_id": "who",
            "optional": True,
            "label": {"type": "plain_text", "text": "Who?"},
            "element": {"type": "users_select", "action_id": "user"},
        },
    ],
}
METADATA = {"event_type": "delivery", "event_payload": {"id": "7"}}


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        server.person("U1", name="Ada", locale="fr-FR", tz="Europe/Paris")
        server.person("U2", name="Grace")
        server.channel("C1", name="support", members={"U1", "U2"})
        yield server
        assert server.complaints == []


@pytest.fixture
def client(slack: SlackServer) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.base_url, timeout=2, retry_handlers=[])


def bolt(slack: SlackServer, client: AsyncWebClient) -> tuple[AsyncApp, list[Any]]:
    app, seen = AsyncApp(client=client, signing_secret=slack.signing_secret), []

    @app.command("/escalate")
    async def escalate(ack: Any, command: dict[str, Any], client: AsyncWebClient) -> None:
        await client.chat_postMessage(channel=command["channel_id"], text="Checkout fails", blocks=CARD)
        await ack(f"opened: {command['text']}")

    @app.action(re.compile("^ack:"))
    async def click(ack: Any, body: dict[str, Any], client: AsyncWebClient, respond: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        await respond("thanks", replace_original=False)
        seen.append(body["actions"][0]["value"])

    @app.view("details")
    async def details(ack: Any, view: dict[str, Any]) -> None:
        values = view["state"]["values"]
        if values["what"]["text"]["value"] == "?":
            await ack(response_action="errors", errors={"what": "Say more."})
            return
        seen.append((values["what"]["text"]["value"], values["who"]["user"]["selected_user"]))
        await ack()

    @app.event("app_mention")
    async def mention(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    return app, seen


@asynccontextmanager
async def http(slack: SlackServer, app: AsyncApp) -> AsyncIterator[Door]:
    async def serve(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    site = web.Application()
    site.router.add_post("/slack/events", serve)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield slack.http_door(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    await runner.cleanup()


@asynccontextmanager
async def sockets(slack: SlackServer, app: AsyncApp) -> AsyncIterator[Door]:
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.2)
    await handler.connect_async()
    await slack.wait_for_sockets()
    yield slack.socket_door()
    await handler.close_async()


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", [http, sockets])
async def test_a_story_runs_the_same_over_http_and_over_sockets(slack: SlackServer, client: AsyncWebClient, way: Any):
    app, seen = bolt(slack, client)
    async with way(slack, app) as door:
        ack = await door.slash("/escalate", typed("checkout & co"), user="U1", channel="C1")
        assert (ack.ok, ack.text) == (True, "opened: checkout &amp; co")
        assert slack.ephemerals("U1")[0].text == ack.text

        (card,) = slack.messages("C1")
        assert card.controls == ["Acknowledge"]
        assert (await door.click(card, "Acknowledge", user="U2")).ok
        await until(lambda: seen == ["7"])
        assert slack.ephemerals("U2")[0].text == "thanks"

        (view,) = slack.opened_views["U2"]
        refused = await door.submit(view, {"what": "?"})
        assert refused.body["response_action"] == "errors"
        assert (view.open, view.errors) == (True, {"what": "Say more."})
        assert (await door.submit(view, {"What happened?": "Payments", "who": "U1"})).ok
        assert (view.open, seen[-1]) == (False, ("Payments", "U1"))

        told = await door.mention("help", user="U1", channel="C1")
        await until(lambda: seen[-1] == "<@UBOT> help")
        assert (await door.again(told, retry=1)).ok
        await until(lambda: seen[-2:] == ["<@UBOT> help"] * 2)


async def test_one_authentication_serves_every_request_of_a_single_workspace(
    slack: SlackServer, client: AsyncWebClient
):
    app, _ = bolt(slack, client)
    async with http(slack, app) as door:
        for _ in range(3):
            await door.slash("/escalate", user="U1", channel="C1")

    assert slack.count("auth.test") == 1


async def test_an_authorize_function_spares_the_authentication(slack: SlackServer):
    async def authorize(team_id: str) -> AuthorizeResult:
        bot = {"bot_id": slack.bot_id, "bot_user_id": slack.bot_user, "bot_token": slack.bot_token}
        return AuthorizeResult(enterprise_id=None, team_id=team_id, **bot)

    nameless = AsyncWebClient(base_url=slack.base_url, retry_handlers=[])
    app = AsyncApp(client=nameless, authorize=authorize, signing_secret=slack.signing_secret)

    @app.event("message")
    async def answer(say: Any) -> None:
        await say("hey")

    async with sockets(slack, app) as door:
        await door.direct_message("hello", user="U1")
        await until(lambda: [message.text for message in slack.messages("U1")] == ["hello", "hey"])

    assert slack.count("auth.test") == 0


@pytest.mark.parametrize("way", [http, sockets])
async def test_a_global_middleware_is_awaited_before_an_event_is_acknowledged(
    slack: SlackServer, client: AsyncWebClient, way: Any
):
    app, order = AsyncApp(client=client, signing_secret=slack.signing_secret), []

    @app.middleware
    async def keep(next: Any) -> None:
        await asyncio.sleep(0.1)
        order.append("kept")
        await next()

    @app.event("app_mention")
    async def listen() -> None:
        await asyncio.sleep(0.1)
        order.append("heard")

    async with way(slack, app) as door:
        await door.mention("help", user="U1", channel="C1")
        order.append("acknowledged")
        await until(lambda: len(order) == 3)

    assert order == ["kept", "acknowledged", "heard"]


@pytest.mark.parametrize("way", [http, sockets])
async def test_processing_before_the_response_awaits_an_event_listener(
    slack: SlackServer, client: AsyncWebClient, way: Any
):
    app, order = AsyncApp(client=client, signing_secret=slack.signing_secret, process_before_response=True), []

    @app.event("app_mention")
    async def listen(event: dict[str, Any]) -> None:
        await asyncio.sleep(0.1)
        order.append("heard")
        if "fail" in event["text"]:
            raise RuntimeError("the disk is full")

    async with way(slack, app) as door:
        door.timeout = 0.5
        assert (await door.mention("help", user="U1", channel="C1")).ok
        order.append("answered")
        assert not (await door.mention("fail", user="U1", channel="C1")).ok  # so Slack delivers it again

    assert order == ["heard", "answered", "heard"]


async def test_menus_and_fields_are_sent_as_slack_sends_them(slack: SlackServer, client: AsyncWebClient):
    app, bodies = AsyncApp(client=client, signing_secret=slack.signing_secret), []

    @app.middleware
    async def keep(body: dict[str, Any]) -> BoltResponse:
        bodies.append(body)
        return BoltResponse(status=200)

    options = [{"text": {"type": "plain_text", "text": text}, "value": text.lower()} for text in ("Mute", "Move")]
    menu = section("hello", accessory={"type": "overflow", "action_id": "more", "options": options})
    radio = {"type": "radio_buttons", "action_id": "a", "options": options, "initial_option": options[1]}
    fields = {"radio": radio, "due": {"type": "datetimepicker", "action_id": "a"}}
    fields["people"] = {"type": "multi_users_select", "action_id": "a"}
    labelled = [labelled_input(name, element) for name, element in fields.items()]
    await client.chat_postEphemeral(channel="C1", user="U1", text="hello", blocks=[menu])
    await client.views_open(trigger_id=slack.trigger("U1"), view=MODAL | {"blocks": labelled})
    async with http(slack, app) as door:
        await door.click(slack.ephemerals("U1")[0], "Move")
        await door.submit(slack.opened_views["U1"][0], {"Due": 1_800_000_000, "people": ["U2"]})

    assert bodies[0]["actions"][0]["selected_option"] == options[1]
    assert bodies[0]["container"]["is_ephemeral"]
    assert bodies[1]["view"]["state"]["values"] == {
        "radio": {"a": {"type": "radio_buttons", "selected_option": options[1]}},
        "due": {"a": {"type": "datetimepicker", "selected_date_time": 1_800_000_000}},
        "people": {"a": {"type": "multi_users_select", "selected_users": ["U2"]}},
    }


def labelled_input(name: str, element: dict[str, Any]) -> dict[str, Any]:
    label = {"type": "plain_text", "text": name.capitalize()}
    return {"type": "input", "block_id": name, "label": label, "element": element}


async def test_a_refresh_moves_the_client_to_a_new_socket(slack: SlackServer, client: AsyncWebClient):
    app, _ = bolt(slack, client)
    async with sockets(slack, app) as door:
        await slack.disconnect_sockets()
        await until(lambda: slack.count("apps.connections.open") == 2 and slack.sockets == 1)
        assert (await door.slash("/escalate", "again", user="U1", channel="C1")).text == "opened: again"


async def test_a_cut_socket_comes_back(slack: SlackServer, client: AsyncWebClient):
    app, _ = bolt(slack, client)
    async with sockets(slack, app) as door:
        slack.cut_sockets()
        await until(lambda: slack.count("apps.connections.open") == 2 and slack.sockets == 1)
        assert (await door.slash("/escalate", "again", user="U1", channel="C1")).ok


async def test_a_forged_request_is_refused(slack: SlackServer, client: AsyncWebClient):
    app, _ = bolt(slack, client)
    async with http(slack, app) as door:
        forger = slack.http_door(door.url, "another secret")
        assert (await forger.slash("/escalate", user="U1", channel="C1")).status == 401

        old = {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": sign(slack.signing_secret, 1, b"{}")}
        assert (await door.raw(b"{}", old | {"Content-Type": "application/json"}))[0] == 401


async def test_a_rate_limit_says_how_long_to_wait(slack: SlackServer, client: AsyncWebClient):
    slack.faults.once("chat.postMessage", status=429, retry_after=2)

    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel="C1", text="hello")

    assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (429, "2")
    assert (await client.chat_postMessage(channel="C1", text="hello"))["ok"]
    assert len(slack.messages("C1")) == 1


async def test_a_dropped_answer_leaves_one_message_if_the_second_try_bears_the_same_id(
    slack: SlackServer, client: AsyncWebClient
):
    slack.faults.once("chat.postMessage", drop_after_accept=True)
    post = {"channel": "C1", "text": "hello", "client_msg_id": "4c2f"}

    with pytest.raises(ClientConnectionError):
        await client.chat_postMessage(**post)
    await client.chat_postMessage(**post)
    assert len(slack.messages("C1")) == 1

    slack.honours_client_msg_id = False
    await client.chat_postMessage(**post)
    assert len(slack.messages("C1")) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_page_instead_of_an_answer(slack: SlackServer, client: AsyncWebClient, status: int):
    slack.faults.once("chat.postMessage", status=status, html=True)

    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel="C1", text="hello")

    assert refusal.value.response.status_code == status
    assert slack.messages("C1") == []


async def test_a_call_that_hangs_ends_by_the_clients_own_patience(slack: SlackServer):
    slack.faults.once("chat.postMessage", hang=True)
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.base_url, timeout=0.1, retry_handlers=[])

    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel="C1", text="hello")


async def test_a_fault_may_hold_for_one_channel_for_good(slack: SlackServer, client: AsyncWebClient):
    slack.channel("C9", name="doomed")
    slack.faults.always("chat.postMessage", code="is_archived", to="C9")

    assert await error_of(client.chat_postMessage(channel="C9", text="x")) == "is_archived"
    assert await error_of(client.chat_postMessage(channel="C9", text="x")) == "is_archived"
    assert (await client.chat_postMessage(channel="C1", text="x"))["ok"]


async def test_an_edit_shows_in_the_channel(slack: SlackServer, client: AsyncWebClient):
    posted = await client.chat_postMessage(channel="C1", text="first", blocks=CARD, metadata=METADATA)
    await client.chat_update(channel="C1", ts=posted["ts"], text="second", blocks=[section("*Resolved*")])

    (message,) = slack.messages("C1")
    assert (message.text, message.words, message.edited) == ("second", "*Resolved*", 1)
    told = await client.conversations_history(channel="C1", include_all_metadata=True)
    assert told["messages"][0]["metadata"] == METADATA


async def test_a_user_id_opens_the_direct_channel(slack: SlackServer, client: AsyncWebClient):
    posted = await client.chat_postMessage(channel="U1", text="hello")

    assert posted["channel"] == slack.dm("U1") == "D1"
    assert [message.text for message in slack.messages("U1")] == ["hello"]


async def test_people_are_described_as_slack_does(slack: SlackServer, client: AsyncWebClient):
    person = (await client.users_info(user="U1", include_locale=True))["user"]

    assert (person["locale"], person["tz"], person["profile"]["real_name"]) == ("fr-FR", "Europe/Paris", "Ada")
    assert "locale" not in (await client.users_info(user="U1"))["user"]


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as refusal:
        await call
    return refusal.value.response["error"]


async def test_refusals_bear_slacks_own_words(slack: SlackServer, client: AsyncWebClient):
    slack.channel("C2", name="closed", archived=True)
    slack.channel("C3", name="elsewhere", bot_is_member=False)
    slack.person("U9", name="Gone", deleted=True)
    theirs = slack.say("C1", "U1", "mine")

    assert await error_of(client.chat_postMessage(channel="C0", text="x")) == "channel_not_found"
    assert await error_of(client.chat_postMessage(channel="C2", text="x")) == "is_archived"
    assert await error_of(client.chat_postMessage(channel="C3", text="x")) == "not_in_channel"
    assert await error_of(client.chat_postMessage(channel="U9", text="x")) == "channel_not_found"
    assert await error_of(client.conversations_open(users="U9")) == "user_disabled"
    assert await error_of(client.chat_postMessage(channel="C1", text="x", blocks=[{"type": "box"}])) == "invalid_blocks"
    assert await error_of(client.chat_update(channel="C1", ts="1.2", text="x")) == "message_not_found"
    assert await error_of(client.chat_update(channel="C1", ts=theirs.ts, text="x")) == "cant_update_message"
    assert await error_of(client.users_info(user="U0")) == "user_not_found"
    assert await error_of(client.api_call("chat.sing")) == "unknown_method"
    assert await error_of(AsyncWebClient(token="xoxb-no", base_url=slack.base_url).auth_test()) == "invalid_auth"
    assert await error_of(AsyncWebClient(base_url=slack.base_url).auth_test()) == "not_authed"


async def test_a_post_to_a_deactivated_person_with_an_open_dm_succeeds_unread(
    slack: SlackServer, client: AsyncWebClient
):
    slack.person("U9", name="Gone", deleted=True)
    slack.dm("U9")

    assert (await client.chat_postMessage(channel="U9", text="x"))["ok"]


async def test_a_missing_scope_is_named(slack: SlackServer, client: AsyncWebClient):
    slack.strict_scopes, slack.scopes = True, {"chat:write"}

    with pytest.raises(SlackApiError) as refusal:
        await client.users_info(user="U1")

    assert refusal.value.response["needed"] == "users:read"
    assert (await client.auth_test()).headers["x-oauth-scopes"] == "chat:write"


async def test_a_trigger_opens_one_view_and_only_for_three_seconds(slack: SlackServer, client: AsyncWebClient):
    now = [1_800_000_000.0]
    slack.clock = lambda: now[0]
    fresh, stale = slack.trigger("U1"), slack.trigger("U1")

    assert (await client.views_open(trigger_id=fresh, view=MODAL))["ok"]
    assert await error_of(client.views_open(trigger_id=fresh, view=MODAL)) == "exchanged_trigger_id"
    now[0] += 3.5
    assert await error_of(client.views_open(trigger_id=stale, view=MODAL)) == "expired_trigger_id"


async def test_a_response_url_works_five_times(slack: SlackServer):
    url = slack.response_url("U1", "C1")
    answers = []
    for _ in range(6):
        async with slack.client.post(url, json={"text": "hello"}) as answer:
            answers.append(answer.status)

    assert answers == [200] * 5 + [404]


def section(text: str, kind: str = "mrkdwn", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}, **more}


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, "no_text"),
        ({"blocks": [section("x")] * 51}, "limit 50"),
        ({"blocks": [section("")]}, "empty"),
        ({"blocks": [section("x" * 3001)]}, "limit 3000"),
        ({"blocks": [section("x" * 2990)] * 5}, "msg_blocks_too_long"),
        ({"blocks": [section("x", block_id="a"), section("y", block_id="a")]}, "block_id 'a' twice"),
        ({"blocks": [{"type": "actions", "elements": [BUTTON, BUTTON]}]}, "action_id 'ack:7' twice"),
        ({"blocks": [{"type": "actions", "elements": [BUTTON | {"value": "x" * 2001}]}]}, "limit 2000"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "must be plain_text"),
        ({"text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        (MODAL | {"title": {"type": "plain_text", "text": "x" * 25}}, "limit 24"),
        (MODAL | {"private_metadata": "x" * 3001}, "limit 3000"),
    ],
)
def test_the_limits_table(payload: dict[str, Any], problem: str):
    assert problem in "\n".join(problems(payload))


def test_what_fits_has_no_problems():
    assert problems({"text": "x", "blocks": CARD, "metadata": METADATA}) == []
    assert problems(MODAL) == []


def test_mentions_live_in_markup_only():
    plain = section("<!channel>", "plain_text")
    live = section("<!here> <@U1> <!subteam^S1|@ops> &lt;!everyone&gt;")

    assert live_mentions({"text": "hello", "blocks": [plain]}) == []
    assert live_mentions({"text": "<!channel>", "blocks": [live]}) == [
        "<!channel>",
        "<!here>",
        "<@U1>",
        "<!subteam^S1|@ops>",
    ]
