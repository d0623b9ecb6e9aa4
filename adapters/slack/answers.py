"""Carries an answer to one person in Slack: in a view, in the channel where they asked, or in a direct message."""

import asyncio
import logging

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import render, views
from adapters.slack.gateway import ask
from adapters.slack.marks import Names
from adapters.slack.render import Json
from adapters.slack.views import Origin
from bot.errors import DeliveryError
from bot.message import Reply

VIEW_WITHIN = 2.0
"""Seconds for opening a view: a trigger lives for three."""
QUIET = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}

log = logging.getLogger(__name__)


class Answers:
    """The way back to one person. Nothing here decides what is said."""

    def __init__(self, client: AsyncWebClient, names: Names) -> None:
        self._client, self._names = client, names

    def payload(self, reply: Reply, *, again: str = "") -> Json | None:
        """The reply as a message; None for nothing to say."""
        return render.reply(reply, self._names, again=again)

    async def say(self, reply: Reply, user: str, origin: Origin, *, again: str = "") -> None:
        """Tell this person, and nobody else. Raises DeliveryError when neither the channel nor they can be reached."""
        shown = self.payload(reply, again=again)
        if shown is None:
            return
        if origin.channel and not origin.channel.startswith("D"):
            try:
                await self._whisper(user, origin, shown)
            except DeliveryError as error:
                log.info("no whisper in %s (%s): a direct message instead", origin.channel, error.reason)
            else:
                return
        await self._write(user, origin, shown)

    async def open(self, reply: Reply, trigger: str, origin: Origin, *, on: str = "") -> bool:
        """Show the reply's form or page (or, on top of the view `on`, its text) as a view. False when Slack refuses."""
        view = self.view(reply, origin, whole=bool(on))
        if view is None:
            return False
        if not on:
            return await self._try("views.open", trigger_id=trigger, view=view)
        pushed = await self._try("views.push", trigger_id=trigger, view=view)
        return pushed or await self._try("views.update", view_id=on, view=view)

    async def replace(self, view: str, mark: str, shown: Json) -> bool:
        """Show `shown` in place of a view that is open; `mark` (its hash) keeps an older change from winning."""
        return await self._try("views.update", view_id=view, hash=mark, view=shown)

    def view(self, reply: Reply, origin: Origin, *, whole: bool) -> Json | None:
        """The reply as a modal; its text alone only if `whole`."""
        if reply.form:
            return views.form(reply.form, self._names, origin)
        if reply.page:
            return views.page(reply.page, self._names, origin)
        if whole and reply.text:
            return views.notice(reply.text, reply.language, self._names, origin, reply.typed)
        return None

    async def _whisper(self, user: str, origin: Origin, shown: Json) -> None:
        thread = origin.thread or None
        sent = {"channel": origin.channel, "user": user, "thread_ts": thread, "parse": "none", "link_names": False}
        await ask(self._client, "chat.postEphemeral", **sent, **shown)

    async def _write(self, user: str, origin: Origin, shown: Json) -> None:
        place, thread = origin.channel, origin.thread or None
        if not place.startswith("D"):
            opened = await ask(self._client, "conversations.open", users=user)
            place, thread = str(opened["channel"]["id"]), None
        await ask(self._client, "chat.postMessage", channel=place, thread_ts=thread, **QUIET, **shown)

    async def _try(self, method: str, **given: object) -> bool:
        try:
            async with asyncio.timeout(VIEW_WITHIN):
                await ask(self._client, method, **given)
        except (DeliveryError, TimeoutError) as error:
            reason = error.reason if isinstance(error, DeliveryError) else "timed_out"
            log.warning("%s was refused: %s", method, reason, extra={"action": "slack_view"})
            return False
        return True
