"""Once a person was told "opened", no crash loses it: kill -9 at the two moments that matter, and a calm stop."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.process.bot import people_the_workspace, running, until
from tests.slack_server import SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


@pytest.fixture
def bells(request: pytest.FixtureRequest) -> str:
    """`pytest --bells none` takes APScheduler away here, too."""
    return request.config.getoption("--bells")


def cards(slack: SlackServer, to: str) -> list[str]:
    """The root messages about our issue; what is said in their threads does not count."""
    return [said.words for said in slack.messages(to) if "checkout fails" in said.words and not said.thread_ts]


async def test_killed_between_the_answer_and_the_delivery_the_ping_goes_out_after_the_restart(
    slack: SlackServer, tmp_path: Path, bells: str
) -> None:
    slack.faults.always("chat.postMessage", status=503)
    async with running(slack, tmp_path, unused_port(), bells=bells) as bot:
        await bot.ready()
        answer = await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        assert "ESC-1" in answer.text
        await bot.killed()
    assert cards(slack, "UREP") == []
    slack.faults.clear()

    async with running(slack, tmp_path, unused_port(), bells=bells) as bot:
        await until(lambda: cards(slack, "UREP") and cards(slack, "CREP"))

        assert len(cards(slack, "UREP")) == 1
        assert await bot.stopped() == 0


@pytest.mark.parametrize("honours", [True, False])
async def test_killed_in_the_middle_of_a_delivery_the_ping_is_not_lost(
    slack: SlackServer, tmp_path: Path, bells: str, honours: bool
) -> None:
    slack.honours_client_msg_id = honours
    slack.faults.always("chat.postMessage", hang=True, accepted=True)
    async with running(slack, tmp_path, unused_port(), bells=bells) as bot:
        await bot.ready()
        await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        await until(lambda: len(cards(slack, "UREP")) == 1 and len(cards(slack, "CREP")) == 1)
        await bot.killed()
    slack.faults.clear()
    slack.faults.always("chat.postMessage", delay=0.0)

    async with running(slack, tmp_path, unused_port(), bells=bells) as bot:
        await bot.ready()
        await slack.socket_door().slash("/escalate", "ack ESC-1", user="UREP", channel="CREP")
        await until(lambda: any("has it since" in words for words in cards(slack, "CREP")))

        assert len(cards(slack, "UREP")) == 1, "direct messages are looked through before a second post"
        assert len(cards(slack, "CREP")) == (1 if honours else 2), "a channel may show it twice, never not at all"
        assert await bot.stopped() == 0
    assert slack.complaints == []


async def test_without_apscheduler_the_bot_starts_delivers_and_stops(slack: SlackServer, tmp_path: Path) -> None:
    async with running(slack, tmp_path, unused_port(), bells="none") as bot:
        await bot.ready()
        await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        await until(lambda: len(cards(slack, "UREP")) == 1)

        assert await bot.stopped() == 0


async def test_a_second_process_on_the_same_file_says_so_and_ends(
    slack: SlackServer, tmp_path: Path, bells: str
) -> None:
    async with running(slack, tmp_path, unused_port(), bells=bells) as first:
        await first.ready()
        async with running(slack, tmp_path, unused_port(), bells=bells) as second:
            assert await second.process.wait() == 2

    assert "another Echelon is using" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "Traceback" not in (tmp_path / "log.txt").read_text(encoding="utf-8")
