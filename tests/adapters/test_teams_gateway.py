"""Sending over real HTTP: each error of the table, nothing twice, chats created where they are not known, limits kept."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.outbound import Outbound
from adapters.teams import checks
from adapters.teams.cards import CARD_BYTES, size
from adapters.teams.connector import Place
from adapters.teams.credentials import AHEAD, Credentials, ManagedIdentity, Secret
from adapters.teams.http import Http
from adapters.teams.line import TeamsLine
from adapters.teams.people import TeamsPeople
from adapters.teams.references import NEWEST, Book, ReferencesInMemory
from adapters.teams.refusals import CODES, STATUSES, Verdict, verdict_of
from adapters.teams.roll import Roll
from adapters.teams.throttle import PER_CONVERSATION, Throttle
from bot.delivery import MessageRef
from bot.directory import Address, Binding, PersonId
from bot.errors import DeliveryError, Refused, StoreUnavailable, Unreachable
from bot.message import Line
from bot.plan import EN, RoleId
from bot.rich import Mention, Room
from tests.adapters.test_teams_activities import (
    ADA,
    BOB,
    CARD,
    DIRECTORY,
    HELP,
    ROOM,
    TEAM,
    TO_ADA,
    TO_BOB,
    PeopleInMemory,
    registration,
)
from tests.fakes import FakeClock
from tests.teams_server import APP_ID, APP_PASSWORD, TENANT, TeamsServer

HELLO = Line(EN, ("[hello](https://evil.test) ", Mention(PersonId(TO_ADA))), "hello")
NOBODY = Address("teams:00000000-0000-4000-8000-0000000000ff")
NOWHERE = Address("teams:19:nowhere@thread.tacv2")


@pytest.fixture
async def teams() -> AsyncIterator[TeamsServer]:
    async with TeamsServer() as server:
        server.person(ADA, name="Ada Lovelace")
        server.person(BOB, name="Bob", installed=False)
        server.team(TEAM, name="Support")
        server.channel(HELP, name="help", team=TEAM)
        yield server
        assert server.complaints == []


def a_line(teams: TeamsServer, clock: FakeClock, **more: Any) -> TeamsLine:
    return TeamsLine(
        registration=registration(teams, **more),
        directory=lambda: DIRECTORY,
        names=lambda person: "Ada *Lovelace*",
        references=ReferencesInMemory(),
        clock=clock,
    )


@pytest.fixture
async def line(teams: TeamsServer, clock: FakeClock) -> AsyncIterator[TeamsLine]:
    line = a_line(teams, clock)
    line._http._deadline = 1.0
    yield line
    await line.close()


# Places


async def test_a_person_is_written_to_in_a_chat_that_is_created_once(line: TeamsLine, teams: TeamsServer) -> None:
    first = await line.chat.post(TO_ADA, CARD, key="k1")
    second = await line.chat.post(TO_ADA, HELLO, key="k2", thread=first)

    assert teams.count("conversations.create") == 1
    assert [one.id for one in teams.messages(ADA)] == [first.id, second.id]
    assert (first.to, first.place, first.link) == (TO_ADA, teams.people[ADA].chat, None)
    assert teams.messages(ADA)[0].mentions == []


async def test_a_channel_gets_a_thread_and_its_answers(line: TeamsLine, teams: TeamsServer) -> None:
    root = await line.chat.post(ROOM, CARD, key="k1")
    await line.chat.post(ROOM, HELLO, key="k2", thread=root)

    assert (root.to, root.place) == (ROOM, HELP)
    assert root.link == f"https://teams.microsoft.com/l/message/19%3Ahelp%40thread.tacv2/{root.id}?tenantId={TENANT}"
    said = teams.messages(HELP, thread=root.id)
    assert [one.id == root.id for one in said] == [True, False]
    assert said[1].mentions == [ADA]


async def test_a_card_is_edited_in_place(line: TeamsLine, teams: TeamsServer) -> None:
    for to in (ROOM, TO_ADA):
        ref = await line.chat.post(to, CARD, key="k")
        await line.chat.edit(ref, replace(CARD, headline="ESC-1 · Payment"))

        (said,) = teams.messages(ref.place)
        assert said.edited == 1
        assert "Payment" in said.words


async def test_a_message_that_is_gone_cannot_be_edited(line: TeamsLine) -> None:
    with pytest.raises(Refused, match="message_not_found"):
        await line.chat.edit(MessageRef(ROOM, HELP, "12345"), CARD)


async def test_a_chat_that_is_gone_is_created_anew(line: TeamsLine, teams: TeamsServer) -> None:
    await line.book.learn(TO_ADA, conversation="a:gone", service_url=teams.service_url)

    ref = await line.chat.post(TO_ADA, CARD, key="k")

    assert ref.place == teams.people[ADA].chat == line.book.of(TO_ADA).conversation


async def test_who_has_not_installed_the_app_is_refused_for_good(line: TeamsLine, teams: TeamsServer) -> None:
    with pytest.raises(Refused, match="app_not_installed"):
        await line.chat.post(TO_BOB, CARD, key="k")
    await line.chat.post(TO_ADA, CARD, key="k")
    teams.people[ADA].blocked = True
    with pytest.raises(Refused, match="app_not_installed"):
        await line.chat.post(TO_ADA, CARD, key="k")
    teams.teams[TEAM].installed = False
    with pytest.raises(Refused, match="app_not_installed"):
        await line.chat.post(ROOM, CARD, key="k")


@pytest.mark.parametrize("to", [NOBODY, NOWHERE, Address("teams:../../evil")])
async def test_there_is_no_such_place(line: TeamsLine, to: Address) -> None:
    with pytest.raises(Refused):
        await line.chat.post(to, CARD, key="k")


async def test_a_stored_service_url_of_a_stranger_is_never_called(line: TeamsLine, teams: TeamsServer) -> None:
    await line.book.learn(TO_ADA, conversation="a:1", service_url="https://evil.example/")

    with pytest.raises(Refused, match="service_url_not_allowed"):
        await line.chat.post(TO_ADA, CARD, key="k")
    assert teams.calls == []


async def test_teams_cannot_say_what_arrived(line: TeamsLine) -> None:
    await line.chat.post(TO_ADA, CARD, key="k")

    assert await line.chat.find(TO_ADA, "k") is None


async def test_membership_is_asked_of_teams_and_believed_for_a_minute(
    line: TeamsLine, teams: TeamsServer, clock: FakeClock
) -> None:
    person = PersonId(TO_ADA)

    assert await line.membership.in_any(person, [ROOM])
    assert await line.membership.in_any(person, [ROOM])
    assert not await line.membership.in_any(PersonId(NOBODY), [ROOM, Address("slack:C1")])
    assert not await line.membership.in_any(PersonId(Address("slack:U1")), [ROOM])
    assert teams.count("members.get") == 2
    clock.forward(seconds=61)
    teams.faults.always("members.get", status=503)
    assert not await line.membership.in_any(person, [ROOM])


# Errors


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_means_what_it_says(code: str) -> None:
    verdict, reason = CODES[code]
    status = 403 if verdict is Verdict.REFUSED else 429

    error = verdict_of(status, {"error": {"code": code}}, {})

    assert error.reason == reason
    assert isinstance(error, Refused) == (verdict is Verdict.REFUSED)


@pytest.mark.parametrize("status", sorted(STATUSES))
async def test_every_status_of_the_table_means_what_it_says(line: TeamsLine, teams: TeamsServer, status: int) -> None:
    await line.chat.post(TO_ADA, CARD, key="k")
    teams.faults.always("activities.send", status=status, code="SomethingNew", retry_after=7)
    teams.faults.always("conversations.create", status=status, code="SomethingNew", retry_after=7)
    verdict, reason = STATUSES[status]

    with pytest.raises(DeliveryError) as raised:
        await line.chat.post(TO_ADA, CARD, key="k2")

    assert raised.value.reason == reason
    if isinstance(raised.value, Unreachable):
        assert raised.value.retry_after == 7
        assert raised.value.uncertain == (verdict is Verdict.UNCERTAIN)
    else:
        assert verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("fault", "uncertain"),
    [
        ({"drop": True}, True),
        ({"drop_after_accept": True}, True),
        ({"hang": True}, True),
        ({"status": 302}, False),
        ({"status": 500, "html": True}, True),
        ({"status": 503, "html": True}, False),
        ({"status": 418}, False),
    ],
)
async def test_what_may_come_right_is_tried_again_by_the_outbox_alone(
    line: TeamsLine, teams: TeamsServer, fault: dict[str, Any], uncertain: bool
) -> None:
    await line.chat.post(TO_ADA, CARD, key="k")
    before = teams.count("activities.send")
    teams.faults.once("activities.send", **fault)

    with pytest.raises(Unreachable) as raised:
        await line.chat.post(TO_ADA, CARD, key="k2")

    assert raised.value.uncertain is uncertain
    assert teams.count("activities.send") == before + 1
    assert "test-app-password" not in str(raised.value)


async def test_nobody_there(line: TeamsLine, clock: FakeClock) -> None:
    await line.book.learn(TO_ADA, conversation="a:1", service_url="http://127.0.0.1:9/")
    line._allowed._also |= {"http://127.0.0.1:9"}

    with pytest.raises(Unreachable, match="no_connection") as raised:
        await line.chat.post(TO_ADA, CARD, key="k")

    assert not raised.value.uncertain


@pytest.mark.parametrize(("status", "code"), [(413, "MessageSizeTooBig"), (400, "BadSyntax")])
async def test_a_card_that_teams_does_not_like_is_said_plainly(
    line: TeamsLine, teams: TeamsServer, status: int, code: str
) -> None:
    await line.chat.post(TO_ADA, HELLO, key="k")
    for method in ("activities.send", "conversations.create", "activities.update"):
        teams.faults.once(method, status=status, code=code)

    await line.chat.post(TO_ADA, CARD, key="k")
    ref = await line.chat.post(ROOM, CARD, key="k")
    plain = teams.messages(HELP)[-1].text
    await line.chat.edit(ref, CARD)

    assert [teams.messages(ADA)[-1].text, plain, teams.messages(HELP)[-1].text] == ["ESC-1"] * 3


async def test_nothing_of_ours_blocks_the_loop(line: TeamsLine, teams: TeamsServer) -> None:
    teams.identity.faults.once("token", delay=0.5)
    longest, last = 0.0, time.monotonic()

    async def watch() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    watching = asyncio.ensure_future(watch())
    await line.chat.post(TO_ADA, CARD, key="k")
    watching.cancel()

    assert longest < 0.3


# Limits


@pytest.mark.parametrize(("most", "seconds"), PER_CONVERSATION)
def test_each_window_of_a_conversation_is_kept(clock: FakeClock, most: int, seconds: float) -> None:
    throttle = Throttle(clock, each=((most, seconds),), tenant=())
    for _ in range(most):
        throttle.admit("a:1")

    with pytest.raises(Unreachable) as raised:
        throttle.admit("a:1")

    assert raised.value.retry_after == seconds
    throttle.admit("a:2")
    clock.forward(seconds=seconds)
    throttle.admit("a:1")


async def test_teams_never_has_to_say_that_it_is_too_much(clock: FakeClock) -> None:
    async with TeamsServer(throttles=True, clock=lambda: clock.now().timestamp()) as teams:
        teams.person(ADA, name="Ada")
        line, sent, held = a_line(teams, clock), 0, 0
        while sent < 80:
            try:
                await line.chat.post(TO_ADA, HELLO, key="k")
                sent += 1
            except Unreachable as error:
                held += 1
                clock.forward(seconds=(error.retry_after or 0) + 0.001)
        await line.close()

    assert held > 5
    assert teams.count("activities.send") == 80


# Tokens


async def test_many_messages_need_one_token(line: TeamsLine, teams: TeamsServer) -> None:
    await asyncio.gather(*(line.chat.post(TO_ADA, HELLO, key="k") for _ in range(5)))

    assert teams.identity.fetches["token"] == 1


async def test_a_token_that_is_refused_is_fetched_anew(line: TeamsLine, teams: TeamsServer) -> None:
    await line.chat.post(TO_ADA, HELLO, key="k")
    teams.identity.revoke()

    with pytest.raises(Unreachable, match="unauthorized"):
        await line.chat.post(TO_ADA, HELLO, key="k")
    await line.chat.post(TO_ADA, HELLO, key="k")

    assert teams.identity.fetches["token"] == 2


async def test_a_managed_identity_needs_no_secret(teams: TeamsServer, clock: FakeClock) -> None:
    line = a_line(teams, clock, secret=None, identity_endpoint=teams.identity.managed_identity_url)

    await line.chat.post(TO_ADA, HELLO, key="k")
    await line.close()

    assert (teams.identity.fetches["managed"], teams.identity.fetches["token"]) == (1, 0)


async def test_a_token_ends_with_its_life(teams: TeamsServer, clock: FakeClock) -> None:
    http = Http(Outbound([teams.identity.url]))
    credentials = Credentials(Secret(APP_ID, TENANT, APP_PASSWORD, teams.identity.url), http, clock)
    first = await credentials.token()
    clock.forward(seconds=3600 - AHEAD)
    same = await credentials.token()
    clock.forward(seconds=AHEAD)

    assert (same == first, await credentials.token() == first, credentials.problem) == (True, False, "")
    await http.close()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"secret": "wrong"}, "login_invalid_client"),
        ({"app_id": "another"}, "login_unauthorized_client"),
        ({"tenant": "another"}, "login_invalid_request"),
    ],
)
async def test_a_wrong_registration_says_what_is_wrong(
    teams: TeamsServer, clock: FakeClock, given: dict[str, str], reason: str
) -> None:
    http = Http(Outbound([teams.identity.url]))
    wrong = replace(Secret(APP_ID, TENANT, APP_PASSWORD, teams.identity.url), **given)

    with pytest.raises(Unreachable) as raised:
        await Credentials(wrong, http, clock).token()

    assert raised.value.reason == reason
    await http.close()


async def test_no_identity_no_token(teams: TeamsServer, clock: FakeClock) -> None:
    http = Http(Outbound([teams.identity.url]))
    identity = ManagedIdentity("another", teams.identity.managed_identity_url)

    with pytest.raises(Unreachable, match="login_invalid_request"):
        await Credentials(identity, http, clock).token()
    await http.close()


# References


async def test_what_could_not_be_stored_is_known_and_stored_later() -> None:
    class Away(ReferencesInMemory):
        away = True

        async def put(self, address: Address, reference: Any) -> None:
            if self.away:
                raise StoreUnavailable
            await super().put(address, reference)

    store = Away()
    book = Book(store)
    await book.learn(TO_ADA, conversation="a:1")
    known, stored = book.of(TO_ADA).conversation, store.get(TO_ADA)
    store.away = False
    await book.learn(TO_ADA, conversation="a:1")

    assert (known, stored, store.get(TO_ADA)) == ("a:1", None, {"conversation": "a:1"})


async def test_references_are_plain_words_and_survive_strange_ones() -> None:
    store = ReferencesInMemory()
    await store.put(NEWEST, {"service_url": "https://smba.trafficmanager.net/emea/", "of_another_version": "x"})

    assert Book(store).service_url == "https://smba.trafficmanager.net/emea/"


# check --live


async def test_the_check_says_who_cannot_be_reached(line: TeamsLine, teams: TeamsServer) -> None:
    roles = {
        RoleId("r1"): Binding((PersonId(TO_ADA), PersonId(TO_BOB)), channel=ROOM),
        RoleId("r2"): Binding((PersonId(NOBODY), PersonId(Address("slack:U1")))),
    }
    directory = replace(DIRECTORY, roles=roles, admin_channel=NOWHERE)
    await line.book.learn(NOWHERE, conversation="19:nowhere@thread.tacv2", service_url=teams.service_url)

    found = {problem.place: problem.sentence async for problem in checks.problems(line, directory, app="A", secret="S")}

    assert found.keys() == {"roles.r1.owners", "roles.r1.channel", "roles.r2.owners", "admin_channel"}
    assert "not installed for" in found["roles.r1.owners"]
    assert "nothing was heard" in found["roles.r1.channel"]
    assert "no person" in found["roles.r2.owners"]
    assert "no channel" in found["admin_channel"]
    await line.book.learn(ROOM, conversation=HELP, service_url=teams.service_url)
    assert "roles.r1.channel" not in {one.place async for one in checks.problems(line, directory, app="A", secret="S")}
    assert teams.messages(ADA) == []


async def test_the_check_says_that_the_secret_is_wrong(teams: TeamsServer, clock: FakeClock) -> None:
    line = a_line(teams, clock, secret="wrong")
    teams.identity.faults.once("openid", status=503)

    found = [problem async for problem in checks.problems(line, DIRECTORY, app="A", secret="S")]
    await line.close()

    assert [problem.place for problem in found] == ["teams", "S"]
    assert "make a new one" in found[1].sentence


async def test_a_full_card_stays_below_the_limit(line: TeamsLine, teams: TeamsServer) -> None:
    await line.chat.post(ROOM, replace(CARD, body="é" * 50_000, lead=(Room(ROOM),)), key="k")

    assert size(teams.messages(HELP)[-1].card) < CARD_BYTES


async def test_people_and_channels_of_the_directory_get_their_names(line: TeamsLine, teams: TeamsServer) -> None:
    people = PeopleInMemory()
    known = TeamsPeople(line.connector, people, line.book, FakeClock(), tenants=frozenset({TENANT}))
    roles = {RoleId("r1"): Binding((PersonId(TO_ADA), PersonId(NOBODY)), channel=ROOM)}
    roll = Roll(line.connector, known, line.book, lambda: replace(DIRECTORY, roles=roles))
    await roll.call()
    asked = len(teams.calls)
    await line.book.learn(ROOM, conversation=HELP, service_url=teams.service_url, team=TEAM)

    await roll.call()

    assert asked == 0
    assert line.book.of(ROOM).name == "help"
    assert people.profile(PersonId(TO_ADA)).name == "Ada Lovelace"
    assert line.book.user(PersonId(TO_ADA)) == teams.people[ADA].mri
    assert not known.named(PersonId(NOBODY))


async def test_the_connector_names_members(line: TeamsLine, teams: TeamsServer) -> None:
    place = Place(teams.service_url, HELP)

    assert {member.person for member in await line.connector.members(place)} == {ADA, BOB}
