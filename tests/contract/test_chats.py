"""`bot.delivery.Chat` on all three platforms: one suite, held against the table in `capabilities.py`.

A cell that says "yes" must be kept; a cell with a reason is asserted as that deviation.
"""

import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from adapters.local.demo import DIRECTORY_FILE
from adapters.local.gateway import LocalChat
from adapters.local.places import Places
from adapters.local.render import Renderer
from adapters.local.store import LocalStore
from adapters.slack.gateway import SlackChat, web_client
from adapters.teams.line import Registration, TeamsLine
from adapters.teams.references import ReferencesInMemory
from bot.delivery import Chat, MessageRef
from bot.directory import Address, Directory, PersonId, WorkspaceId
from bot.errors import DeliveryError, Refused, Unreachable
from bot.message import Button, Card, Field, Line, Style, Subject, Tone
from bot.plan import EN
from bot.rich import Mention, Strong, When
from bot.state import EscalationId
from matrix.directory_file import read_directory
from tests.contract import capabilities
from tests.contract.capabilities import CHATS, DELIVERY, FACES, IN_PROCESS, PLATFORMS, ROWS, YES
from tests.fakes import FakeClock
from tests.slack_limits import live_mentions
from tests.slack_limits import problems as slack_problems
from tests.slack_server import SlackServer
from tests.teams_server import TeamsServer, card_problems

ROOT = Path(__file__).parents[2]
TOKEN, PASSWORD = "xoxb-canary-4711", "canary-password-4711"
ADA, EVE, NOBODY = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 9))
TEAM, HELP = "19:team@thread.tacv2", "19:help@thread.tacv2"
HOSTILE = "<!channel> <!here> <@U1> <at>x</at> [x](http://evil) <http://evil|x> @everyone"
TURNED = "a\x00b \u202eevil\u202c \u202eopen \u2066x"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
LARGE = "word " * 20_000
CARD = Card(
    EN,
    Tone.WAITING,
    "ESC-1 · Checkout fails",
    ("Waiting",),
    Subject(EscalationId("01890a5d-ac96-774b-bcce-b302099a8057"), 1),
    "ESC-1 · Checkout fails",
    buttons=(Button("acknowledge", "Acknowledge", Style.PRIMARY), Button("resolve", "Resolve…", dialog=True)),
    menu=(Button("release", "Release"), Button("note", "Add a note…", dialog=True)),
    menu_label="More",
)
LINE = Line(EN, ("It moved up.",), "It moved up.")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A message as it stands on a platform now."""

    id: str
    words: str
    buttons: list[str]
    edited: int
    thread: str | None  # the message whose thread this one stands in
    shown: Any  # the platform's own form of it


class Stage(Protocol):
    """A platform with one person, one channel, and someone who cannot be reached."""

    platform: str
    chat: Chat
    person: Address
    channel: Address
    unknown_person: Address
    unknown_channel: Address
    unreachable: tuple[Address, ...]
    gone: str

    async def said(self, to: Address) -> list[Said]:
        """All messages at a place."""
        ...

    def fault(self, to: Address, **how: Any) -> None:
        """What goes wrong with the next message to a place."""
        ...

    def live(self, said: Said) -> list[str]:
        """Mentions that would ring, and links that say something else than where they lead."""
        ...

    def beyond(self, said: Said) -> list[str]:
        """What the platform would not put up with."""
        ...

    def has_readers(self, said: Said) -> bool:
        """Whether each reader is shown buttons of their own."""
        ...

    def is_local_time(self, said: Said) -> bool:
        """Whether the reader's client, not Echelon, chooses the zone of an instant."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    @property
    def complaints(self) -> list[str]: ...


class SlackStage:
    platform = "slack"
    person, channel = Address("slack:U1"), Address("slack:C1")
    unknown_person, unknown_channel = Address("slack:U0"), Address("slack:C0")
    unreachable = (Address("slack:U9"),)
    gone = "1.000001"
    secrets = (TOKEN,)

    def __init__(self, server: SlackServer, clock: FakeClock) -> None:
        self.server = server
        server.person("U1", name="Ada")
        server.person("U9", name="Gone", deleted=True)
        server.channel("C1", name="support", members={"U1"})
        self.chat = SlackChat(web_client(TOKEN, base_url=server.base_url, timeout=1), str, clock)

    @property
    def complaints(self) -> list[str]:
        return self.server.complaints

    async def said(self, to: Address) -> list[Said]:
        return [
            Said(one.ts, one.words, one.controls, one.edited, one.thread_ts, {"text": one.text, "blocks": one.blocks})
            for one in self.server.messages(to.removeprefix("slack:"))
        ]

    def fault(self, to: Address, **how: Any) -> None:
        self.server.faults.once("chat.postMessage", **how)

    def live(self, said: Said) -> list[str]:
        hidden = [
            str(one["url"])
            for one in parts(said.shown["blocks"])
            if one.get("type") == "link" and one.get("text", one["url"]) != one["url"]
        ]
        marked = [one["text"] for one in parts(said.shown["blocks"]) if one.get("type") == "mrkdwn"]
        return live_mentions(said.shown) + hidden + re.findall(r"<https?:[^>]*\|[^>]*>", "\n".join(marked))

    def beyond(self, said: Said) -> list[str]:
        return slack_problems(said.shown) + ([] if said.shown["blocks"] else ["only the plain line"])

    def has_readers(self, said: Said) -> bool:
        return False  # a message of Slack is one list of blocks, the same for all

    def is_local_time(self, said: Said) -> bool:
        return "<!date^" in said.words


class TeamsStage:
    platform = "teams"
    person, channel = Address(f"teams:{ADA}"), Address(f"teams:{HELP}")
    unknown_person, unknown_channel = Address(f"teams:{NOBODY}"), Address("teams:19:nowhere@thread.tacv2")
    unreachable = (Address(f"teams:{EVE}"),)
    gone = "12345"

    def __init__(self, server: TeamsServer, clock: FakeClock) -> None:
        self.server = server
        server.person(ADA, name="Ada")
        server.person(EVE, name="Eve", installed=False)
        server.team(TEAM, name="Support")
        server.channel(HELP, name="help", team=TEAM)
        registration = Registration(
            app_id=server.app_id,
            tenant=server.tenant,
            secret=server.password,
            service_urls=frozenset({f"http://127.0.0.1:{server.port}"}),
            service_url=server.service_url,
            openid_url=server.identity.openid_url,
            login_url=server.identity.url,
        )
        self.line = TeamsLine(
            registration=registration,
            directory=lambda: Directory(WorkspaceId("acme"), "Acme", "office"),
            names=str,
            references=ReferencesInMemory(),
            clock=clock,
        )
        self.line._http._deadline = 1.0
        self.chat = self.line.chat

    @property
    def secrets(self) -> tuple[str, ...]:
        return (PASSWORD, *self.server.identity._issued)

    @property
    def complaints(self) -> list[str]:
        return self.server.complaints

    async def said(self, to: Address) -> list[Said]:
        return [
            Said(one.id, one.words, one.controls, one.edited, one.thread if one.is_reply else None, one)
            for one in self.server.messages(to.removeprefix("teams:"))
        ]

    def fault(self, to: Address, **how: Any) -> None:
        method = "conversations.create" if to == self.channel else "activities.send"
        self.server.faults.once(method, **how)

    def live(self, said: Said) -> list[str]:
        found = list(said.shown.mentions)
        for part in parts(said.shown.card):
            if part.get("type") in {"TextBlock", "TextRun"}:
                found += re.findall(r"</?at\b.*?>", part["text"])
            if part.get("type") == "TextBlock":  # only these read Markdown
                found += re.findall(r"\]\s*\(|\]\s*:|\]\s*\[", part["text"])
        return found

    def beyond(self, said: Said) -> list[str]:
        return card_problems(said.shown.card)

    def has_readers(self, said: Said) -> bool:
        return self.server.people[ADA].mri in (said.shown.card.get("refresh") or {}).get("userIds", ())

    def is_local_time(self, said: Said) -> bool:
        return "{{TIME(" in said.words


class LocalStage:
    platform = "local"
    person, channel = Address("local:ada"), Address("local:#support-l1")
    unknown_person, unknown_channel = Address("local:nobody"), Address("local:#nowhere")
    unreachable = ()
    gone = "m99"
    secrets = ()

    def __init__(self, store: LocalStore, clock: FakeClock) -> None:
        self.store, self.complaints = store, list[str]()
        self.places = Places.of(read_directory(DIRECTORY_FILE).directory)
        self.chat = LocalChat(store, self.places, Renderer(self.places.name), clock, "http://127.0.0.1:8080/")

    async def said(self, to: Address) -> list[Said]:
        return [
            Said(
                one.id,
                "\n".join(texts(one.content)),
                [button["label"] for button in (*one.content.get("buttons", ()), *one.content.get("menu", ()))],
                one.edited,
                one.thread,
                one.content,
            )
            for one in await self.store.visible(PersonId(self.person), [to])
        ]

    def fault(self, to: Address, **how: Any) -> NoReturn:
        raise AssertionError("nothing lies between Echelon and the local chat")

    def live(self, said: Said) -> list[str]:
        return [str(one) for one in parts(said.shown) if one.get("t") in {"mention", "group", "room", "link"}]

    def beyond(self, said: Said) -> list[str]:
        return []

    def has_readers(self, said: Said) -> bool:
        return False  # a stored message is one content, the same for all

    def is_local_time(self, said: Said) -> bool:
        (when,) = [one for one in parts(said.shown) if one.get("t") == "when"]
        assert (when["zone"], when["full"]) == ("Europe/Paris", "Tue 24 Nov 09:00, Paris")
        return not when["zone"]


def parts(value: Any) -> Iterator[Json]:
    """Every object within."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from parts(one)


def texts(value: Any) -> Iterator[str]:
    """Every text within."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


@pytest.fixture(params=PLATFORMS)
async def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        built: Stage
        match request.param:
            case "slack":
                built = SlackStage(await stack.enter_async_context(SlackServer(bot_token=TOKEN)), clock)
            case "teams":
                built = TeamsStage(await stack.enter_async_context(TeamsServer(password=PASSWORD)), clock)
                stack.push_async_callback(built.line.close)
            case _:
                built = LocalStage(await stack.enter_async_context(LocalStore.opened(tmp_path / "chat.db")), clock)
        yield built
        assert built.complaints == []


@pytest.fixture
def cell(stage: Stage, request: pytest.FixtureRequest) -> str:
    """What the table says of this test on this platform."""
    return capabilities.cell(request.function.__name__, stage.platform)


@pytest.fixture
def can(cell: str) -> bool:
    """Whether the table says "yes"."""
    return cell == YES


# What arrives


async def test_a_card_goes_to_a_person(stage: Stage, can: bool) -> None:
    assert can
    ref = await stage.chat.post(stage.person, CARD, key="k1")

    (said,) = await stage.said(stage.person)
    assert (ref.to, ref.id) == (stage.person, said.id)
    assert "Checkout fails" in said.words
    assert await stage.said(stage.channel) == []


async def test_a_card_goes_to_a_channel(stage: Stage, can: bool) -> None:
    assert can
    ref = await stage.chat.post(stage.channel, CARD, key="k1")

    (said,) = await stage.said(stage.channel)
    assert (ref.to, ref.id, said.thread) == (stage.channel, said.id, None)
    assert "Checkout fails" in said.words
    assert await stage.said(stage.person) == []


async def test_a_card_is_edited_in_place(stage: Stage, can: bool) -> None:
    assert can
    for to in (stage.person, stage.channel):
        ref = await stage.chat.post(to, CARD, key="k1")
        await stage.chat.edit(ref, replace(CARD, headline="ESC-1 · Payment fails", fallback="ESC-1"))

        (said,) = await stage.said(to)
        assert (said.id, said.edited) == (ref.id, 1)
        assert "Payment fails" in said.words
        assert "Checkout fails" not in said.words


async def test_the_buttons_of_a_card_are_offered(stage: Stage, can: bool) -> None:
    assert can
    for to in (stage.person, stage.channel):
        await stage.chat.post(to, CARD, key="k1")

        (said,) = await stage.said(to)
        assert {"Acknowledge", "Resolve…", "Release", "Add a note…"} <= set(said.buttons)


async def test_a_line_goes_into_the_thread_of_a_card_in_a_channel(stage: Stage, can: bool) -> None:
    assert can
    await in_thread(stage, stage.channel, can)


async def test_a_line_goes_into_the_thread_of_a_card_in_direct_messages(stage: Stage, can: bool) -> None:
    await in_thread(stage, stage.person, can)


async def in_thread(stage: Stage, to: Address, can: bool) -> None:
    root = await stage.chat.post(to, CARD, key="k1")
    await stage.chat.post(to, CARD, key="k2")
    note = await stage.chat.post(to, LINE, key="k3", thread=root)

    (last,) = [one for one in await stage.said(to) if one.id == note.id]
    assert "It moved up." in last.words
    assert last.thread == (root.id if can else None)


async def test_a_link_leads_to_a_message_in_a_channel(stage: Stage, can: bool) -> None:
    await linked(await stage.chat.post(stage.channel, CARD, key="k1"), can)


async def test_a_link_leads_to_a_direct_message(stage: Stage, can: bool) -> None:
    await linked(await stage.chat.post(stage.person, CARD, key="k1"), can)


async def linked(ref: MessageRef, can: bool) -> None:
    assert (ref.link is not None) == can
    if ref.link:
        assert ref.link.startswith(("https://", "http://127.0.0.1:"))
        assert ref.id.replace(".", "") in ref.link


async def test_buttons_for_each_reader_of_a_channel(stage: Stage, can: bool) -> None:
    if isinstance(stage, TeamsStage):  # the id by which Teams names her: it comes with all that she writes
        await stage.line.book.learn(stage.person, user=stage.server.people[ADA].mri)
    await stage.chat.post(stage.channel, replace(CARD, lead=(Mention(PersonId(stage.person)),)), key="k1")

    (said,) = await stage.said(stage.channel)
    assert stage.has_readers(said) == can


async def test_dates_are_in_the_readers_own_zone(stage: Stage, can: bool) -> None:
    due = When(datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "Europe/Paris")
    await stage.chat.post(stage.person, replace(CARD, fields=(Field("Deadline", (due,)),)), key="k1")

    (said,) = await stage.said(stage.person)
    assert stage.is_local_time(said) == can


# Nothing twice


async def test_the_same_key_twice_is_one_message(stage: Stage, can: bool) -> None:
    for to in (stage.person, stage.channel):
        refs = [await stage.chat.post(to, CARD, key="k1") for _ in range(2)]
        assert len(await stage.said(to)) == (1 if can else 2)
        assert (refs[0] == refs[1]) == can

        await stage.chat.post(to, CARD, key="k2")
        assert len(await stage.said(to)) == (2 if can else 3)


async def test_what_an_uncertain_attempt_left_is_found_in_direct_messages(stage: Stage, can: bool) -> None:
    await found(stage, stage.person, can)


async def test_what_an_uncertain_attempt_left_is_found_in_a_channel(stage: Stage, can: bool) -> None:
    await found(stage, stage.channel, can)


async def found(stage: Stage, to: Address, can: bool) -> None:
    if stage.platform == "local":
        await stage.chat.post(to, CARD, key="k1")
    else:
        assert (await failing(stage, to, drop_after_accept=True)).uncertain
    left = await stage.chat.find(to, "k1")

    (said,) = await stage.said(to)
    assert (left.id if left else None) == (said.id if can else None)
    assert await stage.chat.find(to, "k2") is None


# Places that never will


async def test_an_unknown_channel_is_refused(stage: Stage, can: bool) -> None:
    assert can
    await refused(stage, stage.unknown_channel)


async def test_an_unknown_person_is_refused(stage: Stage, can: bool) -> None:
    assert can
    await refused(stage, stage.unknown_person)


async def test_who_cannot_be_reached_any_more_is_refused(stage: Stage, can: bool) -> None:
    assert bool(stage.unreachable) == can
    for to in stage.unreachable:
        await refused(stage, to)
    if isinstance(stage, LocalStage):
        for number, person in enumerate(stage.places.people):
            await stage.chat.post(person, CARD, key=f"k{number}")


async def refused(stage: Stage, to: Address) -> None:
    for _ in range(2):
        with pytest.raises(Refused) as error:
            await stage.chat.post(to, CARD, key="k1")
        assert re.fullmatch("[a-z_]+", error.value.reason)


async def test_an_edit_of_a_message_that_is_gone_is_refused(stage: Stage, can: bool) -> None:
    assert can
    for to in (stage.person, stage.channel):
        ref = await stage.chat.post(to, CARD, key="k1")
        with pytest.raises(Refused, match="message_not_found"):
            await stage.chat.edit(replace(ref, id=stage.gone), CARD)


# Places that may later


async def failing(stage: Stage, to: Address, **how: Any) -> Unreachable:
    """The error of one message while this goes wrong; it is sent once."""
    if stage.platform == "teams" and to == stage.person and not await stage.said(to):
        assert isinstance(stage, TeamsStage)
        await stage.line.chat.open_chat(to)
    stage.fault(to, **how)
    with pytest.raises(Unreachable) as error:
        await stage.chat.post(to, CARD, key="k1")
    return error.value


async def nothing_between(stage: Stage, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made: what goes wrong with one cannot go wrong here."""
    assert cell == IN_PROCESS
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", None)
        for to in (stage.person, stage.channel):
            await stage.chat.edit(await stage.chat.post(to, CARD, key="k1"), CARD)


async def test_a_rate_limit_names_its_time(stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can:
        await nothing_between(stage, cell, monkeypatch)
        return
    for to in (stage.person, stage.channel):
        error = await failing(stage, to, status=429, retry_after=17)
        assert (error.retry_after, error.uncertain) == (17, False)
        assert await stage.said(to) == []


async def test_a_503_is_tried_again(stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await comes_right(stage, can, cell, monkeypatch, status=503)


async def test_a_dropped_connection_is_tried_again(
    stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await comes_right(stage, can, cell, monkeypatch, drop=True)


async def test_a_platform_that_hangs_is_tried_again(
    stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await comes_right(stage, can, cell, monkeypatch, hang=True)


async def comes_right(stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    if not can:
        await nothing_between(stage, cell, monkeypatch)
        return
    for to in (stage.person, stage.channel):
        error = await failing(stage, to, **how)
        assert error.retry_after is None
        assert error.uncertain or "status" in how
        assert await stage.said(to) == []
        await stage.chat.post(to, CARD, key="k1")
        assert len(await stage.said(to)) == 1


async def test_an_answer_lost_after_the_post_is_uncertain(
    stage: Stage, can: bool, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can:
        await nothing_between(stage, cell, monkeypatch)
        return
    for to in (stage.person, stage.channel):
        error = await failing(stage, to, drop_after_accept=True)
        assert error.uncertain
        assert len(await stage.said(to)) == 1


# What people write


def saying(words: str) -> tuple[Card, Line]:
    """Words wherever people's own may stand."""
    card = replace(
        CARD,
        headline=f"ESC-1 · {words}",
        fallback=f"ESC-1 · {words}",
        status=("Waiting · ", words),
        expected_label="Expected",
        expected=words,
        body=words,
        fields=(Field("Note", (words, Strong(words))),),
        footer=(words,),
    )
    return card, Line(EN, (words, Strong(words)), words, items=((words,), (Strong(words),)))


async def all_said(stage: Stage, words: str) -> list[Said]:
    """A card and a line with these words to a person and to a channel, and what stands there after an edit."""
    for to in (stage.person, stage.channel):
        card, line = saying(words)
        ref = await stage.chat.post(to, CARD, key="k1")
        await stage.chat.edit(ref, card)
        await stage.chat.post(to, card, key="k2")
        await stage.chat.post(to, line, key="k3", thread=ref)
    return [*await stage.said(stage.person), *await stage.said(stage.channel)]


async def test_hostile_words_mention_nobody_and_hide_no_link(stage: Stage, can: bool) -> None:
    assert can
    for said in await all_said(stage, HOSTILE):
        assert stage.live(said) == []
        assert "everyone" in said.words


async def test_control_characters_and_directions_are_taken_out(stage: Stage, can: bool) -> None:
    for said in await all_said(stage, TURNED):
        assert (CONTROLS.search(said.words) is None) == can
        assert "evil" in said.words


async def test_a_hundred_kilobytes_stay_within_the_limits(
    stage: Stage, can: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for said in await all_said(stage, LARGE):
        assert stage.beyond(said) == []
        assert "word word" in said.words
        assert (LARGE not in said.words) == can
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_no_secret_is_in_logs_or_errors(stage: Stage, can: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert bool(stage.secrets) == can
    if isinstance(stage.chat, LocalChat):
        assert {field.name for field in fields(stage.chat)} == {"store", "places", "renderer", "clock", "url"}
        return
    caplog.set_level(logging.DEBUG)
    ref, errors = await stage.chat.post(stage.person, CARD, key="k0"), list[DeliveryError]()
    wrongs: tuple[Json, ...] = ({"status": 429}, {"status": 401}, {"status": 500}, {"drop": True}, {"hang": True})
    for how in wrongs:
        errors.append(await failing(stage, stage.person, **how))
    for to in (stage.unknown_person, stage.unknown_channel, *stage.unreachable):
        with pytest.raises(Refused) as error:
            await stage.chat.post(to, CARD, key="k1")
        errors.append(error.value)
    with pytest.raises(Refused) as error:
        await stage.chat.edit(replace(ref, id=stage.gone), CARD)
    errors.append(error.value)

    told = "\n".join(f"{one} {one!r} {one.__cause__!r} {one.__context__!r}" for one in errors) + caplog.text
    assert [secret for secret in stage.secrets if secret in told] == []


# The table


def test_no_cell_is_empty() -> None:
    for row in ROWS:
        for platform in PLATFORMS:
            said = row.cell(platform)
            assert said == said.strip() != ""
            assert "|" not in said
            assert len(said) <= 70


def test_every_test_that_the_table_names_is_there() -> None:
    for row in ROWS:
        assert len(row.shown_by) in {1, len(PLATFORMS)}
        for shown in row.shown_by:
            path, _, name = shown.partition("::")
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), shown


def test_every_test_of_a_chat_has_its_row() -> None:
    here = Path(__file__).read_text(encoding="utf-8")

    tests = set(re.findall(r"^async def (test_\w+)", here, re.MULTILINE))
    assert {shown.removeprefix(f"{CHATS}::") for row in DELIVERY for shown in row.shown_by} <= tests
    assert {
        shown.removeprefix(f"{CHATS}::") for row in ROWS for shown in row.shown_by if shown.startswith(CHATS)
    } == tests
    assert len({row.name for row in ROWS}) == len(DELIVERY) + len(FACES)


def test_the_page_says_what_the_table_says() -> None:
    assert (ROOT / "docs/platforms.md").read_text(encoding="utf-8") == capabilities.page()
