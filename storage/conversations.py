"""Where people and channels can be reached, as the platform last told: in memory, and stored for the next start."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from sqlalchemy import delete, select

from bot.directory import Address, WorkspaceId
from storage.codec import REFERENCE
from storage.tables import conversations
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]


class SqlConversations:
    """Conversation references of one workspace: an address → what the platform needs to write there, as plain words."""

    def __init__(self, workspace: WorkspaceId, writing: Transactions, reading: Transactions) -> None:
        self._workspace = workspace
        self._writing = writing
        self._reading = reading
        self._known: dict[Address, Mapping[str, str]] = {}

    async def load(self) -> None:
        """Read all of them; again, to see what other replicas have learnt."""
        mine = select(conversations).where(conversations.c.workspace == self._workspace)
        async with self._reading() as reading:
            rows = await reading.rows(mine)
        self._known = {Address(row["address"]): REFERENCE.read(row["reference"]) for row in rows}

    def get(self, address: Address) -> Mapping[str, str] | None:
        """What is known of an address."""
        return self._known.get(address)

    async def put(self, address: Address, reference: Mapping[str, str]) -> None:
        """Store the newest; the same again costs nothing."""
        if self._known.get(address) == reference:
            return
        row = {"workspace": self._workspace, "address": address, "reference": REFERENCE.write(dict(reference))}
        async with self._writing() as writing:
            told = writing.insert(conversations).values(row)
            await writing.run(
                told.on_conflict_do_update(
                    index_elements=["workspace", "address"], set_={"reference": told.excluded.reference}
                )
            )
            await writing.commit()
        self._known[address] = dict(reference)

    async def forget(self, address: Address) -> None:
        """The platform says that nothing can be written there any more."""
        mine = (conversations.c.workspace == self._workspace) & (conversations.c.address == address)
        async with self._writing() as writing:
            await writing.run(delete(conversations).where(mine))
            await writing.commit()
        self._known.pop(address, None)
