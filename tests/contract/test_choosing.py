"""Whatever waits, in whatever mixture: each place in its order, crowds together, everything told once."""

import asyncio
import tempfile
from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.delivery import CALLS, CROWD, Delivered, Load, Mark, Receipt, Told
from bot.directory import Address
from bot.effects import PRIORITY, Effect, Errand
from bot.facts import FactKind
from storage.database import Database
from tests.carrying import a_message, sends
from tests.fakes import NINE, CountingIds

PLACES = [Address(f"local:{name}") for name in ("a", "b", "c")]
Waiting = list[tuple[Errand, Address, int]]
waiting = st.lists(
    st.tuples(
        st.sampled_from([Errand.PING, Errand.REMIND, Errand.TELL, Errand.HISTORY]),
        st.sampled_from(PLACES),
        st.integers(1, 3),
    ),
    max_size=16,
)


def urgency(load: Load, levels: dict[str, int]) -> tuple[int, int]:
    first = load.parcels[0]
    return PRIORITY[first.effect.errand], -levels[first.escalation]


def what_became_of(load: Load) -> Receipt:
    marks: list[Mark] = []
    for parcel in load.parcels:
        told = Told(parcel) if load.bundle else Delivered(parcel, a_message(Address(str(load.to)), parcel.id), 1)
        marks.append(told)
    return Receipt(load, tuple(marks))


async def carries(wanted: Waiting, folder: str) -> None:
    database = Database.open(f"sqlite:///{folder}/echelon.db", CountingIds())
    await database.migrate()
    levels: dict[str, int] = {}
    for number, (errand, to, level) in enumerate(wanted, start=1):
        saved = await sends(database, Effect(errand, 1, to), number=number, level=level)
        levels[saved.id] = level
    box, at = database.outbox(), NINE
    crowds = Counter(to for errand, to, _ in wanted if errand in CALLS)
    own: Counter[str] = Counter()
    rounds = 0
    while loads := await box.lease(at, limit=9, busy=frozenset()):
        assert len({load.to for load in loads}) == len(loads), "one sender per place"
        if not rounds:
            order = [urgency(load, levels) for load in loads]
            assert order == sorted(order)
            sizes = {load.to: len(load.parcels) for load in loads if load.parcels[0].effect.errand in CALLS}
            assert sizes == {to: count if count > CROWD else 1 for to, count in crowds.items()}
        own.update(load.parcels[0].id for load in loads if not load.bundle)
        await box.settle([what_became_of(load) for load in loads], at=at)
        at += timedelta(seconds=1)
        rounds += 1
    assert set(own.values()) <= {1}, "each has one message of its own at most"
    for (errand, *_), id in zip(wanted, levels, strict=True):
        kinds = [row.fact.kind for row in await database.archive().ledger(id)]  # type: ignore[arg-type]
        assert kinds.count(FactKind.DELIVERED) == (errand is Errand.PING)
    assert await box.next_due() is None
    await database.close()


@settings(max_examples=20, deadline=None)
@given(waiting)
def test_everything_is_told_once_and_the_most_urgent_first(wanted: Waiting) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(carries(wanted, folder))
