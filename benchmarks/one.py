"""One benchmark in a process of its own: `python -m benchmarks.one NAME SPEC`, both given by `plan`; JSON comes out."""

import asyncio
import importlib
import json
import logging
import sys

RESULT = "result: "
"""What the line with the result begins with."""


def main(name: str, spec: str) -> None:
    """Run it and print what came out."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    module = importlib.import_module(f"benchmarks.{name}")
    print(RESULT + json.dumps(asyncio.run(module.run(json.loads(spec)))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
