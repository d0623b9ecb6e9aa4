"""HTTP to Microsoft: JSON out, JSON back, no redirects, a deadline of our own, nothing sent twice."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientConnectorError, ClientError, ClientPayloadError, ClientSession
from yarl import URL

from adapters.outbound import Outbound
from adapters.teams.refusals import CUT_OFF, NO_CONNECTION, TIMED_OUT
from bot.errors import Unreachable

DEADLINE = 10.0
AT_ONCE = 32

Answer = tuple[int, object, Mapping[str, str]]


class Http:
    """One pool of connections, to where `outbound` leads. Opened by the first call, in the running loop; `close` ends it."""

    def __init__(self, outbound: Outbound, *, deadline: float = DEADLINE) -> None:
        self._outbound, self._deadline = outbound, deadline
        self._session: ClientSession | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: object = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """(status, what the JSON says or None, headers) of whatever was answered. Raises Unreachable when nothing was."""
        given: dict[str, Any] = {"params": query, "headers": dict(headers or {}), "allow_redirects": False}
        if body is not None:
            given["data"] = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            given["headers"]["Content-Type"] = "application/json; charset=utf-8"
        elif form is not None:
            given["data"] = dict(form)
        try:
            at = URL(url, encoded=True)  # an id in the path is quoted already, and stays so
            async with asyncio.timeout(deadline or self._deadline), self._open().request(method, at, **given) as told:
                return told.status, _read(await told.read()), told.headers
        except TimeoutError:
            raise Unreachable(TIMED_OUT, uncertain=True) from None
        except ClientConnectorError:  # nothing was sent yet
            raise Unreachable(NO_CONNECTION) from None
        except (ClientError, ClientPayloadError, ConnectionError, ValueError):
            raise Unreachable(CUT_OFF, uncertain=True) from None

    async def close(self) -> None:
        """Close every connection; the next call opens anew."""
        session, self._session = self._session, None
        if session:
            await session.close()

    def _open(self) -> ClientSession:
        if self._session is None:
            self._session = self._outbound.session(at_once=AT_ONCE, trust_env=True)
        return self._session


def _read(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
