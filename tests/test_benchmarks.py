"""The benchmarks run and measure what they say, with tiny numbers: what came out is checked, never how long it took."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main, write
from benchmarks.plan import QUICK, Plan, apart, here, record
from benchmarks.stores import Stores, stores
from benchmarks.targets import Figures, lines
from tests.conftest import PostgresServer

Json = dict[str, Any]
DUE = {"due": 12, "acks": 20, "lead": 0.5}
FIRED = {"ledger": 2, "outbox": 4}
"""Rows that each firing writes."""


@pytest.fixture
def only_sqlite() -> Iterator[Stores]:
    with stores(postgres=False, redis=False) as around:
        yield around


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bench.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.empty()


def pressed(result: Json) -> int:
    """How many acknowledgements were stored: each leaves one row in the ledger."""
    return result["rows"]["ledger"] - FIRED["ledger"] * result["due"]


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the pump is stopped while it sends
def test_every_part_runs_and_ends_as_a_page_a_picture_and_a_verdict(only_sqlite: Stores, tmp_path: Path) -> None:
    plan = Plan(QUICK, only_sqlite, here, say=lambda _: None)

    plan.run()
    found = record(QUICK, plan.results, {"processor": "any"})
    write(found, tmp_path)

    assert not [one for one in plan.results if "error" in one["result"]]
    assert {one["part"] for one in plan.results} == {
        "storm",
        "opening",
        "catchup",
        "pump",
        "pump to slack",
        "message storm",
        "calm",
    }
    verdict = lines(Figures(found))
    assert all(line.reached is not None for line in verdict)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert all(f"| {line.what} | {line.target} | {line.measured} |" in page for line in verdict)
    picture = ElementTree.parse(tmp_path / "images" / "storm.svg").getroot()  # noqa: S314 - our own
    assert [row.text for row in picture.iter() if row.text in {"Echelon, SQLite", "APScheduler, SQLite"}] == [
        "Echelon, SQLite",
        "APScheduler, SQLite",
    ]


def test_the_storm_moves_everything_while_people_acknowledge(url: str) -> None:
    ours = here("storm_ours", {"url": url, **DUE})

    assert (ours["due"], ours["acks"]["failed"], ours["rows"]["escalations"]) == (12, 0, 32)
    assert ours["rows"]["outbox"] == FIRED["outbox"] * 12 + 2 * pressed(ours)


def test_the_limit_is_measured_with_the_rows_of_the_product(url: str) -> None:
    raw = here("storm_raw", {"url": url, **DUE})

    assert raw["rows"] == {"escalations": 12, "ledger": 24, "outbox": 48}


def test_apscheduler_is_helped_so_that_it_loses_none(tmp_path: Path) -> None:
    naive = here("storm_apscheduler", {"url": f"sqlite:///{tmp_path}/bench.db", **DUE})

    assert (naive["failed"], naive["acks"]["failed"]) == (0, 0)
    assert naive["rows"]["outbox"] == FIRED["outbox"] * 12 + 2 * pressed(naive)


def test_procrastinate_fires_every_window(postgres: PostgresServer) -> None:
    pytest.importorskip("procrastinate", reason="make bench installs it")

    theirs = here("storm_procrastinate", {"url": postgres.empty(), **DUE})

    assert theirs["failed"] == 0
    assert theirs["rows"]["outbox"] == FIRED["outbox"] * 12 + 2 * pressed(theirs)


def test_an_opening_is_compared_with_the_rows_it_writes(url: str) -> None:
    costs = here("opening", {"url": url, "times": 2})

    assert set(costs["median"]) == {"ours", "core", "bare"}


def test_after_an_outage_each_moves_one_level_in_order(url: str) -> None:
    back = here("catchup", {"url": url, "due": 30})

    assert (back["one_level"], back["out_of_order"]) == (30, 0)


def test_a_benchmark_that_fails_says_so_and_stops_nothing(only_sqlite: Stores) -> None:
    told: list[str] = []

    def failing(module: str, spec: Json) -> Json:
        raise RuntimeError("no such luck")

    plan = Plan(QUICK, only_sqlite, failing, say=told.append)
    plan.run(("opening", "catchup"))

    assert [one["result"]["error"] for one in plan.results] == ["RuntimeError: no such luck"] * 2
    assert Figures(record(QUICK, plan.results, {})).why_not("opening", "echelon", "sqlite").endswith("no such luck")


def test_one_benchmark_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    result = apart("storm_raw", {"url": f"sqlite:///{tmp_path}/bench.db", "due": 6})

    assert result["rows"] == {"escalations": 6, "ledger": 12, "outbox": 24}


def test_the_page_is_written_again_from_the_figures_that_are_there(tmp_path: Path) -> None:
    figures = Path(__file__).parents[1] / "docs" / "benchmarks.json"
    (tmp_path / "benchmarks.json").write_bytes(figures.read_bytes())

    assert main(["--again", "--out", str(tmp_path)]) == 0

    for name in ("benchmarks.md", "images/storm.svg"):
        kept = (figures.parent / name).read_text(encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == kept, f"{name}: run `python -m benchmarks --again`"
    assert re.search(r"\| reached \|", (tmp_path / "benchmarks.md").read_text(encoding="utf-8"))
    assert json.loads(figures.read_text(encoding="utf-8"))["results"]
