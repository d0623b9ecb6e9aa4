"""compose.yaml and the Dockerfile: two replicas on one PostgreSQL, with what they need and no more."""

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapters.console.settings import read_settings, variable
from tests.deploy.tools import ROOT, compose

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
REPLICAS = ("echelon-1", "echelon-2")


@pytest.fixture
def understood(tmp_path: Path) -> dict[str, Any]:
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    (tmp_path / "directory.yaml").touch()
    return compose(tmp_path)


def test_two_replicas_wait_for_a_healthy_database_and_come_back(understood: dict[str, Any]) -> None:
    services = understood["services"]

    assert set(services) == {"database", *REPLICAS}
    assert services["database"]["healthcheck"]["test"][1] == "pg_isready"
    assert all(service["restart"] == "unless-stopped" for service in services.values())
    for name in REPLICAS:
        assert services[name]["depends_on"]["database"]["condition"] == "service_healthy"
    assert "HEALTHCHECK" in DOCKERFILE, "the replicas' own comes with the image"


def test_replicas_run_with_as_little_as_they_need(understood: dict[str, Any]) -> None:
    for name in REPLICAS:
        replica = understood["services"][name]
        assert replica["read_only"] is True
        assert replica["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in replica["security_opt"]
    assert "ports" not in understood["services"]["database"]
    assert set(understood["services"]["database"]["networks"]) == {"inside"}
    assert understood["networks"]["inside"]["internal"] is True


def test_no_secret_stands_in_the_file_and_replicas_read_theirs_from_files(
    understood: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = understood["services"]["echelon-1"]
    names = [one if isinstance(one, str) else one["source"] for one in replica["secrets"]]
    secrets = tmp_path / "run-secrets"
    secrets.mkdir()
    for name in names:
        (secrets / name).write_text(f"postgresql://echelon:{name}@database/echelon\n", encoding="utf-8")
    image = dict(re.findall(r"(ECHELON_\w+)=(\S+)", DOCKERFILE))
    for name, value in {**image, **replica["environment"], "ECHELON_SECRETS_DIR": str(secrets)}.items():
        monkeypatch.setenv(name, value or "")
    monkeypatch.chdir(tmp_path)

    settings = read_settings()

    assert settings.database_url.get_secret_value().startswith("postgresql://"), "not the file that the image names"
    assert {variable(name) for name in ("database_url", "slack_bot_token", "slack_app_token")} == {
        name.upper() for name in names
    }


def test_the_image_holds_every_package_that_the_product_imports() -> None:
    copied = set(re.findall(r"^COPY (\w+) \./\1$", DOCKERFILE, re.MULTILINE))
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    imported = {
        node.module.partition(".")[0]
        for source in [ROOT / "app.py", *(file for name in copied for file in (ROOT / name).rglob("*.py"))]
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    own = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"bot"}

    assert imported & own <= copied
    assert copied <= allowed
