"""A chat that writes down what it is sent, and can be told to refuse or to be away."""

import asyncio
from dataclasses import dataclass, field

from bot.delivery import MessageRef
from bot.directory import Address, PersonId
from bot.errors import DeliveryError
from bot.message import Card, Message


@dataclass
class Shown:
    """A message as it looks now, and how often it was edited."""

    to: Address
    message: Message
    key: str
    thread: str | None
    ref: MessageRef
    edits: int = 0


@dataclass
class RecordingChat:
    """`bot.delivery.Chat` and `bot.ports.Membership`. `away` maps an address to the error that it gives."""

    shown: list[Shown] = field(default_factory=list)
    away: dict[Address, DeliveryError] = field(default_factory=dict)
    members: dict[Address, set[PersonId]] = field(default_factory=dict)
    log: list[tuple[str, Address]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        self._open(to)
        self.log.append(("post", to))
        number = len(self.shown) + 1
        ref = MessageRef(to, f"D-{to}", f"m{number}", f"https://chat.example/{number}")
        self.shown.append(Shown(to, message, key, thread.id if thread else None, ref))
        async with self._news:
            self._news.notify_all()
        return ref

    async def edit(self, ref: MessageRef, message: Message) -> None:
        self._open(ref.to)
        self.log.append(("edit", ref.to))
        shown = next(shown for shown in self.shown if shown.ref.id == ref.id)
        shown.message = message
        shown.edits += 1

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        return next((shown.ref for shown in self.shown if shown.to == to and shown.key == key), None)

    async def in_any(self, person: PersonId, channels: list[Address]) -> bool:
        return any(person in self.members.get(channel, set()) for channel in channels)

    async def arrives(self, to: str, count: int = 1) -> Card:
        """Wait until so many cards have come to an address; returns the newest."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: len(self.cards(to)) >= count)
        return self.cards(to)[-1]

    def at(self, to: str) -> list[Shown]:
        """All that was sent to an address, oldest first."""
        return [shown for shown in self.shown if shown.to == f"chat:{to}"]

    def cards(self, to: str) -> list[Card]:
        """The root cards at an address, as they look now."""
        return [shown.message for shown in self.at(to) if isinstance(shown.message, Card)]

    def _open(self, to: Address) -> None:
        if to in self.away:
            raise self.away[to]
