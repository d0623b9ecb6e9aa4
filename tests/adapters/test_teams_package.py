"""The zip that is uploaded to Teams: its layout, its icons, and a manifest within the limits of Microsoft's schema."""

import json
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from adapters.teams import package
from bot.errors import ConfigurationError
from bot.grammar import KEYWORDS, Deed, Question, read

APP_ID = "01234567-89ab-cdef-0123-456789abcdef"
GIVEN = {"name": "Echelon", "domain": "echelon.example.com", "version": "1.2.3"}
MEDIA = {"manifest.json", "color.png", "outline.png", "fr.json"}
REQUIRED = {
    "$schema", "manifestVersion", "version", "id", "developer", "name", "description", "icons", "accentColor",
}  # fmt: skip


@cache
def files(app_id: str = APP_ID, **changes: Any) -> dict[str, bytes]:
    with ZipFile(BytesIO(package.build(app_id, **(GIVEN | changes)))) as made:
        assert made.testzip() is None
        return {path: made.read(path) for path in made.namelist()}


def manifest(**changes: Any) -> dict[str, Any]:
    return json.loads(files(**changes)["manifest.json"])


def french() -> dict[str, str]:
    return json.loads(files()["fr.json"])


def problems(app_id: str = APP_ID, **changes: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        package.build(app_id, **(GIVEN | changes))
    return [str(problem) for problem in caught.value.problems]


def commands(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every command of the lists, with its place."""
    for number, each in enumerate(content["bots"][0]["commandLists"]):
        for index, command in enumerate(each["commands"]):
            yield f"bots[0].commandLists[{number}].commands[{index}]", command


def pixels(png: bytes) -> tuple[int, int, list[tuple[int, int, int, int]]]:
    """Width, height and RGBA of every pixel; each chunk's checksum is looked at on the way."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        chunks[kind] = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + chunks[kind]),)
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind_of_pixel = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind_of_pixel == [8, 6, 0, 0, 0]
    raw, step = zlib.decompress(chunks[b"IDAT"]), width * 4 + 1
    rows = [raw[start : start + step] for start in range(0, len(raw), step)]
    assert len(rows) == height
    assert {row[0] for row in rows} == {0}
    return width, height, [tuple(row[place : place + 4]) for row in rows for place in range(1, step, 4)]  # type: ignore[misc]


def test_everything_lies_at_the_root() -> None:
    made, content = files(), manifest()

    assert set(made) == MEDIA
    assert set(content["icons"].values()) <= MEDIA
    assert [each["file"] for each in content["localizationInfo"]["additionalLanguages"]] == ["fr.json"]


def test_the_same_settings_make_the_same_bytes() -> None:
    assert package.build(APP_ID, **GIVEN) == package.build(APP_ID.upper(), **GIVEN)
    assert package.build(APP_ID, **GIVEN) != package.build(APP_ID, **(GIVEN | {"version": "1.2.4"}))


def test_the_colour_icon_is_large_and_opaque() -> None:
    width, height, shown = pixels(files()["color.png"])

    assert (width, height) == (192, 192)
    assert {alpha for *_, alpha in shown} == {255}
    assert {(0x17, 0x63, 0x5C, 255), (255, 255, 255, 255), (0xFF, 0xC7, 0x66, 255)} <= set(shown)
    edge = [shown[0], shown[191], shown[-192], shown[-1]]
    assert set(edge) == {(0x17, 0x63, 0x5C, 255)}, "Teams cuts the corners itself"


def test_the_outline_icon_is_small_and_white_on_nothing() -> None:
    width, height, shown = pixels(files()["outline.png"])

    assert (width, height) == (32, 32)
    assert {colour for *colour_parts, alpha in shown if alpha for colour in [tuple(colour_parts)]} == {(255, 255, 255)}
    assert sum(alpha == 0 for *_, alpha in shown) > 500
    assert sum(alpha == 255 for *_, alpha in shown) > 60


def test_the_manifest_has_what_is_required_and_keeps_the_limits() -> None:
    content = manifest(name="N" * 30)

    assert set(content) >= REQUIRED
    assert content["manifestVersion"] in content["$schema"]
    assert len(content["name"]["short"]) <= 30
    assert len(content["name"]["full"]) <= 100
    assert len(content["description"]["short"]) <= 80
    assert len(content["description"]["full"]) <= 4000
    assert len(content["developer"]["name"]) <= 32
    assert all(url.startswith("https://") for key, url in content["developer"].items() if key.endswith("Url"))
    assert content["version"] == "1.2.3"
    for each in content["bots"][0]["commandLists"]:
        assert 1 <= len(each["commands"]) <= 10
    command = content["composeExtensions"][0]["commands"][0]
    for _, one in [*commands(content), ("", command)]:
        assert 1 <= len(one["title"]) <= 32
        assert 1 <= len(one["description"]) <= 128


def test_the_bot_asks_for_no_more_than_it_uses() -> None:
    content = manifest()
    bot = content["bots"][0]

    assert bot["scopes"] == ["personal", "team"]
    assert [each["scopes"] for each in bot["commandLists"]] == [["personal"], ["team"]]
    assert bot["supportsFiles"] is False
    assert content["permissions"] == ["identity", "messageTeamMembers"]
    assert not {"authorization", "webApplicationInfo", "devicePermissions"} & set(content)


def test_a_message_can_be_escalated_from_its_menu() -> None:
    (extension,) = manifest()["composeExtensions"]
    (command,) = extension["commands"]

    assert (command["id"], command["title"]) == (package.ESCALATE_MESSAGE, "Escalate this message")
    assert (command["type"], command["context"], command["fetchTask"]) == ("action", ["message"], True)


def test_all_the_ids_are_the_one_of_the_app() -> None:
    content = manifest(app_id=APP_ID.upper())

    assert content["id"] == content["bots"][0]["botId"] == content["composeExtensions"][0]["botId"] == APP_ID


def test_the_domain_may_be_left_out() -> None:
    assert manifest(domain="Echelon.Example.COM")["validDomains"] == ["echelon.example.com"]
    without = manifest(domain=None)
    assert without["validDomains"] == []
    assert without["developer"]["websiteUrl"].startswith("https://")


def test_the_french_file_has_the_same_places() -> None:
    content, said = manifest(), french()
    places = {place for place, _ in commands(content)} | {"composeExtensions[0].commands[0]"}
    english = {"name.short", "name.full", "description.short", "description.full"}
    english |= {f"{place}.{part}" for place in places for part in ("title", "description")}

    assert set(said) - {"$schema"} == english
    limits = {"name.short": 30, "name.full": 100, "description.short": 80, "description.full": 4000}
    for place, text in said.items():
        most = limits.get(place) or (32 if place.endswith("title") else 128)
        assert 1 <= len(text) <= most or place == "$schema"


def test_every_command_is_understood_in_both_languages() -> None:
    """What a person chooses is written for them; sent as it is, it must be a request and no issue."""
    known = {word for words in KEYWORDS.values() for word in words}
    said = french()
    for place, command in commands(manifest()):
        for title in (command["title"], said[f"{place}.title"]):
            assert title in known
            assert isinstance(read(title), Question | Deed), title
        assert command["description"].startswith(command["title"])


def test_the_two_languages_offer_the_same() -> None:
    said = french()

    for place, command in commands(manifest()):
        assert read(command["title"]) == read(said[f"{place}.title"])


@pytest.mark.parametrize(
    "app_id",
    ["", "echelon", f"{{{APP_ID}}}", APP_ID.replace("-", ""), f" {APP_ID}", APP_ID.replace("0", "g"), f"{APP_ID}\n"],
)
def test_what_is_no_app_id_is_refused(app_id: str) -> None:
    (sentence,) = problems(app_id)

    assert sentence.startswith(f"ECHELON_TEAMS_APP_ID: {app_id!r} is no app id; copy the Microsoft App ID")


@pytest.mark.parametrize(
    "domain",
    [
        "", "localhost", "https://echelon.example.com", "echelon.example.com/api/messages", "echelon.example.com:443",
        "*.example.com", "10.0.0.1", "-a.example.com", "a..example.com", "écho.example.com", f"{'a' * 64}.example.com",
        "echelon.example.com\n", "user@example.com",
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused(domain: str) -> None:
    (sentence,) = problems(domain=domain)

    assert sentence.startswith(f"--domain: {domain!r} is no public host name; ")


def test_everything_that_is_wrong_is_named_at_once() -> None:
    assert [sentence.partition(":")[0] for sentence in problems("x", name="N" * 31, domain="y", version="1.0")] == [
        "ECHELON_TEAMS_APP_ID",
        "name",
        "--domain",
        "version",
    ]
    assert len(problems(name=" Echelon")) == len(problems(name="")) == len(problems(version="01.0.0")) == 1
