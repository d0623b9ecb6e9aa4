"""Who waits for a store that hangs is told in time, and told the truth: what was given up is never stored afterwards."""

import asyncio

import pytest

from bot import patience
from bot.errors import Conflict, StoreUnavailable, Unsettled
from bot.patience import in_time
from bot.requests import LONGEST, request_id, working_on


class Store:
    """Hangs before its commit or in the middle of it, until it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.stored = False
        self.refused: Exception | None = None

    async def use_case(self, *, hangs_in_commit: bool, heeds_cancelling: bool = False) -> str:
        if not hangs_in_commit:
            await self._hang(heeds_cancelling)
        try:
            patience.commits()
        except StoreUnavailable as error:
            self.refused = error
            raise
        if hangs_in_commit:
            await self._hang(heeds_cancelling)
        self.stored = True
        return "opened"

    async def _hang(self, heeds_cancelling: bool) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:  # as a driver does that waits for its server even while it tidies up
                if heeds_cancelling:
                    raise


async def test_what_is_quick_is_answered_as_it_is() -> None:
    async def quick() -> str:
        patience.commits()
        return "opened"

    assert await in_time(quick(), within=5) == "opened"


async def test_errors_pass() -> None:
    async def fails() -> None:
        raise Conflict("somebody was faster")

    with pytest.raises(Conflict):
        await in_time(fails(), within=5)


async def test_whoever_was_told_no_finds_nothing_recorded_when_the_store_wakes_up() -> None:
    store = Store()

    with pytest.raises(StoreUnavailable) as told:
        await in_time(store.use_case(hangs_in_commit=False), within=0.01, settle=0.01)
    store.released.set()
    await settled(lambda: store.refused is not None)

    assert not store.stored
    assert told.value.sentence == "not_recorded"


async def test_whoever_was_told_perhaps_may_find_it_recorded() -> None:
    store = Store()

    with pytest.raises(Unsettled) as told:
        await in_time(store.use_case(hangs_in_commit=True), within=0.01, settle=0.01)
    store.released.set()
    await settled(lambda: store.stored)

    assert told.value.sentence == "perhaps_recorded"


async def test_a_commit_that_has_begun_gets_a_little_longer() -> None:
    store = Store()
    asyncio.get_running_loop().call_later(0.05, store.released.set)

    assert await in_time(store.use_case(hangs_in_commit=True), within=0.01, settle=5) == "opened"


async def test_when_whoever_asked_goes_away_the_use_case_is_cancelled() -> None:
    store = Store()
    asking = asyncio.ensure_future(in_time(store.use_case(hangs_in_commit=False, heeds_cancelling=True), within=5))
    await asyncio.sleep(0)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    store.released.set()
    await asyncio.sleep(0)

    assert not store.stored


async def test_two_who_wait_at_once_do_not_give_up_for_each_other() -> None:
    slow, quick = Store(), Store()
    quick.released.set()

    one = asyncio.ensure_future(in_time(slow.use_case(hangs_in_commit=False), within=0.01))
    other = await in_time(quick.use_case(hangs_in_commit=False), within=5)

    assert other == "opened"
    with pytest.raises(StoreUnavailable):
        await one
    slow.released.set()
    await settled(lambda: slow.refused is not None)


def test_without_anybody_waiting_every_commit_is_allowed() -> None:
    patience.commits()


async def test_the_work_for_a_request_knows_its_name() -> None:
    async def named() -> str:
        return request_id()

    working_on("x" * 1000)

    assert await in_time(named(), within=5) == "x" * LONGEST


async def settled(truth: object) -> None:
    """A few turns of the loop, until it holds."""
    async with asyncio.timeout(30):
        while not truth():  # type: ignore[operator]
            await asyncio.sleep(0)
