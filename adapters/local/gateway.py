"""The chat that Echelon writes to in the demo: `bot.delivery.Chat` over the local store."""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.local.places import ECHELON, Places
from adapters.local.render import Renderer
from adapters.local.store import Draft, LocalStore, Stored
from bot.delivery import MessageRef
from bot.directory import Address, PersonId
from bot.errors import Refused, Unreachable
from bot.failpoints import failpoint
from bot.message import Message
from bot.ports import Clock


@dataclass(frozen=True, slots=True)
class LocalChat:
    """People (`local:ada`, the direct messages between that person and Echelon) and channels (`local:#support`).

    `url` is the address of the page: every message has a link that opens it there.
    """

    store: LocalStore
    places: Places
    renderer: Renderer
    clock: Clock
    url: str

    async def post(self, to: Address, message: Message, *, key: str, thread: MessageRef | None = None) -> MessageRef:
        """Store a message; a second attempt with the same key finds the first. Raises Refused for an unknown place."""
        if not self.places.knows(to):
            raise Refused("no_such_place")
        with _reachable():
            root = await self._root(to, thread)
            draft = Draft(
                key=_key(to, key),
                place=to,
                author=ECHELON,
                at=self.clock.now(),
                content=self.renderer.message(message),
                thread=root,
            )
            stored = await self.store.add(draft)
            failpoint("local.after_store")
            return self.ref(stored)

    async def edit(self, ref: MessageRef, message: Message) -> None:
        """Replace a message in place. Raises Refused when it is gone."""
        with _reachable():
            if await self.store.replace(ref.id, self.renderer.message(message)) is None:
                raise Refused("message_not_found")

    async def find(self, to: Address, key: str, thread: MessageRef | None = None) -> MessageRef | None:
        """The message that an earlier attempt with `key` left."""
        with _reachable():
            found = await self.store.by_key(_key(to, key))
        return self.ref(found) if found else None

    async def in_any(self, person: PersonId, channels: Sequence[Address]) -> bool:
        """Whether `person` is in one of `channels`: everybody is in all of them but the admins' own."""
        return any(self.places.may_read(person, channel) for channel in channels)

    def ref(self, stored: Stored) -> MessageRef:
        """What others keep of a message."""
        return MessageRef(Address(stored.place), stored.place, stored.id, link_to(self.url, stored.id))

    async def _root(self, to: Address, thread: MessageRef | None) -> str | None:
        if thread is None:
            return None
        root = await self.store.get(thread.id)
        if root is None or root.place != to:
            raise Refused("message_not_found")
        return root.thread or root.id


def link_to(url: str, message: str) -> str:
    """The page, opened at a message."""
    return f"{url.rstrip('/')}/#{message}"


def _key(to: Address, key: str) -> str:
    """One effect may go to several places in turn: each is a message of its own."""
    return f"sent:{to}:{key}"


@contextmanager
def _reachable() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unreachable("storage", uncertain=True) from error
