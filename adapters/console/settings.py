"""The settings, from the environment, `.env` or a directory of secrets; wrong ones are named, all at once."""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from bot.errors import ConfigurationError, Problem

PREFIX = "ECHELON_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
"""Names a directory with one file per secret, called like the setting (Docker and Kubernetes mount them so)."""


class Settings(BaseSettings):
    """Read from the environment (ECHELON_…), from `.env`, and from files in the directory ECHELON_SECRETS_DIR names."""

    model_config = SettingsConfigDict(env_prefix="ECHELON_", env_file=".env", extra="ignore")

    directory_file: Path = Field(
        Path("directory.yaml"), description="Who holds which role, and where: docs/directory.md."
    )
    matrix_folder: Path | None = Field(
        None, description="A folder with your own matrices (*.yaml), beside the two built-in ones: docs/matrices.md."
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///.data/echelon.db"),
        description="sqlite:///path for one machine, postgresql://user:password@host/name for more than one.",
    )
    slack_mode: Literal["socket", "http"] = Field(
        "socket", description="socket needs no public address; http needs one, and the signing secret."
    )
    slack_bot_token: SecretStr | None = Field(None, description="Bot User OAuth Token, xoxb-…: docs/slack.md.")
    slack_app_token: SecretStr | None = Field(None, description="App-level token, xapp-…; for socket mode.")
    slack_signing_secret: SecretStr | None = Field(None, description="Signing secret; for http mode.")
    slack_api_url: str = Field("https://slack.com/api/", description="Another one only for GovSlack or a test server.")
    host: str = Field("127.0.0.1", description="Where /healthz, /readyz and /slack/events listen.")
    port: int = Field(8080, ge=0, le=65535, description="Likewise; the demo's page, too.")
    admit_guests: bool = Field(False, description="Whether guests of the workspace may use Echelon.")
    admit_foreign: bool = Field(False, description="Whether people of other organisations (Slack Connect) may.")
    bells: Literal["apscheduler", "none"] = Field(
        "apscheduler", description="none leaves the work to the guard alone: windows end up to a second late."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    demo_folder: Path = Field(Path(".data/demo"), description="Where `demo` keeps its own database and messages.")


def read_settings() -> Settings:
    """The settings. Raises ConfigurationError naming each variable that is wrong or not known."""
    problems = [*_unknown_variables()]
    try:
        settings = Settings(_secrets_dir=os.environ.get(SECRETS_DIR))  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        wrong = (Problem(_variable(one["loc"]), f"{one['msg']} (it is {one['input']!r})") for one in error.errors())
        raise ConfigurationError((*problems, *wrong)) from None
    except SettingsError as error:
        raise ConfigurationError((*problems, Problem(SECRETS_DIR, str(error)))) from None
    if problems:
        raise ConfigurationError(tuple(problems))
    return settings


def _variable(place: tuple[int | str, ...]) -> str:
    return f"ECHELON_{str(place[0]).upper()}" if place else "ECHELON_…"


def _unknown_variables() -> Iterator[Problem]:
    known = {f"ECHELON_{name.upper()}" for name in Settings.model_fields} | {SECRETS_DIR}
    for name in sorted(name for name in os.environ if name.startswith("ECHELON_") and name not in known):
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see .env.example for those there are"
        yield Problem(name, f"there is no such setting{hint}")


def slack_problems(settings: Settings) -> Iterator[Problem]:
    """Which of Slack's settings are missing, or look like another one."""
    wanted = [("slack_bot_token", "xoxb-", "the Bot User OAuth Token")]
    if settings.slack_mode == "socket":
        wanted.append(("slack_app_token", "xapp-", "the app-level token, or ECHELON_SLACK_MODE=http"))
    else:
        wanted.append(("slack_signing_secret", "", "the app's signing secret, or ECHELON_SLACK_MODE=socket"))
    for name, begins, what in wanted:
        value: SecretStr | None = getattr(settings, name)
        variable = f"ECHELON_{name.upper()}"
        if value is None or not value.get_secret_value():
            yield Problem(variable, f"is not set; it needs {what} (docs/slack.md)")
        elif not value.get_secret_value().startswith(begins):
            yield Problem(variable, f"does not begin with {begins}; it needs {what} (docs/slack.md)")
