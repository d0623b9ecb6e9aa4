""" "slack:C1" → Slack, "local:ada" → the local chat: one `Chat` and one `Membership` for all platforms."""

from collections.abc import Mapping, Sequence

from bot.delivery import Chat, MessageRef
from bot.directory import Address, PersonId, platform_of
from bot.errors import Refused
from bot.message import Message
from bot.ports import Membership


class Switchboard:
    """Hands each message to the platform of its address. An address of no connected platform is refused for good."""

    def __init__(self, chats: Mapping[str, Chat]) -> None:
        self._chats = chats

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        """See `Chat.post`."""
        return await self._chat(to).post(to, message, key=key, thread=thread)

    async def edit(self, ref: MessageRef, message: Message) -> None:
        """See `Chat.edit`."""
        await self._chat(ref.to).edit(ref, message)

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        """See `Chat.find`."""
        return await self._chat(to).find(to, key, thread)

    def _chat(self, to: Address) -> Chat:
        if platform_of(to) not in self._chats:
            raise Refused("platform_not_connected")
        return self._chats[platform_of(to)]


class Memberships:
    """Asks each platform about its own channels, for its own people."""

    def __init__(self, memberships: Mapping[str, Membership]) -> None:
        self._memberships = memberships

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """See `Membership.in_any`."""
        platform = platform_of(person)
        own = [channel for channel in channels if platform_of(channel) == platform]
        if not own or platform not in self._memberships:
            return False
        return await self._memberships[platform].in_any(person, own)
