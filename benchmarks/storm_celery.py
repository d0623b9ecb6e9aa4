"""The storm through Celery: one task with an ETA per escalation, on Redis; the rows go to the same PostgreSQL."""

import asyncio
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery import Celery

from benchmarks.copies import Patterns, patterns
from benchmarks.firing import acknowledging, batch, firing, work
from benchmarks.gauges import People, memory
from benchmarks.storm_ours import ACKS_PER_SECOND, counted, prepared
from benchmarks.tables import Filler

PROCESSES = 4
SENT_PER_SECOND = 500
"""As quickly as tasks are surely handed to Redis and from there to the worker, on a busy machine."""

app = Celery("storm", broker=os.environ.get("ECHELON_BENCH_REDIS", "memory://"))
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)
_held: dict[str, Any] = {}


@app.task(name="fire")
def fire(number: int) -> None:
    """The window of an escalation has ended: store what follows, then send the task of the next window."""
    given, connection = _connected()
    with connection.transaction(), connection.cursor() as cursor:
        for sql, rows in batch(given, [(number, firing(given, number))], "psycopg"):
            cursor.executemany(sql, rows)
    fire.apply_async((number,), eta=datetime.now(UTC) + timedelta(minutes=50))  # longer ones Redis would hand out twice


def _connected() -> tuple[Patterns, Any]:
    """One connection for each process of the worker."""
    if not _held:
        import psycopg

        _held["given"] = pickle.loads(Path(os.environ["ECHELON_BENCH_PATTERNS"]).read_bytes())  # noqa: S301 - our own
        _held["connection"] = psycopg.connect(os.environ["ECHELON_BENCH_URL"], autocommit=True)
    return _held["given"], _held["connection"]


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`redis`: the URL of a server; every task is in the worker's hands when the windows end."""
    await prepared(spec)
    due, acks, url, given = spec["due"], spec["acks"], spec["url"], await patterns()
    app.conf.broker_url = spec["redis"]
    async with worker(spec["redis"], url, given) as process:
        await _ready()
        at = datetime.now(UTC) + timedelta(seconds=3 + due / SENT_PER_SECOND)
        await asyncio.to_thread(_send, due, at)
        own = await work(url, given)
        people = People(acknowledging(own, given), range(due + 1, due + acks + 1), ACKS_PER_SECOND)
        start = time.monotonic() + (at - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, start - time.monotonic() - 0.2))
        async with people.pressing():
            points = await _watch(url, due, start, spec.get("patience", 600))
        end = start + points[-1][0]
        used = _memory(process.pid)
        await own.close()
    return {"due": due, "seconds": end - start, "failed": 0} | {
        "acks": people.sum_up(start, end),
        "loop_blocked": None,
        "rows": await counted(url),
        "memory": used,
    }


async def _ready() -> None:
    """Wait until the worker answers: its start does not count."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(app.control.ping, timeout=0.5):
            pass


def _send(due: int, at: datetime) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(1, due + 1):
            fire.apply_async((number,), eta=at, producer=producer)


async def _watch(url: str, due: int, start: float, patience: float) -> list[tuple[float, int]]:
    """How many had moved, looked at ten times a second."""
    points = [(0.0, 0)]
    moved = f"SELECT count(*) FROM escalations WHERE version = 2 AND number <= {due}"
    async with Filler(url) as filler, asyncio.timeout(patience):
        while points[-1][1] < due:
            await asyncio.sleep(0.1)
            count = (await filler.query(moved))[0][0]
            points.append((time.monotonic() - start, count))
    return [point for point in points if point[0] >= 0]


@asynccontextmanager
async def worker(redis: str, url: str, given: Patterns) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker with some processes, ready to work."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patterns"
        path.write_bytes(pickle.dumps(given))
        told = {"ECHELON_BENCH_REDIS": redis, "ECHELON_BENCH_URL": url, "ECHELON_BENCH_PATTERNS": str(path)}
        command = ["-m", "celery", "-A", "benchmarks.storm_celery", "worker", "--loglevel=ERROR"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", f"--concurrency={PROCESSES}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, *quiet, env=os.environ | told, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGQUIT)  # tasks for later go back to Redis, unfinished: nobody waits for them
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def _memory(pid: int) -> dict[str, float]:
    """Of the worker and its processes together."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    pids = [pid, *(int(child) for child in children.read_text().split())] if children.exists() else [pid]
    each = [memory(one) for one in pids]
    return {name: sum(one[name] for one in each) for name in ("rss", "peak")}
