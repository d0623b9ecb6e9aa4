"""What is set once for the whole process: how the collector and the threads of a bot that runs for months behave."""

import gc
import sys

SELDOM = (20_000, 20, 20)
"""Objects made and not yet freed before the youngest are looked at (CPython's own: 700), then how often the older are.

A storm keeps thousands of values alive until their transaction is stored; looking through them, and through all modules,
every few hundred took a fifth of its time. What forms no cycle is freed at once all the same.
"""

AT_ONCE = 0.0005
"""Seconds that a thread may go on while another one waits (CPython's own: 0.005).

SQLite's thread gives way at each row and must come back in: beside an event loop that is busy, a write of two thousand rows
would wait for it two thousand times.
"""


def settle() -> None:
    """Call once, when the process has been put together."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    sys.setswitchinterval(AT_ONCE)
