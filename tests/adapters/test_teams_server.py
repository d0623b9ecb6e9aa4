"""The local Teams is Teams enough for the real SDK: its authentication, its adapter and its Connector client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msal
import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from botbuilder.core import BotAdapter, TurnContext
from botbuilder.core.cloud_adapter_base import CloudAdapterBase
from botbuilder.core.teams import TeamsActivityHandler
from botbuilder.schema import (
    Activity,
    AdaptiveCardInvokeResponse,
    Attachment,
    ChannelAccount,
    ConversationParameters,
    ConversationReference,
    ErrorResponseException,
    Mention,
)
from botbuilder.schema.teams import TaskModuleContinueResponse, TaskModuleResponse, TaskModuleTaskInfo
from botframework.connector import Channels
from botframework.connector.aio import ConnectorClient
from botframework.connector.auth import (
    AppCredentials,
    BotFrameworkAuthenticationFactory,
    ChannelValidation,
    ServiceClientCredentialsFactory,
)
from msrest.exceptions import ClientRequestError, DeserializationError

from tests.teams_server import CARD, Door, TeamsServer, activity_problems, card_problems
from tests.teams_tokens import LOGIN, SCOPE

TEAM, HELP = "19:team@thread.tacv2", "19:help@thread.tacv2"
REASON = {"type": "Input.Text", "id": "reason", "label": "Reason", "isRequired": True, "errorMessage": "?"}


def execute(title: str, verb: str, **data: Any) -> dict[str, Any]:
    fallback = {"type": "Action.Submit", "title": title, "data": {"verb": verb, **data}}
    return {"type": "Action.Execute", "title": title, "verb": verb, "data": data, "fallback": fallback}


def card(said: str, *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = [{"type": "TextBlock", "text": said}]
    return {"type": "AdaptiveCard", "version": "1.5", "body": body, "actions": list(actions)} | more


DIALOG = {"type": "Action.Submit", "title": "Resolve…", "data": {"id": "7", "msteams": {"type": "task/fetch"}}}
POST = card("Checkout fails", execute("Acknowledge", "ack", id="7"), DIALOG)
FORM = card("Why?", {"type": "Action.Submit", "title": "Send", "data": {"form": "resolve"}})
FORM["body"].append(REASON)


def with_card(content: dict[str, Any], text: str | None = None) -> Activity:
    return Activity(type="message", text=text, attachments=[Attachment(content_type=CARD, content=content)])


class Credentials(AppCredentials):
    """A token fetched beforehand."""

    token = ""

    def get_access_token(self, force_refresh: bool = False) -> str:
        return self.token


class Factory(ServiceClientCredentialsFactory):
    """One credentials object for ever, instead of a new MSAL client each turn."""

    def __init__(self, app_id: str, tenant: str) -> None:
        self.app_id, self.credentials = app_id, Credentials(app_id, tenant)

    async def is_valid_app_id(self, app_id: str) -> bool:
        return app_id == self.app_id

    async def is_authentication_disabled(self) -> bool:
        return False

    async def create_credentials(
        self, app_id: str, oauth_scope: str, login_endpoint: str, validate_authority: bool
    ) -> AppCredentials:
        return self.credentials


class Bot(TeamsActivityHandler):
    """Says what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers: dict[str, Any] = {}

    async def on_message_activity(self, turn_context: TurnContext) -> None:
        TurnContext.remove_recipient_mention(turn_context.activity)
        self.heard.append(turn_context.activity.text or json.dumps(turn_context.activity.value))
        self.heard[-1] = self.heard[-1].strip()
        await turn_context.send_activity(f"heard {self.heard[-1]}")

    async def on_adaptive_card_invoke(self, turn_context: TurnContext, invoke_value: Any) -> AdaptiveCardInvokeResponse:
        self.heard.append(f"{invoke_value.action['verb']} {invoke_value.action['data']}")
        return AdaptiveCardInvokeResponse(status_code=200, type=CARD, value=card("Acknowledged"))

    async def on_teams_task_module_fetch(self, turn_context: TurnContext, task_module_request: Any) -> Any:
        shown = Attachment(content_type=CARD, content=FORM)
        return TaskModuleResponse(task=TaskModuleContinueResponse(value=TaskModuleTaskInfo(title="Form", card=shown)))

    async def on_teams_task_module_submit(self, turn_context: TurnContext, task_module_request: Any) -> None:
        self.heard.append(json.dumps(task_module_request.data))

    async def on_teams_messaging_extension_fetch_task(self, turn_context: TurnContext, action: Any) -> Any:
        self.heard.append(action.message_payload.body.content)
        return await self.on_teams_task_module_fetch(turn_context, action)

    async def on_teams_messaging_extension_submit_action(self, turn_context: TurnContext, action: Any) -> Any:
        self.heard.append(f"{action.command_id} {action.data['reason']}")

    async def on_conversation_update_activity(self, turn_context: TurnContext) -> None:
        data = turn_context.activity.channel_data
        self.heard.append(data.get("eventType") or "joined")

    async def on_installation_update(self, turn_context: TurnContext) -> None:
        self.heard.append(f"installed {turn_context.activity.action}")


class App:
    """The SDK behind an endpoint of our own."""

    def __init__(self, teams: TeamsServer) -> None:
        self.teams, self.bot = teams, Bot()
        self.factory = Factory(teams.app_id, teams.tenant)
        self.auth = BotFrameworkAuthenticationFactory.create(credential_factory=self.factory)
        self.adapter: BotAdapter = CloudAdapterBase(self.auth)  # type: ignore[abstract]

    async def log_in(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self.teams.app_id, "scope": SCOPE}
        form["client_secret"] = self.teams.password
        async with ClientSession() as session, session.post(self.teams.identity.token_url, data=form) as answer:
            self.factory.credentials.token = (await answer.json())["access_token"]

    async def serve(self, request: web.Request) -> web.Response:
        try:
            activity = Activity().deserialize(await request.json())
            result = await self.auth.authenticate_request(activity, request.headers.get("Authorization", ""))
        except Exception as error:  # the SDK raises what it likes
            return web.Response(status=401, text=type(error).__name__)
        answer = await self.adapter.process_activity(result, activity, self.bot.on_turn)  # type: ignore[attr-defined]
        if answer is None:
            return web.Response(status=202)
        body = answer.body if answer.body is None or isinstance(answer.body, dict) else answer.body.serialize()
        return web.json_response(body, status=answer.status)

    async def client(self) -> ConnectorClient:
        claims = self.adapter.create_claims_identity(self.teams.app_id)  # type: ignore[attr-defined]
        return await self.auth.create_connector_factory(claims).create(self.teams.service_url)

    async def chat(self, user: str) -> str:
        asked = ConversationParameters(
            is_group=False,
            bot=ChannelAccount(id=self.teams.bot["id"]),
            members=[ChannelAccount(id=self.teams.people[user].mri)],
            tenant_id=self.teams.tenant,
        )
        return (await (await self.client()).conversations.create_conversation(asked)).id


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TeamsServer]:
    async with TeamsServer() as server:
        server.person("ada", name="Ada", locale="fr-FR", tz="Europe/Paris")
        server.person("grace", name="Grace")
        server.team(TEAM, name="Support")
        server.channel(HELP, name="help", team=TEAM)
        monkeypatch.setattr(ChannelValidation, "open_id_metadata_endpoint", server.identity.openid_url)
        yield server
        assert server.complaints == []


@pytest.fixture
async def app(teams: TeamsServer) -> App:
    app = App(teams)
    await app.log_in()
    return app


@pytest.fixture
async def door(teams: TeamsServer, app: App) -> AsyncIterator[Door]:
    served = web.Application()
    served.router.add_post("/api/messages", app.serve)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield teams.door(f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages", timeout=5)
    await runner.cleanup()


async def test_a_message_in_and_a_reply_out(teams: TeamsServer, app: App, door: Door) -> None:
    ack = await door.direct_message("hello", user="ada")
    again = await door.again(ack)

    assert (ack.status, again.status) == (202, 202)
    assert [said.words for said in teams.messages("ada")] == ["hello", "heard hello", "heard hello"]
    assert teams.calls[-1].method == "activities.reply"
    assert teams.identity.fetches == {"token": 1, "openid": 1, "jwks": 1}


async def test_a_mention_is_answered_in_its_thread(teams: TeamsServer, app: App, door: Door) -> None:
    root = teams.say(HELP, "grace", "checkout fails")
    await door.mention("who is it", user="ada", channel=HELP, thread=root.id)

    assert app.bot.heard == ["who is it"]
    assert [said.words for said in teams.messages(HELP, thread=root.id)][-1] == "heard who is it"
    assert teams.messages(HELP)[-1].is_reply


async def test_posts_and_their_update(teams: TeamsServer, app: App) -> None:
    client = await app.client()
    asked = ConversationParameters(
        is_group=True, channel_data={"channel": {"id": HELP}}, activity=with_card(POST), tenant_id=teams.tenant
    )
    made = await client.conversations.create_conversation(asked)
    post = teams.messages(HELP)[-1]
    post.views["ada"] = card("only for Ada")
    await client.conversations.send_to_conversation(made.id, Activity(type="message", text="under it"))
    await client.conversations.update_activity(made.id, made.activity_id, with_card(card("Resolved")))

    assert made.id == f"{HELP};messageid={made.activity_id}"
    assert [said.words for said in teams.messages(made.id)] == ["Resolved", "under it"]
    assert (post.edited, post.views, post.versions) == (1, {}, [("", POST)])
    await client.conversations.delete_activity(made.id, made.activity_id)
    assert [said.words for said in teams.messages(HELP)] == ["under it"]


async def test_the_adapter_opens_a_chat_and_continues_it(teams: TeamsServer, app: App) -> None:
    references: list[ConversationReference] = []

    async def first(context: TurnContext) -> None:
        references.append(TurnContext.get_conversation_reference(context.activity))
        await context.send_activity(with_card(POST, "hi"))

    asked = ConversationParameters(
        is_group=False,
        bot=ChannelAccount(id=teams.bot["id"]),
        members=[ChannelAccount(id="ada")],
        tenant_id=teams.tenant,
    )
    await app.adapter.create_conversation(teams.app_id, first, asked, Channels.ms_teams, teams.service_url)  # type: ignore[call-arg]

    async def second(context: TurnContext) -> None:
        await context.send_activity("and again")

    await app.adapter.continue_conversation(references[0], second, teams.app_id)
    assert [said.words for said in teams.messages("ada")] == ["hi\nCheckout fails", "and again"]


async def test_mentions_need_their_entity(teams: TeamsServer, app: App) -> None:
    client, chat, ada = await app.client(), await app.chat("ada"), teams.people["ada"]
    mention = Mention(mentioned=ChannelAccount(id=ada.mri, name="Ada"), text="<at>Ada</at>", type="mention")
    said = Activity(type="message", text="<at>Ada</at>, look", entities=[mention])
    await client.conversations.send_to_conversation(chat, said)

    assert teams.messages("ada")[-1].mentions == [ada.mri]
    assert activity_problems({"text": "<at>Ada</at>"}, {ada.mri}) == ["<at>Ada</at> has no mention entity"]


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
async def test_an_error_is_raised_after_one_post(teams: TeamsServer, app: App, status: int) -> None:
    client, chat = await app.client(), await app.chat("ada")
    teams.faults.once("activities.send", status=status, retry_after=7, to="ada")
    with pytest.raises(ErrorResponseException) as raised:
        await client.conversations.send_to_conversation(chat, Activity(type="message", text="hi"))

    assert raised.value.response.status_code == status
    assert raised.value.response.headers["Retry-After"] == "7"
    assert teams.count("activities.send") == 1
    assert teams.messages("ada") == []


async def test_a_dropped_answer_is_a_request_error_and_the_message_stands(teams: TeamsServer, app: App) -> None:
    client, chat = await app.client(), await app.chat("ada")
    teams.faults.once("activities.send", drop_after_accept=True)
    with pytest.raises(ClientRequestError):
        await client.conversations.send_to_conversation(chat, Activity(type="message", text="hi"))

    assert teams.count("activities.send") == 1
    assert len(teams.messages("ada")) == 1


async def test_an_html_error_loses_its_status_in_the_sdk(teams: TeamsServer, app: App) -> None:
    conversations, chat = (await app.client()).conversations, await app.chat("ada")
    teams.faults.once("activities.send", status=502, html=True)
    with pytest.raises(DeserializationError):
        await conversations.send_to_conversation(chat, Activity(type="message", text="hi"))


async def test_the_sdk_repeats_updates_by_itself(teams: TeamsServer, app: App) -> None:
    post = await posted(teams, app, POST)
    teams.faults.once("activities.update", drop_after_accept=True)
    await (await app.client()).conversations.update_activity(post.conversation, post.id, with_card(card("new")))

    assert teams.count("activities.update") == 2
    assert post.words == "new"


async def refusal(sending: Any) -> tuple[int, str]:
    with pytest.raises(ErrorResponseException) as raised:
        await sending
    return raised.value.response.status_code, raised.value.error.error.code


async def test_what_the_connector_refuses(teams: TeamsServer, app: App) -> None:
    conversations, chat = (await app.client()).conversations, await app.chat("ada")
    hello = Activity(type="message", text="hi")
    teams.people["grace"].installed = False
    assert await refusal(app.chat("grace")) == (403, "BotNotInConversationRoster")
    teams.people["ada"].blocked = True
    assert await refusal(conversations.send_to_conversation(chat, hello)) == (403, "MessageWritesBlocked")
    teams.people["ada"].blocked = False
    assert await refusal(conversations.send_to_conversation("a:nobody", hello)) == (404, "ConversationNotFound")
    long = Activity(type="message", text="x" * 60_000)
    assert await refusal(conversations.send_to_conversation(chat, long)) == (413, "MessageSizeTooBig")
    missing = conversations.update_activity(chat, "17", hello)
    assert await refusal(missing) == (404, "ActivityNotFoundInConversation")
    teams.teams[TEAM].installed = False
    assert await refusal(conversations.send_to_conversation(HELP, hello)) == (403, "BotNotInConversationRoster")
    teams.identity.revoke()
    assert await refusal(conversations.send_to_conversation(chat, hello)) == (401, "Unauthorized")
    assert teams.messages("ada") == []


async def test_too_many_sends_in_a_second(teams: TeamsServer, app: App) -> None:
    teams.throttles, teams.clock = True, lambda: 1_800_000_000.0
    conversations, chat = (await app.client()).conversations, await app.chat("ada")
    for _ in range(7):
        await conversations.send_to_conversation(chat, Activity(type="message", text="hi"))
    assert await refusal(conversations.send_to_conversation(chat, Activity(type="message", text="hi"))) == (
        429,
        "Throttled",
    )


async def test_members(teams: TeamsServer, app: App) -> None:
    conversations = (await app.client()).conversations
    ada = await conversations.get_conversation_member(HELP, teams.people["ada"].mri)
    everyone = await conversations.get_conversation_members(HELP)

    assert (ada.name, ada.aad_object_id) == ("Ada", "ada")
    assert [member.name for member in everyone] == ["Ada", "Grace"]
    assert await refusal(conversations.get_conversation_member(HELP, "29:nobody")) == (
        404,
        "MemberNotFoundInConversation",
    )


async def posted(teams: TeamsServer, app: App, content: dict[str, Any]) -> Any:
    await (await app.client()).conversations.send_to_conversation(await app.chat("ada"), with_card(content))
    return teams.messages("ada")[-1]


async def test_buttons_with_both_kinds_of_action(teams: TeamsServer, app: App, door: Door) -> None:
    nested = card("More", {"type": "Action.ShowCard", "title": "Show", "card": POST})
    post = await posted(teams, app, nested)
    pressed = await door.execute(post, "Acknowledge", user="ada")
    post.views.clear()
    submitted = await door.submit(post, "Acknowledge", user="ada")

    assert pressed.card == card("Acknowledged")
    assert (pressed.text, submitted.ok) == ("Acknowledged", True)
    assert app.bot.heard == ["ack {'id': '7'}", '{"verb": "ack", "id": "7"}']
    assert post.controls == ["Show", "Acknowledge", "Resolve…"]


async def test_a_refresh_shows_one_reader_a_card_of_their_own(teams: TeamsServer, app: App, door: Door) -> None:
    refresh = {"action": {"type": "Action.Execute", "verb": "view"}, "userIds": [teams.people["ada"].mri]}
    post = await posted(teams, app, card("Everyone's", refresh=refresh))
    await door.refresh(post, user="ada")

    assert (post.words_for("ada"), post.words_for("grace")) == ("Acknowledged", "Everyone's")
    with pytest.raises(LookupError):
        await door.refresh(post, user="grace")


async def test_dialogs(teams: TeamsServer, app: App, door: Door) -> None:
    post = await posted(teams, app, POST)
    form = (await door.task_fetch(post, "Resolve…", user="ada")).form
    assert form is not None
    assert (form.words, form.controls, form.fields) == ("Form\nWhy?\nReason", ["Send"], {"reason": "Reason"})
    with pytest.raises(ValueError, match="required"):
        await door.task_submit(form, {})
    await door.task_submit(form, {"Reason": "rolled back"})

    assert app.bot.heard == ['{"form": "resolve", "reason": "rolled back"}']
    assert teams.forms["ada"] == []


async def test_a_message_extension_on_a_message(teams: TeamsServer, app: App, door: Door) -> None:
    said = teams.say(HELP, "grace", "it <burns>")
    form = (await door.compose_fetch(said, user="ada")).form
    assert form is not None
    await door.compose_submit(form, {"Reason": "fire"})
    assert app.bot.heard == ["<div>it &lt;burns&gt;</div>", "escalate fire"]


async def test_coming_and_going(teams: TeamsServer, app: App, door: Door) -> None:
    await door.installed("ada")
    await door.installed("ada", team=TEAM)
    await door.channel_event("channelRenamed", channel=HELP, user="ada", name="aid")
    await door.uninstalled("ada")

    told = ["installed add", "joined", "installed add", "joined", "channelRenamed", "installed remove"]
    assert app.bot.heard == told
    assert teams.channels[HELP].name == "aid"
    assert (await refusal(app.chat("ada")))[0] == 403


SDK_LETS_PASS = {"no exp"}


async def test_forged_tokens_are_refused(teams: TeamsServer, app: App, door: Door) -> None:
    activity = door.activity(user="ada")
    answers = {name: (await door.raw(activity, header=header))[0] for name, header in door.forgeries().items()}

    assert len(answers) >= 20
    assert {name for name, status in answers.items() if status != 401} == SDK_LETS_PASS
    assert (await door.raw(activity, door.token()))[0] == 202


async def test_keys_rotate_and_the_identity_endpoints_can_be_slow_or_away(
    teams: TeamsServer, app: App, door: Door
) -> None:
    await door.direct_message("hello", user="ada")
    teams.identity.rotate()
    assert (await door.direct_message("with a new key", user="ada")).status == 401, "the SDK never refetches in time"
    teams.identity.faults.once("token", status=503)
    async with ClientSession() as session, session.post(teams.identity.token_url) as answer:
        assert answer.status == 503
    teams.identity.away = True
    with pytest.raises(ClientConnectionError):
        await app.log_in()
    teams.identity.away = False
    teams.identity.faults.once("token", delay=0.2)
    start = time.monotonic()
    await app.log_in()
    assert time.monotonic() - start > 0.2


async def test_msal_gets_its_tokens_here(teams: TeamsServer) -> None:
    def log_in(secret: str) -> Any:
        with teams.identity.session() as session:
            client = msal.ConfidentialClientApplication(
                teams.app_id, client_credential=secret, authority=f"{LOGIN}/{teams.tenant}", http_client=session
            )
            return client.acquire_token_for_client([SCOPE])

    got = await asyncio.to_thread(log_in, teams.password)
    assert teams.identity.accepts(f"Bearer {got['access_token']}")
    assert (await asyncio.to_thread(log_in, "wrong"))["error"] == "invalid_client"
    assert teams.identity.fetches == {"discovery": 3, "token": 2}


async def test_a_managed_identity_gets_its_tokens_here(teams: TeamsServer) -> None:
    query = {"api-version": "2018-02-01", "resource": "https://api.botframework.com", "client_id": teams.app_id}
    async with ClientSession() as session:
        url = teams.identity.managed_identity_url
        async with session.get(url, params=query, headers={"Metadata": "true"}) as answer:
            assert teams.identity.accepts(f"Bearer {(await answer.json())['access_token']}")
        async with session.get(url, params=query) as answer:
            assert answer.status == 400


def test_what_is_wrong_with_cards() -> None:
    assert card_problems(POST) == []
    assert card_problems(card("x" * 30_000)) == ["card of 30102 bytes, more than 28672"]
    broken = [{"type": "Action.Execute", "title": "Go"}, {"type": "Action.Http", "title": "Go"}]
    assert card_problems(card("x", *broken)) == [
        "Action.Execute 'Go' without a verb",
        "unknown type 'Action.Http'",
    ]
    assert card_problems(card("<at>Ada</at>")) == ["<at>Ada</at> has no entity in msteams.entities"]
    assert card_problems(card("{{TIME(2026-01-05T09:00:00.5Z)}}")) == [
        "'2026-01-05T09:00:00.5Z' is no time that DATE or TIME understands"
    ]
    action = {"type": "Action.Execute", "verb": "view"}
    crowd = card("x", refresh={"action": action, "userIds": [str(number) for number in range(61)]})
    assert card_problems(crowd) == ["refresh for 61 people, more than 60"]
