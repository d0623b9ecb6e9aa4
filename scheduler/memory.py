"""The collector of a process that runs for months: what the start made is not looked at again and again."""

import gc

SELDOM = (20_000, 20, 20)
"""Objects made and not yet freed before the youngest are looked at (CPython's own: 700), then how often the older are.

A storm keeps thousands of values alive until their transaction is stored; looking through them, and through all modules,
every few hundred took a fifth of its time. What forms no cycle is freed at once all the same.
"""


def settle() -> None:
    """Call once, when the process has been put together."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
