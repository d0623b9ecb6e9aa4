"""`python -m drill`: every fault, one after the other, and the page about them. Exit status 1 when a promise broke."""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from drill import clocks, inbound, kills, platforms, stores
from drill.databases import postgres
from drill.faults import KINDS, Range, Row
from drill.processes import Cold, warm
from drill.report import into, page, summary, write

Fault = Callable[[Range], Awaitable[Row | list[Row]]]


def faults() -> dict[str, Fault]:
    """Name → fault, in the order in which they are tried."""
    return {
        "failpoints": kills.at_fail_points,
        "kills": kills.at_random,
        "cold": kills.cold_starts,
        **{f"sigterm-{kind.lower()}": _of(kills.sigterm, kind) for kind in KINDS},
        "freeze": kills.frozen_replica,
        **stores.FAULTS,
        **clocks.FAULTS,
        **platforms.FAULTS,
        **inbound.FAULTS,
    }


def _of(fault: Callable[..., Awaitable[Row]], *given: object) -> Fault:
    async def with_given(where: Range) -> Row:
        return await fault(where, *given)

    return with_given


async def drill(asked: argparse.Namespace) -> int:
    """Try what was asked for, report, and say whether anything was lost."""
    began, at, rows = time.monotonic(), datetime.now(UTC), list[Row]()
    wanted = {name: fault for name, fault in faults().items() if not asked.only or name in asked.only}
    with tempfile.TemporaryDirectory(prefix="echelon-drill-") as folder:
        async with warm() as forked:
            for name, fault in wanted.items():
                with postgres() as server:  # one per fault: none inherits what another has broken, or left lying about
                    where = Range(
                        folder=Path(folder) / name,
                        server=server,
                        cold=Cold(),
                        warm=forked,
                        quick=asked.quick,
                        kills=asked.kills or (40 if asked.quick else 1000),
                        freeze=asked.freeze or (40.0 if asked.quick else 120.0),
                        seed=asked.seed,
                    )
                    rows += await _tried(name, fault, where)
    words = " ".join(["python -m drill", *sys.argv[1:]])
    said = summary(rows, at=at, seconds=time.monotonic() - began, asked=words)
    write(page(rows, said), asked.out)
    if asked.into:
        into(asked.into, rows, said, some=bool(asked.only))
    print(f"The report is {asked.out}")
    return int(any(row.wrong for row in rows))


async def _tried(name: str, fault: Fault, where: Range) -> list[Row]:
    """One fault. A drill that breaks off is a promise that was not shown to hold."""
    print(f"{name} …", flush=True)
    began = time.monotonic()
    try:
        told = await fault(where)
    except Exception as error:
        traceback.print_exc()
        told = Row(name, "", "", "", [f"the drill broke off: {type(error).__name__} {error}"])
    rows = told if isinstance(told, list) else [told]
    for row in rows:
        print(f"  {row.verdict}: {row.fault} ({time.monotonic() - began:.0f} s): {row.measured}", flush=True)
        for wrong in row.wrong[:5]:
            print(f"    {wrong[:1500]}", flush=True)
    return rows


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m drill", description="Breaks Echelon on purpose, and reports.")
    parser.add_argument("--kills", type=int, help="how many kill -9 at random moments (1000; 40 if quick)")
    parser.add_argument("--quick", action="store_true", help="a smaller drill, for every day")
    parser.add_argument("--freeze", type=float, help="seconds that a replica is frozen (120; 40 if quick)")
    parser.add_argument("--seed", type=int, default=1, help="of all chances")
    parser.add_argument("--out", type=Path, default=Path(".data/drill.md"), help="where the report goes")
    parser.add_argument("--into", type=Path, help="a document whose table is to be replaced (with --only: its rows)")
    parser.add_argument("--only", nargs="+", choices=sorted(faults()), help="only these faults")
    return asyncio.run(drill(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
