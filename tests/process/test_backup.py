"""The back-up and restore commands of docs/operations.md, word for word: a copy made while it runs is whole and works."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.process.bot import ROOT, people_the_workspace, running, until
from tests.slack_server import SlackServer

DATABASE = "sqlite:///.data/echelon.db"
PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def commands(heading: str) -> str:
    """The first block of commands under a heading of the page."""
    _, _, section = PAGE.partition(f"\n{heading}\n")
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]


def do(words: str, folder: Path) -> str:
    """Run commands of the page as an operator does in the folder of the product."""
    if not (folder / "app.py").exists():
        (folder / "app.py").symlink_to(ROOT / "app.py")
    python = str(Path(sys.executable).parent)
    surroundings = {
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ECHELON_DATABASE_URL": DATABASE,
        "ECHELON_DIRECTORY_FILE": "directory.yaml",
    }
    answer = subprocess.run(
        ["sh", "-e", "-c", words], cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        people_the_workspace(server)
        yield server


def cards(slack: SlackServer, to: str, title: str) -> list[str]:
    return [said.words for said in slack.messages(to) if title in said.words and not said.thread_ts]


async def test_a_copy_made_while_it_runs_is_restored_as_the_page_says(slack: SlackServer, tmp_path: Path) -> None:
    door = slack.socket_door()
    async with running(slack, tmp_path, unused_port(), ECHELON_DATABASE_URL=DATABASE) as bot:
        await bot.ready()
        await door.slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
        await until(lambda: cards(slack, "UREP", "checkout fails") and cards(slack, "CREP", "checkout fails"))

        do(commands("### SQLite, while it runs"), tmp_path)

        await door.slash("/escalate", "ack ESC-1", user="UREP", channel="CREP")
        after = await door.slash("/escalate", "printer on fire", user="UOPENER", channel="CHELP")
        assert "ESC-2" in after.text
        assert await bot.stopped() == 0

    statement = do(commands("## Restore"), tmp_path)

    assert "1 escalation" in statement
    async with running(slack, tmp_path, unused_port(), ECHELON_DATABASE_URL=DATABASE) as bot:
        await bot.ready()
        shown = await door.slash("/escalate", "show ESC-1", user="UREP", channel="CREP")
        assert "checkout fails" in shown.text, "what was there at the back-up is there"
        gone = await door.slash("/escalate", "show ESC-2", user="UOPENER", channel="CHELP")
        assert "printer on fire" not in gone.text, "what came after it is not"
        again = await door.slash("/escalate", "ack ESC-1", user="UREP", channel="CREP")
        assert "ESC-1" in again.text
        anew = await door.slash("/escalate", "coffee is out", user="UOPENER", channel="CHELP")
        assert "ESC-2" in anew.text, "references are given again"
        await until(lambda: cards(slack, "UREP", "coffee is out"))
        assert await bot.stopped() == 0

    assert len(cards(slack, "UREP", "checkout fails")) == 1, "what was delivered before the back-up is not sent again"
