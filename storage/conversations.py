"""Where people and channels can be reached, as the platform last told: in memory, and stored for the next start."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from sqlalchemy import delete, select, update

from bot.directory import Address, WorkspaceId
from bot.failpoints import failpoint
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
        self._newer: dict[Address, Mapping[str, str]] = {}

    async def load(self) -> None:
        """Read all of them; again, to see what other replicas have learnt. What is stored meanwhile stays known."""
        newer: dict[Address, Mapping[str, str]] = {}
        self._newer = newer
        mine = select(conversations).where(conversations.c.workspace == self._workspace)
        async with self._reading() as reading:
            rows = await reading.rows(mine)
        stored: dict[Address, Mapping[str, str]] = {
            Address(row["address"]): REFERENCE.read(row["reference"]) for row in rows
        }
        self._known = stored | newer

    def get(self, address: Address) -> Mapping[str, str] | None:
        """What is known of an address."""
        return self._known.get(address)

    async def put(self, address: Address, reference: Mapping[str, str]) -> None:
        """Store the newest; the same again costs nothing. What another replica has learnt of it meanwhile stays."""
        known = self._known.get(address) or {}
        if known == reference:
            return
        async with self._writing() as writing:
            newest = await self._merged(writing, address, known, reference)
            await writing.commit()
        failpoint("conversations.after_commit")
        self._known[address] = self._newer[address] = newest

    async def _merged(
        self, writing: Transaction, address: Address, known: Mapping[str, str], reference: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Store what differs from what was `known` here, beside what the row says by now; returns what it says then."""
        key = {"workspace": self._workspace, "address": address}
        new = writing.insert(conversations).values(**key, reference=REFERENCE.write(dict(reference)))
        if (await writing.run(new.on_conflict_do_nothing())).rowcount:
            return dict(reference)
        mine = (conversations.c.workspace == self._workspace) & (conversations.c.address == address)
        chosen = select(conversations.c.reference).where(mine).with_for_update()
        stored = REFERENCE.read((await writing.run(chosen)).scalar_one())
        merged = merge(known, dict(reference), stored)
        await writing.run(update(conversations).where(mine).values(reference=REFERENCE.write(merged)))
        return merged

    async def forget(self, address: Address) -> None:
        """The platform says that nothing can be written there any more."""
        mine = (conversations.c.workspace == self._workspace) & (conversations.c.address == address)
        async with self._writing() as writing:
            await writing.run(delete(conversations).where(mine))
            await writing.commit()
        self._known.pop(address, None)


def merge(known: Mapping[str, str], new: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """`stored`, with the changes that lead from `known` to `new`."""
    gone = known.keys() - new.keys()
    changed = {name: value for name, value in new.items() if known.get(name) != value}
    return {name: value for name, value in stored.items() if name not in gone} | changed
