"""How much people may ask of Echelon: a `Receives` around another one, so that every platform passes through it.

One person's haste costs that person a wait and nobody else anything: what is refused never reaches the store, and takes
nothing from the channel's share. Taking charge of an issue is held back least of all, and never by the channel.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from bot import forms, wording
from bot.buckets import Buckets, Rate
from bot.commands import Actor
from bot.grammar import Deed, Words, read
from bot.message import Card, Form, FormErrors, Reply
from bot.plan import Language
from bot.ports import Clock
from bot.reception import Receives
from bot.signals import Signals, Silence

REMEMBERED = 10_000
"""Requests that were let in: the same one, delivered again, is not counted twice, nor told that nothing was recorded."""

Share = tuple[Buckets, Hashable]
"""A bucket, and the key of whoever takes from it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one person, and one channel, may do.

    `requests` is questions, forms and commands; `deeds` actions on an escalation that is there; `glances` what clients
    ask by themselves; `openings` new escalations. The channel's numbers are several people's, so nobody uses them up alone.
    """

    requests: Rate
    deeds: Rate
    glances: Rate
    openings: Rate
    channel_requests: Rate
    channel_openings: Rate

    @classmethod
    def of(cls, *, requests: int = 30, openings: int = 10, channel_openings: int = 60) -> "Limits":
        """From three numbers a minute; the rest follows. Raises ValueError for zero or less."""
        return cls(
            requests=Rate(requests, max(1, requests / 3)),
            deeds=Rate(2 * requests, max(10, requests)),
            glances=Rate(4 * requests, max(20, 2 * requests)),
            openings=Rate(openings, openings),
            channel_requests=Rate(6 * requests, max(1, 3 * requests)),
            channel_openings=Rate(channel_openings, channel_openings),
        )


class Limited:
    """See `Receives`. `signals` hears of each refusal as "rate_limited"."""

    def __init__(self, within: Receives, limits: Limits, clock: Clock, signals: Signals | None = None) -> None:
        self._within, self._signals = within, signals or Silence()
        self._requests = Buckets(limits.requests, clock.monotonic)
        self._deeds = Buckets(limits.deeds, clock.monotonic)
        self._glances = Buckets(limits.glances, clock.monotonic)
        self._openings = Buckets(limits.openings, clock.monotonic)
        self._channel_requests = Buckets(limits.channel_requests, clock.monotonic)
        self._channel_openings = Buckets(limits.channel_openings, clock.monotonic)
        self._let_in: OrderedDict[str, None] = OrderedDict()

    def language(self, actor: Actor) -> Language:
        """See `Receives`."""
        return self._within.language(actor)

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply:
        """Words that open an escalation count as one; those that only bring the form do not."""
        asked = read(words, in_thread=thread is not None)
        opening = isinstance(asked, Words) and bool(asked.words)
        taken = [(self._deeds, actor.person)] if isinstance(asked, Deed) else self._asking(actor)
        taken = [*taken, *self._opening(actor)] if opening else taken
        if seconds := self._refused(request, taken):
            return self._told(actor, seconds)
        reply = await self._within.typed(actor, words, request=request, thread=thread, link=link)
        if opening and reply.form:
            for buckets, key in self._opening(actor):
                buckets.give_back(key)
        return reply

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        """The person's own limit alone: a channel full of talk never keeps anybody from taking charge."""
        if seconds := self._refused(request, [(self._deeds, actor.person)]):
            return self._told(actor, seconds)
        return await self._within.pressed(actor, press, subject, request=request)

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        """Over the limit the form stays as it is."""
        if self._refused("", [(self._glances, actor.person)]):
            return None
        return await self._within.changed(actor, form, context, values)

    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors:
        """Over the limit the form stays open, with what was typed."""
        opening = form == forms.OPEN
        taken = [*self._asking(actor), *self._opening(actor)] if opening else [(self._deeds, actor.person)]
        if seconds := self._refused(request, taken):
            told = self._told(actor, seconds)
            said = wording.plain(told.language, told.text, str)
            return FormErrors({next(iter(values)): said}) if values else told
        return await self._within.submitted(actor, form, context, values, request=request)

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        """A question: the opening is counted when the form is sent."""
        if seconds := self._refused(request, self._asking(actor)):
            return self._told(actor, seconds)
        return await self._within.shortcut(actor, words, link, request=request)

    async def new(self, actor: Actor, *, request: str) -> Reply:
        """Likewise."""
        if seconds := self._refused(request, self._asking(actor)):
            return self._told(actor, seconds)
        return await self._within.new(actor, request=request)

    async def drawn(self, actor: Actor, subject: str) -> Card | None:
        """Over the limit the card that everybody sees stays."""
        if self._refused("", [(self._glances, actor.person)]):
            return None
        return await self._within.drawn(actor, subject)

    def _asking(self, actor: Actor) -> Sequence[Share]:
        return [(self._requests, actor.person), *([(self._channel_requests, actor.seen_in)] if actor.seen_in else [])]

    def _opening(self, actor: Actor) -> Sequence[Share]:
        return [(self._openings, actor.person), *([(self._channel_openings, actor.seen_in)] if actor.seen_in else [])]

    def _refused(self, request: str, taken: Sequence[Share]) -> float:
        """Seconds to wait, 0.0 if it is let in: then one is taken from each of the buckets, else from none."""
        if request and request in self._let_in:
            return 0.0
        seconds = max(buckets.wait(key) for buckets, key in taken)
        if seconds > 0:
            self._signals.trouble("rate_limited")
            return seconds
        for buckets, key in taken:
            buckets.take(key)
        if request:
            self._let_in[request] = None
            if len(self._let_in) > REMEMBERED:
                self._let_in.popitem(last=False)
        return 0.0

    def _told(self, actor: Actor, seconds: float) -> Reply:
        language = self._within.language(actor)
        return Reply(language, wording.say(language, "too_much_at_once", seconds=max(1, round(seconds + 0.5))))
