"""The reception as a platform needs it: an answer in time, whatever the store does, and a name on what is worked on."""

import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from bot.commands import Actor
from bot.errors import StoreUnavailable
from bot.message import Card, Form, FormErrors, Reply
from bot.patience import ANSWER_WITHIN, in_time
from bot.plan import Language
from bot.ports import Clock
from bot.reception import Receives
from bot.requests import request_id, working_on
from bot.signals import Signals

Answer = TypeVar("Answer")

log = logging.getLogger("echelon.requests")


class Prompt:
    """`bot.reception.Receives`, each call counted and over `within` so many seconds: a store that hangs raises
    StoreUnavailable then.
    """

    def __init__(self, inner: Receives, clock: Clock, signals: Signals, within: float = ANSWER_WITHIN) -> None:
        self._inner, self._clock, self._signals, self._within = inner, clock, signals, within

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply:
        return await self._for(
            request, "typed", self._inner.typed(actor, words, request=request, thread=thread, link=link)
        )

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        return await self._for(request, "pressed", self._inner.pressed(actor, press, subject, request=request))

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        return await self._for(request_id(), "changed", self._inner.changed(actor, form, context, values))

    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors:
        done = self._inner.submitted(actor, form, context, values, request=request)
        return await self._for(request, "submitted", done)

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        return await self._for(request, "shortcut", self._inner.shortcut(actor, words, link, request=request))

    async def new(self, actor: Actor, *, request: str) -> Reply:
        return await self._for(request, "typed", self._inner.new(actor, request=request))

    async def drawn(self, actor: Actor, subject: str) -> Card | None:
        return await self._for(request_id(), "drawn", self._inner.drawn(actor, subject))

    def language(self, actor: Actor) -> Language:
        return self._inner.language(actor)

    async def _for(self, request: str, way: str, use_case: Coroutine[Any, Any, Answer]) -> Answer:
        """The id stays after the answer: the log lines of its telling carry it, too."""
        working_on(request)
        began, outcome = self._clock.monotonic(), "failed"
        try:
            answer = await in_time(use_case, within=self._within)
            outcome = "answered"
        except StoreUnavailable as error:
            outcome = error.sentence
            raise
        finally:
            seconds = self._clock.monotonic() - began
            self._signals.answered(way, outcome, seconds)
            log.info("%s: %s after %.3f s", way, outcome, seconds, extra={"action": "request"})
        return answer
