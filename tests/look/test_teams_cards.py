"""The Teams cards as people see them, light and dark, wide and narrow; screenshots in look/20-teams-*.png."""

import json
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZipFile

import pytest
from jsonschema import Draft4Validator

from adapters.teams import package
from tests.look import card_schema
from tests.look.teams import LOOK, NARROW, PICTURES, WIDE, Viewer, packages, schema, viewer
from tests.teams_server import card_problems

pytestmark = [pytest.mark.look, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def eyes() -> Iterator[Viewer]:
    packages()
    with viewer() as opened:
        yield opened


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", PICTURES)
def test_a_card_shows_all_that_is_on_it(eyes: Viewer, kind: str, dark: bool, width: int) -> None:
    picture = PICTURES[kind]()
    into = LOOK / f"20-teams-{kind}-{'dark' if dark else 'light'}-{width}.png"

    assert card_problems(picture.card) == []

    seen = eyes.show(picture.card, dark=dark, width=width, into=into)

    assert seen.errors == picture.newer
    assert seen.cut == ()
    assert seen.raw == ()
    assert seen.row == picture.row
    assert seen.menu == picture.menu
    assert [words for words in picture.says if " ".join(words.split()) not in " ".join(seen.text.split())] == []


@pytest.mark.parametrize("domain", ["echelon.example.com", None])
def test_the_package_is_valid_by_microsofts_own_schema(domain: str | None) -> None:
    made = package.build("01234567-89ab-cdef-0123-456789abcdef", name="Echelon", domain=domain, version="0.1.0")
    with ZipFile(BytesIO(made)) as held:
        manifest, french = (json.loads(held.read(path)) for path in ("manifest.json", "fr.json"))

    for content, name in ((manifest, "MicrosoftTeams"), (french, "MicrosoftTeams.Localization")):
        checked = Draft4Validator(schema(package.VERSION, name))
        assert [f"{list(error.path)}: {error.message}" for error in checked.iter_errors(content)] == []


@pytest.mark.parametrize("kind", PICTURES)
def test_a_card_is_valid_by_microsofts_own_schema(kind: str) -> None:
    assert card_schema.problems(PICTURES[kind]().card) == []


def test_the_schema_refuses_what_is_no_card() -> None:
    assert card_schema.problems({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock"}]}) != []
