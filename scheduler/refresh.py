"""What has to be looked at again and again because of other replicas: what they have learnt, what they left locked."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.errors import Conflict, StoreUnavailable

REFRESH_SECONDS = 20.0
"""What one replica was told (a language, a name, who is in a group, where somebody is reached), all know so soon."""

LOCKS_SECONDS = 5.0
"""How often somebody looks for what a process that stands still keeps locked."""

Load = Callable[[], Awaitable[None]]

log = logging.getLogger("echelon.refresh")


async def keep_fresh(*loads: Load, every: float = REFRESH_SECONDS) -> None:
    """Call each of `loads` every so many seconds, for ever. What cannot be read stays as it was known."""
    while True:
        await asyncio.sleep(every)
        for load in loads:
            await _safely(load)


async def _safely(load: Load) -> None:
    try:
        await load()
    except (StoreUnavailable, Conflict) as error:
        log.info("What other replicas did is looked at later: %s", error, extra={"action": "refresh_waits"})
    except Exception:  # this must not end the engine: what was known stays, locks end by themselves or not
        log.exception("What other replicas did could not be looked at", extra={"action": "refresh_failed"})
