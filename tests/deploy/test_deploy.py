"""The files for operators are read by the tools they are for, and ask for nothing that Echelon does not tell."""

import json
import re
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp.test_utils import unused_port
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.tools import ALERTS, ALERTS_TEST, DASHBOARD, ROOT, promtool
from tests.process.bot import people_the_workspace, running
from tests.slack_server import SlackServer

NAME = re.compile(r"\b((?:echelon|process)_[a-z_]+)")
OPERATIONS = ROOT / "docs/operations.md"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield panel
        yield from panel.get("panels", ())


def dashboard_expressions() -> list[str]:
    """As Prometheus gets them: Grafana fills in its own variables first."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return [one.replace("$__rate_interval", "5m").replace("$__range", "6h") for one in asked]


def test_prometheus_reads_the_alarms() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(ALERTS))


def test_each_alarm_rings_when_it_should_and_stays_calm_when_it_should() -> None:
    tested = ALERTS_TEST.read_text(encoding="utf-8")
    names = {rule["alert"] for rule in alerts()}

    assert {name for name in names if f"- name: {name} rings\n" in tested} == names
    assert {name for name in names if f"- name: {name} stays calm\n" in tested} == names
    assert "SUCCESS" in promtool("test", "rules", ALERTS_TEST.name, cwd=ALERTS_TEST.parent)


def test_each_alarm_is_explained() -> None:
    headings = re.findall(r"^### (Echelon\w+)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(headings) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}


def test_grafana_s_own_types_read_the_dashboard_and_lose_nothing_of_it() -> None:
    with warnings.catch_warnings():  # they would rather have the schema of Grafana 12; this one is read by all
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.models.dashboard import Dashboard
    register_default_plugins()
    written = json.loads(DASHBOARD.read_text(encoding="utf-8"))

    read = Dashboard.from_json(written)

    assert json.loads(JSONEncoder().encode(read)) == written


def test_prometheus_reads_every_question_of_the_dashboard(tmp_path: Path) -> None:
    expressions = dashboard_expressions()
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(expressions)]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    assert len(expressions) > 20
    assert f"{len(expressions)} rules found" in promtool("check", "rules", str(file))


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[str]:
    """/metrics of a process that runs and has answered somebody."""
    async with SlackServer() as slack:
        people_the_workspace(slack)
        async with running(slack, tmp_path, unused_port()) as bot:
            await bot.ready()
            await slack.socket_door().slash("/escalate", "checkout fails", user="UOPENER", channel="CHELP")
            async with aiohttp.ClientSession() as session, session.get(f"{bot.url}/metrics") as answer:
                yield await answer.text()


async def test_a_running_echelon_tells_what_alarms_and_dashboard_ask_for(told: str) -> None:
    names: set[str] = set()
    for family in text_string_to_metric_families(told):
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {f"{family.name}{ending}" for ending in endings}

    asked = {name for rule in alerts() for name in NAME.findall(rule["expr"])}
    asked |= {name for one in dashboard_expressions() for name in NAME.findall(one)}

    assert asked - names == set()
    own = {name for name in names if name.startswith("echelon_")}
    explained = set(re.findall(r"^\| `(echelon_\w+)` \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE))
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in own}
    assert {name for name in plain if name not in explained} == set(), "docs/operations.md says what each figure is"
    assert explained - plain == set(), "and names none that is not there"


async def test_prometheus_finds_no_fault_with_the_figures_and_they_hold_no_text(told: str) -> None:
    own = "".join(line for line in told.splitlines(keepends=True) if "echelon_" in line)

    promtool("check", "metrics", given=own)
    for text in ("checkout", "UOPENER", "CHELP", "slack:", "acme", "ESC-"):
        assert text not in told
