"""Carries an answer to one person in Teams: as the outcome of an invoke, in their chat, or in the thread they asked in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from adapters.teams import dialogs, render
from adapters.teams.cards import CARD
from adapters.teams.gateway import TeamsChat
from adapters.teams.marks import Json, Names
from adapters.teams.payloads import Asked
from bot import wording
from bot.commands import Actor
from bot.errors import Refused, Unreachable
from bot.message import Card, Form, Line, Reply
from bot.rich import Mention, Rich

BOT_NAME = "Echelon"
TEXT = "application/vnd.microsoft.activity.message"
ERROR = "application/vnd.microsoft.error"
LONGEST_TEXT = 2000
TRIES, LONGEST_WAIT = 3, 20.0
"""How often an answer is tried, and the seconds that are waited for Teams to take it."""

log = logging.getLogger(__name__)


class Answers:
    """The way back to one person. Nothing here decides what is said.

    Teams shows nothing in a channel to one person only: what is private goes to the personal chat, and the thread says so.
    """

    def __init__(self, chat: TeamsChat, names: Names) -> None:
        self._chat, self._names = chat, names

    # As the outcome of an invoke

    def dialog(self, reply: Reply, zone: str) -> Json | None:
        """The reply in a dialog; None closes it."""
        if reply.form:
            return self.form(reply.form, zone)
        shown = render.reply(reply, self._chat.look(None), in_dialog=True)
        if shown is None:
            return None
        return dialogs.dialog(reply.page.title if reply.page else BOT_NAME, shown)

    def form(self, form: Form, zone: str, *, errors: Mapping[str, str] | None = None, notice: str = "") -> Json:
        """A form in a dialog."""
        shown = dialogs.form(form, self._chat.look(None), zone, errors=errors, notice=notice)
        return dialogs.dialog(form.title, shown)

    def told(self, reply: Reply, actor: Actor) -> Json:
        """The reply beside the card that was pressed, for this person only."""
        elsewhere = not reply.text and (reply.page or reply.form)
        text = (
            wording.say(reply.language, "answered_in_private", who=Mention(actor.person)) if elsewhere else reply.text
        )
        said = wording.plain(reply.language, text, self._names)
        return {"statusCode": 200, "type": TEXT, "value": said[:LONGEST_TEXT]}

    def card(self, shown: Card | None) -> Json:
        """A card in the place of the one that asked for it, for this person only."""
        if shown is None:
            return {"statusCode": 404, "type": ERROR, "value": {"code": "NotFound", "message": "nothing newer"}}
        return {"statusCode": 200, "type": CARD, "value": render.drawing(shown, self._chat.look(None))}

    # As a message

    async def say(self, reply: Reply, actor: Actor, asked: Asked, again: Json) -> None:
        """Answer where they asked, if that is theirs alone; else in their chat. Raises DeliveryError."""
        if asked.channel is None:
            await self._send(reply, again, lambda shown: self._chat.say(asked.place, shown))
        elif reply.form:
            await self._send(_bare(reply), again, lambda shown: self._chat.say(asked.place, shown))
        else:
            await self._privately(reply, actor, asked, again)

    async def _privately(self, reply: Reply, actor: Actor, asked: Asked, again: Json) -> None:
        who: Rich = (Mention(actor.person),)
        try:
            if not await self._send(reply, again, lambda shown: self._chat.write_to(actor.person, shown)):
                return
            said = wording.say(reply.language, "answered_in_private", who=who)
        except Refused as error:
            log.info("no chat with %s (%s): the thread says so", actor.person, error.reason, extra=_ANSWER)
            said = wording.say(reply.language, "no_private_chat", who=who)
        line = Line(reply.language, said, wording.plain(reply.language, said, self._names))
        shown = render.message(line, self._chat.look(asked.channel))
        await _patiently(lambda: self._chat.say(asked.place, shown))

    async def _send(self, reply: Reply, again: Json, send: Callable[[Json], Awaitable[Any]]) -> bool:
        drawn = render.reply(reply, self._chat.look(None), again=again)
        if drawn is None:
            return False
        shown = render.activity(drawn, str(drawn["fallbackText"]), reply.language)
        await _patiently(lambda: send(shown))
        return True


def _bare(reply: Reply) -> Reply:
    """The button of a form alone: whose words stand above it is not for everyone in a channel."""
    return replace(reply, text=(), typed="", buttons=())


async def _patiently(send: Callable[[], Awaitable[Any]]) -> None:
    """Send; once more after a while where Teams asks for that, never after an attempt that may have arrived."""
    for attempt in range(1, TRIES + 1):
        try:
            await send()
        except Unreachable as error:
            if error.uncertain or attempt == TRIES:
                raise
            await asyncio.sleep(min(LONGEST_WAIT, error.retry_after or attempt))
        else:
            return


_ANSWER = {"action": "teams_answer"}
