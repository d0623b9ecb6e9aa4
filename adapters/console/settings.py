"""The settings, from the environment, `.env` or a directory of secrets; wrong ones are named, all at once."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict, SettingsError

from bot.errors import ConfigurationError, Problem
from bot.failpoints import VARIABLE as FAILPOINT

PREFIX = "ECHELON_"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DOTENV = ".env"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
"""Names a directory with one file per secret, called like the setting (Docker and Kubernetes mount them so)."""


class Settings(BaseSettings):
    """Read from the environment (ECHELON_…), from `.env`, and from files in the directory ECHELON_SECRETS_DIR names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=DOTENV, env_ignore_empty=True, extra="ignore")

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
    slack_mode: Literal["socket", "http", "off"] = Field(
        "socket",
        description="socket needs no public address; http needs one, and the signing secret; off is without Slack.",
    )
    slack_bot_token: SecretStr | None = Field(None, description="Bot User OAuth Token, xoxb-…: docs/slack.md.")
    slack_app_token: SecretStr | None = Field(None, description="App-level token, xapp-…; for socket mode.")
    slack_signing_secret: SecretStr | None = Field(None, description="Signing secret; for http mode.")
    slack_api_url: str = Field("https://slack.com/api/", description="Another one only for GovSlack or a test server.")
    teams_app_id: str | None = Field(
        None, description="The bot's application id in Azure; set, it connects Microsoft Teams: docs/teams.md."
    )
    teams_app_password: SecretStr | None = Field(None, description="Its client secret; for SingleTenant.")
    teams_tenant_id: str | None = Field(None, description="The tenant whose people are heard.")
    teams_app_type: Literal["SingleTenant", "UserAssignedMSI"] = Field(
        "SingleTenant", description="UserAssignedMSI is a managed identity: no secret to keep."
    )
    teams_service_url: str = Field(
        "https://smba.trafficmanager.net/teams/", description="Another one only for GCC, GCC High or a test server."
    )
    teams_openid_url: str = Field(
        "https://login.botframework.com/v1/.well-known/openidconfiguration", description="Likewise."
    )
    teams_login_url: str = Field("https://login.microsoftonline.com", description="Likewise.")
    teams_anonymous: bool = Field(
        False, description="Only for a local emulator: nothing is signed, and only this machine is heard."
    )
    host: str = Field("127.0.0.1", description="Where /healthz, /readyz, /metrics and /slack/events listen.")
    port: int = Field(8080, ge=1, le=65535, description="Likewise; the demo's page, too.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, with commas, whose X-Forwarded-For is believed: docs/security.md.",
    )
    limit_requests: int = Field(
        30, ge=1, le=100_000, description="How much one person may ask for in a minute: docs/security.md."
    )
    limit_openings: int = Field(
        10, ge=1, le=100_000, description="How many escalations one person may open in a minute."
    )
    limit_channel_openings: int = Field(60, ge=1, le=100_000, description="How many may be opened in one channel.")
    admit_guests: bool = Field(False, description="Whether guests of the workspace may use Echelon.")
    admit_foreign: bool = Field(False, description="Whether people of other organisations (Slack Connect) may.")
    bells: Literal["apscheduler", "none"] = Field(
        "apscheduler", description="none leaves the work to the guard alone: windows end up to a second late."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_format: Literal["text", "json"] = Field("text", description="json is one object a line, for log collectors.")
    metrics_token: SecretStr | None = Field(
        None, description="Set, /metrics wants it as Authorization: Bearer …: docs/operations.md."
    )
    otel_endpoint: str | None = Field(
        None, description="Where OpenTelemetry spans are sent over HTTP, http://collector:4318: docs/operations.md."
    )
    audit_seconds: int = Field(
        60, ge=1, le=60, description="How often everything is checked for what was forgotten: docs/audit.md."
    )
    heartbeat_url: SecretStr | None = Field(
        None, description="An address that is asked (GET) after each check that found nothing: docs/audit.md."
    )
    retention_days: int | None = Field(
        None, ge=8, le=36_500, description="Texts and names of what ended so long ago are erased; not set, they stay."
    )
    demo_folder: Path = Field(Path(".data/demo"), description="Where `demo` keeps its own database and messages.")


def read_settings() -> Settings:
    """The settings. Raises ConfigurationError naming each variable that is wrong or not known."""
    written = _written_in_dotenv()
    secrets = os.environ.get(SECRETS_DIR) or written.get(SECRETS_DIR)
    problems = [*_unknown(os.environ, "the environment"), *_unknown(written, DOTENV)]
    if secrets and not Path(secrets).is_dir():
        said = f"there is no directory {secrets!r}; name the one with the files of secrets, or leave it out"
        raise ConfigurationError((*problems, Problem(SECRETS_DIR, said)))
    if secrets:
        problems += _unknown((file.name for file in Path(secrets).iterdir()), secrets)
    try:
        settings = Settings(_secrets_dir=secrets)  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        wrong = (_wrong(str(one["loc"][0]), one["input"]) for one in error.errors())
        raise ConfigurationError((*problems, *wrong)) from None
    except (SettingsError, OSError, UnicodeDecodeError):  # the words of the first may quote what is in a file
        said = f"a file of {secrets!r} cannot be read; each must be a small text file that Echelon may read"
        raise ConfigurationError((*problems, Problem(SECRETS_DIR, said))) from None
    if problems:
        raise ConfigurationError(tuple(problems))
    return settings


def secrets_of(settings: Settings) -> frozenset[str]:
    """The values that must never be seen."""
    held = (getattr(settings, name) for name in Settings.model_fields)
    return frozenset(value.get_secret_value() for value in held if isinstance(value, SecretStr))


def variable(name: str) -> str:
    """What people call a setting: port → ECHELON_PORT."""
    return f"{PREFIX}{name.upper()}"


def _written_in_dotenv() -> Mapping[str, str]:
    """What `.env` says, by variable; empty when there is none."""
    try:
        source = DotEnvSettingsSource(Settings, env_file=DOTENV)
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError((Problem(DOTENV, "it cannot be read; save it as UTF-8 text"),)) from None
    return {name.upper(): value or "" for name, value in source.env_vars.items()}


def _unknown(names: Iterable[str], where: str) -> Iterator[Problem]:
    known = {variable(name) for name in Settings.model_fields} | {SECRETS_DIR, FAILPOINT}
    for name in sorted({name.upper() for name in names}):
        if name.startswith(PREFIX) and name not in known:
            words = [each.removeprefix(PREFIX) for each in known]
            near = get_close_matches(name.removeprefix(PREFIX), words, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else "docs/configuration.md names those there are"
            yield Problem(name, f"there is no such setting (it is in {where}); {hint}")


def _wrong(name: str, given: object) -> Problem:
    """Says what would do; of a secret it never says what was given."""
    field = Settings.model_fields[name]
    secret = SecretStr in {field.annotation, *get_args(field.annotation)}
    return Problem(variable(name), f"{'this' if secret else repr(given)} will not do; write {_wanted(field)}")


def _wanted(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    if field.annotation is bool:
        return "true or false"
    if int in {field.annotation, *get_args(field.annotation)}:
        least, most = (
            next(getattr(rule, end) for rule in field.metadata if hasattr(rule, end)) for end in ("ge", "le")
        )
        return f"a whole number from {least} to {most}"
    return "plain text"


def platforms(settings: Settings) -> frozenset[str]:
    """The platforms that the settings connect."""
    connected = {
        "slack": settings.slack_mode != "off",
        "teams": bool(settings.teams_app_id) or settings.teams_anonymous,
    }
    return frozenset(name for name, wanted in connected.items() if wanted)


def missing(settings: Settings) -> Iterator[Problem]:
    """What `run` needs: the directory file, and what each platform asks for, none of it missing or looking like another."""
    if not settings.directory_file.exists():
        said = f"there is no file {str(settings.directory_file)!r}; write one (docs/directory.md), or name the one you have"
        yield Problem(variable("directory_file"), said)
    if not platforms(settings):
        said = (
            "no platform is connected; connect Slack (docs/slack.md), or Teams by ECHELON_TEAMS_APP_ID (docs/teams.md)"
        )
        yield Problem(variable("slack_mode"), said)
    yield from _wrong_proxies(settings.trusted_proxies)
    heartbeat = settings.heartbeat_url.get_secret_value() if settings.heartbeat_url else ""
    if heartbeat and not re.match(r"https?://[^/\s]", heartbeat):
        yield Problem(variable("heartbeat_url"), "this will not do; write an address that begins with https://")
    yield from _missing_for_slack(settings)
    yield from _missing_for_teams(settings)


def _wrong_proxies(given: str) -> Iterator[Problem]:
    for one in filter(None, (part.strip() for part in given.split(","))):
        try:
            ip_network(one, strict=False)
        except ValueError:
            yield Problem(
                variable("trusted_proxies"), f"{one!r} is no address; write some like 10.0.0.5 or 10.0.0.0/24"
            )


def _missing_for_slack(settings: Settings) -> Iterator[Problem]:
    if settings.slack_mode == "off":
        return
    wanted = [("slack_bot_token", "xoxb-", "the Bot User OAuth Token")]
    if settings.slack_mode == "socket":
        wanted.append(("slack_app_token", "xapp-", "the app-level token, or ECHELON_SLACK_MODE=http"))
    else:
        wanted.append(("slack_signing_secret", "", "the app's signing secret, or ECHELON_SLACK_MODE=socket"))
    for name, begins, what in wanted:
        value: SecretStr | None = getattr(settings, name)
        if value is None or not value.get_secret_value():
            yield Problem(variable(name), f"it is not set; it needs {what} (docs/slack.md)")
        elif not value.get_secret_value().startswith(begins):
            yield Problem(variable(name), f"it does not begin with {begins}; it needs {what} (docs/slack.md)")


def _missing_for_teams(settings: Settings) -> Iterator[Problem]:
    if settings.teams_anonymous and settings.host not in LOOPBACK:
        said = (
            f"it needs ECHELON_HOST=127.0.0.1: with {settings.host!r} anybody who reaches the port could pose as Teams"
        )
        yield Problem(variable("teams_anonymous"), said)
    if settings.teams_anonymous or not settings.teams_app_id:
        return
    for name in ("teams_app_id", "teams_tenant_id"):
        value: str = getattr(settings, name) or ""
        if not _UUID.fullmatch(value):
            yield Problem(variable(name), f"{value!r} will not do; write the id as Azure shows it (docs/teams.md)")
    if settings.teams_app_type == "SingleTenant" and not settings.teams_app_password:
        said = "it is not set; it needs the client secret, or ECHELON_TEAMS_APP_TYPE=UserAssignedMSI (docs/teams.md)"
        yield Problem(variable("teams_app_password"), said)
