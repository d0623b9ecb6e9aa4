"""Programs that are not ours and that read our files as an operator's will."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
ALERTS_TEST = ROOT / "deploy/prometheus/alerts_test.yaml"
DASHBOARD = ROOT / "deploy/grafana/echelon.json"


def promtool(*words: str, given: str | None = None, cwd: Path | None = None) -> str:
    """What Prometheus' own tool says, whatever its verdict; fails the test when it finds something wrong."""
    program = shutil.which("promtool")
    if program is None:
        missing("promtool is not there; on Debian or Ubuntu it comes with the package prometheus")
    answer = subprocess.run([program or "", *words], input=given, capture_output=True, text=True, check=False, cwd=cwd)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def compose(folder: Path) -> dict[str, Any]:
    """The file `compose.yaml` of a folder as Docker's own tool understands it, checked by its schema."""
    command = next((words for words in (["docker", "compose"], ["docker-compose"]) if works(*words, "version")), None)
    if command is None:
        missing("docker compose is not there; on Debian or Ubuntu: apt-get install docker-compose")
    answer = subprocess.run([*(command or ()), "config"], cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    understood: dict[str, Any] = yaml.safe_load(answer.stdout)
    return understood


def works(*command: str) -> bool:
    """Whether a command is there and ends well."""
    return bool(shutil.which(command[0])) and subprocess.run(command, capture_output=True, check=False).returncode == 0


def missing(sentence: str) -> None:
    """On a build machine a tool must be there; elsewhere the test is skipped."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)
