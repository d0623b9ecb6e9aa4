"""`/metrics`: what was counted in memory, and what is stored at this moment, asked at most every few seconds."""

import asyncio
import hmac
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.errors import EscalationError
from bot.ports import Clock
from bot.tally import Counts, Tally

PATIENCE = 2.0
"""Seconds that a scrape waits for the store. Prometheus waits for ten."""

FRESH = 5.0
"""Seconds that a tally is shown again."""

SHARE = 20
"""A tally that took t seconds is shown for at least so many times t: counting takes a twentieth of the time at most."""

Reading = Callable[[], float]
"""Asked at each scrape: seconds, a count."""


class Stored(Collector):
    """Gauges of what is stored. While the store is away there is none of them but `echelon_store_up` 0."""

    def __init__(self, counts: Counts, clock: Clock, *, patience: float = PATIENCE) -> None:
        self._counts, self._clock, self._patience = counts, clock, patience
        self._asking: asyncio.Future[Tally] | None = None
        self._shown: Tally | None = None
        self._until = float("-inf")

    async def refresh(self) -> None:
        """Count anew when the last tally is old. Never raises, and takes no longer than `patience`."""
        began = self._clock.monotonic()
        if began < self._until:
            return
        # One question at a time: scrapes must not pile up behind a store that hangs.
        asking = self._asking = self._asking or asyncio.ensure_future(self._counts.tally(self._clock.now()))
        done, _ = await asyncio.wait({asking}, timeout=self._patience)
        if not done:
            self._shown = None
            return
        self._asking = None
        try:
            self._shown = asking.result()
        except (EscalationError, asyncio.CancelledError):
            self._shown = None
            return
        ended = self._clock.monotonic()
        self._until = ended + max(FRESH, SHARE * (ended - began))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of prometheus_client, from the last tally."""
        yield GaugeMetricFamily("echelon_store_up", "Whether the store answers", float(self._shown is not None))
        if self._shown is not None:
            yield from _families(self._shown)


class Readings(Collector):
    """Gauges that are read where they live, by name: (what they mean, how to read them)."""

    def __init__(self, readings: Mapping[str, tuple[str, Reading]]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of prometheus_client."""
        for name, (meaning, read) in self._readings.items():
            yield GaugeMetricFamily(f"echelon_{name}", meaning, read())


def route(registry: CollectorRegistry, stored: Stored, token: str | None) -> web.RouteDef:
    """GET /metrics. With a `token` only for who has it: `Authorization: Bearer …`, else 401."""
    registry.register(stored)

    async def metrics(request: web.Request) -> web.Response:
        if token and not _knows(request, token):
            return web.Response(status=401, text="a token is needed\n", headers={"WWW-Authenticate": "Bearer"})
        await stored.refresh()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return web.get("/metrics", metrics)


def _knows(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return scheme.lower() == "bearer" and same


def _families(tally: Tally) -> Iterator[GaugeMetricFamily]:
    escalations = GaugeMetricFamily("echelon_escalations_open", "Open escalations", labels=["level", "status"])
    for (level, status), count in sorted(tally.open.items()):
        escalations.add_metric([str(level), status], count)
    yield escalations
    yield GaugeMetricFamily("echelon_escalations_overdue", "Escalations whose due time has passed", tally.overdue)
    oldest = _age(tally.at, tally.overdue_since)
    yield GaugeMetricFamily("echelon_escalations_overdue_oldest_seconds", "How long the oldest is overdue", oldest)
    pending = GaugeMetricFamily("echelon_outbox_pending", "Messages on their way", labels=["errand"])
    ages = GaugeMetricFamily("echelon_outbox_oldest_seconds", "Age of the oldest of them", labels=["errand"])
    for errand, waiting in sorted(tally.outbox.items()):
        pending.add_metric([errand], waiting.parcels)
        ages.add_metric([errand], _age(tally.at, waiting.since))
    yield pending
    yield ages


def _age(now: datetime, since: datetime | None) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
