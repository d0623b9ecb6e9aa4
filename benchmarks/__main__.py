"""`python -m benchmarks`: run all rounds, print what came out, write the page, the picture and the figures."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.chart import chart
from benchmarks.plan import PARTS, QUICK, Plan, Sizes, apart, record
from benchmarks.report import report
from benchmarks.stores import stores
from benchmarks.targets import Figures, lines

DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Echelon's engine beside others, and the limit.")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: does it run? (writes nothing into docs)")
    parser.add_argument("--rounds", type=int, help="how often everything but the calm days is run (3)")
    parser.add_argument("--due", type=int, help="windows of a storm (10000)")
    parser.add_argument("--others", type=int, help="windows of a storm for the alternatives (10000)")
    parser.add_argument("--open", help="how many are open on calm days (1000,10000,100000,1000000)")
    parser.add_argument("--seconds", type=float, help="how long a calm day is (30)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {','.join(PARTS)}")
    parser.add_argument("--stores", choices=("all", "sqlite"), default="all", help="databases")
    parser.add_argument("--out", type=Path, help="a folder to write into (docs)")
    parser.add_argument("--again", action="store_true", help="write page and picture from the figures that are there")
    asked = parser.parse_args(arguments)
    out = asked.out or (Path(tempfile.mkdtemp(prefix="echelon-bench-")) if asked.quick else DOCS)
    if asked.again:
        found = json.loads((out / "benchmarks.json").read_text(encoding="utf-8"))
    else:
        found = run(sizes(asked), tuple(asked.only.split(",")), everything=asked.stores == "all")
    write(found, out)
    return 0


def sizes(asked: argparse.Namespace) -> Sizes:
    """The sizes that the command line asks for."""
    given = {
        name: value for name in ("rounds", "due", "others", "seconds") if (value := getattr(asked, name)) is not None
    }
    if asked.open:
        given["open"] = tuple(int(size) for size in asked.open.split(","))
    return replace(QUICK if asked.quick else Sizes(), **given)


def run(asked: Sizes, parts: tuple[str, ...], *, everything: bool) -> dict[str, Any]:
    """Run the parts, each benchmark in a process of its own."""
    begun, load = datetime.now(UTC), machine.load()
    with stores(postgres=everything, redis=everything) as around, tempfile.TemporaryDirectory() as folder:
        about = {"when": f"{begun:%Y-%m-%d %H:%M} UTC", **machine.facts(Path(folder)), **around.facts()}
        plan = Plan(asked, around, apart)
        plan.run(parts)
    minutes = (datetime.now(UTC) - begun).total_seconds() / 60
    about |= {"load before / after": f"{load} / {machine.load()}", "the run took": f"{minutes:.0f} min"}
    return record(asked, plan.results, about)


def write(found: dict[str, Any], out: Path) -> None:
    """Figures, page and picture; the verdict is printed, too."""
    figures = Figures(found)
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "benchmarks.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "benchmarks.md").write_text(report(found), encoding="utf-8")
    (out / "images" / "storm.svg").write_text(chart(figures), encoding="utf-8")
    for line in lines(figures):
        reached = {True: "reached", False: "NOT reached", None: "not measured"}[line.reached]
        print(f"{line.what}: {line.measured} ({line.target}): {reached}")
    print(f"written: {out / 'benchmarks.md'}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped, too
    raise SystemExit(main())
