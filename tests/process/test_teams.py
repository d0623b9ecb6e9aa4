"""`app.py run` for Teams alone: started as an operator starts it, killed, started again."""

import sys
from pathlib import Path
from subprocess import run

import pytest
from aiohttp.test_utils import unused_port

from tests.acceptance.test_teams_story import LEVELS, channel, directory_text, person
from tests.process.bot import ROOT, running, until
from tests.slack_server import SlackServer
from tests.teams_server import TeamsServer


def settings(teams: TeamsServer) -> dict[str, str]:
    return {
        "ECHELON_SLACK_MODE": "off",
        "ECHELON_TEAMS_APP_ID": teams.app_id,
        "ECHELON_TEAMS_APP_PASSWORD": teams.password,
        "ECHELON_TEAMS_TENANT_ID": teams.tenant,
        "ECHELON_TEAMS_SERVICE_URL": teams.service_url,
        "ECHELON_TEAMS_OPENID_URL": teams.identity.openid_url,
        "ECHELON_TEAMS_LOGIN_URL": teams.identity.url,
    }


async def test_killed_before_the_delivery_the_card_goes_out_after_the_restart(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bells = request.config.getoption("--bells")
    async with TeamsServer() as teams, SlackServer() as slack:
        teams.team("team-1", name="Support")
        for name in (*LEVELS, "opener", "admin"):
            teams.person(person(name), name=name.title())
        for name in (*LEVELS, "admins"):
            teams.channel(channel(name), name=name, team="team-1")
        told, directory = settings(teams), directory_text()
        teams.faults.always("conversations.create", status=503)
        teams.faults.always("activities.send", status=503)
        port = unused_port()
        async with running(slack, tmp_path, port, bells=bells, directory=directory, **told) as bot:
            await bot.ready()
            door = teams.door(f"{bot.url}/api/messages")
            assert (await door.direct_message("checkout fails", person("opener"))).ok
            await bot.killed()
        assert teams.messages(person("rep")) == []
        teams.faults.clear()

        async with running(slack, tmp_path, unused_port(), bells=bells, directory=directory, **told) as bot:
            await until(lambda: any("ESC-1 · checkout fails" in said.words for said in teams.messages(person("rep"))))

            assert await bot.stopped() == 0


def test_the_package_is_made_from_the_settings(tmp_path: Path) -> None:
    environment = {"ECHELON_TEAMS_APP_ID": person("rep"), "HOME": str(tmp_path)}
    made = run(
        [sys.executable, str(ROOT / "app.py"), "teams-package", "--domain", "echelon.example.com"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    assert (tmp_path / "echelon-teams.zip").read_bytes().startswith(b"PK")


def test_without_an_application_id_there_is_no_package(tmp_path: Path) -> None:
    made = run(
        [sys.executable, str(ROOT / "app.py"), "teams-package"],
        env={"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 2
    assert "ECHELON_TEAMS_APP_ID" in made.stderr
    assert "Traceback" not in made.stderr
