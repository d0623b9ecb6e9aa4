"""Nothing leads Echelon to where the settings do not: two hundred URLs that should not open a socket, and open none."""

import socket
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientError, InvalidURL, web
from yarl import URL

from adapters.outbound import NotAllowed, Outbound, Redirected
from adapters.slack.gateway import outbound as slack_outbound
from adapters.teams.connector import HOSTS
from adapters.teams.http import Http
from adapters.teams.line import LOGINS, Registration
from bot.errors import DeliveryError

ROOT = Path(__file__).parents[2]
TENANT = "7a1d3b52-0000-4000-8000-000000000001"
INSIDE = (
    *("127.0.0.1", "127.1", "127.0.1", "0.0.0.0", "0", "localhost", "localhost.localdomain", "[::1]", "[::]"),  # noqa: S104
    *("2130706433", "0x7f000001", "0x7f.0x0.0x0.0x1", "017700000001", "0177.0.0.1", "127.0.0.1.", "127.000.000.001"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"),
    *("metadata.google.internal", "metadata", "100.100.100.200", "168.63.129.16", "192.0.0.192", "instance-data"),
    *("10.0.0.1", "10.1", "172.16.0.1", "192.168.0.1", "192.168.1.254", "[fc00::1]", "[fd12:3456::1]", "198.18.0.1"),
    *("kubernetes.default.svc", "db", "redis", "postgres", "intranet", "echelon", "127.0.0.1.nip.io", "lvh.me"),
)
ALIKE = (
    *("slack.com.evil.example", "evil-slack.com", "slack.com-evil.example", "slack.co", "s1ack.com", "slack.com."),
    *(
        "slаck.com",
        "ѕlack.com",
        "slack。com.evil.example",
        "slack.com%2eevil.example",
        "xn--slck-5cd.com",
        "slack.comm",
    ),
    *(
        "login.microsoftonline.com.evil.example",
        "login-microsoftonline.com",
        "microsoftonline.com",
        "login.microsoft.com",
    ),
    *(
        "smba.trafficmanager.net.evil.example",
        "evil.trafficmanager.net",
        "smba.trafficmanager.nеt",
        "trafficmanager.net",
    ),
    *("hooks.slack.com.evil.example", "evil.example", "slackcom.example", "ⓢlack.example", "slack.com.", "-slack.com"),
)
TRICKS = (
    "https://slack.com@evil.example/",
    "https://slack.com:443@evil.example/",
    "https://user:password@slack.com/api/",
    "https://evil.example\\@slack.com/",
    "https://slack.com:8443/",
    "https://slack.com:80/",
    "https://slack.com:22/",
    "https://smba.trafficmanager.net:8443/emea/",
    "http://slack.com/api/",
    "http://login.microsoftonline.com/",
    "http://slack.com:443/",
    "ws://slack.com/",
    "ws://wss-primary.slack.com/",
    "ftp://slack.com/",
    "file:///etc/passwd",
    "gopher://slack.com/",
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//evil.example/",
    "https:///evil.example/",
    "https://",
    "https://#slack.com",
    "https://?slack.com",
    "https://evil.example#@slack.com/",
    "https://evil.example?@slack.com/",
    "https://slack.com%00.evil.example/",
    "https://slack.com\t.evil.example/",
    "https://slack.com\r\nHost: evil.example/",
    "https://[::1",
    "https://[slack.com]/",
    "https://slack.com:99999/",
    "https://slack.com:-1/",
)
HOSTILE = (
    *(f"{scheme}://{host}/" for scheme, host in product(("https", "http", "wss"), INSIDE)),
    *(f"{scheme}://{host}/" for scheme, host in product(("https",), ALIKE)),
    *TRICKS,
)
WATCHED = {"on": False}
OPENED: list[str] = []


def _note(event: str, about: tuple[object, ...]) -> None:
    if WATCHED["on"] and event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        OPENED.append(f"{event} {about}")


sys.addaudithook(_note)  # it cannot be taken away again, only told to be silent


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """What this process asks the network for while the test runs."""
    OPENED.clear()
    WATCHED["on"] = True
    yield OPENED
    WATCHED["on"] = False


def everywhere() -> Outbound:
    """All that a whole Echelon with both platforms may speak to."""
    return Outbound(
        ["https://slack.com/api/", "https://smba.trafficmanager.net/teams/", "https://login.microsoftonline.com"],
        public={"slack.com", *HOSTS, *LOGINS},
        domains=[".slack.com"],
    )


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE)) >= 200


async def test_two_hundred_hostile_urls_open_no_socket(opened: list[str]) -> None:
    async with everywhere().session() as session:
        for url in HOSTILE:
            for call in (session.post, session.ws_connect):
                with pytest.raises((NotAllowed, InvalidURL, ClientError, ValueError)):
                    await call(url)

    assert opened == []


async def test_nor_does_the_way_to_teams(opened: list[str]) -> None:
    http = Http(Registration(app_id="a", tenant=TENANT, secret="s").outbound)
    for url in HOSTILE:
        with pytest.raises(DeliveryError):
            await http.call("GET", url)
    await http.close()

    assert opened == []


async def test_what_is_refused_counts_as_not_sent() -> None:
    http = Http(everywhere())

    with pytest.raises(DeliveryError) as raised:
        await http.call("POST", "https://evil.example/", body={})

    assert (raised.value.reason, getattr(raised.value, "uncertain", None)) == ("no_connection", False)
    await http.close()


@pytest.mark.parametrize(
    ("base", "url", "may"),
    [
        ("https://slack.com/api/", "https://slack.com/api/auth.test", True),
        ("https://slack.com/api/", "wss://wss-primary.slack.com/link/?ticket=1", True),
        ("https://slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack.com/api/", "https://slack-gov.com/api/", False),
        ("https://slack-gov.com/api/", "wss://wss.slack-gov.com/", True),
        ("http://127.0.0.1:4000/api/", "ws://127.0.0.1:4000/link", True),
        ("http://127.0.0.1:4000/api/", "http://127.0.0.1:4001/api/", False),
        ("http://127.0.0.1:4000/api/", "https://slack.com/api/", False),
        ("https://slack.internal/api/", "https://evil.slack.internal/", False),
    ],
)
def test_slack_is_where_its_setting_says(base: str, url: str, may: bool) -> None:
    assert slack_outbound(base).admits(URL(url)) is may


def test_a_managed_identity_is_asked_only_where_there_is_one() -> None:
    url = URL("http://169.254.169.254/metadata/identity/oauth2/token")

    assert Registration(app_id="a", tenant=TENANT).outbound.admits(url)
    assert not Registration(app_id="a", tenant=TENANT, secret="s").outbound.admits(url)


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("slack.com", "3.68.170.153", True),
        ("slack.com", "127.0.0.1", False),
        ("slack.com", "10.0.0.1", False),
        ("slack.com", "::1", False),
        ("slack.com", "::ffff:127.0.0.1", False),
        ("slack.com", "64:ff9b::a00:1", False),
        ("slack.com", "2002:a00:1::1", False),
        ("slack.com", "169.254.169.254", False),
        ("slack.com", "168.63.129.16", False),
        ("slack.com", "100.64.0.1", False),
        ("wss-backup.slack.com", "192.168.0.1", False),
        ("watch.internal", "10.0.0.7", True),
        ("watch.internal", "fd12::7", True),
        ("watch.internal", "93.184.215.14", True),
        ("watch.internal", "127.0.0.1", False),
        ("watch.internal", "169.254.169.254", False),
        ("watch.internal", "fd00:ec2::254", False),
        ("watch.internal", "fe80::1%eth0", False),
        ("watch.internal", "0.0.0.0", False),  # noqa: S104
        ("watch.internal", "nonsense", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "10.0.0.1", False),
    ],
)
def test_a_name_may_mean_only_what_fits_it(host: str, address: str, may: bool) -> None:
    named = ["https://watch.internal/ping", "http://localhost:8000/"]
    outbound = Outbound(named, public=["slack.com"], domains=[".slack.com"])

    assert outbound.means(host, address) is may


async def test_a_name_that_turns_inwards_is_refused_when_it_is_resolved(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rebinding(*_: object, **__: object) -> list[dict[str, object]]:
        return [
            {"hostname": "slack.com", "host": host, "port": 443, "family": socket.AF_INET, "proto": 6, "flags": 0}
            for host in ("3.68.170.153", "127.0.0.1")
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", rebinding)
    async with everywhere().session() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("https://slack.com/api/")

    assert [event for event in opened if event.startswith("socket.connect")] == []


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """A server that sends everybody on."""

    async def send_on(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(request.query["to"])

    app = web.Application()
    app.router.add_route("*", "/", send_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/", "https://evil.example/", "http://localhost:1/", "/again?to=x"]
)
async def test_nobody_is_followed_elsewhere(elsewhere: str, to: str, opened: list[str]) -> None:
    async with Outbound([elsewhere]).session() as session:
        with pytest.raises((Redirected, NotAllowed)):
            await session.get(elsewhere, params={"to": to})

    assert len([event for event in opened if event.startswith("socket.connect")]) == 1


def test_every_session_is_made_in_one_place() -> None:
    makers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("adapters", "bot", "matrix", "scheduler", "storage")
        for path in (ROOT / folder).rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("ClientSession(", "TCPConnector(", "urlopen("))
    ]

    assert makers == ["adapters/outbound.py"]
