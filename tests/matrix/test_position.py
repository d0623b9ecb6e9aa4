"""YAML is taken as it is written, with its lines, and refused where a person would be surprised."""

import pytest

from bot.errors import ConfigurationError
from matrix.position import LARGEST, read_yaml


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(text, "a.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    "word",
    ["NO", "no", "on", "yes", "none", "09:00", "15:00", "1_000", "0x1F", "2026-12-24", "1.0", "true", ".inf", "<<"],
)
def test_a_value_stays_as_it_is_written(word: str):
    assert read_yaml(f"field: {word}", "a.yaml").content == {"field": word}


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_is_none_and_in_quotes_it_is_text(nothing: str):
    assert read_yaml(f"a: {nothing}\nb: '{nothing}'", "a.yaml").content == {"a": None, "b": nothing}


def test_every_key_and_item_has_its_line():
    document = read_yaml("# a comment\na:\n  - b: 1\n    c: 2\n  - [x,\n     y]\n", "a.yaml")

    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("a", 0): 3,
        ("a", 0, "b"): 3,
        ("a", 0, "c"): 4,
        ("a", 1): 5,
        ("a", 1, 0): 5,
        ("a", 1, 1): 6,
    }
    assert document.place("a", 0, "c", "deeper", 7) == "a.yaml:4"
    assert document.place("elsewhere") == "a.yaml:2"


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    document = read_yaml("\ufeffa: 1\r\nb: 2\r\n", "a.yaml")

    assert document.content == {"a": "1", "b": "2"}
    assert document.place("b") == "a.yaml:2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.yaml:1: the file is empty"),
        ("# only a comment\n", "a.yaml:1: the file is empty"),
        ("a:\n\tb: 1\nc: 1\t# x", "a.yaml:2: a tab; write spaces instead\na.yaml:3: a tab; write spaces instead"),
        ("a: 1\nb: \x07", "a.yaml:2: a character that no text file should hold; delete it and write it anew"),
        ("a: 1\n---\nb: 1", "a.yaml:2: a second document begins with ---; one file holds one document"),
        ("a: 1\nb: 'open\nc: 1\n", "a.yaml:2: a quotation mark is opened and not closed"),
        ("a: 1\nb: [1, 2\nc: 3\n", "a.yaml:2: a bracket is opened and not closed, or a comma is missing"),
        ("a: 1\nb: c: d", "a.yaml:2: a colon stands where none can; put a sentence with a colon in quotes"),
        ("a: @bob", "a.yaml:1: a value cannot begin with @; to name a person, write the ID: slack:U0123ABCD"),
        ("a: 1\n  b: 2", "a.yaml:2: a colon stands where none can; put a sentence with a colon in quotes"),
        ("a:\n  b: 1\n c: 2", "a.yaml:3: the indentation does not fit the lines above"),
        ('a: "\\UFFFFFFFF"', "a.yaml:1: an escape or a number that cannot be read"),
        ("[" * 100_000, "a.yaml:1: more than 20 levels of indentation"),
        ("a" * (LARGEST + 1), "a.yaml: the file is larger than 1 MiB"),
        ("é" * (LARGEST // 2 + 1), "a.yaml: the file is larger than 1 MiB"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, told: str):
    assert refused(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", (2, "'a' is given twice; keep one")),
        ("a: &x 1", (1, "&x names a place to be repeated; write each value out")),
        ("a: 1\nb: *x", (2, "*x repeats another place; write the value out")),
        (
            "a: !!python/name:os.system x",
            (1, "tag:yaml.org,2002:python/name:os.system is a tag, and tags are not read; delete it"),
        ),
        ("[a]: 1", (1, "a field needs a plain name before its colon")),
        ("? {a: b}\n: 1", (1, "a field needs a plain name before its colon")),
        ("a: 1\n~: 2", (2, "a field needs a plain name before its colon")),
        ('a: "\\0"', (1, "an invisible character (U+0000); delete it")),
        ('a: "\\ud800"', (1, "an invisible character (U+D800); delete it")),
    ],
)
def test_what_would_surprise_is_complained_of_and_the_rest_is_read(text: str, told: tuple[int, str]):
    complaints = read_yaml(text, "a.yaml").complaints

    assert [(complaint.line, complaint.sentence) for complaint in complaints] == [told]


def test_an_alias_bomb_is_not_unfolded():
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))

    assert len(read_yaml(bomb, "a.yaml").complaints) == 30 + 29 * 3


def test_thousands_of_repeated_fields_are_read_in_good_time():
    assert len(read_yaml("a: {b: 1}\n" * 5_000, "a.yaml").complaints) == 4_999
