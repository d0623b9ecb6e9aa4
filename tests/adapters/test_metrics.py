"""/metrics: what Prometheus reads of Echelon's work, whatever the store does, and never more than it should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from platform import python_version

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from adapters.web.metrics import TROUBLES, Metrics
from adapters.web.scrape import Readings, Stored, route
from bot.errors import StoreUnavailable
from bot.signals import Silence, Together
from bot.tally import Tally, Waiting
from tests.fakes import FakeClock

TOKEN = "a-long-token"


class Counting:
    """A store that counts, fails or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.released = asyncio.Event()
        self.released.set()

    async def tally(self, now: datetime) -> Tally:
        self.asked += 1
        await self.released.wait()
        if self.away:
            raise StoreUnavailable("away")
        since = now - timedelta(seconds=90)
        return Tally(
            at=now,
            open={(1, "waiting"): 2, (3, "acknowledged"): 1},
            overdue=1,
            overdue_since=since,
            outbox={"ping": Waiting(4, since)},
        )


class Scraper:
    """What Prometheus sees."""

    def __init__(self, client: TestClient[web.Request, web.Application]) -> None:
        self._client = client

    async def text(self, **headers: str) -> str:
        async with self._client.get("/metrics", headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            return await answer.text()

    async def samples(self) -> dict[str, float]:
        """name{labels} → value."""
        families = text_string_to_metric_families(await self.text())
        return {
            f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
            for family in families
            for sample in family.samples
        }

    async def status(self, **headers: str) -> int:
        async with self._client.get("/metrics", headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def scraped(metrics: Metrics, stored: Stored, token: str | None = None) -> AsyncIterator[Scraper]:
    app = web.Application()
    app.add_routes([route(metrics.registry, stored, token)])
    async with TestClient(TestServer(app)) as client:
        yield Scraper(client)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


@pytest.fixture
def counting() -> Counting:
    return Counting()


async def test_work_is_counted(metrics: Metrics, counting: Counting, clock: FakeClock) -> None:
    told = Together(Silence(), metrics)
    told.moved(2, 0.02)
    told.claimed("sweep", 40)
    told.swept(40, 0.3)
    told.carried("ping", "slack", "delivered", 0.2)
    told.carried("ping", "slack", "limited", 0.1)
    told.carried("post", "teams", "moved", 0.1)
    told.answered("pressed", "answered", 0.05)
    told.trouble("bell_missed")
    told.trouble("audit_no_next_due")

    async with scraped(metrics, Stored(counting, clock)) as scraper:
        seen = await scraper.samples()

    assert seen[f"echelon_build_info[('python', '{python_version()}'), ('version', '1.2.3')]"] == 1
    assert seen["echelon_lateness_seconds_bucket[('le', '0.025'), ('level', '2')]"] == 1
    assert seen["echelon_claimed_rows_sum[('kind', 'sweep')]"] == 40
    assert seen["echelon_sweep_seconds_count"] == 1
    delivered = "echelon_deliveries_total[('errand', 'ping'), ('outcome', 'delivered'), ('platform', 'slack')]"
    assert seen[delivered] == 1
    assert seen["echelon_delivery_seconds_count[('platform', 'slack')]"] == 2
    assert seen["echelon_platform_errors_total[('kind', 'limited'), ('platform', 'slack')]"] == 1
    assert seen["echelon_platform_errors_total[('kind', 'refused'), ('platform', 'teams')]"] == 1
    assert seen["echelon_answers_total[('outcome', 'answered'), ('way', 'pressed')]"] == 1
    assert seen["echelon_troubles_total[('what', 'bell_missed')]"] == 1
    assert seen["echelon_troubles_total[('what', 'clock_step')]"] == 0, "an alarm needs a series that begins at zero"
    assert seen["echelon_troubles_total[('what', 'audit_finding')]"] == 1


async def test_what_is_stored_is_shown(metrics: Metrics, counting: Counting, clock: FakeClock) -> None:
    async with scraped(metrics, Stored(counting, clock)) as scraper:
        seen = await scraper.samples()

    assert seen["echelon_store_up"] == 1
    assert seen["echelon_escalations_open[('level', '1'), ('status', 'waiting')]"] == 2
    assert seen["echelon_escalations_overdue"] == 1
    assert seen["echelon_escalations_overdue_oldest_seconds"] == 90
    assert seen["echelon_outbox_pending[('errand', 'ping')]"] == 4
    assert seen["echelon_outbox_oldest_seconds[('errand', 'ping')]"] == 90


async def test_the_store_is_asked_once_every_few_seconds(
    metrics: Metrics, counting: Counting, clock: FakeClock
) -> None:
    async with scraped(metrics, Stored(counting, clock)) as scraper:
        for _ in range(5):
            await scraper.samples()
        assert counting.asked == 1

        clock.forward(seconds=10)
        await scraper.samples()

    assert counting.asked == 2


async def test_a_store_that_is_away_is_shown_as_such_and_its_old_figures_are_not(
    metrics: Metrics, counting: Counting, clock: FakeClock
) -> None:
    async with scraped(metrics, Stored(counting, clock)) as scraper:
        await scraper.samples()
        counting.away = True
        clock.forward(seconds=10)
        away = await scraper.samples()
        counting.away = False
        back = await scraper.samples()

    assert away["echelon_store_up"] == 0
    assert not [name for name in away if name.startswith("echelon_escalations")]
    assert back["echelon_store_up"] == 1


async def test_a_store_that_hangs_is_asked_once_and_does_not_hold_up_the_scrape(
    metrics: Metrics, counting: Counting, clock: FakeClock
) -> None:
    counting.released.clear()

    async with scraped(metrics, Stored(counting, clock, patience=0.01)) as scraper:
        seen = [await scraper.samples() for _ in range(3)]
        assert [each["echelon_store_up"] for each in seen] == [0, 0, 0]
        assert counting.asked == 1

        counting.released.set()
        assert (await scraper.samples())["echelon_store_up"] == 1


async def test_levels_and_words_that_nobody_foresaw_make_no_new_series(
    metrics: Metrics, counting: Counting, clock: FakeClock
) -> None:
    for level in range(1, 500):
        metrics.moved(level, 0.01)
        metrics.trouble(f"something new {level}")

    async with scraped(metrics, Stored(counting, clock)) as scraper:
        seen = await scraper.samples()

    assert len([name for name in seen if name.startswith("echelon_lateness_seconds_count")]) == 20
    assert len([name for name in seen if name.startswith("echelon_troubles_total")]) == len(TROUBLES)
    assert seen["echelon_troubles_total[('what', 'other')]"] == 499


async def test_gauges_are_read_where_they_live(metrics: Metrics, counting: Counting, clock: FakeClock) -> None:
    metrics.registry.register(Readings({"loop_lag_seconds": ("How late", lambda: clock.monotonic() + 0.5)}))

    async with scraped(metrics, Stored(counting, clock)) as scraper:
        first = (await scraper.samples())["echelon_loop_lag_seconds"]
        clock.forward(seconds=2)
        second = (await scraper.samples())["echelon_loop_lag_seconds"]

    assert second - first == 2


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": TOKEN}, 401),
    ],
)
async def test_with_a_token_only_who_has_it_may_look(
    metrics: Metrics, counting: Counting, clock: FakeClock, given: dict[str, str], status: int
) -> None:
    async with scraped(metrics, Stored(counting, clock), TOKEN) as scraper:
        assert await scraper.status(**given) == status
    assert counting.asked == (1 if status == 200 else 0), "who may not look costs nothing"


async def test_a_header_that_is_no_text_is_turned_away(metrics: Metrics, counting: Counting, clock: FakeClock) -> None:
    app = web.Application()
    app.add_routes([route(metrics.registry, Stored(counting, clock), TOKEN)])
    headers = {"Authorization": "Bearer \udce9\udcff"}
    async with (
        TestServer(app) as server,
        ClientSession() as session,
        session.get(server.make_url("/metrics"), headers=headers) as answer,
    ):
        assert answer.status == 401
