"""The identity side of Teams for tests: signing keys, tokens true and forged, and Microsoft's login endpoints.

They are served from a thread of their own: the SDK and MSAL fetch with blocking calls from the bot's event loop.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from requests.adapters import HTTPAdapter

from tests.faults import Fault, Faults

Json = dict[str, Any]

ISSUER = "https://api.botframework.com"
SCOPE = "https://api.botframework.com/.default"
LOGIN = "https://login.microsoftonline.com"


@cache
def _private_key(number: int) -> rsa.RSAPrivateKey:
    """One key a number and a test run: making them takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    number: int
    endorsements: tuple[str, ...] = ("msteams", "webchat")

    @property
    def kid(self) -> str:
        return f"key-{self.number}"

    @property
    def private(self) -> rsa.RSAPrivateKey:
        return _private_key(self.number)

    @property
    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)

    def to_json(self) -> Json:
        numbers = self.private.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        key: Json = {"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": _base64(modulus)}
        return key | {"e": _base64(numbers.e.to_bytes(3, "big")), "endorsements": list(self.endorsements)}


STRANGER = SigningKey(900)
UNENDORSED = SigningKey(901, endorsements=("webchat",))


def encoded(header: Json, claims: Json, key: SigningKey, alg: str) -> str:
    """A JWT made by hand, so that what libraries refuse to make can be made."""
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    if alg == "none":
        return signed + "."
    if alg == "HS256":  # the public key as the secret: the classic confusion
        return f"{signed}.{_base64(hmac.new(key.public_pem, signed.encode(), hashlib.sha256).digest())}"
    return f"{signed}.{_base64(key.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@dataclass
class Minter:
    """Makes the tokens that Teams sends with activities to one app."""

    identity: "Identity"
    app_id: str
    service_url: str

    def token(
        self,
        *,
        key: SigningKey | None = None,
        alg: str = "RS256",
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A correct token but for what is given; a claim or a header field given as None is left out."""
        key, now = key or self.identity.keys[-1], int(self.identity.clock())
        fields: Json = {"typ": "JWT", "alg": alg, "kid": key.kid, "x5t": key.kid} | dict(header or {})
        said: Json = {"iss": ISSUER, "aud": self.app_id, "nbf": now - 60, "exp": now + 3600}
        said |= {"serviceurl": self.service_url} | claims
        return encoded(_without_none(fields), _without_none(said), key, alg)

    def forgeries(self) -> dict[str, str | None]:
        """Authorization headers that must be refused, by name; None is no header."""
        now, good = int(self.identity.clock()), self.token()
        head, body, signature = good.split(".")
        other = _base64(json.dumps({"iss": ISSUER, "aud": self.app_id, "exp": now + 9999}).encode())
        tokens = {
            "expired": self.token(exp=now - 600, nbf=now - 9999),
            "not yet valid": self.token(nbf=now + 3600, exp=now + 7200),
            "no exp": self.token(exp=None),
            "exp is a word": self.token(exp="tomorrow"),
            "wrong audience": self.token(aud="11111111-1111-1111-1111-111111111111"),
            "no audience": self.token(aud=None),
            "wrong issuer": self.token(iss="https://sts.windows.net/evil/"),
            "the emulator's issuer": self.token(iss="https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"),
            "no issuer": self.token(iss=None),
            "wrong serviceurl": self.token(serviceurl="https://evil.example/"),
            "no serviceurl": self.token(serviceurl=None),
            "unknown kid": self.token(header={"kid": "nobody"}),
            "no kid": self.token(header={"kid": None}),
            "kid is a number": self.token(header={"kid": 7}),
            "alg none": self.token(alg="none"),
            "HS256 with the public key": self.token(alg="HS256"),
            "HS256 called RS256": encoded(
                {"alg": "RS256", "kid": self.identity.keys[-1].kid},
                {"iss": ISSUER, "aud": self.app_id, "exp": now + 60, "serviceurl": self.service_url},
                self.identity.keys[-1],
                "HS256",
            ),
            "signed by a stranger": self.token(key=STRANGER, header={"kid": self.identity.keys[-1].kid}),
            "a stranger's key": self.token(key=STRANGER),
            "unendorsed key": self.token(key=UNENDORSED),
            "changed claims": f"{head}.{other}.{signature}",
            "cut signature": good[:-20],
            "no signature": f"{head}.{body}.",
            "claims are a list": f"{head}.{_base64(b'[1]')}.{signature}",
            "garbage": "a.b.c",
            "not a token": "x",
            "not ASCII": "\u00e9.\u00e9.\u00e9",
        }
        headers: dict[str, str | None] = {name: f"Bearer {token}" for name, token in tokens.items()}
        return headers | {"none": None, "empty": "", "a bare scheme": "Bearer", "another scheme": f"Basic {good}"}


def _without_none(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


class Identity:
    """OpenID configuration and keys for what comes in; tokens (Entra's and a managed identity's) for what goes out.

    `fetches` counts, and `faults` knows, the endpoints "openid", "jwks", "discovery", "token" and "managed".
    """

    def __init__(self, app_id: str, password: str, tenant: str, clock: Callable[[], float] = time.time) -> None:
        self.app_id, self.password, self.tenant, self.clock = app_id, password, tenant, clock
        self.keys = [SigningKey(0)]  # the last one signs
        self.fetches: Counter[str] = Counter()
        self.faults = Faults()
        self.away = False  # nobody answers: connections are closed without a word
        self.lifetime = 3600
        self._issued: dict[str, float] = {}
        self._closing = threading.Event()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.identity = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True, name="identity").start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def openid_url(self) -> str:
        """For ChannelValidation.open_id_metadata_endpoint."""
        return f"{self.url}/v1/.well-known/openidconfiguration"

    @property
    def token_url(self) -> str:
        return f"{self.url}/{self.tenant}/oauth2/v2.0/token"

    @property
    def managed_identity_url(self) -> str:
        return f"{self.url}/metadata/identity/oauth2/token"

    def rotate(self, *, keep_old: bool = True) -> SigningKey:
        """From now on a new key signs."""
        new = replace(self.keys[-1], number=self.keys[-1].number + 1)
        self.keys = [*(self.keys if keep_old else ()), new]
        return new

    def revoke(self) -> None:
        """Every token given out so far is refused from now on."""
        self._issued.clear()

    def accepts(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and self._issued.get(token, 0) > self.clock()

    def session(self) -> requests.Session:
        """Reaches these endpoints under Microsoft's own address; for MSAL's `http_client`, which insists on https."""
        session = requests.Session()
        session.mount(LOGIN, _Rerouted(self.url))
        return session

    def issue(self) -> Json:
        token = "out." + secrets.token_urlsafe(24)
        self._issued[token] = self.clock() + self.lifetime
        return {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def answer(self, method: str, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, Any]:
        """The endpoint's name and a function that makes (status, body)."""
        parts = path.strip("/").split("/")
        if path == "/v1/.well-known/openidconfiguration":
            return "openid", self._openid
        if path == "/v1/.well-known/keys":
            return "jwks", lambda: (200, {"keys": [key.to_json() for key in [*self.keys, UNENDORSED]]})
        if path == "/metadata/identity/oauth2/token":
            return "managed", lambda: self._managed(form, headers)
        if method == "POST" and parts[1:] == ["oauth2", "v2.0", "token"]:
            return "token", lambda: self._token(parts[0], form)
        if parts[-2:] == [".well-known", "openid-configuration"]:
            return "discovery", lambda: self._discovery(parts[0])
        if path == "/common/discovery/instance":
            return "discovery", lambda: (200, {"api-version": "1.1", "metadata": []})
        return "unknown", lambda: (404, {"error": "not_found"})

    def _openid(self) -> tuple[int, Json]:
        told = {"issuer": ISSUER, "authorization_endpoint": "https://invalid.botframework.com"}
        told |= {"jwks_uri": f"{self.url}/v1/.well-known/keys"}
        return 200, told | {"id_token_signing_alg_values_supported": ["RS256"]}

    def _discovery(self, tenant: str) -> tuple[int, Json]:
        base = f"{LOGIN}/{tenant}"
        told = {"issuer": f"{base}/v2.0", "token_endpoint": f"{base}/oauth2/v2.0/token"}
        return 200, told | {"authorization_endpoint": f"{base}/oauth2/v2.0/authorize"}

    def _token(self, tenant: str, form: Mapping[str, str]) -> tuple[int, Json]:
        if tenant != self.tenant:
            return 400, _entra_error("invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        if form.get("client_id") != self.app_id:
            return 400, _entra_error("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if form.get("client_secret") != self.password:
            return 401, _entra_error("invalid_client", "AADSTS7000215: Invalid client secret provided.")
        if form.get("grant_type") != "client_credentials":
            return 400, _entra_error("unsupported_grant_type", "AADSTS70003: unsupported grant type.")
        if SCOPE not in form.get("scope", "").split():
            return 400, _entra_error("invalid_scope", "AADSTS1002012: The provided scope is not valid.")
        return 200, self.issue() | {"ext_expires_in": self.lifetime}

    def _managed(self, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Json]:
        if headers.get("Metadata", "").lower() != "true":
            return 400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        if query.get("client_id") != self.app_id or query.get("resource") != ISSUER:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        issued = self.issue()
        return 200, {name: str(value) for name, value in issued.items()} | {"resource": ISSUER}

    def serve(self, handler: "_Handler", body: bytes) -> None:
        url = urlsplit(handler.path)
        form = {name: values[0] for name, values in parse_qs(body.decode() or url.query).items()}
        name, make = self.answer(handler.command, url.path, form, handler.headers)
        self.fetches[name] += 1
        fault = self.faults.next(name) or Fault()
        self._closing.wait(fault.delay)
        if fault.hang:
            self._closing.wait()
        if self.away or fault.drop or self._closing.is_set():
            handler.hang_up()
            return
        status, told = make() if fault.takes_effect else (fault.status, {"error": fault.code or "server_error"})
        text = "<html><body>Service unavailable</body></html>" if fault.html else json.dumps(told)
        handler.reply(status, text, "text/html" if fault.html else "application/json", fault.retry_after)


def _entra_error(error: str, description: str) -> Json:
    return {"error": error, "error_description": description, "correlation_id": secrets.token_hex(8)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    identity: Identity

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"  # a connection a request: none is left open at the end of a test
    timeout = 10

    def do_GET(self) -> None:
        self.server.identity.serve(self, b"")

    def do_POST(self) -> None:
        self.server.identity.serve(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def reply(self, status: int, text: str, kind: str, retry_after: int | str | None) -> None:
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(raw)

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class _Rerouted(HTTPAdapter):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._netloc = urlsplit(url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        asked = urlsplit(request.url or "")
        request.url = urlunsplit(("http", self._netloc, asked.path, asked.query, ""))
        return super().send(request, *args, **kwargs)
