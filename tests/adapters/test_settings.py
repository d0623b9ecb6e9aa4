"""Settings: what is documented is what there is, and each one that is wrong is named in a sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.console.example import env_example
from adapters.console.settings import SECRETS_DIR, Settings, read_settings, variable

ROOT = Path(__file__).parents[2]
BOT_TOKEN, APP_TOKEN = "xoxb-canary-1111-botsecret", "xapp-canary-2222-appsecret"
PASSWORD = "canary-3333-dbsecret"
DIRECTORY = """
workspace: {id: acme, name: Acme, calendar: office, default_matrix: support-process, fallback_channel: slack:C0FALLBK1}
calendars:
  office: {zone: Europe/Paris, hours: {mon-fri: "09:00-17:00"}}
roles:
  customer-support-representative: {owners: slack:U0ALICE01}
"""
DOCUMENTED = re.compile(r"^\| `(ECHELON_\w+)` \| ([^|]+) \|", re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("ECHELON_")]:
        monkeypatch.delenv(name)
    return tmp_path


def app(place: Path, *words: str, **settings: str) -> tuple[int, str]:
    """Exit status and everything said by `app.py`, with a database of its own in `place`."""
    answer = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *words],
        cwd=place,
        env={**os.environ, "ECHELON_DATABASE_URL": f"sqlite:///{place}/echelon.db", **settings},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr


def write_directory(place: Path) -> None:
    (place / "directory.yaml").write_text(DIRECTORY, encoding="utf-8")


# What is documented


def test_the_example_is_made_from_the_settings():
    said = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert said == env_example(), ".venv/bin/python -m adapters.console.example > .env.example"


def test_the_example_holds_the_defaults_and_changes_nothing(place: Path):
    untouched = Settings()

    (place / ".env").write_text(env_example(), encoding="utf-8")
    assert read_settings() == untouched

    (place / ".env").write_text(env_example().replace("# ECHELON_", "ECHELON_"), encoding="utf-8")
    assert read_settings() == untouched


def test_every_setting_is_documented_with_its_default():
    said = dict(DOCUMENTED.findall((ROOT / "docs/configuration.md").read_text(encoding="utf-8")))
    made = dict(re.findall(r"^# (ECHELON_\w+)=(.*)$", env_example(), re.MULTILINE))

    assert {name: f"`{default}`" if default else "none" for name, default in made.items()} == said


# What is wrong


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("ECHELON_PORT", "eighty", "'eighty' will not do; write a whole number from 1 to 65535"),
        ("ECHELON_PORT", "70000", "'70000' will not do; write a whole number from 1 to 65535"),
        ("ECHELON_SLACK_MODE", "sockets", "'sockets' will not do; write socket, http or off"),
        ("ECHELON_ADMIT_GUESTS", "maybe", "'maybe' will not do; write true or false"),
        ("ECHELON_LOG_LEVEL", "loud", "'loud' will not do; write debug, info, warning or error"),
        ("ECHELON_SLACK_BOT_TOKN", BOT_TOKEN, "there is no such setting (it is in the environment); did you mean "
         "ECHELON_SLACK_BOT_TOKEN?"),
        ("ECHELON_XYZ", "1", "there is no such setting (it is in the environment); docs/configuration.md names those there "
         "are"),
        (SECRETS_DIR, "nowhere", "there is no directory 'nowhere'; name the one with the files of secrets, or leave it out"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_it(place: Path, name: str, given: str, sentence: str):
    assert app(place, "check", **{name: given}) == (2, f"{name}: {sentence}\n")


def test_all_wrong_settings_are_named_at_once(place: Path):
    status, said = app(place, "run", ECHELON_PORT="eighty", ECHELON_SLACK_MODE="sockets", ECHELON_PRT="1")

    assert status == 2
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "ECHELON_PRT",
        "ECHELON_SLACK_MODE",
        "ECHELON_PORT",
    ]


@pytest.mark.parametrize("command", ["check", "run"])
def test_missing_tokens_and_a_missing_directory_are_named_with_what_to_do(place: Path, command: str):
    status, said = app(place, command)

    assert status == 2
    assert "ECHELON_DIRECTORY_FILE: there is no file 'directory.yaml'; write one (docs/directory.md)" in said
    assert "ECHELON_SLACK_BOT_TOKEN: it is not set; it needs the Bot User OAuth Token (docs/slack.md)" in said
    assert "ECHELON_SLACK_APP_TOKEN: it is not set; it needs the app-level token, or ECHELON_SLACK_MODE=http" in said
    assert "Traceback" not in said


def test_over_http_the_signing_secret_is_needed_and_no_app_token(place: Path):
    write_directory(place)

    status, said = app(place, "check", ECHELON_SLACK_MODE="http", ECHELON_SLACK_BOT_TOKEN=BOT_TOKEN)

    assert status == 2
    assert said == (
        "ECHELON_SLACK_SIGNING_SECRET: it is not set; it needs the app's signing secret, or ECHELON_SLACK_MODE=socket "
        "(docs/slack.md)\n"
    )


def test_no_secret_is_ever_printed(place: Path):
    write_directory(place)
    swapped = {"ECHELON_SLACK_BOT_TOKEN": APP_TOKEN, "ECHELON_SLACK_APP_TOKEN": BOT_TOKEN}

    status, said = app(place, "check", ECHELON_DATABASE_URL=f"mysql://echelon:{PASSWORD}@host/echelon", **swapped)

    assert status == 2
    assert "ECHELON_SLACK_BOT_TOKEN: it does not begin with xoxb-" in said
    assert "ECHELON_SLACK_APP_TOKEN: it does not begin with xapp-" in said
    assert "ECHELON_DATABASE_URL: 'mysql' is not supported" in said
    assert "canary" not in said
    assert "Traceback" not in said


def test_what_is_in_order_is_in_order(place: Path):
    write_directory(place)

    answer = app(place, "check", ECHELON_SLACK_BOT_TOKEN=BOT_TOKEN, ECHELON_SLACK_APP_TOKEN=APP_TOKEN)

    assert answer == (0, "Everything is in order.\n")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("url", [f"echelon {PASSWORD}", f"postgresql://echelon:{PASSWORD}@host:port/echelon"])
def test_a_wrong_database_is_a_sentence_without_the_password(place: Path, command: str, url: str):
    write_directory(place)
    tokens = {"ECHELON_SLACK_BOT_TOKEN": BOT_TOKEN, "ECHELON_SLACK_APP_TOKEN": APP_TOKEN}

    assert app(place, command, ECHELON_DATABASE_URL=url, **tokens) == (
        2,
        "ECHELON_DATABASE_URL: this is no database URL; write sqlite:///echelon.db or "
        "postgresql://user:password@host/database\n",
    )


# Where settings come from


def test_secrets_may_come_from_files(place: Path):
    write_directory(place)
    folder = place / "secrets"
    folder.mkdir()
    (folder / "echelon_slack_bot_token").write_text(f"{BOT_TOKEN}\n", encoding="utf-8")
    (folder / "ECHELON_SLACK_APP_TOKEN").write_text(APP_TOKEN, encoding="utf-8")

    assert app(place, "check", ECHELON_SECRETS_DIR=str(folder)) == (0, "Everything is in order.\n")


def test_a_file_of_no_setting_is_named(place: Path):
    folder = place / "secrets"
    folder.mkdir()
    (folder / "echelon_slack_bot_tokn").write_text(BOT_TOKEN, encoding="utf-8")
    (folder / "another_program").write_text("x", encoding="utf-8")

    status, said = app(place, "check", ECHELON_SECRETS_DIR="secrets")

    assert status == 2
    assert said == (
        "ECHELON_SLACK_BOT_TOKN: there is no such setting (it is in secrets); did you mean ECHELON_SLACK_BOT_TOKEN?\n"
    )


def test_a_secret_that_cannot_be_read_is_a_sentence(place: Path):
    folder = place / "secrets"
    folder.mkdir()
    (folder / "echelon_slack_bot_token").write_bytes(b"xoxb-canary\xff")

    status, said = app(place, "check", ECHELON_SECRETS_DIR="secrets")

    assert status == 2
    assert said == (
        "ECHELON_SECRETS_DIR: a file of 'secrets' cannot be read; each must be a small text file that Echelon may read\n"
    )


def test_the_environment_wins_over_dotenv_and_that_over_files(place: Path, monkeypatch: pytest.MonkeyPatch):
    folder = place / "secrets"
    folder.mkdir()
    for name in ("slack_bot_token", "slack_app_token", "slack_signing_secret"):
        (folder / variable(name)).write_text("of the file", encoding="utf-8")
    dotenv = (
        "ECHELON_SLACK_BOT_TOKEN='of .env'\nECHELON_SLACK_APP_TOKEN='of .env'\nECHELON_SECRETS_DIR=secrets\nOTHER=1\n"
    )
    (place / ".env").write_text(dotenv, encoding="utf-8")
    monkeypatch.setenv("ECHELON_SLACK_BOT_TOKEN", "of the environment")

    settings = read_settings()

    secrets = (settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret)
    assert [secret and secret.get_secret_value() for secret in secrets] == [
        "of the environment",
        "of .env",
        "of the file",
    ]


def test_an_unknown_name_in_dotenv_is_named(place: Path):
    (place / ".env").write_text("ECHELON_PRT=9\nOTHER=1\n", encoding="utf-8")

    assert app(place, "check") == (
        2,
        "ECHELON_PRT: there is no such setting (it is in .env); did you mean ECHELON_PORT?\n",
    )


def test_a_dotenv_that_is_no_text_is_a_sentence(place: Path):
    (place / ".env").write_bytes(b"ECHELON_PORT=\xff\n")

    assert app(place, "check") == (2, ".env: it cannot be read; save it as UTF-8 text\n")


def test_an_empty_value_counts_as_not_set(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ECHELON_PORT", "")
    monkeypatch.setenv("ECHELON_MATRIX_FOLDER", "")

    settings = read_settings()

    assert (settings.port, settings.matrix_folder) == (8080, None)


def test_anonymous_teams_is_refused_where_others_could_reach_it(place: Path):
    status, said = app(place, "run", ECHELON_SLACK_MODE="off", ECHELON_TEAMS_ANONYMOUS="true", ECHELON_HOST="192.0.2.1")

    assert status == 2
    assert "ECHELON_TEAMS_ANONYMOUS: it needs ECHELON_HOST=127.0.0.1" in said
    assert "Traceback" not in said
