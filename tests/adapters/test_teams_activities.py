"""What people do in Teams reaches the reception once, and they are answered after it was stored: over signed HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from adapters.teams.line import Registration, TeamsLine
from adapters.teams.references import ReferencesInMemory
from bot.commands import Actor, Standing
from bot.directory import Address, CalendarRules, Directory, PersonId, WorkspaceId
from bot.errors import StoreUnavailable
from bot.message import (
    Button,
    Card,
    Form,
    FormErrors,
    Input,
    Kind,
    Option,
    Page,
    Profile,
    Reply,
    Section,
    Subject,
    Tone,
)
from bot.plan import EN, FR, Language
from bot.ports import Clock
from bot.rich import Mention
from bot.state import EscalationId
from scheduler.clock import SystemClock
from tests.teams_server import APP_ID, APP_PASSWORD, TENANT, Ack, Door, TeamsServer

ADA, BOB, EVE = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
TEAM, HELP = "19:team@thread.tacv2", "19:help@thread.tacv2"
ROOM, TO_ADA, TO_BOB = Address(f"teams:{HELP}"), Address(f"teams:{ADA}"), Address(f"teams:{BOB}")
SUBJECT = Subject(EscalationId("01890a5d-ac96-774b-bcce-b302099a8057"), 1)
CARD = Card(
    EN,
    Tone.WAITING,
    "ESC-1 · Checkout",
    ("Waiting",),
    SUBJECT,
    "ESC-1",
    lead=(Mention(PersonId(TO_ADA)),),
    buttons=(Button("acknowledge", "Acknowledge"), Button("resolve", "Resolve", dialog=True)),
    menu=(Button("note", "Add a note", dialog=True), Button("timeline", "Timeline")),
)
FORM = Form(
    "note",
    EN,
    "Note on ESC-1",
    "Add",
    "Close",
    str(SUBJECT),
    (
        Input("text", "Note", Kind.TEXT),
        Input("to", "To", Kind.CHOICE, options=(Option("1", "One"), Option("2", "Two")), initial="1", reloads=True),
        Input("person", "To whom?", Kind.PERSON, required=False),
        Input("until", "Until", Kind.WHEN, required=False),
    ),
)
PAGE = Page(
    EN, "Timeline", (Section("So far", (("Ada opened it.",),), SUBJECT, (Button("note", "Add a note"),)),), "ESC-1"
)
DIRECTORY = Directory(
    WorkspaceId("acme"), "Acme", "office", calendars={"office": CalendarRules("Europe/Paris", always=True)}
)


class StandIn:
    """`bot.reception.Receives`: notes each call and answers what it was told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.requests: list[str] = []
        self.answers: dict[str, Any] = {}
        self.speaks: Language = EN

    async def _answer(self, kind: str, *about: Any, request: str = "") -> Any:
        self.calls.append((kind, *about))
        self.requests.append(request)
        answer = self.answers.get(kind, Reply(EN, (f"{kind} done",)))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply:
        return await self._answer("typed", actor, words, thread, link, request=request)

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        return await self._answer("pressed", actor, press, subject, request=request)

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        self.calls.append(("changed", actor, form, context, dict(values)))
        answer = self.answers.get("changed", FORM)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors:
        return await self._answer("submitted", actor, form, context, dict(values), request=request)

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        return await self._answer("shortcut", actor, words, link, request=request)

    async def new(self, actor: Actor, *, request: str) -> Reply:
        raise NotImplementedError

    async def drawn(self, actor: Actor, subject: str) -> Card | None:
        self.calls.append(("drawn", actor, subject))
        return self.answers.get("drawn")

    def language(self, actor: Actor) -> Language:
        return self.speaks


class PeopleInMemory:
    """`bot.ports.People`."""

    def __init__(self) -> None:
        self.told: dict[PersonId, Profile] = {}

    def profile(self, person: PersonId) -> Profile:
        return self.told.get(person, Profile(person, person))

    async def remember(self, profile: Profile) -> None:
        self.told[profile.person] = profile

    def members(self, group: Address) -> tuple[PersonId, ...]:
        return ()

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        raise NotImplementedError

    async def choose_language(self, person: PersonId, language: str) -> None:
        raise NotImplementedError


@dataclass
class Office:
    """A line to the local Teams, with people who can use it."""

    teams: TeamsServer
    line: TeamsLine
    door: Door
    reception: StandIn
    people: PeopleInMemory = field(default_factory=PeopleInMemory)

    async def shown(self, to: str, count: int = 1, thread: str | None = None) -> list[Any]:
        """What the bot has said at a place, once that is at least `count` messages."""
        for _ in range(200):
            said = [one for one in self.teams.messages(to, thread=thread) if one.from_bot]
            if len(said) >= count:
                return said
            await asyncio.sleep(0.01)
        raise AssertionError(f"nothing was said to {to}")


def registration(teams: TeamsServer, **more: Any) -> Registration:
    given = {
        "app_id": APP_ID,
        "tenant": TENANT,
        "secret": APP_PASSWORD,
        "service_urls": frozenset({f"http://127.0.0.1:{teams.port}"}),
        "service_url": teams.service_url,
        "openid_url": teams.identity.openid_url,
        "login_url": teams.identity.url,
    }
    return Registration(**(given | more))


@asynccontextmanager
async def an_office(teams: TeamsServer, clock: Clock | None = None, **more: Any) -> AsyncIterator[Office]:
    reception, people = StandIn(), PeopleInMemory()
    line = TeamsLine(
        registration=registration(teams, **more),
        directory=lambda: DIRECTORY,
        names=lambda person: people.profile(person).name,
        references=ReferencesInMemory(),
        clock=clock or SystemClock(),
    )
    site = web.Application()
    site.router.add_route("*", "/api/messages", line.serve)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = asyncio.ensure_future(line.run(reception, people))
    await asyncio.sleep(0)
    try:
        yield Office(
            teams, line, teams.door(f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages"), reception, people
        )
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await runner.cleanup()
        await line.close()


@pytest.fixture
async def teams() -> AsyncIterator[TeamsServer]:
    async with TeamsServer() as server:
        server.person(ADA, name="Ada Lovelace", tz="Europe/Paris")
        server.person(BOB, name="Bob", locale="fr-FR", tz="America/New_York")
        server.person(EVE, name="Eve", guest=True)
        server.team(TEAM, name="Support")
        server.channel(HELP, name="help", team=TEAM)
        yield server
        assert server.complaints == []


@pytest.fixture
async def office(teams: TeamsServer) -> AsyncIterator[Office]:
    async with an_office(teams) as there:
        yield there


def actor(person: str, seen_in: Address | None = None, standing: Standing = Standing.MEMBER) -> Actor:
    return Actor(PersonId(Address(f"teams:{person}")), standing, seen_in)


# Words


async def test_words_in_a_personal_chat_are_answered_there(office: Office) -> None:
    ack = await office.door.direct_message("checkout fails &amp; burns", ADA)

    assert (ack.status, ack.body) == (200, None)
    assert office.reception.calls == [("typed", actor(ADA), "checkout fails & burns", None, None)]
    (said,) = await office.shown(ADA)
    assert "typed done" in said.words


async def test_a_mention_in_a_channel_is_answered_in_private_and_the_thread_says_so(office: Office) -> None:
    root = office.teams.say(HELP, BOB, "who can help?")

    ack = await office.door.mention("ack ESC-7", ADA, HELP, thread=root.id)

    assert ack.ok
    kind, who, words, thread, link = office.reception.calls[0]
    assert (kind, who, words, thread) == ("typed", actor(ADA, ROOM), "ack ESC-7", (HELP, root.id))
    assert link.startswith("https://teams.microsoft.com/l/message/19%3Ahelp%40thread.tacv2/")
    assert f"parentMessageId={root.id}" in link
    (said,) = await office.shown(HELP, thread=root.id)
    assert "I have answered you in our chat" in said.words
    assert said.mentions == [ADA]
    assert "typed done" in (await office.shown(ADA))[0].words


async def test_who_cannot_be_written_to_is_told_so_in_the_thread(office: Office) -> None:
    office.teams.people[ADA].installed = False

    await office.door.mention("list", ADA, HELP)

    (said,) = await office.shown(HELP)
    assert "add Echelon under Apps" in said.words
    assert "typed done" not in said.words


@pytest.mark.parametrize(
    ("language", "typed", "heard"),
    [
        (EN, "hand over ESC-1 to <at>Bob</at>", f"hand over ESC-1 to @teams:{BOB}"),
        (FR, "transférer ESC-1 à <at>Bob</at>", f"transférer ESC-1 à @teams:{BOB}"),
        (FR, "<at>Echelon</at> prendre", "prendre"),
        (EN, "ack <at>Echelon</at>", "ack"),
    ],
)
async def test_people_are_told_apart_from_the_bot_in_both_languages(
    office: Office, language: Language, typed: str, heard: str
) -> None:
    root = office.teams.say(HELP, None, "a card")
    office.reception.speaks = language

    await office.door.mention(typed, ADA, HELP, thread=root.id)

    assert office.reception.calls[0][2:4] == (heard, (HELP, root.id))


async def test_words_in_a_channel_without_a_mention_are_not_read(office: Office) -> None:
    activity = office.door.message_activity(office.teams.say(HELP, ADA, "just talking"))

    status, _ = await office.door.raw(activity, office.door.token())

    assert (status, office.reception.calls) == (200, [])


async def test_the_bot_does_not_answer_bots(office: Office) -> None:
    activity = office.door.activity("hello")

    await office.door.raw(activity | {"from": activity["from"] | {"role": "bot"}}, office.door.token())

    assert office.reception.calls == []


async def test_a_form_in_a_channel_becomes_a_button_that_opens_it(office: Office) -> None:
    office.reception.answers["typed"] = Reply(EN, ("private",), form=replace(FORM, name="open", title="Escalate"))
    await office.door.mention("checkout fails", ADA, HELP)
    (said,) = await office.shown(HELP)

    ack = await office.door.task_fetch(said, "Escalate…", ADA)

    assert "private" not in said.words
    assert [call[2] for call in office.reception.calls] == ["checkout fails", "checkout fails"]
    assert ack.form is not None
    assert ack.form.title == "Escalate"


# Redelivery


async def test_a_redelivered_activity_acts_once(office: Office) -> None:
    ack = await office.door.direct_message("checkout fails", ADA)
    again = [await office.door.again(ack) for _ in range(3)]

    assert {one.status for one in again} == {200}
    assert len(office.reception.calls) == 1
    assert len(await office.shown(ADA)) == 1


async def test_a_redelivered_invoke_gets_the_same_answer(office: Office) -> None:
    first = await press(office, "Acknowledge")

    again = await office.door.again(first)

    assert again.body == first.body
    assert len(office.reception.calls) == 1


async def test_two_requests_have_two_ids_and_one_request_has_one(office: Office) -> None:
    first = await office.door.direct_message("one", ADA)
    await office.door.direct_message("two", ADA)
    office.line._guard._seen.clear()  # as after a restart: the ids alone must do
    await office.door.again(first)

    ids = office.reception.requests
    assert ids[0] == ids[2] != ids[1]


async def test_what_could_not_even_be_apologised_for_is_delivered_again(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.reception.answers["typed"] = StoreUnavailable()
    office.teams.faults.once("activities.send", status=502)

    lost = await office.door.direct_message("checkout fails", ADA)
    told = await office.door.again(lost)

    assert (lost.status, told.status) == (503, 200)
    (said,) = await office.shown(ADA)
    assert "NOT recorded" in said.words
    assert "Traceback" not in caplog.text


# Cards


async def press(office: Office, label: str, user: str = ADA, card: Card = CARD) -> Ack:
    message = await posted(office, card)
    return await office.door.execute(message, label, user)


async def posted(office: Office, card: Card = CARD) -> Any:
    await office.line.chat.post(ROOM, card, key="k")
    return office.teams.messages(HELP)[-1]


async def test_a_press_is_answered_beside_the_card(office: Office) -> None:
    office.reception.answers["pressed"] = Reply(EN, ("ESC-1 is yours, ", Mention(PersonId(TO_ADA)), "."))

    ack = await press(office, "Acknowledge")

    text = "application/vnd.microsoft.activity.message"
    assert ack.body == {"statusCode": 200, "type": text, "value": "ESC-1 is yours, Ada Lovelace."}
    assert office.reception.calls == [("pressed", actor(ADA, ROOM), "acknowledge", str(SUBJECT))]
    assert ack.seconds < 10


async def test_a_client_without_execute_is_answered_in_private(office: Office) -> None:
    message = await posted(office)

    ack = await office.door.submit(message, "Acknowledge", ADA)

    assert ack.ok
    assert office.reception.calls == [("pressed", actor(ADA, ROOM), "acknowledge", str(SUBJECT))]
    assert "pressed done" in (await office.shown(ADA))[0].words


async def test_a_reader_gets_a_card_of_their_own(office: Office) -> None:
    await office.door.direct_message("hello", ADA)
    message = await posted(office)
    office.reception.answers["drawn"] = replace(CARD, buttons=(Button("release", "Release"),), lead=())

    ack = await office.door.refresh(message, ADA)

    assert office.reception.calls[-1] == ("drawn", actor(ADA, ROOM), str(SUBJECT))
    assert ack.card is not None
    assert "Release" in message.controls_for(ADA)
    assert "Release" not in message.controls_for(BOB)


async def test_a_reader_without_a_card_of_their_own_keeps_the_common_one(office: Office) -> None:
    await office.door.direct_message("hello", ADA)
    message = await posted(office)

    ack = await office.door.refresh(message, ADA)

    assert ack.body["type"] == "application/vnd.microsoft.error"
    assert message.seen_by(ADA) is message.card


@pytest.mark.parametrize(
    "value", [{}, {"action": {}}, {"action": {"type": "Action.Submit", "verb": "x"}}, {"action": 7}]
)
async def test_an_execute_that_makes_no_sense_harms_nobody(office: Office, value: Any) -> None:
    message = await posted(office)
    activity = office.door._activity("invoke", ADA, message)

    status, _ = await office.door.raw(activity | {"name": "adaptiveCard/action", "value": value}, office.door.token())

    assert status in {200, 400}


async def test_an_unknown_invoke_is_refused(office: Office) -> None:
    activity = office.door.activity() | {"type": "invoke", "name": "signin/verifyState", "value": {}}

    status, _ = await office.door.raw(activity, office.door.token())

    assert (status, office.reception.calls) == (501, [])


# Dialogs


async def opened(office: Office, user: str = ADA) -> Any:
    office.reception.answers["pressed"] = Reply(EN, form=FORM)
    ack = await office.door.task_fetch(await posted(office), "Add a note…", user)
    assert ack.form is not None
    assert ack.seconds < 10
    return ack.form


async def test_a_dialog_comes_back_with_its_values(office: Office) -> None:
    form = await opened(office)

    entered = {
        "in_text": "done",
        "in_person_person": BOB.upper(),
        "in_when_until": "2026-11-24",
        "in_when_until_time": "09:30",
    }
    ack = await office.door.task_submit(form, entered)

    values = {"text": "done", "to": "1", "person": f"teams:{BOB}", "until": "1795509000"}
    assert office.reception.calls[-1] == ("submitted", actor(ADA, ROOM), "note", str(SUBJECT), values)
    assert "submitted done" in ack.text


async def test_a_dialog_asks_for_times_in_the_readers_zone(office: Office) -> None:
    form = await opened(office, BOB)

    await office.door.task_submit(form, {"Note": "x", "in_when_until": "2026-11-24", "in_when_until_time": "09:30"})

    assert "Until (America/New_York)" in form.words
    assert office.reception.calls[-1][4]["until"] == "1795530600"


async def test_a_change_of_what_others_depend_on_shows_the_form_anew(office: Office) -> None:
    form = await opened(office)

    anew = await office.door.task_submit(form, {"Note": "typed already", "To": "Two"})
    assert anew.form is not None
    await office.door.task_submit(anew.form, {})

    assert [call[0] for call in office.reception.calls] == ["pressed", "changed", "submitted"]
    assert "look again" in anew.text
    assert anew.form.initial["in_text"] == "typed already"
    assert office.reception.calls[-1][4] == {"text": "typed already", "to": "2"}


async def test_what_is_wrong_stands_in_the_dialog_and_nothing_typed_is_lost(office: Office) -> None:
    form = await opened(office)
    office.reception.answers["submitted"] = FormErrors({"text": "Please say more.", "stray": "And another thing."})

    ack = await office.door.task_submit(form, {"Note": "short"})

    assert "Please say more." in ack.text
    assert "And another thing." in ack.text
    assert ack.form is not None
    assert ack.form.initial["in_text"] == "short"


@pytest.mark.parametrize(("error", "said"), [(StoreUnavailable(), "NOT recorded"), (KeyError("x"), "went wrong")])
async def test_an_error_while_sending_stands_in_the_dialog(office: Office, error: Exception, said: str) -> None:
    form = await opened(office)
    office.reception.answers["submitted"] = error

    ack = await office.door.task_submit(form, {"Note": "short"})

    assert said in ack.text
    assert ack.form is not None
    assert ack.form.initial["in_text"] == "short"


async def test_a_form_that_makes_no_sense_any_more_says_so(office: Office) -> None:
    form = await opened(office)
    office.reception.answers |= {"submitted": FormErrors({"text": "Too late."}), "changed": None}

    ack = await office.door.task_submit(form, {"Note": "short"})

    assert "Too late." in ack.text
    assert ack.form is not None
    assert ack.form.fields == {}


async def test_a_page_is_read_in_a_dialog_whose_buttons_work(office: Office) -> None:
    office.reception.answers["pressed"] = Reply(EN, page=PAGE)
    ack = await office.door.task_fetch(await posted(office), "Timeline", ADA)
    assert ack.form is not None
    office.reception.answers["pressed"] = Reply(EN, form=FORM)

    following = await office.door.task_submit(ack.form, {}, label="Add a note")

    assert "Ada opened it." in ack.text
    assert following.form is not None
    assert following.form.title == "Note on ESC-1"


# Escalate this message


async def test_a_message_is_escalated_with_its_words_and_link(office: Office) -> None:
    message = office.teams.say(HELP, BOB, "checkout <b>fails</b>\nsince nine")
    office.reception.answers["shortcut"] = Reply(EN, form=FORM)

    ack = await office.door.compose_fetch(message, ADA)
    assert ack.form is not None
    done = await office.door.compose_submit(ack.form, {"Note": "please"})

    link = f"https://teams.microsoft.com/l/message/{HELP}/{message.id}"
    assert office.reception.calls[0] == ("shortcut", actor(ADA, ROOM), "checkout <b>fails</b>\nsince nine", link)
    assert office.reception.calls[1][:4] == ("submitted", actor(ADA, ROOM), "note", str(SUBJECT))
    assert "submitted done" in done.text


# People and places


async def test_name_language_and_place_are_remembered(office: Office) -> None:
    await office.door.direct_message("bonjour", BOB)

    assert office.people.told[PersonId(TO_BOB)] == Profile(PersonId(TO_BOB), "Bob", "fr")
    known = office.line.book.of(TO_BOB)
    assert (known.conversation, known.service_url) == (office.teams.people[BOB].chat, office.teams.service_url)
    assert (known.user, known.zone) == (office.teams.people[BOB].mri, "America/New_York")


async def test_a_new_service_url_replaces_the_old_one(office: Office) -> None:
    await office.door.direct_message("one", ADA)
    moved = f"http://127.0.0.1:{office.teams.port}/amer/"
    activity = office.door.activity("two", ADA) | {"serviceUrl": moved}

    status, _ = await office.door.raw(activity, office.door.token(serviceurl=moved))

    assert status == 200
    assert office.line.book.of(TO_ADA).service_url == office.line.book.service_url == moved


async def test_an_app_that_was_removed_forgets_the_chat(office: Office) -> None:
    await office.door.installed(ADA)
    known = office.line.book.of(TO_ADA).conversation

    await office.door.uninstalled(ADA)

    assert (known, office.line.book.of(TO_ADA).conversation) == (office.teams.people[ADA].chat, "")


async def test_a_renamed_channel_has_its_new_name(office: Office) -> None:
    await office.door.channel_event("channelRenamed", channel=HELP, user=ADA, name="help desk")

    assert office.line.book.of(ROOM).name == "help desk"


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, Standing.GUEST),
        ({"tenantId": "00000000-0000-0000-0000-0000000000bb"}, Standing.FOREIGN),
        ({"userRole": "guest"}, Standing.GUEST),
    ],
)
async def test_guests_and_strangers_are_known_as_such(office: Office, changes: Any, standing: Standing) -> None:
    office.teams.people[EVE].chat_open = True
    activity = office.door.activity("list", EVE)

    await office.door.raw(activity | {"from": activity["from"] | changes}, office.door.token())

    assert office.reception.calls[0][1] == actor(EVE, standing=standing)


async def test_somebody_without_an_account_of_the_organisation_is_a_stranger(office: Office) -> None:
    activity = office.door.activity("list", ADA)

    await office.door.raw(activity | {"from": {"id": "29:nobody"}}, office.door.token())

    assert office.reception.calls[0][1] == actor("29:nobody", standing=Standing.FOREIGN)


async def test_a_roster_that_cannot_be_read_costs_a_second_at_most(office: Office) -> None:
    office.teams.faults.always("members.get", hang=True)

    ack = await office.door.direct_message("list", ADA)

    assert ack.seconds < 5
    assert office.reception.calls[0][1] == actor(ADA)


async def test_the_line_says_whether_it_is_ready(teams: TeamsServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    teams.identity.away = True
    async with an_office(teams) as office:
        assert await office.line.ready() != "ok"
        status, _ = await office.door.raw(office.door.activity(), office.door.token())
        assert status == 503
