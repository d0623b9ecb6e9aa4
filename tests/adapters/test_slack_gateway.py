"""Sending over the real SDK and real HTTP: each error of the table, nothing twice, deactivated people found out."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.gateway import OPENED_FOR, SlackChat, SlackMembership, web_client
from adapters.slack.people import SlackPeople
from adapters.slack.refusals import (
    CUT_OFF,
    NO_CONNECTION,
    NOT_AN_ANSWER,
    RENDERING,
    TIMED_OUT,
    VERDICTS,
    Verdict,
    verdict_of,
)
from bot.commands import Standing
from bot.delivery import MessageRef
from bot.directory import Address, Binding, Directory, PersonId, WorkspaceId
from bot.errors import DeliveryError, Refused, StoreUnavailable, Unreachable
from bot.message import Line, Profile
from bot.plan import EN, RoleId
from bot.rich import Mention
from tests.fakes import FakeClock
from tests.slack_server import SlackServer

C1, U1, U9 = Address("slack:C1"), Address("slack:U1"), Address("slack:U9")
HELLO = Line(EN, ("<!channel> hello ", Mention(PersonId(U1))), "hello")
CANARY = "xoxb-canary-4711"


class PeopleInMemory:
    """`bot.ports.People`, or a store that is away."""

    def __init__(self) -> None:
        self.told: list[Profile] = []
        self.away = False
        self.groups: dict[Address, tuple[PersonId, ...]] = {}

    def profile(self, person: PersonId) -> Profile:
        return Profile(person, person)

    async def remember(self, profile: Profile) -> None:
        if self.away:
            raise StoreUnavailable
        self.told.append(profile)

    def members(self, group: Address) -> tuple[PersonId, ...]:
        return self.groups.get(group, ())

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        self.groups[group] = members

    async def choose_language(self, person: PersonId, language: str) -> None:
        raise NotImplementedError


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(bot_token=CANARY) as server:
        server.person("U1", name="Ada", locale="fr-FR")
        server.person("U2", name="Grace")
        server.person("U9", name="Gone", deleted=True)
        server.channel("C1", name="support", members={"U1", "U2"})
        yield server
        assert server.complaints == []


@pytest.fixture
def client(slack: SlackServer) -> AsyncWebClient:
    return web_client(CANARY, base_url=slack.base_url, timeout=1)


@pytest.fixture
def chat(client: AsyncWebClient, clock: FakeClock) -> SlackChat:
    return SlackChat(client, str, clock)


@pytest.fixture
def people() -> PeopleInMemory:
    return PeopleInMemory()


@pytest.fixture
def somebody(client: AsyncWebClient, clock: FakeClock, people: PeopleInMemory) -> SlackPeople:
    binding = Binding(owners=(PersonId(U1), PersonId(Address("local:x"))), groups=(Address("slack:S1"),))
    directory = Directory(WorkspaceId("acme"), "Acme", "office", roles={RoleId("support"): binding})
    return SlackPeople(client, people, lambda: directory, clock, team="T1")


async def failing(chat: SlackChat, to: Address = C1) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await chat.post(to, HELLO, key="k1")
    assert CANARY not in str(caught.value) + repr(caught.value.__cause__)
    return caught.value


async def test_a_message_arrives_with_its_reference(slack: SlackServer, chat: SlackChat):
    ref = await chat.post(C1, HELLO, key="k1")

    (said,) = slack.messages("C1")
    assert ref == MessageRef(C1, "C1", said.ts, f"https://acme.slack.com/archives/C1/p{said.ts.replace('.', '')}")
    assert said.blocks[0]["text"]["text"] == "&lt;!channel&gt; hello <@U1>"
    assert said.metadata == {"event_type": "echelon_delivery", "event_payload": {"key": "k1"}}
    assert slack.calls[0].args["parse"] == "none"
    assert (slack.calls[0].args["link_names"], slack.calls[0].args["unfurl_links"]) == (False, False)


async def test_a_message_without_a_link_is_a_message(slack: SlackServer, chat: SlackChat):
    slack.faults.once("chat.getPermalink", code="internal_error")

    assert (await chat.post(C1, HELLO, key="k1")).link is None


async def test_a_thread_holds_what_follows(slack: SlackServer, chat: SlackChat):
    root = await chat.post(U1, HELLO, key="k1")
    note = await chat.post(U1, HELLO, key="k2", thread=root)

    assert [said.thread_ts for said in slack.messages("U1")] == [None, root.id]
    assert (root.to, root.place, note.place) == (U1, "D1", "D1")
    assert slack.count("conversations.open") == 1


async def test_an_edit_shows_in_place_and_rings_nobody(slack: SlackServer, chat: SlackChat):
    ref = await chat.post(C1, HELLO, key="k1")
    await chat.edit(ref, Line(EN, ("resolved @here",), "resolved"))

    (said,) = slack.messages("C1")
    assert (said.text, said.words, said.edited) == ("resolved", "resolved @here", 1)
    assert slack.calls[-1].args["parse"] == "none"


REFUSALS = sorted(code for code, verdict in VERDICTS.items() if verdict is Verdict.REFUSED)
OTHERS = sorted(set(VERDICTS) - set(REFUSALS) - set(RENDERING))


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_place_that_never_will_is_refused(slack: SlackServer, chat: SlackChat, code: str):
    slack.faults.once("chat.postMessage", code=code)

    error = await failing(chat)

    assert (type(error), error.reason) == (Refused, code)


@pytest.mark.parametrize("code", RENDERING)
async def test_blocks_that_slack_does_not_like_become_a_plain_line(slack: SlackServer, chat: SlackChat, code: str):
    slack.faults.once("chat.postMessage", code=code)
    slack.faults.once("chat.update", code=code)

    ref = await chat.post(C1, HELLO, key="k1")
    await chat.edit(ref, Line(EN, ("resolved",), "resolved in plain"))

    (said,) = slack.messages("C1")
    assert (said.blocks, said.text, said.versions[0][0]) == ([], "resolved in plain", "hello")


@pytest.mark.parametrize("code", [*OTHERS, "an_error_of_next_year"])
async def test_what_may_pass_is_tried_again(slack: SlackServer, chat: SlackChat, code: str):
    slack.faults.once("chat.postMessage", code=code)

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert (error.reason, error.uncertain) == (code, VERDICTS.get(code) is Verdict.UNCERTAIN)


async def test_a_rate_limit_names_its_time(slack: SlackServer, chat: SlackChat):
    slack.faults.once("chat.postMessage", status=429, retry_after=17)

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert (error.reason, error.retry_after, error.uncertain) == ("ratelimited", 17.0, False)
    assert slack.count("chat.postMessage") == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("html", [True, False])
async def test_a_broken_service_may_have_taken_it(slack: SlackServer, chat: SlackChat, status: int, html: bool):
    slack.faults.once("chat.postMessage", status=status, html=html)

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert error.uncertain
    assert error.reason == (f"http_{status}" if html else "internal_error")


async def test_a_page_that_claims_to_be_fine_is_no_answer(slack: SlackServer, chat: SlackChat):
    slack.faults.once("chat.postMessage", status=200, html=True)

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert (error.reason, error.uncertain) == (NOT_AN_ANSWER, True)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [({"hang": True}, TIMED_OUT), ({"drop": True}, CUT_OFF), ({"drop_after_accept": True}, CUT_OFF)],
)
async def test_silence_is_uncertain(slack: SlackServer, chat: SlackChat, fault: dict, reason: str):
    slack.faults.once("chat.postMessage", **fault)

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert (error.reason, error.uncertain) == (reason, True)
    assert slack.count("chat.postMessage") == 1


async def test_without_a_connection_nothing_was_sent(clock: FakeClock):
    error = await failing(SlackChat(web_client(CANARY, base_url="http://127.0.0.1:9/api/", timeout=1), str, clock))

    assert isinstance(error, Unreachable)
    assert (error.reason, error.uncertain) == (NO_CONNECTION, False)


async def test_a_second_try_with_the_same_key_is_the_same_message(slack: SlackServer, chat: SlackChat):
    slack.faults.once("chat.postMessage", drop_after_accept=True)

    await failing(chat)
    ref = await chat.post(C1, HELLO, key="k1")

    assert [said.ts for said in slack.messages("C1")] == [ref.id]
    await chat.post(C1, HELLO, key="k2")
    assert len(slack.messages("C1")) == 2


async def test_an_uncertain_direct_message_is_found_by_its_key(slack: SlackServer, chat: SlackChat):
    slack.honours_client_msg_id = False
    slack.faults.once("chat.postMessage", drop_after_accept=True)

    await failing(chat, U1)
    found = await chat.find(U1, "k1")

    assert found
    assert found.id == slack.messages("U1")[0].ts
    note = await chat.post(U1, HELLO, key="k2", thread=found)
    assert await chat.find(U1, "k2", thread=found) == note
    assert await chat.find(U1, "k3") is None


async def test_channels_are_never_searched(slack: SlackServer, chat: SlackChat):
    ref = await chat.post(C1, HELLO, key="k1")

    assert await chat.find(C1, "k1") is None
    assert await chat.find(U1, "k2", thread=ref) is None
    assert slack.count("conversations.history") + slack.count("conversations.replies") == 0


async def test_a_search_that_fails_is_tried_again(slack: SlackServer, chat: SlackChat):
    slack.faults.once("conversations.history", status=429, retry_after=3)

    with pytest.raises(Unreachable):
        await chat.find(U1, "k1")


async def test_deactivated_people_are_found_out_though_the_post_would_succeed(
    slack: SlackServer, chat: SlackChat, clock: FakeClock
):
    slack.dm("U9")
    assert (await failing(chat, U9)).reason == "user_disabled"

    await chat.post(U1, HELLO, key="k1")
    slack.people["U1"].deleted = True
    clock.forward(seconds=OPENED_FOR + 1)
    assert isinstance(await failing(chat, U1), Refused)


async def test_places_that_refuse_say_so_in_slacks_words(slack: SlackServer, chat: SlackChat):
    slack.channel("C2", name="closed", archived=True)
    slack.channel("C3", name="elsewhere", bot_is_member=False)
    said = slack.say("C1", "U1", "mine")

    assert (await failing(chat, Address("slack:C0"))).reason == "channel_not_found"
    assert (await failing(chat, Address("slack:C2"))).reason == "is_archived"
    assert (await failing(chat, Address("slack:C3"))).reason == "not_in_channel"
    assert (await failing(chat, Address("slack:U0"))).reason == "user_not_found"
    assert (await failing(chat, Address("slack:UBOT"))).reason == "cannot_dm_bot"
    for ts, reason in ((said.ts, "cant_update_message"), ("1.1", "message_not_found")):
        with pytest.raises(Refused) as refused:
            await chat.edit(MessageRef(C1, "C1", ts), HELLO)
        assert refused.value.reason == reason


async def test_a_revoked_token_is_no_fault_of_the_place(slack: SlackServer, chat: SlackChat):
    slack.token_error = "token_revoked"

    error = await failing(chat)

    assert isinstance(error, Unreachable)
    assert error.reason == "token_revoked"


def test_a_half_read_response_is_understood():
    class Half:
        status = 502
        headers = {"Retry-After": "soon"}  # noqa: RUF012

    error = verdict_of(SlackApiError("no JSON", Half()))  # type: ignore[arg-type]

    assert isinstance(error, Unreachable)
    assert (error.reason, error.retry_after, error.uncertain) == ("http_502", None, True)


async def test_members_see_what_was_posted_where_they_are(slack: SlackServer, client: AsyncWebClient, clock: FakeClock):
    membership = SlackMembership(client, clock)

    assert await membership.in_any(PersonId(U1), [Address("slack:C0"), Address("local:c"), C1])
    assert not await membership.in_any(PersonId(U9), [C1])
    assert not await membership.in_any(PersonId(Address("local:ada")), [C1])
    assert slack.count("conversations.members") == 2

    slack.channels["C1"].members.discard("U1")
    clock.forward(seconds=61)
    assert not await membership.in_any(PersonId(U1), [C1])


async def test_a_crowd_is_read_page_by_page(slack: SlackServer, client: AsyncWebClient, clock: FakeClock):
    slack.channel("C5", name="all", members={f"U{n}" for n in range(100, 2600)})

    assert await SlackMembership(client, clock).in_any(PersonId(Address("slack:U2599")), [Address("slack:C5")])
    assert slack.count("conversations.members") == 3


@pytest.mark.parametrize(
    ("how", "standing"),
    [
        ({}, Standing.MEMBER),
        ({"guest": True}, Standing.GUEST),
        ({"guest": "single"}, Standing.GUEST),
        ({"bot": True}, Standing.BOT),
        ({"team": "T2"}, Standing.FOREIGN),
        ({"deleted": True}, Standing.FOREIGN),
    ],
)
async def test_slack_says_who_somebody_is(slack: SlackServer, somebody: SlackPeople, how: dict, standing: Standing):
    slack.person("U7", name="Someone", **how)

    actor = await somebody.actor("U7", team="T1", channel="C1")

    assert (actor.person, actor.standing, actor.seen_in) == ("slack:U7", standing, "slack:C1")
    assert (await somebody.actor("U7", channel="D7")).seen_in is None
    assert slack.count("users.info") == 1


async def test_when_slack_does_not_say_the_request_decides(slack: SlackServer, somebody: SlackPeople):
    slack.faults.always("users.info", code="internal_error")

    assert (await somebody.actor("U1", team="T1")).standing is Standing.MEMBER
    assert (await somebody.actor("U1", team="T2")).standing is Standing.FOREIGN


async def test_what_was_known_stays_known_when_slack_is_away(
    slack: SlackServer, somebody: SlackPeople, clock: FakeClock
):
    slack.person("U7", name="Guest", guest=True)
    await somebody.actor("U7")
    slack.faults.always("users.info", status=503)
    clock.forward(hours=1)

    assert (await somebody.actor("U7", team="T1")).standing is Standing.GUEST


async def test_names_and_languages_are_remembered_once(
    slack: SlackServer, somebody: SlackPeople, people: PeopleInMemory, clock: FakeClock
):
    slack.group("S1", members=["U2"])

    await somebody.refresh()
    clock.forward(hours=1)
    await somebody.refresh()

    assert people.members(Address("slack:S1")) == ("slack:U2",)
    assert people.told == [Profile(PersonId(U1), "Ada", "fr"), Profile(PersonId(Address("slack:U2")), "Grace", "en")]


async def test_a_group_keeps_its_members_while_slack_is_away(
    slack: SlackServer, somebody: SlackPeople, people: PeopleInMemory
):
    slack.group("S1", members=["U2"])
    await somebody.refresh()
    slack.faults.always("*", status=503)

    await somebody.refresh()

    assert people.members(Address("slack:S1")) == ("slack:U2",)
    assert people.members(Address("slack:S2")) == ()


async def test_a_store_that_is_away_does_not_hide_who_somebody_is(somebody: SlackPeople, people: PeopleInMemory):
    people.away = True

    assert (await somebody.actor("U1")).standing is Standing.MEMBER


async def test_a_name_that_could_not_be_stored_is_stored_the_next_time_that_slack_tells_it(
    somebody: SlackPeople, people: PeopleInMemory, clock: FakeClock
):
    people.away = True
    await somebody.actor("U1")
    people.away = False
    clock.forward(hours=1)

    await somebody.actor("U1")

    assert people.told == [Profile(PersonId(U1), "Ada", "fr")]
