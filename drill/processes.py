"""Echelon as processes: started cold (a new Python) or forked warm, killed, frozen, stopped."""

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import ClientTimeout

ROOT = Path(__file__).parents[1]
LATEST_READY = 120.0
"""Seconds until nobody waits any longer. How long it may take is a promise that the faults hold it to."""
PR_SET_PDEATHSIG = 1


@dataclass(eq=False)
class Bot:
    """One process of Echelon. `url` is its web server; `ended` holds the exit status, negative for a signal."""

    pid: int
    url: str
    ended: "asyncio.Future[int]"
    began: float = field(default_factory=time.monotonic)
    ready_after: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.ended.done()

    async def readyz(self) -> tuple[int, dict[str, str]]:
        """The status and the parts of /readyz; (0, {}) when nobody answers within five seconds."""
        try:
            async with (
                aiohttp.ClientSession(timeout=ClientTimeout(total=5)) as session,
                session.get(f"{self.url}/readyz") as answer,
            ):
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, {}

    async def ready(self, within: float = LATEST_READY) -> float | None:
        """Seconds from the start until /readyz said 200; None when the process ended before, or took longer."""
        while self.alive and time.monotonic() - self.began < within:
            if (await self.readyz())[0] == 200:
                self.ready_after = time.monotonic() - self.began
                return self.ready_after
            await asyncio.sleep(0.03)
        return None

    def send(self, what: signal.Signals) -> None:
        """A signal, to this very process."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, what)

    async def killed(self) -> None:
        """kill -9."""
        self.send(signal.SIGKILL)
        await self.ended

    async def stopped(self, within: float = 20.0) -> tuple[int, float]:
        """SIGTERM: the exit status, and the seconds it took. A process that does not end is killed, status -9."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                status = await asyncio.shield(self.ended)
        except TimeoutError:
            await self.killed()
            status = -9
        return status, time.monotonic() - began


class Starter(Protocol):
    """Starts `app.py` with words, in an environment, in a folder whose log.txt it writes to."""

    async def start(self, words: list[str], environment: Mapping[str, str], folder: Path, url: str) -> Bot:
        """The process; it is not ready yet."""
        ...


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Cold:
    """A new Python each time, as an operator starts it."""

    async def start(self, words: list[str], environment: Mapping[str, str], folder: Path, url: str) -> Bot:
        """The process; it is not ready yet."""
        began = time.monotonic()
        with (folder / "log.txt").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(ROOT / "app.py"),
                *words,
                env=dict(environment),
                cwd=folder,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        ended: asyncio.Future[int] = asyncio.ensure_future(process.wait())
        return Bot(process.pid, url, ended, began)


class Warm:
    """Forked from a process that has imported everything: see zygote."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._born: dict[str, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def start(self, words: list[str], environment: Mapping[str, str], folder: Path, url: str) -> Bot:
        """The process; it is not ready yet."""
        loop, name, began = asyncio.get_running_loop(), str(next(self._numbers)), time.monotonic()
        self._born[name] = loop.create_future()
        order: dict[str, Any] = {"name": name, "words": words, "environment": dict(environment)}
        order |= {"folder": str(folder), "log": str(folder / "log.txt")}
        assert self._process.stdin
        self._process.stdin.write((json.dumps(order) + "\n").encode())
        await self._process.stdin.drain()
        pid, ended = await self._born[name]
        return Bot(pid, url, ended, began)

    async def listen(self) -> None:
        """Hear of starts and ends, until the zygote is gone."""
        loop = asyncio.get_running_loop()
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "started" in told:
                ended = self._ends[told["started"]] = loop.create_future()
                self._born.pop(told["name"]).set_result((told["started"], ended))
            elif "ended" in told:
                self._ends.pop(told["ended"]).set_result(told["status"])


@asynccontextmanager
async def warm() -> AsyncGenerator[Warm]:
    """A zygote, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "drill.zygote",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=_die_with_parent,
    )
    assert process.stdout
    await process.stdout.readline()  # ready
    starter = Warm(process)
    ears = asyncio.ensure_future(starter.listen())
    try:
        yield starter
    finally:
        ears.cancel()
        process.kill()
        await process.wait()
