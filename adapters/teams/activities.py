"""What people do in Teams → one call of the reception → the answer. Read, call one use case, answer.

The answer to the HTTP request is the acknowledgement: it is given after the commit, so what Teams hears as taken is
stored. An invoke's answer is what the person sees; a message is answered by a message, afterwards.
"""

import html
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from adapters.teams import dialogs, payloads
from adapters.teams.answers import Answers
from adapters.teams.botbuilder import Handled
from adapters.teams.cards import OPEN_FORM, PRESS, REFRESH, SUBJECT, WORDS, data
from adapters.teams.gateway import TeamsChat
from adapters.teams.marks import Json
from adapters.teams.newcomers import Newcomers
from adapters.teams.payloads import Asked, Body
from adapters.teams.people import TeamsPeople
from adapters.teams.render import words_again
from bot import wording
from bot.commands import Actor
from bot.errors import DeliveryError, StoreUnavailable
from bot.failpoints import failpoint
from bot.message import Form, FormErrors, Reply
from bot.reception import Receives

Later = Callable[[Coroutine[Any, Any, None]], object]
Invoked = Callable[[Body, Asked], Awaitable[Json | None]]

log = logging.getLogger(__name__)


class Activities:
    """One method for each thing that people do. `later` runs what Teams need not wait for; `zone` is the workspace's."""

    def __init__(
        self,
        *,
        reception: Receives,
        people: TeamsPeople,
        newcomers: Newcomers,
        chat: TeamsChat,
        answers: Answers,
        zone: Callable[[], str],
        later: Later,
    ) -> None:
        self._reception, self._people, self._newcomers = reception, people, newcomers
        self._chat, self._answers, self._zone, self._later = chat, answers, zone, later
        self._invokes: dict[str, Invoked] = {
            "adaptiveCard/action": self.executed,
            "task/fetch": self.fetched,
            "task/submit": self.sent,
            "composeExtension/fetchTask": self.chosen,
            "composeExtension/submitAction": self.sent,
        }

    async def handle(self, body: Body) -> Handled:
        """The outcome of one activity. Raises Malformed; anything else that is raised is for Teams to deliver again."""
        asked = payloads.asked(body)
        await self._newcomers.meet(body, asked)
        match payloads.text(body, "type"):
            case "message":
                await self.said(body, asked)
            case "invoke":
                invoked = self._invokes.get(payloads.text(body, "name", default=""))
                if invoked is None:
                    return 501, None
                return 200, await invoked(body, asked)
            case _:
                pass
        return 200, None

    async def said(self, body: Body, asked: Asked) -> None:
        """Words in a personal chat, or in a channel to the bot; or a button of a client that knows no Action.Execute."""
        if _is_bot(asked):
            return
        if sent := payloads.submitted(body):
            await self._pressed_as_message(sent, asked)
            return
        mentions = payloads.mentions(body)
        if asked.channel and not any(one.bot for one in mentions):
            return
        words = await self._words(payloads.said(body), mentions, asked)
        actor = await self._actor(asked)
        await self._answer(self._typed(actor, words, asked), actor, asked, words_again(words))

    async def executed(self, body: Body, asked: Asked) -> Json:
        """An Action.Execute: a press, or a client that asks for its reader's own card."""
        sent, actor = payloads.executed(body), await self._actor(asked)
        press, subject = dialogs.text(sent, PRESS), dialogs.text(sent, SUBJECT)
        if press == REFRESH:
            return self._answers.card(await self._reception.drawn(actor, subject))
        reply = await self._told(actor, self._press(actor, sent, asked))
        if reply.page or reply.form:  # a button that an Action.Execute cannot answer, sent by a client that should not
            self._afterwards(self._say(reply, actor, asked, data(press, None, fetches=True) | {SUBJECT: subject}))
        return self._answers.told(reply, actor)

    async def fetched(self, body: Body, asked: Asked) -> Json | None:
        """A button that opens a dialog."""
        sent, actor = payloads.data(body), await self._actor(asked)
        return self._answers.dialog(await self._told(actor, self._press(actor, sent, asked)), self._zone_of(asked))

    async def sent(self, body: Body, asked: Asked) -> Json | None:
        """A dialog that was sent: it shows what came of it, or stays, with what was entered, when nothing did."""
        sent, actor = payloads.data(body), await self._actor(asked)
        if dialogs.FORM not in sent:
            return self._answers.dialog(await self._told(actor, self._press(actor, sent, asked)), self._zone_of(asked))
        entered = dialogs.values(sent)
        if dialogs.reloaded(sent, entered) and (form := await self._reshown(actor, sent, entered)):
            notice = wording.words(form.language, "shown_anew")
            return self._answers.form(form, self._zone_of(asked), notice=notice)
        form, context = dialogs.text(sent, dialogs.FORM), dialogs.text(sent, dialogs.CONTEXT)
        try:
            done = await self._reception.submitted(actor, form, context, entered, request=asked.request)
        except Exception as error:
            done = FormErrors({"": self._in_words(self._apology(actor, error))})
        if isinstance(done, Reply):
            return self._answers.dialog(done, self._zone_of(asked))
        return await self._wrong(actor, sent, entered, done, asked)

    async def chosen(self, body: Body, asked: Asked) -> Json | None:
        """ "Escalate this message": the form, prefilled with the words and the link."""
        words, link = payloads.chosen(body)
        actor = await self._actor(asked)
        done = self._reception.shortcut(actor, words, link, request=asked.request)
        return self._answers.dialog(await self._told(actor, done), self._zone_of(asked))

    # Who asks, and what they are told when it fails

    async def _actor(self, asked: Asked) -> Actor:
        return await self._people.actor(asked.who, asked.place, asked.channel)

    async def _told(self, actor: Actor, done: Awaitable[Reply]) -> Reply:
        """The reply, or the sentence that says what went wrong: never a silent nothing."""
        try:
            return await done
        except Exception as error:
            return self._apology(actor, error)

    def _apology(self, actor: Actor, error: Exception) -> Reply:
        language = self._reception.language(actor)
        if isinstance(error, StoreUnavailable):
            log.error("%s was told %s: the store is away", actor.person, error.sentence, extra=_FAILED)
            return Reply(language, wording.say(language, error.sentence))
        log.error("a request of %s failed", actor.person, exc_info=error, extra=_FAILED)
        return Reply(language, wording.say(language, "internal_error"))

    def _in_words(self, reply: Reply) -> str:
        return wording.plain(reply.language, reply.text, str)

    def _zone_of(self, asked: Asked) -> str:
        return asked.who.zone or self._newcomers.zone(asked.who) or dialogs.zone_of(self._zone())

    # What was said or pressed

    async def _words(self, typed: str, mentions: list[payloads.Mentioned], asked: Asked) -> str:
        """The words with the bot's own mention gone, and every other one as the grammar writes people."""
        for one in mentions:
            person = None if one.bot else await self._people.mentioned(one.user, asked.place)
            stands = " " if one.bot else f"@{person} " if person else f"{payloads.without_tags(one.written)} "
            typed = typed.replace(html.unescape(one.written), stands)
        return " ".join(payloads.without_tags(typed).split(" ")).strip()

    def _typed(self, actor: Actor, words: str, asked: Asked) -> Awaitable[Reply]:
        root = asked.thread[1] if asked.thread and asked.thread[1] != asked.id else ""
        link = self._chat.link(asked.channel, asked.id, root=root) if asked.channel and asked.id.isdigit() else None
        return self._reception.typed(actor, words, request=asked.request, thread=asked.thread, link=link)

    def _press(self, actor: Actor, sent: Body, asked: Asked) -> Awaitable[Reply]:
        """A press; the one that stands for a form says the words that led to the form once more."""
        press = dialogs.text(sent, PRESS)
        if press == OPEN_FORM:
            return self._typed(actor, dialogs.text(sent, WORDS), asked)
        return self._reception.pressed(actor, press, dialogs.text(sent, SUBJECT), request=asked.request)

    async def _pressed_as_message(self, sent: Body, asked: Asked) -> None:
        actor = await self._actor(asked)
        again = data(dialogs.text(sent, PRESS), None, fetches=True) | {SUBJECT: dialogs.text(sent, SUBJECT)}
        await self._answer(self._press(actor, sent, asked), actor, asked, again)

    async def _reshown(self, actor: Actor, sent: Body, entered: dict[str, str]) -> Form | None:
        """The form as it is with these values; None when it no longer makes sense, or nobody can tell."""
        name, context = dialogs.text(sent, dialogs.FORM), dialogs.text(sent, dialogs.CONTEXT)
        try:
            form = await self._reception.changed(actor, name, context, entered)
        except StoreUnavailable:
            log.error("a form of %s was not shown anew: the store is away", actor.person, extra=_FAILED)
            return None
        return dialogs.filled(form, entered) if form else None

    async def _wrong(
        self, actor: Actor, sent: Body, entered: dict[str, str], done: FormErrors, asked: Asked
    ) -> Json | None:
        form = await self._reshown(actor, sent, entered)
        if form:
            return self._answers.form(form, self._zone_of(asked), errors=done.errors)
        said = dialogs.errors_in_words(done.errors)
        return self._answers.dialog(Reply(self._reception.language(actor), (said,)), self._zone_of(asked))

    # The answers to messages

    async def _answer(self, done: Awaitable[Reply], actor: Actor, asked: Asked, again: Json) -> None:
        """Only when it failed does Teams wait for the telling: if that fails too, it delivers again."""
        try:
            reply = await done
        except Exception as error:
            await self._answers.say(self._apology(actor, error), actor, asked, again)
        else:
            self._afterwards(self._say(reply, actor, asked, again))

    def _afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        self._later(self._alone(work))

    async def _alone(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong here must not end the others who share the task group."""
        try:
            await work
        except Exception:
            log.exception("an answer was lost", extra=_FAILED)

    async def _say(self, reply: Reply, actor: Actor, asked: Asked, again: Json) -> None:
        """The last stop of an answer: what was asked is stored, so a lost answer is a line in the log and no more."""
        failpoint("teams.before_telling")
        try:
            await self._answers.say(reply, actor, asked, again)
        except DeliveryError as error:
            log.warning("%s could not be answered: %s", actor.person, error.reason, extra=_FAILED)


def _is_bot(asked: Asked) -> bool:
    return asked.who.role == "bot" or asked.who.user.startswith("28:")


_FAILED = {"action": "teams_request"}
