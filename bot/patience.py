"""How long a person waits for the store, and what they may be told when it is over.

Chat platforms give a few seconds for an answer. A use case that is still on its way to its commit by then is given up: the
commit is refused from that moment on, so "nothing was recorded" is true. One whose commit has begun may have been stored or
not; whoever asked is told exactly that.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from bot.errors import StoreUnavailable, Unsettled

ANSWER_WITHIN = 2.0
"""Seconds; Slack wants its answer within 3, and the way to and fro, and to find out who asks, takes some."""

SETTLE_WITHIN = 0.3
"""Seconds more for a commit that has begun."""

Answer = TypeVar("Answer")


class Attempt:
    """One use case that somebody waits for."""

    def __init__(self) -> None:
        self._given_up = False
        self._committing = False

    @property
    def committing(self) -> bool:
        """Whether the store has been asked to make it so."""
        return self._committing

    def commits(self) -> None:
        """The commit is about to be asked for. Raises StoreUnavailable when nobody waits any more."""
        if self._given_up:
            raise StoreUnavailable("the database did not answer in time; nothing was recorded")
        self._committing = True

    def give_up(self) -> None:
        """From here on no commit is begun."""
        self._given_up = True


_attempt: ContextVar[Attempt | None] = ContextVar("echelon_attempt", default=None)


def commits() -> None:
    """To be called right before each commit that a person may wait for. Raises StoreUnavailable when they were told no."""
    if attempt := _attempt.get():
        attempt.commits()


async def in_time(
    use_case: Coroutine[Any, Any, Answer], *, within: float = ANSWER_WITHIN, settle: float = SETTLE_WITHIN
) -> Answer:
    """The answer of a use case. Raises StoreUnavailable when it does not come `within` so many seconds, Unsettled when its
    commit had begun by then and did not end in `settle` more.

    What is given up is not waited for: even its tidying up may hang with the store. It ends by the store's own time-outs.
    """
    attempt = Attempt()
    token = _attempt.set(attempt)
    try:
        task = asyncio.ensure_future(use_case)  # it has copied the context, attempt and all
    finally:
        _attempt.reset(token)
    try:
        done, _ = await asyncio.wait({task}, timeout=within)
        if not done and attempt.committing:
            done, _ = await asyncio.wait({task}, timeout=settle)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done:
        return task.result()
    attempt.give_up()
    task.add_done_callback(_forget)
    if attempt.committing:
        raise Unsettled("the database did not answer in time; whether it was recorded is not known")
    task.cancel()
    raise StoreUnavailable("the database did not answer in time; nothing was recorded")


def _forget(task: "asyncio.Future[Any]") -> None:
    """Nobody waits for this any more; its error was told already."""
    if not task.cancelled():
        task.exception()
