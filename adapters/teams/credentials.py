"""The token that lets Echelon speak to the Connector: kept, and fetched anew well before it ends.

Only a bot of one tenant or a managed identity: Azure creates no others any more.
https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from adapters.teams.http import Http
from bot.errors import Refused, Unreachable
from bot.ports import Clock

LOGIN_URL = "https://login.microsoftonline.com"
IMDS_URL = "http://169.254.169.254/metadata/identity/oauth2/token"
RESOURCE = "https://api.botframework.com"
AHEAD = 600.0
"""Seconds before its end at which a token is fetched anew."""
SHORTEST, RETRY = 30.0, 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secret:
    """A bot of one tenant that has a client secret."""

    app_id: str
    tenant: str
    secret: str
    login_url: str = LOGIN_URL


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """A user-assigned managed identity: no secret to keep. `header` is that of App Service's own endpoint, if any."""

    app_id: str
    endpoint: str = IMDS_URL
    header: str = ""


Identity = Secret | ManagedIdentity


class Tokens(Protocol):
    """Where a token comes from."""

    async def token(self) -> str:
        """A token that is good now, "" where none is needed. Raises Unreachable."""
        ...

    def forget(self) -> None:
        """The token was refused: fetch another."""
        ...


class Credentials:
    """Tokens of one identity. Many who need one at the same time wait for the same fetch."""

    def __init__(self, identity: Identity, http: Http, clock: Clock) -> None:
        self._identity, self._http, self._clock = identity, http, clock
        self._token, self._until = "", 0.0
        self._fetching = asyncio.Lock()

    async def token(self) -> str:
        """See `Tokens.token`."""
        if not self._good():
            async with self._fetching:
                if not self._good():
                    await self.fetch()
        return self._token

    def forget(self) -> None:
        """See `Tokens.forget`."""
        self._token = ""

    async def fetch(self) -> None:
        """Ask for a new token. Raises Unreachable; `reason` is the login's own code, never its words."""
        status, body, _ = await self._ask()
        told = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        token = told.get("access_token")
        if status != 200 or not isinstance(token, str) or not token:
            code = told.get("error")
            raise Unreachable(f"login_{code}"[:60] if isinstance(code, str) else f"login_http_{status}")
        self._token = token
        self._until = self._clock.monotonic() + _lifetime(told.get("expires_in"))

    async def keep_fresh(self) -> None:
        """Fetch ahead of the end, until cancelled. Never raises: who needs a token is told."""
        while True:
            try:
                async with self._fetching:
                    await self.fetch()
                wait = max(SHORTEST, self._until - self._clock.monotonic() - AHEAD)
            except (Unreachable, Refused) as error:
                log.error("no token for Teams: %s", error.reason, extra={"action": "teams_token"})
                wait = RETRY
            await asyncio.sleep(wait)

    @property
    def problem(self) -> str:
        """Why nothing can be sent now, "" if it can."""
        return "" if self._good() else "no token"

    def _good(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._until

    async def _ask(self) -> tuple[int, object, Mapping[str, str]]:
        match self._identity:
            case Secret(app_id, tenant, secret, login_url):
                form = {"grant_type": "client_credentials", "client_id": app_id, "client_secret": secret}
                url = f"{login_url.rstrip('/')}/{tenant}/oauth2/v2.0/token"
                return await self._http.call("POST", url, form=form | {"scope": f"{RESOURCE}/.default"})
            case ManagedIdentity(app_id, endpoint, header):
                version = "2019-08-01" if header else "2018-02-01"
                query = {"api-version": version, "resource": RESOURCE, "client_id": app_id}
                headers = {"X-IDENTITY-HEADER": header} if header else {"Metadata": "true"}
                return await self._http.call("GET", endpoint, query=query, headers=headers)


class NoTokens:
    """For anonymous mode: a local emulator asks for none."""

    async def token(self) -> str:
        """None is needed."""
        return ""

    def forget(self) -> None:
        """There is nothing to forget."""


def _lifetime(told: object) -> float:
    """Seconds; Azure's managed identities write them as text."""
    digits = str(told)
    seconds = float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 8 else 0.0
    return max(SHORTEST, seconds - 60.0)
