"""The command line: which words `app.py` understands. What they do is put together in `app.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

MAINTENANCE = frozenset({"audit", "export", "forget"})
"""Commands that look at, or into, a database beside a bot that may be running on it."""


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for: `command` and its options. Ends the process with a sentence when it cannot be read."""
    parser = argparse.ArgumentParser(prog="app.py", description="Echelon: on-call escalation in chat.")
    commands = parser.add_subparsers(dest="command", required=True)
    _working(commands)
    _maintaining(commands)
    return parser.parse_args(arguments)


class Commands(Protocol):
    """Where commands are added."""

    def add_parser(self, name: str, /, *, help: str) -> argparse.ArgumentParser:
        """One more."""
        ...


def _working(commands: Commands) -> None:
    commands.add_parser("demo", help="the local web chat: no account needed")
    commands.add_parser("run", help="connect to Slack and work")
    packing = commands.add_parser("teams-package", help="make the zip that is uploaded to Teams")
    packing.add_argument("--out", type=Path, default=Path("echelon-teams.zip"), help="where to write it")
    packing.add_argument("--domain", help="the public host of the messaging endpoint")
    checking = commands.add_parser("check", help="say everything that is wrong with settings and files")
    checking.add_argument("--live", action="store_true", help="also ask Slack: token, scopes, channels, people")


def _maintaining(commands: Commands) -> None:
    auditing = commands.add_parser("audit", help="say how many escalations and entries there are, and what was missed")
    auditing.add_argument("what", nargs="?", choices=["verify"], help="verify: check the chain of every history")
    auditing.add_argument("reference", nargs="?", help="only this one, such as ESC-7")
    exporting = commands.add_parser("export", help="write escalations and their histories as JSON Lines")
    exporting.add_argument("--out", type=Path, help="where to write them; without it, to standard output")
    forgetting = commands.add_parser("forget", help="erase a person: their name, their texts, their id")
    forgetting.add_argument("person", help="an address, such as slack:U024BE7LH")
    forgetting.add_argument("--yes", action="store_true", help="do it; without this, only say what would be erased")
    moving = commands.add_parser("move", help="copy a SQLite database into an empty PostgreSQL one, and compare them")
    moving.add_argument("--from", dest="source", required=True, help="the file, such as sqlite:///.data/echelon.db")
    moving.add_argument("--to", dest="target", help="the new database, unless ECHELON_DATABASE_URL names it already")
