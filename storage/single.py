"""One process per SQLite file: a second one says so and ends, instead of two bots answering everybody twice."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.errors import ConfigurationError, Problem


@contextmanager
def only_process(url: str) -> Generator[None]:
    """Hold the file's lock while inside; nothing to hold for a database server. Raises ConfigurationError."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite") or not parsed.database or parsed.database == ":memory:":
        yield
        return
    lock = Path(f"{parsed.database}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            said = f"another Echelon is using {parsed.database}; stop it first, or give this one a database of its own"
            raise ConfigurationError((Problem("ECHELON_DATABASE_URL", said),)) from None
        yield
