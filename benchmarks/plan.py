"""What is run, how large, in which order: in rounds, each engine in its turn, so that ratios hold on a busy machine."""

import asyncio
import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.one import RESULT
from benchmarks.platform import platform
from benchmarks.stores import Stores

Json = dict[str, Any]
Runner = Callable[[str, Json], Json]
PARTS = ("storm", "opening", "catchup", "carrying", "calm")
SQLITE, POSTGRESQL = "sqlite", "postgresql"
LATENCY = 0.1
"""Seconds that the chat service takes for an answer."""


@dataclass(frozen=True)
class Sizes:
    """How large everything is. `others`: windows that end at once for the alternatives."""

    rounds: int = 3
    due: int = 10_000
    others: int = 10_000
    acks: int = 6_000
    open: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    seconds: float = 30
    per_second: float = 50
    openings: int = 200
    messages: int = 3_000
    channels: int = 1_000
    storm_messages: int = 20_000
    storm_channels: int = 200
    storm_seconds: float = 20
    lead: float | None = None


QUICK = Sizes(
    rounds=1,
    due=24,
    others=12,
    acks=40,
    open=(60, 120),
    seconds=0.5,
    per_second=20,
    openings=3,
    messages=24,
    channels=12,
    storm_messages=60,
    storm_channels=6,
    storm_seconds=3,
    lead=0.8,
)


class Plan:
    """Runs everything and keeps what came out, each with what was asked for."""

    def __init__(self, sizes: Sizes, stores: Stores, runner: Runner, say: Callable[[str], None] = print) -> None:
        self._sizes, self._stores, self._runner, self._say = sizes, stores, runner, say
        self.results: list[Json] = []

    def run(self, parts: tuple[str, ...] = PARTS) -> None:
        """Round after round, then the calm days: these need large databases, made once."""
        for number in range(1, self._sizes.rounds + 1):
            for part in parts:
                if part != "calm":
                    getattr(self, f"_{part}")(number)
        if "calm" in parts:
            for kind in self._stores.kinds:
                self._calm(kind)

    # The parts

    def _storm(self, number: int) -> None:
        sizes = self._sizes
        ours, others = {"due": sizes.due, "acks": sizes.acks}, {"due": sizes.others, "acks": sizes.acks}
        for kind in self._stores.kinds:
            self._fresh("storm", "raw", kind, number, "storm_raw", ours)
            self._fresh("storm", "echelon", kind, number, "storm_ours", ours)
            self._fresh("storm", "echelon with cards", kind, number, "storm_ours", ours | {"cards": True})
            if kind == SQLITE or self._has("psycopg", "apscheduler", kind, number):
                self._fresh("storm", "apscheduler", kind, number, "storm_apscheduler", others)
        if POSTGRESQL not in self._stores.kinds:
            return
        if self._has("procrastinate", "procrastinate", POSTGRESQL, number):
            self._fresh("storm", "procrastinate", POSTGRESQL, number, "storm_procrastinate", others)
        if not self._stores.redis:
            self._absent("storm", "celery", POSTGRESQL, number, "no redis-server is at hand")
        elif self._has("celery", "celery", POSTGRESQL, number):
            spec = others | {"redis": self._stores.redis}
            self._fresh("storm", "celery", POSTGRESQL, number, "storm_celery", spec)

    def _opening(self, number: int) -> None:
        for kind in self._stores.kinds:
            self._fresh("opening", "echelon", kind, number, "opening", {"times": self._sizes.openings})

    def _catchup(self, number: int) -> None:
        for kind in self._stores.kinds:
            self._fresh("catchup", "echelon", kind, number, "catchup", {"due": self._sizes.due})

    def _carrying(self, number: int) -> None:
        sizes = self._sizes
        common = {"acks": sizes.acks, "pace": 0.0, "messages": sizes.messages, "channels": sizes.channels}
        storm = {"messages": sizes.storm_messages, "channels": sizes.storm_channels, "pace": 1.0}
        for kind in self._stores.kinds:
            for name, more in (
                ("pump", {"way": "plain", "seconds": 120.0}),
                ("pump to slack", {"way": "slack", "seconds": 120.0}),
                ("message storm", {"way": "plain", "seconds": sizes.storm_seconds} | storm),
            ):
                with platform(LATENCY) as url:
                    self._fresh(name, "echelon", kind, number, "carrying", common | more | {"platform": url})

    def _calm(self, kind: str) -> None:
        sizes = self._sizes
        free, there = 10_000_000, 0
        with self._stores.empty(kind) as url:
            for size in sizes.open:
                self._say(f"     {kind}: {size:,} open")
                self._runner("seed", {"url": url, "first": there + 1, "count": size - there})
                there = size
                ways = [("bells", True, False), ("no bells", False, False)]
                ways += [("bells and pump", True, True)] if size == sorted(sizes.open)[len(sizes.open) // 2] else []
                for name, bells, pump in ways:
                    spec = {"url": url, "first": free, "bells": bells, "pump": pump, "open": size}
                    spec |= {"per_second": sizes.per_second, "seconds": sizes.seconds}
                    self._keep("calm", name, kind, 1, "calm", spec)
                    free += 1_000_000

    # Running one

    def _fresh(self, part: str, engine: str, kind: str, number: int, module: str, spec: Json) -> None:
        with self._stores.empty(kind) as url:
            self._keep(part, engine, kind, number, module, {"url": url} | spec)

    def _keep(self, part: str, engine: str, kind: str, number: int, module: str, spec: Json) -> None:
        if self._sizes.lead is not None:
            spec |= {"lead": self._sizes.lead}
        try:
            result = self._runner(module, spec)
        except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:  # said in the report; others go on
            result = {"error": f"{type(error).__name__}: {error}"[:2000]}
        self._note(part, engine, kind, number, result | {"open": spec["open"]} if "open" in spec else result)

    def _has(self, package: str, engine: str, kind: str, number: int) -> bool:
        if importlib.util.find_spec(package):
            return True
        self._absent("storm", engine, kind, number, f"{package} is not installed")
        return False

    def _absent(self, part: str, engine: str, kind: str, number: int, why: str) -> None:
        self._note(part, engine, kind, number, {"absent": why})

    def _note(self, part: str, engine: str, kind: str, number: int, result: Json) -> None:
        self.results.append({"part": part, "engine": engine, "kind": kind, "round": number, "result": result})
        short = {name: value for name, value in result.items() if not isinstance(value, dict)}
        self._say(f"{number:>3}  {part}, {engine}, {kind}: {json.dumps(rounded(short))}")


def apart(module: str, spec: Json) -> Json:
    """Run one benchmark in a process of its own. Raises RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "benchmarks.one", module, json.dumps(spec)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    lines = [line for line in ended.stdout.splitlines() if line.startswith(RESULT)]
    if not lines:
        raise RuntimeError(ended.stderr[-1500:] or f"it ended with status {ended.returncode}")
    return json.loads(lines[-1].removeprefix(RESULT))


def here(module: str, spec: Json) -> Json:
    """Run one benchmark in this process: quicker, but memory and event loop are not its own."""
    return asyncio.run(importlib.import_module(f"benchmarks.{module}").run(spec))


def rounded(value: Any) -> Any:
    """Figures to four digits: more of them would say nothing."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


def record(sizes: Sizes, results: list[Json], machine: Json) -> Json:
    """All that a report is made of."""
    return {"sizes": asdict(sizes), "machine": machine, "results": rounded(results)}
