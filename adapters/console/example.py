"""`.env.example`, made from the settings: `python -m adapters.console.example > .env.example`."""

import sys
import textwrap
from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from adapters.console.settings import SECRETS_DIR, Settings, variable

HEAD = """\
# Echelon's settings. Copy this file to .env, and take the # away from the lines you change. docs/configuration.md says more.
# Made from adapters/console/settings.py: .venv/bin/python -m adapters.console.example > .env.example
"""
WIDTH = 118


def env_example() -> str:
    """Every setting with what it means and its default, all of it commented out; settings without a default are empty."""
    parts = [
        _part(variable(name), field.description or "", _default(field)) for name, field in Settings.model_fields.items()
    ]
    secrets = "A directory with one file per secret, each called like its setting: docs/configuration.md."
    return "\n".join([HEAD, *parts, _part(SECRETS_DIR, secrets, "")])


def _part(name: str, meaning: str, default: str) -> str:
    return "\n".join([*_commented(meaning), f"# {name}={default}", ""])


def _commented(meaning: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(meaning, WIDTH))


def _default(field: FieldInfo) -> str:
    value: object = field.default
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.stdout.write(env_example())
