"""One process per SQLite file: a second one says so and ends, instead of two bots answering everybody twice."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from storage.engine import is_file, make_folder, wrong


@contextmanager
def only_process(url: str) -> Generator[None]:
    """Hold the file's lock while inside; nothing to hold for a database server. Raises ConfigurationError."""
    database = is_file(url)
    if database is None:
        yield
        return
    lock = Path(f"{database}.lock")
    make_folder(database)
    try:
        lock.touch()
    except OSError as error:
        raise wrong(f"{database} cannot be used: {error.strerror}") from None
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise wrong(
                f"another Echelon is using {database}; stop it first, or give this one a database of its own"
            ) from None
        yield
