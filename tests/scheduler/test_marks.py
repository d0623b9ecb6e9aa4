"""Marks of many loads are one transaction; one that cannot be stored spoils no other."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from bot.delivery import Delivered, Load, Parcel, ParcelId, Receipt
from bot.directory import Address, WorkspaceId
from bot.effects import Effect, Errand
from bot.errors import Conflict, StoreUnavailable
from bot.signals import Silence
from bot.state import EscalationId
from scheduler import marks
from scheduler.marks import Marks
from tests.fakes import FakeClock


class Shelf:
    """The part of an outbox that stores receipts; `troubles` are raised first, `bad` parcels whenever they come."""

    def __init__(self, *troubles: Exception, bad: str = "", error: type[Exception] = Conflict) -> None:
        self.troubles = list(troubles)
        self.bad = bad
        self.error = error
        self.stored: list[list[str]] = []

    async def settle(self, receipts: Sequence[Receipt], *, at: datetime) -> None:
        await asyncio.sleep(0)
        if self.troubles:
            raise self.troubles.pop(0)
        names = [mark.parcel.id for receipt in receipts for mark in receipt.marks]
        if self.bad in names:
            raise self.error("bad")
        self.stored.append(names)


def receipt(name: str, size: int = 1) -> Receipt:
    parcels = tuple(
        Parcel(ParcelId(name), WorkspaceId("w"), EscalationId("e"), Effect(Errand.TELL, 1, Address("x:y")), "k", None)  # type: ignore[arg-type]
        for _ in range(size)
    )
    return Receipt(Load(parcels), tuple(Delivered(parcel, None, 1) for parcel in parcels))


async def stores(shelf: Shelf, *receipts: Receipt) -> list[Any]:
    desk = Marks(shelf, FakeClock(), Silence())  # type: ignore[arg-type]
    return await asyncio.gather(*(desk.store(one) for one in receipts), return_exceptions=True)


async def test_whatever_waits_is_stored_together_in_its_order() -> None:
    shelf = Shelf()

    assert await stores(shelf, *(receipt(name) for name in "abcdef")) == [None] * 6

    assert [name for names in shelf.stored for name in names] == list("abcdef")
    assert len(shelf.stored) <= 2


async def test_a_transaction_has_an_end() -> None:
    shelf = Shelf()

    await stores(shelf, *(receipt(name, marks.TOGETHER // 2) for name in "abcde"))

    assert max(len(names) for names in shelf.stored) <= marks.TOGETHER
    assert {name for names in shelf.stored for name in names} == set("abcde")


@pytest.mark.parametrize("error", [Conflict, ZeroDivisionError])
async def test_a_bad_one_fails_alone(error: type[Exception]) -> None:
    shelf = Shelf(bad="c", error=error)

    answers = await stores(shelf, *(receipt(name) for name in "abcde"))

    assert [type(answer) for answer in answers] == [type(None), type(None), error, type(None), type(None)]
    assert sorted(name for names in shelf.stored for name in names) == list("abde")


async def test_who_was_in_the_way_once_is_tried_again() -> None:
    shelf = Shelf(Conflict("faster"), Conflict("faster"))

    assert await stores(shelf, receipt("a")) == [None]


async def test_a_store_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "AGAIN_AFTER", 0.0)
    shelf = Shelf(*(StoreUnavailable("away") for _ in range(5)))

    assert await stores(shelf, receipt("a"), receipt("b")) == [None, None]


async def test_a_store_that_stays_away_leaves_it_to_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "AGAIN_AFTER", 0.0)
    shelf = Shelf(*(StoreUnavailable("away") for _ in range(1000)))

    answers = await stores(shelf, receipt("a"), receipt("b"))

    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]


async def test_whoever_is_cancelled_while_storing_for_all_spoils_no_other() -> None:
    shelf = Shelf()
    desk = Marks(shelf, FakeClock(), Silence())  # type: ignore[arg-type]
    tasks = [asyncio.ensure_future(desk.store(receipt(name))) for name in "abc"]
    await asyncio.sleep(0)

    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert {"b", "c"} <= {name for names in shelf.stored for name in names}
