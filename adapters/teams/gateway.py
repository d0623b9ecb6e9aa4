"""Sends and edits messages: `bot.delivery.Chat` over the Connector, and who is in a channel."""

import logging
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from adapters.teams import render
from adapters.teams.connector import SERVICE_URL, Connector, Member, Place
from adapters.teams.marks import CHANNEL, PERSON, PLATFORM, Json, Names
from adapters.teams.references import Book, Reference
from adapters.teams.refusals import NO_SUCH_PLACE, RENDERING
from adapters.teams.render import Look
from adapters.teams.throttle import Throttle
from bot.delivery import MessageRef
from bot.directory import Address, PersonId, local_part, platform_of
from bot.errors import DeliveryError, Refused
from bot.failpoints import failpoint
from bot.message import Message
from bot.ports import Clock

THREAD = ";messageid="
MEMBERS_FOR = 60.0
MOST_MEMBERS = 10_000

log = logging.getLogger(__name__)


class TeamsChat:
    """Personal chats and channels of one tenant."""

    def __init__(
        self,
        connector: Connector,
        book: Book,
        names: Names,
        clock: Clock,
        *,
        tenant: str,
        service_url: str = SERVICE_URL,
    ) -> None:
        self._connector, self._book, self._names = connector, book, names
        self._tenant, self._service_url = tenant, service_url
        self._throttle = Throttle(clock)

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        """Send once. Teams knows no key, so an attempt that may have arrived can be told from none: see `find`."""
        del key
        if is_channel(to):
            return await self._post_in_channel(to, message, thread)
        shown = render.message(message, self.look(to))
        return await self._write(to, shown, render.plainly(message))

    async def edit(self, ref: MessageRef, message: Message) -> None:
        """Redraw in place, for everybody who sees it."""
        place = self._place(ref.to, f"{ref.place}{THREAD}{ref.id}" if is_channel(ref.to) else ref.place)
        self._throttle.admit(place.conversation)
        shown = render.message(message, self.look(ref.to))
        try:
            await self._connector.update(place, ref.id, shown)
        except Refused as error:
            if error.reason not in RENDERING:
                raise
            _complain(error)
            await self._connector.update(place, ref.id, render.plainly(message))

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        """None: bots cannot read what was said, so Teams cannot say."""
        del to, key, thread
        return None

    async def say(self, place: Place, shown: Json) -> str:
        """Answer in a conversation. Raises Refused or Unreachable."""
        self._throttle.admit(place.conversation)
        return await self._connector.post(place, shown)

    async def write_to(self, to: Address, shown: Json) -> MessageRef:
        """Answer a person in their personal chat. Raises Refused or Unreachable."""
        return await self._write(to, shown, shown)

    def look(self, to: Address | None) -> Look:
        """How things look at an address: in a channel people are mentioned and cards are refreshed for single readers."""
        live = to is not None and is_channel(to)
        return Look(self._names, lambda room: self._book.of(room).name, self._book.user, live)

    async def open_chat(self, person: Address) -> Place:
        """The personal chat with somebody, created where it is not known. Raises Refused or Unreachable."""
        known = self._book.of(person)
        if not known.conversation:
            if not _is_person(person):
                raise Refused(NO_SUCH_PLACE)
            self._throttle.admit(f"create {person}")
            url, named = self._url(known), known.user or local_part(person)
            created = await self._connector.create_personal(url, named, self._tenant)
            failpoint("teams.after_creating")
            await self._book.learn(person, conversation=created, service_url=url, tenant=self._tenant)
            known = self._book.of(person)
        return self._place(person, known.conversation)

    async def _write(self, to: Address, shown: Json, plain: Json) -> MessageRef:
        """Into the personal chat; one that is gone is created anew, once."""
        place = await self.open_chat(to)
        self._throttle.admit(place.conversation)
        try:
            sent = await self._send(place, shown, plain)
        except Refused as error:
            if error.reason != NO_SUCH_PLACE:
                raise
            await self._book.forget_chat(to)
            place = await self.open_chat(to)
            sent = await self._send(place, shown, plain)
        return MessageRef(to, place.conversation, sent)

    async def _post_in_channel(self, to: Address, message: Message, thread: MessageRef | None) -> MessageRef:
        channel, shown = local_part(to), render.message(message, self.look(to))
        if thread:
            place = self._place(to, f"{thread.place}{THREAD}{thread.id}")
            self._throttle.admit(place.conversation)
            sent = await self._send(place, shown, render.plainly(message))
            return MessageRef(to, channel, sent, self.link(to, sent, root=thread.id))
        self._throttle.admit(channel)
        try:
            sent = await self._start(to, shown)
        except Refused as error:
            if error.reason not in RENDERING:
                raise
            _complain(error)
            sent = await self._start(to, render.plainly(message))
        return MessageRef(to, channel, sent, self.link(to, sent))

    async def _start(self, to: Address, shown: Json) -> str:
        url = self._url(self._book.of(to))
        _, sent = await self._connector.create_channel_post(url, local_part(to), self._tenant, shown)
        return sent

    async def _send(self, place: Place, shown: Json, plain: Json) -> str:
        """With the card; should Teams not like it after all, the plain line: better read than right."""
        try:
            return await self._connector.post(place, shown)
        except Refused as error:
            if error.reason not in RENDERING or plain is shown:
                raise
            _complain(error)
            return await self._connector.post(place, plain)

    def link(self, to: Address, message: str, *, root: str = "") -> str:
        """The address of a message in a channel. https://learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/deep-link-teams"""
        query = {"tenantId": self._tenant} | ({"parentMessageId": root} if root else {})
        return f"https://teams.microsoft.com/l/message/{quote(local_part(to), safe='')}/{message}?{urlencode(query)}"

    def _place(self, to: Address, conversation: str) -> Place:
        return Place(self._url(self._book.of(to)), conversation)

    def _url(self, known: Reference) -> str:
        return known.service_url or self._book.service_url or self._service_url


class TeamsMembership:
    """Who is in which channel, as Teams tells; believed for a minute."""

    def __init__(self, connector: Connector, book: Book, clock: Clock, *, service_url: str = SERVICE_URL) -> None:
        self._connector, self._book, self._clock, self._service_url = connector, book, clock, service_url
        self._believed: dict[tuple[str, str], tuple[bool, float]] = {}

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """Whether `person` is a member of one of `channels`; False when Teams can't be asked."""
        if platform_of(person) != PLATFORM:
            return False
        for channel in channels:
            if is_channel(channel) and await self._is_in(person, channel):
                return True
        return False

    async def _is_in(self, person: PersonId, channel: Address) -> bool:
        key, now = (str(person), str(channel)), self._clock.monotonic()
        known = self._believed.get(key)
        if known and known[1] > now:
            return known[0]
        try:
            found: Member | None = await self._connector.member(self._place(channel), local_part(person))
        except Refused:
            found = None
        except DeliveryError:
            return False
        if len(self._believed) >= MOST_MEMBERS:
            self._believed.clear()
        self._believed[key] = (found is not None, now + MEMBERS_FOR)
        return found is not None

    def _place(self, channel: Address) -> Place:
        known = self._book.of(channel)
        return Place(known.service_url or self._book.service_url or self._service_url, local_part(channel))


def is_channel(to: Address) -> bool:
    """Whether this is a channel of Teams."""
    return platform_of(to) == PLATFORM and bool(CHANNEL.fullmatch(local_part(to)))


def _is_person(to: Address) -> bool:
    return platform_of(to) == PLATFORM and bool(PERSON.fullmatch(local_part(to)) or local_part(to).startswith("29:"))


def _complain(error: Refused) -> None:
    log.error("Teams refused the look of a message: %s", error.reason, extra={"action": "teams_card"})
