"""A use case in one transaction, from the start again when another one got ahead of it."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot import patience
from bot.errors import Conflict
from bot.ports import UnitOfWork, Units

ATTEMPTS = 5
"""How often a use case is run again when another one got ahead of it."""

Answer = TypeVar("Answer")

log = logging.getLogger("echelon.store")


async def in_one_unit(units: Units, use_case: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
    """The answer of a use case, after its commit. Raises Conflict when it never got its turn, StoreUnavailable, and
    whatever the use case raises; nothing was stored then.
    """
    for attempt in range(ATTEMPTS):
        try:
            async with units() as unit:
                answer = await use_case(unit)
                patience.commits()
                await unit.commit()
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            log.info("another unit was faster; again from the start", extra={"action": "conflict"})
            continue
        return answer
    raise AssertionError("unreachable")
