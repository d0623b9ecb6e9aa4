"""What people do in Slack → one call of the reception → the answer. Read, call one use case, answer.

Bolt runs these before it answers Slack (`process_before_response`), so whatever Slack hears is acknowledged only after it
was stored; what remains to be said afterwards goes to `later`.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, cast

from slack_bolt.async_app import AsyncAck, AsyncApp

from adapters.slack import payloads, views
from adapters.slack.answers import Answers
from adapters.slack.payloads import Body, Who
from adapters.slack.people import SlackPeople
from adapters.slack.render import MENU, OPEN_FORM, PRESS
from adapters.slack.views import INPUT, Origin
from bot import wording
from bot.commands import Actor
from bot.directory import Address
from bot.errors import DeliveryError, StoreUnavailable
from bot.failpoints import failpoint
from bot.message import FormErrors, Reply
from bot.plan import Language
from bot.reception import Receives

COMMAND = "/escalate"
SHORTCUT = "escalate_message"
EVENTS = ("app_mention", "message", "subteam_updated")
"""Bolt's names; Slack's manifest calls the second one message.im."""

Later = Callable[[Coroutine[Any, Any, None]], object]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installation:
    """The one workspace that this process serves, as auth.test tells."""

    team: str
    team_name: str
    bot_user: str
    url: str
    scopes: frozenset[str]

    def link(self, channel: str, message: str) -> str | None:
        """The address of a message, None if Slack's own is not known."""
        if not self.url.startswith("https://"):
            return None
        return f"{self.url.rstrip('/')}/archives/{channel}/p{message.replace('.', '')}"


class Listeners:
    """One method for each thing that people do. `later` runs what Slack need not wait for."""

    def __init__(
        self, *, reception: Receives, people: SlackPeople, answers: Answers, installation: Installation, later: Later
    ) -> None:
        self._reception, self._people, self._answers = reception, people, answers
        self._installation, self._later = installation, later

    def attach(self, app: AsyncApp) -> None:
        """Register all of them; whatever else Slack sends as an event is acknowledged and forgotten."""
        on = cast(Any, app)  # the decorators are typed with bare Pattern and Callable
        on.command(COMMAND)(self.commanded)
        on.event("app_mention")(self.said)
        on.event("message")(self.said)
        on.event("subteam_updated")(self.group_updated)
        on.event(re.compile("."))(self.overheard)
        on.shortcut(SHORTCUT)(self.shortcut)
        on.action(re.compile(rf"^(?:{PRESS}|{MENU}):"))(self.pressed)
        on.action(re.compile(rf"^{INPUT}:"))(self.changed)
        on.view(re.compile("."))(self.submitted)

    async def commanded(self, ack: AsyncAck, body: Body) -> None:
        """`/escalate …`: answered in the acknowledgement, which only this person sees."""
        asked = payloads.slash(body)
        actor = await self._actor(asked.who, asked.origin)
        reply = await self._told(
            actor, self._reception.typed(actor, asked.words, request=asked.request, thread=None, link=None)
        )
        if reply.form and await self._answers.open(reply, asked.trigger, asked.origin):
            reply = replace(reply, form=None)
        shown = self._answers.payload(reply, again=asked.words)
        await ack({"response_type": "ephemeral", **shown} if shown else "")

    async def said(self, ack: AsyncAck, body: Body) -> None:
        """A mention or a direct message. Slack hears nothing until it is stored, and delivers it again if that failed."""
        asked = payloads.said(body, self._installation.bot_user)
        if asked is not None:
            actor = await self._actor(asked.who, asked.origin)
            thread = (asked.origin.channel, asked.origin.thread) if asked.origin.thread else None
            link = self._installation.link(asked.origin.channel, asked.id)
            done = self._reception.typed(actor, asked.words, request=asked.request, thread=thread, link=link)
            await self._answer_words(actor, done, asked)
        await ack()

    async def shortcut(self, ack: AsyncAck, body: Body) -> None:
        """ "Escalate this message"."""
        asked = payloads.on_message(body)
        actor = await self._actor(asked.who, asked.origin)
        link = self._installation.link(asked.origin.channel, asked.id)
        reply = await self._told(actor, self._reception.shortcut(actor, asked.words, link, request=asked.request))
        await self._show(reply, asked.who, asked.trigger, asked.origin, again=asked.words)
        await ack()

    async def pressed(self, ack: AsyncAck, body: Body) -> None:
        """A button or a line of a menu, in a message or in a view."""
        asked = payloads.pressed(body)
        actor = await self._actor(asked.who, asked.origin)
        reply = await self._told(actor, self._press(actor, asked))
        await self._show(reply, asked.who, asked.trigger, asked.origin, on=asked.view, again=asked.subject)
        await ack()

    async def changed(self, ack: AsyncAck, body: Body) -> None:
        """A field that others depend on: the view is shown anew. A change that cannot be followed leaves it as it is."""
        asked = payloads.changed(body)
        if asked is not None:
            actor = await self._actor(asked.who, asked.origin)
            form = await self._reshown(actor, asked)
            if form:
                await self._answers.replace(asked.view, asked.hash, form)
        await ack()

    async def submitted(self, ack: AsyncAck, body: Body) -> None:
        """A form that was sent: it closes when it was done, and stays, with what was typed, when it was not."""
        asked = payloads.submitted(body)
        actor = await self._actor(asked.who, asked.origin)
        done = self._reception.submitted(actor, asked.form, asked.context, asked.values, request=asked.request)
        try:
            outcome = await done
        except Exception as error:
            apology = self._apology(actor, error)
            outcome = FormErrors({"": self._in_words(apology)}) if views.fields(asked.sent) else apology
        match outcome:
            case FormErrors(errors):
                await ack(response_action="errors", errors=views.errors(errors, asked.sent))
            case Reply():
                await self._close(ack, outcome, asked)

    async def group_updated(self, ack: AsyncAck, body: Body) -> None:
        """The members of a user group have changed: ask for them again."""
        group = payloads.text(payloads.mapping(payloads.mapping(body, "event"), "subteam"), "id")
        self._afterwards(self._people.refresh_group(Address(f"slack:{group}")))
        await ack()

    async def overheard(self, ack: AsyncAck) -> None:
        """An event that nobody subscribed to: 200, or Slack would count it as a failure."""
        await ack()

    # Who asks, and what they are told when it fails

    async def _actor(self, who: Who, origin: Origin) -> Actor:
        return await self._people.actor(who.user, team=who.team, channel=origin.channel)

    async def _told(self, actor: Actor, done: Awaitable[Reply]) -> Reply:
        """The reply, or the sentence that says what went wrong: never a silent nothing."""
        try:
            return await done
        except Exception as error:
            return self._apology(actor, error)

    def _apology(self, actor: Actor, error: Exception) -> Reply:
        language = self._language(actor)
        if isinstance(error, StoreUnavailable):
            log.error("%s was told %s: the store is away", actor.person, error.sentence, extra=_FAILED)
            return Reply(language, wording.say(language, error.sentence))
        log.error("a request of %s failed", actor.person, exc_info=error, extra=_FAILED)
        return Reply(language, wording.say(language, "internal_error"))

    def _language(self, actor: Actor) -> Language:
        return self._reception.language(actor)

    def _in_words(self, reply: Reply) -> str:
        return wording.plain(reply.language, reply.text, str)

    # The answers

    async def _press(self, actor: Actor, asked: payloads.Pressed) -> Reply:
        """A press; the one that stands for a form says the words that led to the form once more."""
        if asked.press != OPEN_FORM:
            return await self._reception.pressed(actor, asked.press, asked.subject, request=asked.request)
        thread = (asked.origin.channel, asked.origin.thread) if asked.origin.thread else None
        return await self._reception.typed(actor, asked.subject, request=asked.request, thread=thread, link=None)

    async def _answer_words(self, actor: Actor, done: Awaitable[Reply], asked: payloads.Said) -> None:
        """Tell them in time. Only when it failed does Slack wait for the telling: if that fails too, it delivers again."""
        try:
            reply = await done
        except Exception as error:
            await self._answers.say(self._apology(actor, error), asked.who.user, asked.origin)
        else:
            self._afterwards(self._say(reply, asked.who, asked.origin, again=asked.words))

    async def _show(
        self, reply: Reply, who: Who, trigger: str, origin: Origin, *, on: str = "", again: str = ""
    ) -> None:
        """A form or a page as a view, within the life of the trigger; a text where they are, or on top of their view."""
        if (reply.form or reply.page or on) and await self._answers.open(reply, trigger, origin, on=on):
            reply = replace(reply, form=None, page=None, text=() if on else reply.text)
        self._afterwards(self._say(reply, who, origin, again=again))

    async def _reshown(self, actor: Actor, asked: payloads.Changed) -> dict[str, Any] | None:
        try:
            form = await self._reception.changed(actor, asked.form, asked.context, asked.values)
        except StoreUnavailable:
            log.error("a form of %s was not shown anew: the store is away", actor.person, extra=_FAILED)
            return None
        return self._answers.view(Reply(form.language, form=form), asked.origin, whole=False) if form else None

    async def _close(self, ack: AsyncAck, reply: Reply, asked: payloads.Submitted) -> None:
        """The next view in place of this one; else all views close, and the text comes where they started from."""
        following = self._answers.view(reply, asked.origin, whole=False)
        if following:
            await ack(response_action="update", view=following)
            reply = replace(reply, form=None, page=None)
        else:
            await ack(response_action="clear")
        self._afterwards(self._say(reply, asked.who, asked.origin))

    def _afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        self._later(self._alone(work))

    async def _alone(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong here must not end the others who share the task group."""
        try:
            await work
        except Exception:
            log.exception("an answer was lost", extra=_FAILED)

    async def _say(self, reply: Reply, who: Who, origin: Origin, *, again: str = "") -> None:
        """The last stop of an answer: what was asked is stored, so a lost answer is a line in the log and no more."""
        failpoint("slack.before_telling")
        try:
            await self._answers.say(reply, who.user, origin, again=again)
        except DeliveryError as error:
            log.warning("%s could not be answered: %s", who.user, error.reason, extra=_FAILED)


_FAILED = {"action": "slack_request"}
