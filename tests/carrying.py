"""What a pump does with an outbox, one parcel at a time: for tests of what the outbox promises."""

from collections.abc import Sequence
from datetime import datetime

from bot.delivery import Delivered, Load, Mark, MessageRef, Moved, Outbox, Parcel, Postponed, Receipt, Superseded
from bot.directory import Address
from bot.effects import Effect
from bot.state import Escalation
from storage.database import Database
from storage.outbox import SqlOutbox
from storage.record import PlanShelf
from tests.builders import an_escalation, noting, opening
from tests.fakes import NINE, CountingIds


async def leased(
    box: Outbox, at: datetime = NINE, limit: int = 10, busy: frozenset[Address] = frozenset()
) -> list[Parcel]:
    """The parcels of all loads."""
    return [parcel for load in await box.lease(at, limit=limit, busy=busy) for parcel in load.parcels]


async def settled(box: Outbox, *marks: Mark, at: datetime = NINE) -> None:
    """Each parcel was a load of its own, and this became of it; its place is free again."""
    await box.settle([Receipt(Load((mark.parcel,)), (mark,)) for mark in marks], at=at)


async def delivered(
    box: Outbox, parcel: Parcel, ref: MessageRef | None, *, drawn_version: int = 1, at: datetime = NINE
) -> None:
    """It arrived."""
    await settled(box, Delivered(parcel, ref, drawn_version), at=at)


async def postponed(
    box: Outbox, parcel: Parcel, until: datetime, *, attempted: bool, uncertain: bool = False, at: datetime = NINE
) -> None:
    """It is tried again."""
    await settled(box, Postponed(parcel, until, attempted, uncertain), at=at)


async def moved(box: Outbox, parcel: Parcel, to: Address, *, at: datetime = NINE, refused: str = "") -> None:
    """It goes elsewhere."""
    await settled(box, Moved(parcel, to, refused), at=at)


async def superseded(box: Outbox, parcel: Parcel, *, at: datetime = NINE, reason: str = "") -> None:
    """Nobody needs it any more."""
    await settled(box, Superseded(parcel, reason), at=at)


def held(loads: Sequence[Load]) -> list[tuple[Address | None, int]]:
    """(place, number of parcels) of each load."""
    return [(load.to, len(load.parcels)) for load in loads]


async def sends(
    database: Database, *effects: Effect, number: int = 1, level: int = 1, at: datetime = NINE
) -> Escalation:
    """Open an escalation with these effects."""
    async with database.units() as unit:
        saved = await unit.add(opening(an_escalation(number, level=level), *effects), at=at)
        await unit.commit()
    return saved


async def changed(database: Database, escalation: Escalation, *effects: Effect, at: datetime = NINE) -> Escalation:
    """A note is added, with these effects."""
    async with database.units() as unit:
        saved = await unit.save(noting(escalation, "changed", *effects), at=at)
        await unit.commit()
    return saved


def another_process(database: Database) -> SqlOutbox:
    """On the same database, with ids of its own."""
    return SqlOutbox(database.writing, database.reading, PlanShelf(), CountingIds("other"), owner="another process")


def a_message(to: Address, id: str = "1", link: str | None = None) -> MessageRef:
    """A message at this address."""
    return MessageRef(to, f"place of {to}", id, link)
