"""Several replicas on one PostgreSQL act as one: nothing twice, nothing lost, whoever hears, whoever dies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.tables import escalations, outbox
from tests.process.bot import Process, until
from tests.process.replicas import LEASE, Office, comes_true, freeze, key_of, thaw
from tests.slack_server import SlackServer

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(honours_client_msg_id=False) as server:
        yield server


@pytest.fixture
def office(slack: SlackServer, postgres, tmp_path: Path) -> Office:
    """One desk with a window of two seconds; Slack takes everything twice that is sent twice."""
    office = Office(slack, tmp_path, postgres.empty())
    office.furnish()
    return office


async def test_an_issue_opened_on_one_is_moved_once_and_can_be_taken_on_the_other(office: Office) -> None:
    slack = office.slack
    async with office.replica("one") as one, office.replica("two") as two, office.replica("three") as three:
        await asyncio.gather(one.ready(), two.ready(), three.ready())
        answer = await office.door(one).slash("/escalate", "checkout fails", user="UOPEN0", channel="CHELP0")
        assert "ESC-1" in answer.text

        await until(lambda: office.cards("UB0", "checkout fails") and office.cards("CB0", "checkout fails"))
        (card,) = office.cards("UB0", "checkout fails")
        assert (await office.door(two).click(card, "Acknowledge", user="UB0")).ok
        await until(lambda: "has it since" in office.cards("CB0", "checkout fails")[0].words)
        await office.door(three).slash("/escalate", "resolve ESC-1 fixed", user="UB0", channel="CB0")
        await comes_true(lambda: done(office))

        assert [await one.stopped(), await two.stopped(), await three.stopped()] == [0, 0, 0]
    assert await office.entered() == {(row["id"], n): 1 for row in await office.rows(escalations) for n in (1, 2)}
    assert office.twice() == []
    assert [len(office.cards(place, "checkout fails")) for place in ("UA0", "CA0", "UB0", "CB0")] == [1, 1, 1, 1]
    assert await office.broken() == []
    assert slack.complaints == []


async def done(office: Office) -> bool:
    """Whether everything that was to be said has been said."""
    return await office.waiting() == 0


async def test_what_slack_delivers_to_both_at_once_or_again_later_has_one_effect(office: Office) -> None:
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        both = office.door(one, two)

        first = await both.slash("/escalate", "checkout fails", user="UOPEN0", channel="CHELP0")
        assert [status for status, _ in both.answers] == [200, 200]
        assert "ESC-1" in str(both.answers[0][1])
        assert "ESC-1" in str(both.answers[1][1])
        mentioned = await both.mention("mail is down", user="UOPEN0", channel="CHELP0")
        await until(lambda: office.cards("CA0", "mail is down"))
        await office.door(two).again(first)
        await office.door(one).again(mentioned, retry=1)

        await until(lambda: office.cards("UA0", "checkout fails"))
        (card,) = office.cards("UA0", "checkout fails")
        clicked = await both.click(card, "Acknowledge", user="UA0")
        await office.door(two).again(clicked)
        await comes_true(lambda: done(office))

    rows = await office.rows(escalations)
    assert sorted(row["title"] for row in rows) == ["checkout fails", "mail is down"]
    assert office.twice() == []
    assert await office.broken() == []


async def test_clicks_in_any_order_over_two_replicas_leave_one_history(office: Office) -> None:
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        doors = [office.door(one), office.door(two)]
        await doors[0].slash("/escalate", "checkout fails", user="UOPEN0", channel="CHELP0")
        await until(lambda: office.cards("CA0", "checkout fails"))

        words = ("ack ESC-1", "note ESC-1 looking", "release ESC-1", "note ESC-1 again", "resolve ESC-1 done")
        asked = [
            doors[n % 2].slash("/escalate", said, user="UA0", channel="CA0") for n, said in enumerate(reversed(words))
        ]
        answers = await asyncio.gather(*asked)
        await comes_true(lambda: done(office))

    assert all(answer.ok and answer.text for answer in answers)
    (row,) = await office.rows(escalations)
    assert row["status"] == "resolved"
    assert await office.broken() == []
    assert office.twice() == []


async def opened(office: Office, each: int, *replicas: Process) -> None:
    """`each` issues a desk, by different people, in turn at each of the replicas."""
    doors = [office.door(one) for one in replicas]
    turns = asyncio.Semaphore(6)

    async def ask(number: int) -> None:
        async with turns:
            door, desk = doors[number % len(doors)], number % office.desks
            who = f"UOPEN{number % office.openers}"
            asked = await door.slash("/escalate", f"issue {number:03}", user=who, channel=f"CHELP{desk}")
            while (
                "ESC-" not in asked.text
            ):  # a busy machine may need longer than a person waits; once told, it counts once
                await asyncio.sleep(1)
                asked = await door.again(asked)

    await asyncio.gather(*(ask(number) for number in range(office.desks * each)))


@pytest.mark.parametrize(
    ("desks", "each", "window"), [(10, 4, "20s"), pytest.param(30, 10, "2m", marks=pytest.mark.slow)]
)
@pytest.mark.timeout(300)
async def test_what_falls_due_together_is_moved_once_by_both(
    slack: SlackServer, postgres, tmp_path: Path, desks: int, each: int, window: str
) -> None:
    """Both are frozen until every window has ended, and wake in the same moment."""
    office = Office(slack, tmp_path, postgres.empty(), desks=desks, window=window, openers=desks * each)
    office.furnish()
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        await opened(office, each, one, two)
        freeze(one, two)
        assert set(await office.levels()) == {1}, "none had come to its end before the last was opened"
        await comes_true(lambda: all_due(office), 150)
        thaw(one, two)
        await comes_true(lambda: all_moved(office, desks * each), 30)
        await comes_true(lambda: done(office), 90)

        assert [await one.stopped(), await two.stopped()] == [0, 0]
    rows = await office.rows(escalations)
    assert await office.entered() == {(row["id"], n): 1 for row in rows for n in (1, 2)}
    assert office.twice() == []
    for number in range(desks * each):
        assert len(office.cards(f"CB{number % desks}", f"issue {number:03}")) == 1
    assert await office.broken() == []
    await in_order(office)


async def all_due(office: Office) -> bool:
    return all(row["next_due"] < datetime.now(UTC) for row in await office.rows(escalations))


async def all_moved(office: Office, total: int) -> bool:
    return await office.levels() == {2: total}


async def in_order(office: Office) -> None:
    """In each place, of two cards with one level and urgency, the one that was written first came first."""
    written = {row["key"]: row for row in await office.rows(outbox)}
    for place in office.slack.channels:
        said = [written.get(key_of(one)) for one in office.slack.messages(place) if not one.thread_ts]
        rows = [row for row in said if row and row["level"] == 2 and row["errand"] in {"ping", "post"}]
        assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows), place


async def test_a_message_that_one_left_behind_is_sent_by_the_other(office: Office) -> None:
    slack = office.slack
    slack.faults.always("chat.postMessage", status=503)
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        await office.door(one).slash("/escalate", "checkout fails", user="UOPEN0", channel="CHELP0")
        await one.killed()
        slack.faults.clear()

        await until(lambda: office.cards("UB0", "checkout fails") and office.cards("CB0", "checkout fails"), 45)

        assert await two.stopped() == 0
    assert office.twice() == []


async def test_a_language_chosen_on_one_is_spoken_by_the_other(office: Office) -> None:
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())

        async def helped() -> str:
            return (await office.door(two).slash("/escalate", "help", user="UOPEN0", channel="CHELP0")).text

        before = await helped()
        await office.door(one).slash("/escalate", "language fr", user="UOPEN0", channel="CHELP0")

        async def changed() -> bool:
            await asyncio.sleep(2)  # people have a limit of their own
            return await helped() not in {before, ""}

        await comes_true(changed, 45)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_when_one_is_killed_in_a_storm_the_other_sends_the_rest_within_a_lease(
    slack: SlackServer, postgres, tmp_path: Path
) -> None:
    slack.honours_client_msg_id = True
    office = Office(slack, tmp_path, postgres.empty(), desks=10, window="1h", openers=40)
    office.furnish()
    slack.faults.always("chat.postMessage", delay=0.2)
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        await opened(office, 4, one, two)
        await until(lambda: len(office.posted()) > 5)
        await one.killed()

        await comes_true(lambda: done(office), LEASE + 30)

        assert await two.stopped() == 0
    assert await office.entered() == {(row["id"], 1): 1 for row in await office.rows(escalations)}
    assert office.twice() == []
    assert [len(office.cards(f"CA{n % 10}", f"issue {n:03}")) for n in range(40)] == [1] * 40
    assert await office.broken() == []


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_one_that_was_frozen_for_longer_than_its_lease_sends_nothing_under_it(
    slack: SlackServer, postgres, tmp_path: Path
) -> None:
    office = Office(slack, tmp_path, postgres.empty(), desks=10, window="1h", openers=40)
    office.furnish()
    slack.faults.always("chat.postMessage", delay=0.2)
    async with office.replica("one") as one, office.replica("two") as two:
        await asyncio.gather(one.ready(), two.ready())
        await opened(office, 4, one, two)
        await until(lambda: len(office.posted()) > 5)
        freeze(one)
        await asyncio.sleep(LEASE + 2)
        await comes_true(lambda: done(office), 60)
        before, told = len(slack.calls), {key_of(said) for said in office.posted()}
        assert len(told) >= 80, "a ping and a post of each, by the other one"

        thaw(one)
        asked = await office.door(one).slash("/escalate", "issue of the woken", user="UADMIN", channel="CHELP0")
        while "ESC-" not in asked.text:
            await asyncio.sleep(1)
            asked = await office.door(one).again(asked)
        await until(lambda: office.cards("CA0", "issue of the woken"))
        await comes_true(lambda: done(office))

        since = [call.args for call in slack.calls[before:] if call.method == "chat.postMessage"]
        assert not told & {args["metadata"]["event_payload"]["key"] for args in since}
        assert [await one.stopped(), await two.stopped()] == [0, 0]
    assert await office.broken() == []


@pytest.mark.skipif(
    not FAKETIME.exists(), reason="libfaketime is not installed: wrong clocks are tried by injection only"
)
async def test_replicas_whose_machines_are_two_hours_apart_move_an_issue_once_and_in_time(office: Office) -> None:
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}
    files = [office.folder / name for name in ("slow.rc", "fast.rc")]
    for file, hours in zip(files, ("-1h", "+1h"), strict=True):
        file.write_text(hours)
    async with (
        office.replica("slow", **wrong, FAKETIME_TIMESTAMP_FILE=str(files[0])) as slow,
        office.replica("fast", **wrong, FAKETIME_TIMESTAMP_FILE=str(files[1])) as fast,
    ):
        await asyncio.gather(slow.ready(), fast.ready())
        for door, words in ((office.door(slow), "checkout fails"), (office.door(fast), "mail is down")):
            assert "ESC-" in (await door.slash("/escalate", words, user="UOPEN0", channel="CHELP0")).text
        files[0].write_text("+3h")
        await until(lambda: office.cards("CB0", "checkout fails") and office.cards("CB0", "mail is down"))
        files[1].write_text("-3h")
        await office.door(fast).slash("/escalate", "the lift is stuck", user="UOPEN0", channel="CHELP0")
        await until(lambda: office.cards("CB0", "the lift is stuck"))
        await comes_true(lambda: done(office))
        assert [await slow.stopped(), await fast.stopped()] == [0, 0]
    assert office.twice() == []
    assert all(" late." not in said.words for said in office.posted())
    assert "from the database's, which counts for Echelon" in office.log("slow")
