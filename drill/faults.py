"""What the faults have in common: the ground they work on, the row that each adds to the report."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from drill.checks import Findings
from drill.databases import Postgres
from drill.people import directory, matrices, move_in
from drill.processes import Starter
from drill.world import World, ground

Kind = Literal["SQLite", "PostgreSQL"]
KINDS: tuple[Kind, ...] = ("SQLite", "PostgreSQL")


@dataclass
class Row:
    """One line of the report. `wrong` is empty when every promise was kept."""

    fault: str
    done: str
    promised: str
    measured: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """One word."""
        if self.wrong:
            return "BROKEN"
        return "not tried" if self.measured.startswith("not tried") else "kept"

    def demand(self, holds: object, otherwise: str) -> None:
        """A promise: `otherwise` is what is said when it does not hold."""
        if not holds:
            self.wrong.append(otherwise)

    def judge(self, found: Findings, *, honours: bool = True) -> None:
        """What must hold after every fault. Without the key, each death of a process may double what it was sending."""
        twice = found.doubled if honours else found.unexplained
        self.demand(found.clean and not twice, f"{found}; copies without a death between them {found.unexplained}")


@dataclass
class Range:
    """Where drills are held: a folder, a server, a way to start processes; how long, and the seed of all chances."""

    folder: Path
    server: Postgres
    cold: Starter
    warm: Starter
    quick: bool
    kills: int
    freeze: float
    seed: int
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def chance(self, *about: object) -> random.Random:
        """Chances that are the same at the next run with the same seed."""
        return random.Random(f"{self.seed} {about}")

    def place(self, kind: Kind) -> tuple[Path, str]:
        """A new folder, and the URL of a new database of this kind."""
        folder = self.folder / f"ground{next(self._numbers)}"
        folder.mkdir(parents=True)
        return folder, self.server.new() if kind == "PostgreSQL" else f"sqlite:///{folder}/echelon.db"

    @asynccontextmanager
    async def ground(
        self,
        kind: Kind,
        *,
        honours: bool = True,
        mode: Literal["http", "socket"] = "http",
        starter: Starter | None = None,
        windows: tuple[str, ...] | None = None,
    ) -> AsyncGenerator[World]:
        """A world with the people of the load in it; nothing is started."""
        folder, url = self.place(kind)
        async with self.at(folder, url, honours=honours, mode=mode, starter=starter, windows=windows) as world:
            yield world

    @asynccontextmanager
    async def at(
        self,
        folder: Path,
        url: str,
        *,
        honours: bool = True,
        mode: Literal["http", "socket"] = "http",
        starter: Starter | None = None,
        windows: tuple[str, ...] | None = None,
    ) -> AsyncGenerator[World]:
        """The same, in a folder and a database that are there already."""
        async with ground(
            folder,
            url,
            starter or self.warm,
            directory=directory(),
            matrices=matrices(*([windows] if windows else [])),
            mode=mode,
            honours=honours,
        ) as world:
            move_in(world.slack)
            yield world
