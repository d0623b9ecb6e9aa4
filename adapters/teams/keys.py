"""The keys by which Teams signs: read ahead of need, daily, and once more for a key that is not known yet."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from adapters.teams.http import Http
from bot.errors import Unreachable
from bot.ports import Clock

OPENID_URL = "https://login.botframework.com/v1/.well-known/openidconfiguration"
WITHIN = 5.0
DAILY = 24 * 3600.0
AGAIN_AFTER = 300.0
"""An unknown key leads to a new look at most this often, whoever asks for it."""
RETRY = 10.0
BETWEEN_FAILURES = 2.0
SMALLEST = 2048
"""Bits of a key that is believed."""

log = logging.getLogger(__name__)


class KeysAway(Exception):
    """The keys cannot be read now: nobody can be told from a forger."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the channels that it may sign for."""

    public: RSAPublicKey
    endorsements: frozenset[str]


class Keys:
    """The keys of one OpenID document."""

    def __init__(self, http: Http, clock: Clock, *, url: str = OPENID_URL) -> None:
        self._http, self._clock, self._url = http, clock, url
        self._keys: dict[str, Key] = {}
        self._looked_at: float | None = None
        self._read_at: float | None = None
        self._failed_at: float | None = None
        self._reading = asyncio.Lock()

    async def find(self, kid: str) -> Key | None:
        """The key by that id; None when there is none. Raises KeysAway when that cannot be told."""
        if kid not in self._keys and self._may_look():
            async with self._reading:
                if kid not in self._keys and self._may_look():
                    if self._read_at is not None:
                        self._looked_at = self._clock.monotonic()
                    await self._read()
        if self._read_at is None:
            raise KeysAway
        return self._keys.get(kid)

    async def keep_fresh(self) -> None:
        """Read them now and every day, until cancelled."""
        while True:
            async with self._reading:
                well = await self._read()
            await asyncio.sleep(DAILY if well else RETRY)

    @property
    def ready(self) -> bool:
        """Whether a signature can be checked."""
        return self._read_at is not None

    async def fetch(self) -> dict[str, Key]:
        """Ask for them, once. Raises Unreachable."""
        document = await self._get(self._url)
        keys = (await self._get(str(document.get("jwks_uri") or ""))).get("keys")
        found: dict[str, Key] = {}
        for told in cast("list[object]", keys) if isinstance(keys, list) else []:
            if isinstance(told, Mapping) and (key := _key(cast("Mapping[str, Any]", told))):
                found[str(cast("Mapping[str, Any]", told)["kid"])] = key
        if not found:
            raise Unreachable("no_keys")
        return found

    def _may_look(self) -> bool:
        now = self._clock.monotonic()
        if self._failed_at is not None and now - self._failed_at < BETWEEN_FAILURES:
            return False
        return self._read_at is None or self._looked_at is None or now - self._looked_at >= AGAIN_AFTER

    async def _read(self) -> bool:
        try:
            self._keys = await self.fetch()
        except Unreachable as error:
            self._failed_at = self._clock.monotonic()
            log.error("the keys of Teams cannot be read: %s", error.reason, extra={"action": "teams_keys"})
            return False
        self._read_at, self._failed_at = self._clock.monotonic(), None
        return True

    async def _get(self, url: str) -> Mapping[str, Any]:
        status, told, _ = await self._http.call("GET", url, deadline=WITHIN)
        if status != 200 or not isinstance(told, Mapping):
            raise Unreachable(f"http_{status}")
        return cast("Mapping[str, Any]", told)


def _key(told: Mapping[str, Any]) -> Key | None:
    """A key as the JWKS tells it; None for any that is not RSA, or too small."""
    if told.get("kty") != "RSA" or not isinstance(told.get("kid"), str):
        return None
    try:
        public: object = PyJWK(dict(told), algorithm="RS256").key
    except (PyJWTError, ValueError, TypeError):
        return None
    if not isinstance(public, RSAPublicKey) or public.key_size < SMALLEST:
        return None
    told_of: object = told.get("endorsements")
    endorsements = cast("list[object]", told_of) if isinstance(told_of, list) else []
    return Key(public, frozenset(str(one) for one in endorsements))
