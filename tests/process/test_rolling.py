"""From one version to the next and back, one replica at a time, with work under way."""

from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import CalledProcessError, run

import pytest

from storage.tables import escalations
from tests.process.bot import ROOT, Process, until
from tests.process.replicas import Office, comes_true
from tests.slack_server import SlackServer

BEFORE = "3518b44"
"""0.1.0, as it was before there were several replicas: its schema ends with 0002, and it knows of no floor."""


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the version before, from the history."""
    tree = tmp_path_factory.mktemp("before")
    try:
        archive = run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True)
    except (OSError, CalledProcessError):
        pytest.skip(f"the history of this copy does not reach back to {BEFORE}: the version before cannot be started")
    run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    return tree


@pytest.fixture
async def office(postgres, tmp_path: Path) -> AsyncIterator[Office]:
    async with SlackServer(honours_client_msg_id=False) as slack:
        office = Office(slack, tmp_path, postgres.empty(), window="3s", openers=8)
        office.furnish()
        yield office


async def opens(office: Office, replica: Process, title: str, opener: int) -> None:
    """Ask for help at one replica; the issue climbs to the second level by itself, on whichever."""
    answer = await office.door(replica).slash("/escalate", title, user=f"UOPEN{opener}", channel="CHELP0")
    assert "ESC-" in answer.text


async def climbed(office: Office, *titles: str) -> None:
    """Wait until each has reached the second level, in both places."""
    for title in titles:
        await until(lambda title=title: office.cards("UB0", title) and office.cards("CB0", title), 40)


async def tells(office: Office, replica: Process, words: str) -> None:
    assert (await office.door(replica).slash("/escalate", words, user="UB0", channel="CB0")).ok


async def all_said(office: Office) -> bool:
    return await office.waiting() == 0


@pytest.mark.timeout(240)
async def test_old_and_new_work_side_by_side_and_one_may_go_back(office: Office, old_code: Path) -> None:
    async with office.replica("old", code=old_code) as old:
        await old.ready()
        await opens(office, old, "opened before", 0)
        async with office.replica("new") as new:
            await new.ready()
            await opens(office, new, "opened on the new", 1)
            await opens(office, old, "opened on the old", 2)
            await climbed(office, "opened before", "opened on the new", "opened on the old")
            await tells(office, old, "ack ESC-2")
            await tells(office, new, "ack ESC-3")
            await tells(office, new, "resolve ESC-1 seen")
            await comes_true(lambda: all_said(office), 60)
            assert await new.stopped() == 0
        assert await old.stopped() == 0

    async with office.replica("old again", code=old_code) as back:
        await back.ready()
        await opens(office, back, "opened after going back", 3)
        await climbed(office, "opened after going back")
        await tells(office, back, "resolve ESC-2 seen")
        await comes_true(lambda: all_said(office), 60)
        assert await back.stopped() == 0

    async with office.replica("new again") as new:
        await new.ready()
        await opens(office, new, "opened after coming again", 4)
        await climbed(office, "opened after coming again")
        await tells(office, new, "resolve ESC-4 seen")
        await comes_true(lambda: all_said(office), 60)
        assert await new.stopped() == 0

    rows = await office.rows(escalations)
    assert {row["number"]: row["status"] for row in rows} == {
        1: "resolved",
        2: "resolved",
        3: "acknowledged",
        4: "resolved",
        5: "waiting",
    }
    assert await office.entered() == {(row["id"], n): 1 for row in rows for n in (1, 2)}
    assert office.twice() == []
    assert await office.broken() == []
    assert "Traceback" not in "".join(office.log(name) for name in ("old", "new", "old again", "new again"))
