"""Connections of processes that stand still in the middle of a request: they keep their locks, and no time-out ends them.

A statement that a connection has not seen before takes two steps, and PostgreSQL waits for the second one as long as it
takes: neither `idle_in_transaction_session_timeout` nor `statement_timeout` counts there (before version 17 nothing does).
A process that is frozen in between would hold up everybody who needs its rows. So each replica looks for such connections.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from sqlalchemy import Interval, bindparam, text

from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]

TOO_LONG = timedelta(seconds=10)
"""How long a process may leave a request half said: well below a lease. A healthy one takes milliseconds."""

END = text(
    """
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = 'echelon'
      AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      AND state = 'active' AND wait_event = 'ClientRead' AND state_change < clock_timestamp() - :since
    """
).bindparams(bindparam("since", type_=Interval))

log = logging.getLogger("echelon.frozen")


async def end_frozen(transactions: Transactions, since: timedelta = TOO_LONG) -> int:
    """End such connections of our own user, of whichever process; returns how many. Their transactions are undone.

    A process that wakes finds its connection closed and begins anew. Raises StoreUnavailable.
    """
    async with transactions() as reading:
        ended = len(await reading.rows(END, {"since": since}))
    if ended:
        said = "Another process stands still and kept rows locked; %d of its connections were ended"
        log.warning(said, ended, extra={"action": "frozen_ended"})
    return ended
