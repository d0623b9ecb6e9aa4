"""Which place gets what next: a place is a lane with one sender at a time over all processes, and a pace of its own.

Who sends to a place holds its row in `lanes`, by a conditional upsert that succeeds only while the lane is free (nobody
holds it, or the lease has run out) and open (`open_at` has come). Choosing only reads; taking checks everything once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    RowMapping,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from bot.delivery import CALLS, CROWD, CROWDED_FOR, Receipt
from bot.directory import Address
from bot.effects import PRIORITY, Errand
from storage.among import among
from storage.codec import Codec
from storage.many import Many
from storage.tables import PENDING, TAKEN, URGENCY, lanes, outbox
from storage.transaction import Transaction

O = outbox.c  # noqa: E741
L = lanes.c
LEASE = timedelta(seconds=30)

BUNDLES = 16
"""So many bundles are taken at once: reading hundreds of rows for each must not keep the other places waiting."""

BUNDLED = 300
"""So many parcels go into one bundle."""

SEPARATOR = ","
"""Between ids, which have none."""

CALLED = sorted(errand.value for errand in CALLS)
RECENT: Codec[tuple[datetime, ...]] = Codec(tuple[datetime, ...])

NOW: ColumnElement[Any] = bindparam("now", type_=O.not_before.type)
LIMIT: ColumnElement[Any] = bindparam("limit", type_=Integer())
LOOSE = or_(O.lease_until.is_(None), O.lease_until <= NOW)
DUE = and_(PENDING, O.not_before <= NOW, LOOSE)
UNTOLD = and_(O.told_at.is_(None), O.errand.in_(CALLED))
CALLING = and_(DUE, UNTOLD, ~O.uncertain, O.lease_until.is_(None))
"""What a new bundle may tell: what may have arrived already is looked up by its own key."""

NO_CALL = PRIORITY[Errand.ALERT]
"""Urgency from which on there is something else than calls: where no bundle may go now, a look begins there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a place is to get next: the ids of its rows, most urgent first; `bundle` is the name of the bundle if it is one,
    `known` whether the place has a lane already.
    """

    place: str | None
    ids: tuple[str, ...]
    bundle: str | None = None
    known: bool = False


def _calling(top: FromClause, nth: int) -> ColumnElement[Any]:
    """The nth of the parcels that wait for the place of `top` and may be told by a bundle; null when there are fewer.

    Not asked where `top` itself is no call: all calls that wait there would be looked through, and none of them counts.
    """
    same = select(O.id).where(O.place == top.c.place, CALLING).order_by(*URGENCY).limit(1).offset(nth - 1)
    calls = and_(top.c.told_at.is_(None), top.c.errand.in_(CALLED))
    return case((calls, same.scalar_subquery()), else_=None)


def _free() -> Subquery:
    """The places for which something waits, whose lane is free and open: one seek for each, however many rows wait.

    A place is left alone, too, where a process of the version before is sending, which knows no lanes.
    """
    found = select(func.min(O.place).label("place")).where(PENDING).cte("places", recursive=True)
    following = select(func.min(O.place)).where(PENDING, O.place > found.c.place).scalar_subquery()
    places = found.union_all(select(following).where(found.c.place.is_not(None)))
    taken = select(O.id).where(TAKEN, O.place == places.c.place, O.lease_until > NOW).exists()
    is_free = or_(L.lease_until.is_(None), L.lease_until <= NOW)
    is_open = or_(L.open_at.is_(None), L.open_at <= NOW)
    return (
        select(places.c.place, L.place.label("lane"), L.bundle_at, L.recent)
        .select_from(places.outerjoin(lanes, L.place == places.c.place))
        .where(places.c.place.is_not(None), is_free, is_open)
        .where(~taken, ~among(places.c.place, "busy"))
        .subquery("free")
    )


def _tops() -> Select[Any]:
    """The most urgent row of each place that is free and has something due; of these the most urgent ones."""
    free = _free()
    may_call = or_(free.c.bundle_at.is_(None), free.c.bundle_at <= NOW)
    least = case((may_call, 0), else_=NO_CALL)
    here = select(O.id).where(O.place == free.c.place, O.priority >= least, DUE, or_(may_call, ~UNTOLD))
    first = here.order_by(*URGENCY).limit(1).scalar_subquery().label("id")
    tops = select(free.c.lane, free.c.recent, first).subquery("tops")
    row = outbox.alias("row")
    best = (
        select(row, tops.c.lane, tops.c.recent)
        .select_from(tops.join(row, row.c.id == tops.c.id))
        .order_by(row.c.priority, row.c.level.desc(), row.c.created_at, row.c.id)
        .limit(LIMIT)
        .subquery("best")
    )
    return select(best, _calling(best, 2).label("two"), _calling(best, CROWD + 1).label("crowd"))


def _gathered() -> Select[Any, Any]:
    """For each of these leading rows, the ids of all that its place is told with it, most urgent first, in one text."""
    lead = outbox.alias("lead")
    mine = select(O.id).where(O.place == lead.c.place, CALLING).order_by(*URGENCY).limit(BUNDLED).correlate(lead)
    crowd = mine.subquery("crowd")
    ids = select(func.aggregate_strings(crowd.c.id, SEPARATOR)).select_from(crowd).correlate(lead).scalar_subquery()
    return select(lead.c.id, ids.label("ids")).where(among(lead.c.id, "led_by"))


TOPS = _tops()
NAMELESS = select(outbox).where(O.place.is_(None), DUE).order_by(*URGENCY).limit(LIMIT)
GATHERED = _gathered()
SAME_BUNDLE = (
    select(O.id).where(O.place == bindparam("at"), O.bundle == bindparam("name"), DUE, UNTOLD).order_by(*URGENCY)
)


async def choose(
    reading: Transaction, now: datetime, *, limit: int, busy: frozenset[Address], lease: str
) -> list[Choice]:
    """What could be taken under the name `lease`, most urgent first; nothing is taken yet.

    A bundle that is new bears the name of the lease under which it was first put together.
    """
    await reading.by_index()
    given = {"now": now, "limit": limit}
    rows = [*await reading.rows(TOPS, given | {"busy": sorted(busy)}), *await reading.rows(NAMELESS, given)]
    chosen: list[RowMapping] = []
    bundled: list[RowMapping] = []
    for row in sorted(rows, key=_urgency)[:limit]:
        if row["place"] is not None and _bundled(row, now):
            if len(bundled) == BUNDLES:
                continue
            bundled.append(row)
        chosen.append(row)
    bundles = await _bundles(reading, bundled, now, lease)
    return [bundles.get(row["id"]) or _alone(row) for row in chosen]


def _alone(row: RowMapping) -> Choice:
    return Choice(row["place"], (row["id"],), known=row["place"] is not None and row["lane"] is not None)


def _urgency(row: RowMapping) -> tuple[int, int, datetime, str]:
    return row["priority"], -row["level"], row["created_at"], row["id"]


def _bundled(row: RowMapping, now: datetime) -> bool:
    """Whether the place of this row gets a bundle: a crowd waits, or waits again; or one was sent and nobody knows."""
    if row["told_at"] is not None or row["errand"] not in CALLS:
        return False
    if _unknown(row):
        return row["bundle"] is not None
    recent = _recent(row)
    crowded = len(recent) > CROWD and recent[0] > now - CROWDED_FOR
    return row["crowd"] is not None or (crowded and row["two"] is not None)


def _recent(row: RowMapping) -> tuple[datetime, ...]:
    """When the place was last called on."""
    return RECENT.read(row["recent"]) if row["recent"] else ()


def _unknown(row: RowMapping) -> bool:
    """Whether this row may have arrived."""
    return bool(row["uncertain"] or row["lease_until"] is not None)


async def _bundles(reading: Transaction, led_by: Sequence[RowMapping], now: datetime, lease: str) -> dict[str, Choice]:
    """The bundles that these rows lead. One that may have arrived stays as it was, so that it can be found by its key."""
    found: dict[str, Choice] = {}
    for row in (row for row in led_by if _unknown(row)):
        rows = await reading.rows(SAME_BUNDLE, {"now": now, "at": row["place"], "name": row["bundle"]})
        ids = tuple(one["id"] for one in rows)
        found[row["id"]] = Choice(row["place"], ids, row["bundle"], known=row["lane"] is not None)
    new = {row["id"]: row for row in led_by if not _unknown(row)}
    for gathered in await reading.rows(GATHERED, {"now": now, "led_by": sorted(new)}) if new else ():
        row, ids = new[gathered["id"]], tuple((gathered["ids"] or "").split(SEPARATOR))
        if len(ids) > 1:
            found[row["id"]] = Choice(row["place"], ids, lease, known=row["lane"] is not None)
    return found


async def take(
    writing: Transaction, choices: Sequence[Choice], now: datetime, lease: str
) -> tuple[list[RowMapping], dict[str, tuple[datetime, ...]]]:
    """Take the lanes that are still free and open, and their rows; returns the rows, and when each place was last called on.

    Lanes come before rows, in the order of their names, here as in `settle`: two processes never wait for each other.
    """
    recent = await _take_lanes(writing, choices, now, lease)
    named: dict[str | None, list[str]] = {}
    for choice in choices:
        if choice.place is None or choice.place in recent:
            named.setdefault(choice.bundle, []).extend(choice.ids)
    rows: list[RowMapping] = []
    for bundle, ids in named.items():
        rows += await _take_rows(writing, ids, bundle, now, lease)
    unused = recent.keys() - {row["place"] for row in rows}
    await _give_back(writing, sorted(unused), lease)
    return rows, recent


async def _take_lanes(
    writing: Transaction, choices: Sequence[Choice], now: datetime, lease: str
) -> dict[str, tuple[datetime, ...]]:
    """A lane whose row is locked is left alone: somebody is at work there, and the other places do not wait for them."""
    places = {choice.place: choice.known for choice in choices if choice.place is not None}
    free = [place for place, known in places.items() if not known]
    if writing.sqlite:
        free = list(places)
    elif known := sorted(place for place, known in places.items() if known):
        free += [row["place"] for row in await writing.rows(UNLOCKED, {"wanted": known})]
    if not free:
        return {}
    new = writing.insert(lanes)
    is_free = or_(L.lease_until.is_(None), L.lease_until <= now) & or_(L.open_at.is_(None), L.open_at <= now)
    ours = {"lease_owner": new.excluded.lease_owner, "lease_until": new.excluded.lease_until}
    mine = new.on_conflict_do_update(index_elements=["place"], set_=ours, where=is_free).returning(L.place, L.recent)
    rows = [{"place": place, "lease_owner": lease, "lease_until": now + LEASE} for place in sorted(free)]
    taken = (await writing.run(mine, rows)).mappings()
    return {row["place"]: _recent(row) for row in taken}


UNLOCKED = select(L.place).where(among(L.place, "wanted")).order_by(L.place).with_for_update(skip_locked=True)

NEEDED = [
    *(O.id, O.workspace, O.escalation, O.entry, O.key, O.created_at, O.place, O.tried, O.attempts, O.uncertain),
    *(O.effect, O.target, O.told_at, O.lease_owner),
]
"""The columns of a parcel."""

LOOSE_ONES = select(O.id).where(among(O.id, "ids"), PENDING, LOOSE)
TAKE = (
    update(outbox)
    .where(O.id.in_(LOOSE_ONES.with_for_update(skip_locked=True)))
    .values(lease_until=bindparam("until"), lease_owner=bindparam("lease"))
    .values(uncertain=or_(O.uncertain, O.lease_until.is_not(None)))
    .values(bundle=case((O.told_at.is_not(None), O.bundle), else_=bindparam("led_by", type_=O.bundle.type)))
    .returning(*NEEDED)
)


async def _take_rows(
    writing: Transaction, ids: Sequence[str], bundle: str | None, now: datetime, lease: str
) -> Sequence[RowMapping]:
    """Rows that were told keep the name of the bundle that told them. What somebody else keeps locked is left alone."""
    ours = {"lease": lease, "until": now + LEASE, "led_by": bundle}
    return await writing.rows(TAKE, ours | {"now": now, "ids": ids})


RELEASE = Many(
    update(lanes)
    .where(L.place == bindparam("at"), L.lease_owner == bindparam("held_by"))
    .values(
        lease_owner=None,
        lease_until=None,
        open_at=func.coalesce(bindparam("closed", type_=L.open_at.type), L.open_at),
        bundle_at=func.coalesce(bindparam("calm", type_=L.bundle_at.type), L.bundle_at),
        recent=func.coalesce(bindparam("called", type_=L.recent.type), L.recent),
    )
)


async def release(writing: Transaction, receipts: Sequence[Receipt], at: datetime) -> None:
    """Give the lanes back, with what their places said. A lane that somebody else has by now stays as it is."""
    rows = [_released(receipt, at) for receipt in receipts if receipt.load.to is not None]
    await writing.run_many(RELEASE, sorted(rows, key=lambda row: str(row["at"])))


def _released(receipt: Receipt, at: datetime) -> dict[str, Any]:
    called = (*receipt.load.recent, *[at] * min(receipt.called, CROWD + 1))[-(CROWD + 1) :]
    return {
        "at": receipt.load.to,
        "held_by": receipt.load.lease,
        "closed": receipt.closed_until,
        "calm": receipt.no_bundle_until,
        "called": RECENT.write(called) if receipt.called else None,
    }


async def _give_back(writing: Transaction, places: Sequence[str], lease: str) -> None:
    """What was chosen here has gone meanwhile."""
    if places:
        mine = L.place.in_(places) & (L.lease_owner == lease)
        await writing.run(update(lanes).where(mine).values(lease_owner=None, lease_until=None))


async def end_leases(writing: Transaction, now: datetime) -> None:
    """Nobody holds a lane any more; the pace of each place stays."""
    await writing.run(update(lanes).where(L.lease_until > now).values(lease_until=now))


async def reset_waits(writing: Transaction, now: datetime, longest: datetime) -> None:
    """No lane is closed beyond `longest`, nor held longer than a lease lasts."""
    for column, most in ((L.lease_until, now + LEASE), (L.open_at, longest), (L.bundle_at, longest)):
        await writing.run(update(lanes).where(column > most).values({column.name: most}))
