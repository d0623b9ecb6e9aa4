"""APScheduler rings the bells: one date job per distinct window, armed for the earliest due time of its kind."""

# APScheduler 3 carries no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.plan import Window
from bot.ports import Bell, Clock
from bot.signals import Signals, Silence

JUST_AFTER = 0.002
"""Seconds after the instant: a window has passed only when `now` is later than its deadline, and rows hold milliseconds."""

STEP = 0.5
"""Seconds that the machine's wall clock may move against the monotonic one before every job is planned anew."""

log = logging.getLogger("echelon.bells")


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - APScheduler's own wall clock, not the product's


class ApsBells:
    """Jobs named after the matrix: `window 15 min`, `window 3 business days`, `reminders`. They only ring.

    Due times are rows of the database; a lost or late job costs the second until the guard sweeps. Instants are by the
    product's clock; APScheduler plans by this machine's wall clock, so how long it is until then is what it is told, and
    told again when that wall clock (`wall`) has stepped.
    """

    def __init__(
        self,
        clock: Clock,
        ring: Callable[[], None],
        signals: Signals | None = None,
        wall: Callable[[], datetime] = _now,
    ) -> None:
        self._clock = clock
        self._ring_now = ring
        self._now = wall
        self._signals = signals or Silence()
        self._armed: dict[str, datetime] = {}
        self._wall = self._apart()
        self.missed = 0
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(self._trouble, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)

    def start(self) -> None:
        """Start ringing, in the running loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ringing. What is due stays in the database."""
        self._scheduler.shutdown(wait=False)

    def arm(self, bells: Sequence[Bell], *, afresh: bool) -> None:
        """Ring at each of these instants, and at no others."""
        wall, self._wall = self._wall, self._apart()
        afresh = afresh or abs(self._wall - wall) > STEP
        wanted = {_name(bell): bell.at for bell in bells}
        for name in self._armed.keys() - wanted.keys():
            self._drop(name)
        for name, at in wanted.items():
            if afresh or self._armed.get(name) != at or self._scheduler.get_job(name) is None:
                self._add(name, at)

    def jobs(self) -> list[tuple[str, datetime]]:
        """(name, next ring) of each job, as APScheduler has them."""
        return [(str(job.id), job.next_run_time) for job in self._scheduler.get_jobs()]

    def _add(self, name: str, at: datetime) -> None:
        seconds = max(0.0, self._clock.seconds_until(at)) + JUST_AFTER
        self._scheduler.add_job(
            self._ring,
            "date",
            run_date=self._now() + timedelta(seconds=seconds),
            id=name,
            name=name,
            replace_existing=True,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        self._armed[name] = at

    def _apart(self) -> float:
        return self._now().timestamp() - time.monotonic()

    def _drop(self, name: str) -> None:
        del self._armed[name]
        if self._scheduler.get_job(name):
            self._scheduler.remove_job(name)

    async def _ring(self) -> None:  # a plain def would run in a thread, where an asyncio event wakes nobody
        self._ring_now()

    def _trouble(self, event: JobEvent) -> None:
        self.missed += 1
        self._signals.trouble("bell_missed")
        log.warning("A bell did not ring as planned: %s", event.job_id, extra={"action": "bell_missed"})
        self._ring_now()


def _name(bell: Bell) -> str:
    if bell.window is None:
        return "reminders"
    window = Window.parse(bell.window)
    return f"window {window.label if window else bell.window}"
