"""Whether a request comes from Teams: every check of its token that the platform asks for, and none left to the SDK.

https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from adapters.teams.keys import Keys
from bot.ports import Clock

ISSUER = "https://api.botframework.com"
SKEW = 300
LONGEST = 8192
CHANNEL = "msteams"
_OPTIONS: Options = {
    "require": ["exp", "iss", "aud"],
    "strict_aud": True,
    "verify_exp": False,  # the times are compared with the product's clock
    "verify_nbf": False,
    "verify_iat": False,
}


class Forged(Exception):
    """A token that proves nothing; the words are for the log and name no part of it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a good token says: its claims, and the channels that its key may sign for."""

    claims: Mapping[str, Any]
    endorsements: frozenset[str]

    def covers(self, channel: object, service_url: object) -> bool:
        """Whether an activity of this channel and service URL may come with it."""
        return channel in self.endorsements and bool(service_url) and self.claims.get("serviceurl") == service_url


class Verifier:
    """Checks tokens for one app."""

    def __init__(self, keys: Keys, clock: Clock, app_id: str) -> None:
        self._keys, self._clock, self._app_id = keys, clock, app_id

    async def proof(self, header: str) -> Proof:
        """What the token in an Authorization header proves. Raises Forged, or KeysAway."""
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token.isascii() or token.count(".") != 2 or len(token) > LONGEST:
            raise Forged("no token")
        key = await self._keys.find(self._kid(token))
        if key is None:
            raise Forged("an unknown key")
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["RS256"],
                audience=self._app_id,
                issuer=ISSUER,
                options=_OPTIONS,
            )
        except (PyJWTError, ValueError, TypeError) as error:
            raise Forged(type(error).__name__) from None
        self._in_time(claims)
        return Proof(claims, key.endorsements)

    def _kid(self, token: str) -> str:
        try:
            header = cast("Mapping[str, object]", jwt.get_unverified_header(token))
        except (PyJWTError, ValueError, TypeError) as error:
            raise Forged(type(error).__name__) from None
        kid = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(kid, str) or not kid:
            raise Forged("another algorithm, or no key named")
        return kid

    def _in_time(self, claims: Mapping[str, Any]) -> None:
        """Against the product's clock, with the five minutes that the platform allows."""
        now = self._clock.now().timestamp()
        until, since = _number(claims.get("exp")), _number(claims.get("nbf", 0))
        if until + SKEW < now:
            raise Forged("expired")
        if since - SKEW > now:
            raise Forged("not yet valid")


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Forged("its times are no numbers")
    return float(value)
