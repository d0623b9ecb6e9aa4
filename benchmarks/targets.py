"""What must be reached, what was measured, and whether it is so."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

Json = dict[str, Any]
KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Figures:
    """The results, by part, engine and kind of database, over all rounds."""

    def __init__(self, record: Json) -> None:
        self._results = record["results"]
        self.kinds = [kind for kind in KINDS if any(one["kind"] == kind for one in self._results)]
        self.sizes = record["sizes"]

    def of(self, part: str, engine: str, kind: str) -> list[Json]:
        """The results of each round that came to its end."""
        found = (
            one["result"] for one in self._results if (one["part"], one["engine"], one["kind"]) == (part, engine, kind)
        )
        return [result for result in found if "absent" not in result and "error" not in result]

    def why_not(self, part: str, engine: str, kind: str) -> str:
        """Why there is no figure."""
        for one in self._results:
            if (one["part"], one["engine"], one["kind"]) == (part, engine, kind):
                if "absent" in one["result"]:
                    return one["result"]["absent"]
                if "error" in one["result"]:
                    return "failed: " + one["result"]["error"].strip().splitlines()[-1]
        return "not run"

    def median(self, part: str, engine: str, kind: str, *path: str) -> float | None:
        """Over the rounds; None without a figure."""
        values = self._values(part, engine, kind, path)
        return median(values) if values else None

    def worst(self, part: str, engine: str, kind: str, *path: str) -> float | None:
        """The highest of all rounds."""
        return max(self._values(part, engine, kind, path), default=None)

    def per_firing(self, engine: str, kind: str) -> list[float]:
        """Seconds for each window that ended, round by round."""
        return [result["seconds"] / result["due"] for result in self.of("storm", engine, kind)]

    def times_slower(self, engine: str, kind: str) -> float | None:
        """The median, over the rounds, of an engine's time for a firing by ours on the same database in that round."""
        ratios = [
            theirs / ours
            for ours, theirs in zip(self.per_firing("echelon", kind), self.per_firing(engine, kind), strict=False)
        ]
        return median(ratios) if ratios else None

    def calm(self, name: str, kind: str, size: int) -> Json | None:
        """The day with so many open."""
        return next((result for result in self.of("calm", name, kind) if result["open"] == size), None)

    def _values(self, part: str, engine: str, kind: str, path: tuple[str, ...]) -> list[float]:
        values: list[float] = []
        for result in self.of(part, engine, kind):
            value: Any = result
            for step in path:
                value = value.get(step) if value else None
            if value is not None:
                values.append(value)
        return values


@dataclass(frozen=True)
class Line:
    """One thing that must be reached. `reached` is None where nothing was measured."""

    what: str
    target: str
    measured: str
    reached: bool | None


def lines(figures: Figures) -> list[Line]:
    """Every line, in the order of the list that they come from."""
    found: list[Line] = []
    for part in (_drain, _ratios, _acknowledgements, _loop, _lateness, _growth, _opening, _pump, _catchup):
        for kind in figures.kinds:
            found.extend(part(figures, kind))
    return found


def _drain(figures: Figures, kind: str) -> Iterator[Line]:
    due = figures.sizes["due"]
    seconds = figures.median("storm", "echelon", kind, "seconds")
    yield _at_most(f"{due:,} windows that end at once, {KINDS[kind]}", seconds, 3.0, "s")


def _ratios(figures: Figures, kind: str) -> Iterator[Line]:
    for engine, name, factor in (
        ("apscheduler", "APScheduler", 25),
        ("procrastinate", "procrastinate", 15),
        ("celery", "Celery", 8),
    ):
        if engine == "apscheduler" or kind == "postgresql":
            times = figures.times_slower(engine, kind)
            why = figures.why_not("storm", engine, kind)
            measured = f"{times:.0f}x" if times else why
            yield Line(
                f"the same beside {name}, {KINDS[kind]}", f"{factor}x", measured, times >= factor if times else None
            )


def _acknowledgements(figures: Figures, kind: str) -> Iterator[Line]:
    ours = figures.worst("storm", "echelon", kind, "acks", "p99")
    theirs = figures.median("storm", "apscheduler", kind, "acks", "p99")
    own = figures.median("storm", "echelon", kind, "acks", "p99")
    yield _at_most(f"an acknowledgement during it, 99 of 100, {KINDS[kind]}", ours, 0.3, "ms")
    times = theirs / own if theirs and own else None
    measured = f"{times:.0f}x" if times else figures.why_not("storm", "apscheduler", kind)
    what = f"the same beside APScheduler, {KINDS[kind]}"
    yield Line(what, "100x shorter", measured, times >= 100 if times else None)


def _loop(figures: Figures, kind: str) -> Iterator[Line]:
    longest = figures.worst("storm", "echelon", kind, "loop_blocked")
    yield _at_most(f"event loop blocked during it, longest, {KINDS[kind]}", longest, 0.25, "ms")


def _lateness(figures: Figures, kind: str) -> Iterator[Line]:
    size = 100_000 if 100_000 in figures.sizes["open"] else max(figures.sizes["open"])
    beside = f"{figures.sizes['per_second']:.0f} windows a second, {size:,} open, {KINDS[kind]}"
    for name, limits in (("bells", (0.25, 1.0)), ("no bells", (None, 1.5))):
        day = figures.calm(name, kind, size)
        late = day["lateness"] if day else None
        how = "" if name == "bells" else ", APScheduler switched off"
        if limits[0] is not None:
            yield _at_most(f"late, 99 of 100: {beside}{how}", late["p99"] if late else None, limits[0], "ms")
        yield _at_most(f"late at most: {beside}{how}", late["max"] if late else None, limits[1], "ms")


def _growth(figures: Figures, kind: str) -> Iterator[Line]:
    few, many = min(figures.sizes["open"]), max(figures.sizes["open"])
    small, large = figures.calm("bells", kind, few), figures.calm("bells", kind, many)
    beside = f"{many:,} open against {few:,}, {KINDS[kind]}"
    if not small or not large:
        yield Line(beside, "", "not measured", None)
        return
    times = large["lateness"]["p99"] / max(small["lateness"]["p99"], 1e-6)
    yield Line(f"lateness (99 of 100), {beside}", "at most 2x", f"{times:.1f}x", times <= 2)
    yield _at_most(f"start-up longer by, {beside}", large["startup"] - small["startup"], 1.0, "s")
    more = large["rss"]["end"] - small["rss"]["end"]
    yield Line(f"memory more by, {beside}", "at most 20 MiB", f"{more:.1f} MiB", more <= 20)


def _opening(figures: Figures, kind: str) -> Iterator[Line]:
    rounds = figures.of("opening", "echelon", kind)
    times = median(one["median"]["ours"] / one["median"]["core"] for one in rounds) if rounds else None
    what = f"an opening beside a raw transaction of the same rows, {KINDS[kind]}"
    yield Line(what, "at most 1.5x", f"{times:.2f}x" if times else "not measured", times <= 1.5 if times else None)


def _pump(figures: Figures, kind: str) -> Iterator[Line]:
    rate = figures.median("pump", "echelon", kind, "per_second")
    what = f"messages a second, {figures.sizes['channels']:,} channels, 100 ms each, {KINDS[kind]}"
    yield Line(what, "at least 250", f"{rate:.0f}" if rate else "not measured", rate >= 250 if rate else None)
    storms = figures.of("message storm", "echelon", kind)
    channels, messages = figures.sizes["storm_channels"], figures.sizes["storm_messages"]
    what = f"{messages:,} messages for {channels} channels: each has the one that lists all of its own, {KINDS[kind]}"
    if storms:
        reached = min(one["reached"] for one in storms)
        last = max(one["first_to_all"] or 0.0 for one in storms)
        whole = reached == channels
        measured = f"{last:.1f} s" if whole else f"{reached} of {channels} in {figures.sizes['storm_seconds']:.0f} s"
        yield Line(what, "under 5 s", measured, whole and last < 5)
        gap = min((one["shortest_gap"] for one in storms if one["shortest_gap"] is not None), default=None)
        measured = f"{gap:.2f} s" if gap is not None else "no channel got two"
        yield Line(f"least time between two to one channel, {KINDS[kind]}", "1 s", measured, gap is None or gap >= 0.98)
    else:
        yield Line(what, "under 5 s", figures.why_not("message storm", "echelon", kind), None)
    for part, name in (("pump", "the pump at full speed"), ("message storm", "the storm of messages")):
        worst = figures.worst(part, "echelon", kind, "acks", "p99")
        yield _at_most(f"an acknowledgement beside {name}, 99 of 100, {KINDS[kind]}", worst, 0.3, "ms")


def _catchup(figures: Figures, kind: str) -> Iterator[Line]:
    rounds = figures.of("catchup", "echelon", kind)
    seconds = max((one["seconds"] for one in rounds), default=None)
    yield _at_most(f"after an hour away, {figures.sizes['due']:,} overdue, {KINDS[kind]}", seconds, 10.0, "s")
    if rounds:
        wrong = sum(one["out_of_order"] + one["due"] - one["one_level"] for one in rounds)
        said = "yes" if not wrong else f"{wrong} were not"
        yield Line(f"highest first, one level each, {KINDS[kind]}", "all", said, not wrong)


def _at_most(what: str, measured: float | None, limit: float, unit: str) -> Line:
    """A duration in seconds against its limit, shown in `unit`."""
    said = "not measured" if measured is None else shown(measured, unit)
    return Line(what, f"under {shown(limit, unit)}", said, None if measured is None else measured < limit)


def shown(seconds: float, unit: str | None = None) -> str:
    """Seconds as a reader likes them."""
    if unit == "ms" or (unit is None and seconds < 1):
        return f"{seconds * 1000:.0f} ms" if abs(seconds) >= 0.01 else f"{seconds * 1000:.1f} ms"
    return f"{seconds:.0f} s" if abs(seconds) >= 10 else f"{seconds:.2f} s" if abs(seconds) < 1 else f"{seconds:.1f} s"
