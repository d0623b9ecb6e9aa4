"""How stores are broken, and mended again."""

import os
import random
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from drill.faults import Range
from drill.processes import Bot
from drill.world import World

PAGE = 4096

Mend = Callable[[], Awaitable[object]]
Break = Callable[[Range, World, Bot], Awaitable[Mend]]


async def stopped(where: Range, world: World, bot: Bot) -> Mend:
    """Stopped without a goodbye, as by a power cut."""
    await where.server.stop_immediately()
    return where.server.start


async def frozen(where: Range, world: World, bot: Bot) -> Mend:
    """Every process of it is stopped: connections stay open, and nobody answers."""
    everyone = where.server.freeze()

    async def thaw() -> None:
        where.server.thaw(everyone)

    return thaw


async def exhausted(where: Range, world: World, bot: Bot) -> Mend:
    """Others hold every connection; the bot's own are ended."""
    hogs: list[Any] = [await _connected(world)]
    await hogs[0].execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'echelon'")
    try:
        while len(hogs) < 1000:
            hogs.append(await _connected(world))
    except (asyncpg.PostgresError, OSError):
        pass

    async def let_go() -> None:
        for hog in hogs:
            await hog.close()

    return let_go


async def locked(where: Range, world: World, bot: Bot) -> Mend:
    """Somebody else's transaction holds the table."""
    holder = await _connected(world)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE escalations IN ACCESS EXCLUSIVE MODE")

    async def let_go() -> None:
        await transaction.rollback()
        await holder.close()

    return let_go


async def standby(where: Range, world: World, bot: Bot) -> Mend:
    """Whatever it connects to from now on is read-only, as a standby is."""

    async def set(value: str) -> None:
        admin = await _connected(world)
        await admin.execute("SET default_transaction_read_only = off")
        name = await admin.fetchval("SELECT current_database()")
        await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'echelon' AND datname = current_database()"
        )
        await admin.close()

    await set("on")
    return lambda: set("off")


async def _connected(world: World) -> Any:
    driver: Any = asyncpg
    return await driver.connect(world.url, timeout=5)


# SQLite


def small_disk(folder: Path) -> Any:
    """A disk of four megabytes where this user may mount one; else a plain folder."""
    return _SmallDisk(folder)


class _SmallDisk:
    def __init__(self, folder: Path) -> None:
        self._folder, self._mounted = folder, False

    def __enter__(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        mount = shutil.which("mount")
        if mount and os.geteuid() == 0:
            how = [mount, "-t", "tmpfs", "-o", "size=6m", "none", str(self._folder)]
            self._mounted = subprocess.run(how, check=False, capture_output=True).returncode == 0
        return self._folder

    def __exit__(self, *error: object) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=False)


def writable(folder: Path, *, yes: bool) -> bool:
    """Whether a folder and its files could be made writable or not."""
    if os.path.ismount(folder):
        how = ["mount", "-o", f"remount,{'rw' if yes else 'ro'}", str(folder)]
        return subprocess.run(how, check=False, capture_output=True).returncode == 0
    if os.geteuid() == 0:
        return False
    for file in folder.iterdir():
        file.chmod(0o600 if yes else 0o400)
    folder.chmod(0o700 if yes else 0o500)
    return True


async def full(where: Range, world: World, bot: Bot) -> Mend:
    """No byte is left on the disk. Where no disk can be mounted, the process may not make files any larger."""
    folder = file_of(world).parent
    if os.path.ismount(folder):
        filler = folder / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    os.write(file.fileno(), b"\0" * PAGE)
            except OSError:
                pass

        async def remove() -> None:
            filler.unlink()

        return remove
    limits = resource.prlimit(bot.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (PAGE, limits[1]))

    async def lift() -> None:
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, limits)

    return lift


async def held(where: Range, world: World, bot: Bot) -> Mend:
    """Another program holds the write lock of the file."""
    other = sqlite3.connect(file_of(world), isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")

    async def let_go() -> None:
        other.execute("ROLLBACK")
        other.close()

    return let_go


async def corrupt(where: Range, world: World, bot: Bot) -> Mend:
    """Garbage over most pages of the file, past the first; what the bot has not written over is put back later."""
    file, chance = file_of(world), random.Random(7)
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        whole = file.read_bytes()
        garbage = {
            at: chance.randbytes(PAGE) for at in range(PAGE, len(whole) - PAGE + 1, PAGE) if chance.random() < 0.8
        }
        with file.open("r+b") as open_file:
            for at, bytes in garbage.items():
                open_file.seek(at)
                open_file.write(bytes)
        other.execute("PRAGMA user_version = 1")  # whoever has pages in memory reads them again

    async def restore() -> None:
        with file.open("r+b") as open_file:
            for at, bytes in garbage.items():
                open_file.seek(at)
                if open_file.read(PAGE) == bytes:
                    open_file.seek(at)
                    open_file.write(whole[at : at + PAGE])
        with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as other:
            other.execute("PRAGMA user_version = 2")

    return restore


def file_of(world: World) -> Path:
    return Path(world.url.removeprefix("sqlite:///"))
