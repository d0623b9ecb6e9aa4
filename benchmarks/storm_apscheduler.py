"""The storm through APScheduler: one date job per escalation in its SQL job store.

It is helped: no misfire grace (the default of one second drops every job), WAL, one thread that writes to SQLite so that
nobody meets a locked file, jobs put into the store in one transaction beforehand. The firing itself is the bare rows.
"""

import asyncio
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.util import datetime_to_utc_timestamp
from sqlalchemy import create_engine, event, insert

from benchmarks.copies import Patterns, patterns
from benchmarks.firing import Work, acknowledging, firing, work
from benchmarks.gauges import Heartbeat, People, memory
from benchmarks.storm_ours import ACKS_PER_SECOND, counted, prepared


class Naive:
    """What a job finds when it runs: jobs are stored by the name of a function, so this is a global."""

    def __init__(self, scheduler: AsyncIOScheduler, work: Work, given: Patterns) -> None:
        self.scheduler, self.work, self.given = scheduler, work, given
        self.done: list[float] = []
        self.failed = 0


_running: list[Naive] = []


async def fire(number: int) -> None:
    """The window of an escalation has ended: store what follows, then arm the job of the next window."""
    naive = _running[0]
    try:
        await naive.work.store(number, firing(naive.given, number))
        arm(naive.scheduler, number, datetime.now(UTC) + timedelta(hours=2))
    except Exception:  # counted, and said in the result; the job itself is gone already
        naive.failed += 1
    naive.done.append(time.monotonic())


def arm(scheduler: AsyncIOScheduler, number: int, at: datetime) -> None:
    """One job per escalation."""
    scheduler.add_job(fire, "date", run_date=at, args=[number], id=f"window-{number}", replace_existing=True)


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """`url` of an empty database, `due` windows, `acks` escalations that people may take."""
    at = await prepared(spec)
    due, acks, given = spec["due"], spec["acks"], await patterns()
    store = job_store(spec["url"])
    defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    scheduler = AsyncIOScheduler(jobstores={"default": store}, job_defaults=defaults, timezone=UTC)
    scheduler.start(paused=True)
    at = max(at, datetime.now(UTC) + timedelta(seconds=spec.get("lead", 1) + due / 10000))
    _add_jobs(store, scheduler, due, at)
    naive = Naive(scheduler, await work(spec["url"], given), given)
    _running[:] = [naive]
    people = People(acknowledging(naive.work, given), range(due + 1, due + acks + 1), ACKS_PER_SECOND)
    scheduler.resume()
    start = time.monotonic() + (at - datetime.now(UTC)).total_seconds()
    await asyncio.sleep(max(0.0, start - time.monotonic() - 0.2))
    used = time.process_time()
    async with Heartbeat().listening() as heart, people.pressing():
        await _until_done(naive, due, spec.get("patience", 600))
        used = time.process_time() - used
    end = naive.done[-1]
    scheduler.shutdown(wait=False)
    await naive.work.close()
    return {"due": due, "seconds": end - start, "cpu": used} | {
        "acks": people.sum_up(start, end),
        "failed": naive.failed,
        "loop_blocked": heart.longest,
        "rows": await counted(spec["url"]),
        "memory": memory(),
    }


async def _until_done(naive: Naive, due: int, patience: float) -> None:
    async with asyncio.timeout(patience):
        while len(naive.done) < due:
            await asyncio.sleep(0.05)


def job_store(url: str) -> SQLAlchemyJobStore:
    """With the same durability as the product."""
    if not url.startswith("sqlite"):
        return SQLAlchemyJobStore(url=url.replace("postgresql://", "postgresql+psycopg://", 1))
    engine = create_engine(url, connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return SQLAlchemyJobStore(engine=engine)


def _add_jobs(store: SQLAlchemyJobStore, scheduler: AsyncIOScheduler, due: int, at: datetime) -> None:
    """The rows that as many `add_job` would have written, in one transaction."""
    rows = []
    for number in range(1, due + 1):
        job = Job(
            scheduler,
            id=f"window-{number}",
            trigger=DateTrigger(at, UTC),
            executor="default",
            func=fire,
            args=(number,),
            kwargs={},
            name="fire",
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            next_run_time=at,
        )
        state = pickle.dumps(job.__getstate__(), store.pickle_protocol)
        rows.append({"id": job.id, "next_run_time": datetime_to_utc_timestamp(at), "job_state": state})
    with store.engine.begin() as connection:
        connection.execute(insert(store.jobs_t), rows)
