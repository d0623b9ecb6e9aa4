"""The local chat keeps its messages, knows a repetition, and goes on at the moved time after a restart."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.local.clock import Kept, MovableClock
from adapters.local.demo import DIRECTORY_FILE, STORY
from adapters.local.gateway import LocalChat
from adapters.local.places import Places, ladders
from adapters.local.render import Renderer
from adapters.local.store import Draft, LocalStore
from bot.delivery import MessageRef
from bot.directory import Address, Directory, PersonId
from bot.errors import Refused, Unreachable
from bot.message import Line
from bot.plan import EN
from matrix.directory_file import read_directory
from matrix.shelf import MatrixShelf
from tests.fakes import FakeClock

AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
ADA, BRUNO = PersonId(Address("local:ada")), PersonId(Address("local:bruno"))
SUPPORT = Address("local:#support-l1")


@pytest.fixture
def directory() -> Directory:
    return read_directory(DIRECTORY_FILE).directory


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    async with LocalStore.opened(tmp_path / "demo" / "chat.db") as opened:
        yield opened


@pytest.fixture
def chat(store: LocalStore, directory: Directory) -> LocalChat:
    places = Places.of(directory)
    return LocalChat(store, places, Renderer(places.name), FakeClock(AT), "http://127.0.0.1:8080/")


def a_draft(key: str, place: str = SUPPORT, **changes: str) -> Draft:
    told: dict[str, str | None] = {"author": "echelon", "thread": None, "only_for": None, **changes}
    return Draft(key=key, place=place, at=AT, content={"kind": "words", "text": []}, **told)  # type: ignore[arg-type]


def a_line(words: str = "It moved up.") -> Line:
    return Line(EN, (words,), words)


# The store


async def test_a_message_is_there_after_a_restart(tmp_path: Path) -> None:
    async with LocalStore.opened(tmp_path / "chat.db") as before:
        stored = await before.add(a_draft("one"))

    async with LocalStore.opened(tmp_path / "chat.db") as after:
        assert await after.get(stored.id) == stored


async def test_a_message_is_on_the_disk_before_it_is_answered(store: LocalStore, tmp_path: Path) -> None:
    await store.add(a_draft("one"))

    with sqlite3.connect(tmp_path / "demo" / "chat.db") as other:
        assert other.execute("SELECT count(*) FROM messages").fetchone() == (1,)
    other.close()


async def test_the_same_key_twice_is_one_message(store: LocalStore) -> None:
    first, second = await store.add(a_draft("one")), await store.add(a_draft("one"))

    assert first == second
    assert len(await store.visible(ADA, [SUPPORT])) == 1


async def test_an_edit_counts_as_a_new_change_and_keeps_the_place(store: LocalStore) -> None:
    first, later = await store.add(a_draft("one")), await store.add(a_draft("two"))

    edited = await store.replace(first.id, {"kind": "words", "text": ["new"]})

    assert edited is not None
    assert (edited.id, edited.edited, edited.content["text"]) == (first.id, 1, ["new"])
    assert edited.change > later.change
    assert await store.visible(ADA, [SUPPORT], since=later.change) == (edited,)


@pytest.mark.parametrize("id", ["", "m", "m0", "m99", "x1", "1'; DROP TABLE messages", "m" + "9" * 30, "m١"])
async def test_an_id_of_no_message_finds_nothing(store: LocalStore, id: str) -> None:
    await store.add(a_draft("one"))

    assert await store.get(id) is None
    assert await store.replace(id, {}) is None


async def test_what_is_only_for_one_person_is_hidden_from_all_others(store: LocalStore) -> None:
    secret = await store.add(a_draft("one", only_for=ADA))

    assert await store.visible(ADA, [SUPPORT]) == (secret,)
    assert await store.visible(BRUNO, [SUPPORT]) == ()
    assert await store.unread(BRUNO) == {}


async def test_unread_are_the_messages_of_others_after_the_mark(store: LocalStore) -> None:
    read = await store.add(a_draft("one"))
    await store.add(a_draft("two"))
    await store.add(a_draft("own", author=ADA))

    await store.mark_read(ADA, SUPPORT, read.id)
    await store.mark_read(ADA, SUPPORT, "m0")

    assert await store.unread(ADA) == {SUPPORT: 1}
    assert await store.unread(BRUNO) == {SUPPORT: 3}


async def test_whoever_waits_is_woken_by_a_message(store: LocalStore) -> None:
    ticket = store.news.ticket()

    await store.add(a_draft("one"))

    assert ticket.is_set()
    assert not store.news.ticket().is_set()


# The clock


class Ticking:
    """Real time, by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> datetime:
        return AT + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed

    def clock(self) -> MovableClock:
        return MovableClock(wall=self.wall, seconds=self.seconds)


def test_the_clock_jumps_forward_and_never_back() -> None:
    clock = Ticking().clock()

    clock.jump(AT + timedelta(hours=2))
    clock.jump(AT)

    assert clock.now() == AT + timedelta(hours=2)


def test_a_faster_clock_goes_on_from_where_it_is() -> None:
    time = Ticking()
    clock = time.clock()

    time.passed = 10
    clock.run_at(60)
    time.passed = 20
    clock.run_at(1)
    time.passed = 30

    assert clock.now() == AT + timedelta(seconds=10 + 600 + 10)


def test_waiting_is_in_real_seconds() -> None:
    clock = Ticking().clock()
    clock.run_at(60)

    assert clock.seconds_until(AT + timedelta(minutes=2)) == 2
    assert clock.monotonic() == 0


def test_a_speed_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no speed 7"):
        Ticking().clock().run_at(7)


async def test_the_clock_goes_on_at_the_moved_time_after_a_restart(store: LocalStore) -> None:
    time = Ticking()
    before = time.clock()
    before.jump(AT + timedelta(days=3))
    await store.keep_clock(before.kept())

    time.passed = 60
    after = time.clock()
    kept = await store.clock()
    assert kept is not None
    after.resume(kept)

    assert after.now() == AT + timedelta(days=3, seconds=60)


async def test_the_clock_never_starts_before_the_last_message(store: LocalStore) -> None:
    await store.keep_clock(Kept(shown=AT - timedelta(days=1), ahead=timedelta(days=-2)))
    await store.add(a_draft("one"))

    kept = await store.clock()
    assert kept is not None
    clock = Ticking().clock()
    clock.resume(kept)

    assert clock.now() >= AT


async def test_a_new_store_knows_no_clock(store: LocalStore) -> None:
    assert await store.clock() is None


# The gateway


async def test_a_delivery_with_the_same_key_is_one_message(chat: LocalChat, store: LocalStore) -> None:
    first = await chat.post(ADA, a_line(), key="p1")
    second = await chat.post(ADA, a_line(), key="p1")

    assert first == second == await chat.find(ADA, "p1")
    assert len(await store.visible(ADA, [ADA])) == 1


async def test_the_same_effect_at_two_places_is_two_messages(chat: LocalChat) -> None:
    direct = await chat.post(ADA, a_line(), key="p1")
    channel = await chat.post(SUPPORT, a_line(), key="p1")

    assert direct.id != channel.id
    assert await chat.find(BRUNO, "p1") is None


async def test_a_message_has_a_link_that_opens_it(chat: LocalChat) -> None:
    ref = await chat.post(SUPPORT, a_line(), key="p1")

    assert ref == MessageRef(SUPPORT, SUPPORT, "m1", "http://127.0.0.1:8080/#m1")


@pytest.mark.parametrize("to", ["local:nobody", "local:#nowhere", "slack:C0123ABCD", "local:", "ada"])
async def test_an_unknown_place_is_refused_for_good(chat: LocalChat, to: str) -> None:
    with pytest.raises(Refused, match="no_such_place"):
        await chat.post(Address(to), a_line(), key="p1")


async def test_an_edit_of_a_message_that_is_gone_is_refused(chat: LocalChat) -> None:
    with pytest.raises(Refused, match="message_not_found"):
        await chat.edit(MessageRef(ADA, ADA, "m99"), a_line())


async def test_a_reply_goes_to_the_root_of_the_thread(chat: LocalChat, store: LocalStore) -> None:
    root = await chat.post(ADA, a_line(), key="root")
    reply = await chat.post(ADA, a_line(), key="reply", thread=root)
    deeper = await chat.post(ADA, a_line(), key="deeper", thread=reply)

    stored = await store.visible(ADA, [ADA])
    assert {message.id: message.thread for message in stored} == {root.id: None, reply.id: root.id, deeper.id: root.id}


async def test_a_thread_of_another_place_is_refused(chat: LocalChat) -> None:
    root = await chat.post(ADA, a_line(), key="root")

    with pytest.raises(Refused):
        await chat.post(SUPPORT, a_line(), key="reply", thread=root)


async def test_a_store_that_fails_may_work_later(directory: Directory, tmp_path: Path) -> None:
    places = Places.of(directory)
    async with LocalStore.opened(tmp_path / "chat.db") as store:
        chat = LocalChat(store, places, Renderer(places.name), FakeClock(AT), "http://localhost")
        with sqlite3.connect(tmp_path / "chat.db") as other:
            other.execute("DROP TABLE messages")
        other.close()

        with pytest.raises(Unreachable):
            await chat.post(ADA, a_line(), key="p1")


async def test_everybody_is_in_every_channel_but_the_admins_own(chat: LocalChat) -> None:
    admins = Address("local:#echelon-admin")

    assert await chat.in_any(BRUNO, [admins, SUPPORT])
    assert await chat.in_any(ADA, [admins])
    assert not await chat.in_any(BRUNO, [admins])
    assert not await chat.in_any(BRUNO, [])


# The cast


def test_every_role_of_the_built_in_matrices_has_somebody_and_a_channel(directory: Directory) -> None:
    plans, places = MatrixShelf.open(), Places.of(directory)

    bindings = [directory.binding(level.role) for ladder in ladders(plans, None) for level in ladder.levels]

    assert len(bindings) == 11
    assert all(binding.owners and binding.channel for binding in bindings)
    assert all(places.knows(address) for binding in bindings for address in (*binding.owners, str(binding.channel)))


def test_the_story_is_set_among_the_people_and_channels_of_the_demo(directory: Directory) -> None:
    places = Places.of(directory)

    assert STORY.opener in places.people
    assert STORY.channel in places.channels
    assert not places.roles(STORY.opener)
    assert directory.matrix_for(STORY.channel) == STORY.matrix


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("handover ESC-1 @bruno", "handover ESC-1 @local:bruno"),
        ("handover ESC-1 @Bruno Costa", "handover ESC-1 @local:bruno"),
        ("handover ESC-1 @inês duarte please", "handover ESC-1 @local:ines please"),
        ("mail to ada@bruno.example", "mail to ada@bruno.example"),
        ("@brunos", "@brunos"),
        ("nobody", "nobody"),
    ],
)
def test_names_are_written_as_the_core_reads_them(directory: Directory, typed: str, read: str) -> None:
    assert Places.of(directory).addressed(typed) == read
