"""One drill ground: a platform, a database, processes of Echelon, and what people were promised there."""

import asyncio
import os
import re
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from drill.processes import Bot, Starter
from tests.slack_server import Ack, Door, SlackServer

OPENED = re.compile(r"ESC-(\d+)\W* is open")
NOT_RECORDED, NOT_CERTAIN = "NOT recorded", "NOT certain"
TOO_MUCH = "a lot at once"
APOLOGIES = ("went wrong", "dispatch_failed")
Answer = Literal["done", "not recorded", "not certain", "too much", "refused", "silence"]


FIRST_PORT, PORTS = 20_000, 12_000
_ports = count(os.getpid() * 101 % PORTS)


def free_port() -> int:
    """A port of this machine that nobody listens on, and that no process of this drill had before.

    Below the ports that the machine gives out by itself. A port that is used again would let people of one drill ground
    speak to the process of another.
    """
    for number in _ports:
        port = FIRST_PORT + number % PORTS
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable")


@dataclass
class Promises:
    """What was answered. `opened` holds title → number; `kept` the words of notes that were confirmed; `said` all tried."""

    opened: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    answers: dict[Answer, int] = field(default_factory=dict)
    slowest: float = 0.0

    def count(self, answer: Answer) -> None:
        """One more of these."""
        self.answers[answer] = self.answers.get(answer, 0) + 1

    def of(self, answer: Answer) -> int:
        """How many of these."""
        return self.answers.get(answer, 0)


@dataclass
class World:
    """Processes of Echelon against one local Slack and one database. `settings` are added to the environment."""

    slack: SlackServer
    folder: Path
    url: str
    starter: Starter
    directory: str
    matrices: Mapping[str, str]
    mode: Literal["http", "socket"] = "http"
    settings: dict[str, str] = field(default_factory=dict)
    bots: list[Bot] = field(default_factory=list)
    promises: Promises = field(default_factory=Promises)
    kills: int = 0
    cuts: list[int] = field(default_factory=list)
    _turn: int = 0

    async def start(self, *, words: tuple[str, ...] = ("run",), more: Mapping[str, str] | None = None) -> Bot:
        """One more process; it is not ready yet."""
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ECHELON_")}
        environment |= {
            "ECHELON_DIRECTORY_FILE": str(self.folder / "directory.yaml"),
            "ECHELON_MATRIX_FOLDER": str(self.folder / "matrices"),
            "ECHELON_DATABASE_URL": self.url,
            "ECHELON_SLACK_MODE": self.mode,
            "ECHELON_SLACK_BOT_TOKEN": self.slack.bot_token,
            "ECHELON_SLACK_APP_TOKEN": self.slack.app_token,
            "ECHELON_SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "ECHELON_SLACK_API_URL": self.slack.base_url,
            "ECHELON_LOG_LEVEL": "warning",
            **self.settings,
            **(more or {}),
            "ECHELON_PORT": str(port),
        }
        bot = await self.starter.start(list(words), environment, self.folder, f"http://127.0.0.1:{port}")
        self.bots.append(bot)
        return bot

    async def kill(self, bot: Bot) -> None:
        """kill -9, and counted."""
        if bot.alive:
            self.kills += 1
        await bot.killed()
        self.cut()
        self.bots.remove(bot)

    def cut(self) -> None:
        """Remember how many messages stood here when a process died, or froze: what it was sending may come again."""
        self.cuts.append(len(self.slack.everything()))

    async def stop(self) -> list[tuple[int, float]]:
        """SIGTERM for all that run: exit status and seconds of each."""
        ended = [await bot.stopped() for bot in self.bots if bot.alive]
        self.bots.clear()
        return ended

    def log(self) -> str:
        """What the processes wrote."""
        file = self.folder / "log.txt"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    # What people do

    def door(self, bot: Bot | None = None, *, timeout: float = 3.0) -> Door:
        """A way in: to this process, or to each that runs in turn."""
        if self.mode == "socket":
            return self.slack.socket_door(timeout=timeout)
        running = [each for each in self.bots if each.alive]
        self._turn += 1
        chosen = bot or (running[self._turn % len(running)] if running else None)
        return self.slack.http_door(f"{chosen.url if chosen else 'http://127.0.0.1:9'}/slack/events", timeout=timeout)

    async def types(self, words: str, *, user: str, channel: str, bot: Bot | None = None) -> tuple[Answer, str]:
        """`/escalate words`: what became of it, and the words that came back."""
        began = time.monotonic()
        ack = await self.door(bot).slash("/escalate", words, user=user, channel=channel)
        took = time.monotonic() - began
        answer = answer_of(ack)
        self.promises.count(answer)
        if answer == "done":
            self.promises.slowest = max(self.promises.slowest, took)
        return answer, ack.text

    async def opens(self, title: str, *, user: str, channel: str, bot: Bot | None = None) -> int | None:
        """Open an issue: its number, None when nobody said that it is open. What was said is a promise."""
        _, text = await self.types(title, user=user, channel=channel, bot=bot)
        found = OPENED.search(text)
        if found is None:
            return None
        self.promises.opened[title.rpartition(": ")[2]] = int(found[1])
        return int(found[1])

    async def notes(self, number: int, token: str, *, user: str, channel: str, bot: Bot | None = None) -> bool:
        """A note with words that nobody else says; True when it was confirmed."""
        self.promises.said.add(token)
        answer, text = await self.types(f"note ESC-{number} {token}", user=user, channel=channel, bot=bot)
        if answer == "done" and "Added to" in text:
            self.promises.kept.add(token)
            return True
        return False


def answer_of(ack: Ack) -> Answer:
    """What an acknowledgement means to the person who reads it."""
    if not ack.ok:
        return "silence"
    if NOT_RECORDED in ack.text:
        return "not recorded"
    if NOT_CERTAIN in ack.text:
        return "not certain"
    if TOO_MUCH in ack.text:
        return "too much"
    return "refused" if not ack.text or any(words in ack.text for words in APOLOGIES) else "done"


@asynccontextmanager
async def ground(
    folder: Path,
    url: str,
    starter: Starter,
    *,
    directory: str,
    matrices: Mapping[str, str],
    mode: Literal["http", "socket"] = "http",
    honours: bool = True,
) -> AsyncGenerator[World]:
    """A world with its files written; every process of it is killed at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrices").mkdir(exist_ok=True)
    (folder / "directory.yaml").write_text(directory, encoding="utf-8")
    for name, text in matrices.items():
        (folder / "matrices" / f"{name}.yaml").write_text(text, encoding="utf-8")
    secret = secrets.token_hex(16)  # of this ground alone
    async with SlackServer(honours_client_msg_id=honours, signing_secret=secret) as slack:
        world = World(slack, folder, url, starter, directory, matrices, mode)
        try:
            yield world
        finally:
            await asyncio.gather(*(bot.killed() for bot in world.bots if bot.alive))
