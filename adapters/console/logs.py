"""Logs on standard error, with secrets taken out of every line."""

import logging

from adapters.web.redaction import Redaction


def log_to_stderr(level: str) -> None:
    """One line a record, secrets taken out."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Redaction())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("apscheduler", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
