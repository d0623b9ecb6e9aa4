"""The results as a page of the documentation."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.chart import alternative
from benchmarks.targets import KINDS, Figures, lines, shown

Json = dict[str, Any]
ENGINES = {
    "echelon": "Echelon",
    "echelon with cards": "Echelon, two cards to edit for each",
    "apscheduler": "APScheduler, one job each",
    "procrastinate": "procrastinate",
    "celery": "Celery, Redis",
    "raw": "bare driver, batches of 500",
}
REACHED = {True: "yes", False: "**no**", None: "–"}

INTRODUCTION = """# Benchmarks

`make bench` measures Echelon's engine beside three usual ways to do the same work and beside the bare database drivers,
in one run, in rounds in which each has its turn. Ratios within a run hold on any machine; seconds do not: they move
with the disk, the processor and whatever else the machine does. That command writes this page, from the figures in
[benchmarks.json](benchmarks.json).
"""

SAME_WORK = """## What is compared

Each firing does the same work: an escalation moves one level up, its ledger gets two rows, the outbox four, one person
becomes involved, and the next deadline is armed. Everything is durable before it counts: `synchronous=FULL` on SQLite,
the default `synchronous_commit` on PostgreSQL.

- **Echelon** runs as `app.py` puts it together: bells, guard, timers, the seven-level support process on an office
  calendar with holidays and lunch breaks, the chained ledger, the outbox. Only the pump rests: the others send nothing
  either.
- **APScheduler** 3 keeps one date job per escalation in its `SQLAlchemyJobStore`. It is helped: no misfire grace (the
  default drops every job that is more than a second late), write-ahead log, one thread for all writes of the firings to
  SQLite, jobs stored in one go beforehand.
- **procrastinate** defers one job per escalation on the same PostgreSQL; its worker runs 16 at once and is timed from
  its start with all jobs due, so that its polling interval of 5 s does not count.
- **Celery** keeps one task with an ETA per escalation in Redis (append-only file, synced once a second); a worker with 4
  processes has received all of them before they are due and writes to the same PostgreSQL.
- **The bare driver** (sqlite3, asyncpg) writes the same rows, ready made, in transactions of 500 firings. It is the
  limit.

All but Echelon write rows that were made beforehand: they are spared the rule, the calendars, the ids and the chain, so
the ratios are rather too kind to them. Why Echelon does not work their way is told in
[the decisions](decisions/0002-due-times-are-columns.md).
"""

CAVEATS = """## How it is measured

- Every engine runs in a process of its own, on a fresh database. Windows fall due at one instant; an escalation counts
  as moved when its commit has returned.
- People press *Acknowledge* 20 times a second on other escalations, in the engine's own process, whether or not the last
  press was answered: a press counts from when it was meant to happen. With Celery they press in another process than
  the worker.
- The event loop is watched by a heartbeat every 5 ms. CPU is that of the engine's own process, without the database's,
  and says what a busy machine hides. Memory is the process's, with what the benchmark itself keeps in it.
- Large databases are copies of real escalations, made by the product and multiplied, with their reminders and involved
  people, but without sent messages and ledgers. Nothing is analysed or vacuumed by hand after loading.
- The chat service of the figures on sending runs in another process and answers each call after 100 ms. "One call" is a
  chat that needs one call for a message; Slack's gateway is the product's own, which asks for the message's link, too:
  two calls.
- In the storm of messages the first message that comes to a channel is a bundle of all that waits for it. Its rows are
  marked as told afterwards, when the platform has answered: what a process that dies in between has sent is looked up.
"""


RUN_AGAIN = """## Run it again

```sh
make bench                                  # all of it, three rounds
make bench ARGS="--rounds 1 --others 2000"  # less of it
make bench ARGS="--quick"                   # tiny numbers, to see that it runs
```

PostgreSQL is started by the benchmark itself, with its default settings. Redis takes part where `redis-server` is
installed (on Debian: `sudo apt-get install redis-server`). The exit status is 0 whatever the figures are: speed is not a
test.
"""


def report(record: Json) -> str:
    """The whole page."""
    figures = Figures(record)
    parts = [INTRODUCTION, *_run(record), SAME_WORK, *_storm(figures), *_calm(figures), *_opening(figures)]
    parts += [*_catchup(figures), *_pump(figures), *_verdict(figures), CAVEATS, *_machine(record)]
    return "\n".join(parts)


def _run(record: Json) -> Iterator[str]:
    sizes = record["sizes"]
    if sizes["others"] != sizes["due"]:
        yield (
            f"In the run shown here the alternatives were given {sizes['others']:,} windows instead of {sizes['due']:,};"
            " their times are stretched to the same number, in proportion; the waits beside them are not.\n"
        )

    cores, load = float(record["machine"].get("cores", 1)), record["machine"].get("load before / after", "0")
    busiest = max(float(each) for each in load.split(" / "))
    if busiest > cores:
        yield (
            f"The machine was busy with other work meanwhile (load average up to {busiest:.0f} on {cores:.0f} cores), so "
            "that everything took several times as long as it does alone: of this run only the ratios mean something, and "
            "waits of people least of all.\n"
        )


def _storm(figures: Figures) -> Iterator[str]:
    due = figures.sizes["due"]
    yield f"## The storm: {due:,} windows end at once\n"
    yield f"![{alternative(figures)}](images/storm.svg)\n"
    rows = []
    for kind in figures.kinds:
        for engine, name in ENGINES.items():
            each = figures.per_firing(engine, kind)
            if not each:
                if engine in {"procrastinate", "celery"} and kind == "sqlite":
                    continue
                rows.append([f"{name}, {KINDS[kind]}", figures.why_not("storm", engine, kind), *[""] * 6])
                continue
            slower = figures.times_slower(engine, kind)
            middle = sorted(each)[len(each) // 2]
            rows.append(
                [
                    f"{name}, {KINDS[kind]}",
                    shown(middle * due),
                    f"{shown(min(each) * due)} – {shown(max(each) * due)}",
                    f"{slower:.2g}x" if slower and slower < 10 else f"{slower:.0f}x" if slower else "",
                    _cpu(figures, engine, kind),
                    _two(figures, "storm", engine, kind),
                    _maybe(figures.worst("storm", engine, kind, "loop_blocked")),
                    f"{figures.worst('storm', engine, kind, 'memory', 'peak') or 0:.0f} MiB",
                ]
            )
    head = ["engine", "all moved (median)", "rounds", "beside Echelon", "CPU of its process", "acknowledged, p50 / p99"]
    yield _table([*head, "loop blocked at most", "memory at most"], rows)


def _calm(figures: Figures) -> Iterator[str]:
    sizes = figures.sizes
    yield f"## Any number of open escalations: {sizes['per_second']:.0f} windows a second for {sizes['seconds']:.0f} s\n"
    yield "*No bells* is Echelon without APScheduler: its guard alone looks once a second.\n"
    rows = []
    for kind in figures.kinds:
        for size in sizes["open"]:
            for name in ("bells", "no bells", "bells and pump"):
                day = figures.calm(name, kind, size)
                if day:
                    late = day["lateness"]
                    rows.append(
                        [
                            f"{size:,} open, {name}, {KINDS[kind]}",
                            f"{shown(late['p50'])} / {shown(late['p99'])} / {shown(late['max'])}",
                            shown(day["startup"]),
                            f"{day['rss']['end']:.0f} MiB",
                        ]
                    )
    yield _table(["", "late, p50 / p99 / most", "start-up", "memory"], rows)


def _opening(figures: Figures) -> Iterator[str]:
    yield "## Opening\n"
    yield "One after another, the three in turn. The rows are the same, ready made for the other two.\n"
    rows = []
    for kind in figures.kinds:
        if rounds := figures.of("opening", "echelon", kind):
            each = {
                name: sorted(one["median"][name] for one in rounds)[len(rounds) // 2] for name in rounds[0]["median"]
            }
            ratio = sorted(one["median"]["ours"] / one["median"]["core"] for one in rounds)[len(rounds) // 2]
            cells = [f"{each[name] * 1000:.1f} ms" for name in ("ours", "core", "bare")]
            rows.append([KINDS[kind], *cells, f"{ratio:.2f}x"])
    yield _table(["", "Echelon", "SQLAlchemy Core", "bare driver", "Echelon beside Core"], rows)


def _catchup(figures: Figures) -> Iterator[str]:
    yield "## After an hour away\n"
    rows = []
    for kind in figures.kinds:
        for one in figures.of("catchup", "echelon", kind):
            moved = f"{one['one_level']:,} of {one['due']:,}"
            order = "kept" if not one["out_of_order"] else f"{one['out_of_order']} times not"
            rows.append([KINDS[kind], shown(one["seconds"]), moved, order, shown(one["loop_blocked"])])
    head = ["", "all moved, from opening the database", "one level only", "highest, then longest overdue, first"]
    yield _table([*head, "loop blocked at most"], rows)


def _pump(figures: Figures) -> Iterator[str]:
    sizes = figures.sizes
    yield "## Sending\n"
    rows = []
    ways = {
        "pump": f"{sizes['messages']:,} messages, {sizes['channels']:,} channels, one call",
        "pump to slack": "the same through Slack's gateway",
        "message storm": f"{sizes['storm_messages']:,} messages, {sizes['storm_channels']} channels, one a second each",
    }
    for kind in figures.kinds:
        for part, name in ways.items():
            for one in figures.of(part, "echelon", kind):
                first = f"{one['reached']} channels, the last after {shown(one['first_to_all'] or 0.0)}"
                told = f"{one['told']['channels']} channels"
                told += f", the last after {shown(one['told']['last'])}" if one["told"]["last"] is not None else ""
                gap = f"{one['shortest_gap']:.2f} s" if one["shortest_gap"] is not None else "–"
                wait = f"{shown(one['acks']['p50'])} / {shown(one['acks']['p99'])}"
                rows.append([f"{name}, {KINDS[kind]}", f"{one['per_second']:.0f}", first, told, gap, wait])
    head = ["", "posts a second", "the first message has come to", "all is marked as told for"]
    yield _table([*head, "least gap in a channel", "acknowledged, p50 / p99"], rows)


def _verdict(figures: Figures) -> Iterator[str]:
    yield "## What must be reached\n"
    yield "Times and ratios are medians over the rounds; limits on a wait and on the loop count the worst round.\n"
    rows = [[line.what, line.target, line.measured, REACHED[line.reached]] for line in lines(figures)]
    yield _table(["what", "at least", "measured", "reached"], rows)


def _machine(record: Json) -> Iterator[str]:
    yield "## The machine\n"
    yield _table(["", ""], [[name, value] for name, value in record["machine"].items()])
    yield RUN_AGAIN


def _two(figures: Figures, part: str, engine: str, kind: str) -> str:
    half, most = (figures.median(part, engine, kind, "acks", name) for name in ("p50", "p99"))
    return f"{shown(half)} / {shown(most)}" if half and most else ""


def _cpu(figures: Figures, engine: str, kind: str) -> str:
    each = [one["cpu"] / one["due"] for one in figures.of("storm", engine, kind) if "cpu" in one]
    return shown(sorted(each)[len(each) // 2] * figures.sizes["due"]) if each else ""


def _maybe(seconds: float | None) -> str:
    return "" if seconds is None else shown(seconds)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"
