"""The dead man's handle: an address outside is asked while all is well, and raises an alarm of its own when it is not."""

import logging

from aiohttp import ClientError, ClientTimeout
from yarl import URL

from adapters.outbound import Outbound

PATIENCE = ClientTimeout(total=10)

log = logging.getLogger("echelon.heartbeat")


class WebHeartbeat:
    """`bot.audit.Heartbeat` over HTTP. Of the address, which is a secret, only the host is ever written to the log."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._host = URL(url).host or ""
        self._outbound = Outbound([url])

    async def beat(self) -> None:
        try:
            async with (
                self._outbound.session(timeout=PATIENCE, keep=False) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                refused = answer.status >= 300
                said = str(answer.status)
        except (TimeoutError, ClientError, OSError, ValueError) as error:
            refused, said = True, type(error).__name__  # the error's own words may quote the address
        if refused:
            log.warning("The heartbeat was not heard by %s: %s", self._host, said, extra={"action": "heartbeat_lost"})
