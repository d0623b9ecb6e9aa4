"""YAML text → plain content, with the line of every place in it.

Only what a person writes by hand is read: text, lists and blocks. Every value stays the text that was written, so that
`NO` is a country, `15:00` a time, `none` a word and 2026-12-24 a date as it stands; an empty value, `~` and `null` are
None. Anchors, aliases, tags and several documents in one file are refused, which also leaves no room for alias bombs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from bot.errors import ConfigurationError, Problem

Place = tuple[str | int, ...]
Plain = str | None | list["Plain"] | dict[str, "Plain"]

LARGEST = 1024 * 1024
DEEPEST = 20
NOTHING = frozenset({"", "~", "null"})
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

# What the YAML reader says → what a person can do about it.
_MENDS = (
    ("character '@'", "a value cannot begin with @; to name a person, write the ID: slack:U0123ABCD"),
    ("character '`'", "a value cannot begin with `; put it in quotes"),
    ("character '%'", "a value cannot begin with %; put it in quotes"),
    ("mapping values are not allowed", "a colon stands where none can; put a sentence with a colon in quotes"),
    ("could not find expected ':'", "a name without its colon; write name: value, or put a long sentence in quotes"),
    ("while scanning a quoted scalar", "a quotation mark is opened and not closed"),
    ("<block end>", "the indentation does not fit the lines above"),
    ("expected ',' or", "a bracket is opened and not closed, or a comma is missing"),
    ("sequence entries are not allowed", "a dash stands where no list can begin; check the indentation"),
    ("while parsing a flow", "a bracket is opened and not closed, or a comma is missing"),
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong at a line."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file as read. `broken` holds the places whose content is not to be trusted, already complained of."""

    name: str
    content: Plain
    lines: Mapping[Place, int]
    complaints: tuple[Complaint, ...] = ()
    broken: frozenset[Place] = frozenset()

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest place around it that is in the file."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return 1

    def place(self, *path: str | int) -> str:
        """ "support.yaml:9"."""
        return f"{self.name}:{self.line(path)}"


class _Unreadable(Exception):
    """Nothing more can be read after this."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.complaint = Complaint(line, sentence)


def read_yaml(text: str, name: str) -> Document:
    """Read one YAML document. Raises ConfigurationError when the text is no YAML, too large, or empty."""
    if len(text) > LARGEST or len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise ConfigurationError((Problem(name, "the file is larger than 1 MiB"),))
    text = text.removeprefix("\ufeff")
    tabs = _tabs(text)
    if tabs:
        raise ConfigurationError(tuple(Problem(f"{name}:{line}", "a tab; write spaces instead") for line in tabs))
    try:
        return _Composer(text, name).document()
    except _Unreadable as stop:
        raise ConfigurationError((Problem(f"{name}:{stop.complaint.line}", stop.complaint.sentence),)) from None


def _tabs(text: str) -> list[int]:
    if "\t" not in text:
        return []
    return [number for number, line in enumerate(_LINE_ENDS.split(text), 1) if "\t" in line]


class _Composer:
    """Builds the content from the reader's events, noting lines and complaints on the way."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: dict[Place, int] = {}
        self._complaints: list[Complaint] = []
        self._broken: set[Place] = set()
        try:
            self._loader = yaml.SafeLoader(text)
        except yaml.reader.ReaderError as error:
            line = len(_LINE_ENDS.findall(text[: error.position])) + 1
            raise _Unreadable(line, "a character that no text file should hold; delete it and write it anew") from None

    def document(self) -> Document:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise _Unreadable(1, "the file is empty")
        first = self._next()
        self._lines[()] = _line(first)
        content = self._node(first, ())
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Unreadable(_line(after), "a second document begins with ---; one file holds one document")
        return Document(self._name, content, self._lines, tuple(self._complaints), frozenset(self._broken))

    def _next(self) -> yaml.Event:
        try:
            return cast(yaml.Event, cast(Any, self._loader).get_event())
        except yaml.MarkedYAMLError as error:
            raise _told(error) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            # The reader itself stumbles over an escape such as "\UFFFFFFFF".
            raise _Unreadable(self._loader.line + 1, "an escape or a number that cannot be read") from None

    def _node(self, event: yaml.Event, place: Place) -> Plain:
        if len(place) > DEEPEST:
            raise _Unreadable(_line(event), f"more than {DEEPEST} levels of indentation")
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, place, f"*{event.anchor} repeats another place; write the value out")
            return ""
        self._marks(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(place)
        if isinstance(event, yaml.MappingStartEvent):
            return self._block(place)
        return self._scalar(event, place)

    def _marks(self, event: yaml.Event, place: Place) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self._refuse(event, place, f"&{anchor} names a place to be repeated; write each value out")
        if tag is not None:
            self._refuse(event, place, f"{tag} is a tag, and tags are not read; delete it")

    def _items(self, place: Place) -> list[Plain]:
        items: list[Plain] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            here = (*place, len(items))
            self._lines[here] = _line(event)
            items.append(self._node(event, here))
        return items

    def _block(self, place: Place) -> dict[str, Plain]:
        block: dict[str, Plain] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, place)
            if key is None or key in block:
                self._skip_value(event, place, key)
                continue
            here = (*place, key)
            self._lines[here] = _line(event)
            block[key] = self._node(self._next(), here)
        return block

    def _key(self, event: yaml.Event, place: Place) -> str | None:
        if isinstance(event, yaml.ScalarEvent) and (event.style or event.value not in NOTHING):
            self._marks(event, place)
            return str(self._scalar(event, place))
        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            self._skip(event, place)
        return None

    def _skip_value(self, event: yaml.Event, place: Place, key: str | None) -> None:
        wrong = "a field needs a plain name before its colon" if key is None else f"{key!r} is given twice; keep one"
        self._complaints.append(Complaint(_line(event), wrong))
        self._skip(self._next(), place)

    def _skip(self, event: yaml.Event, place: Place) -> None:
        """Read past something that has no place of its own: what is wrong inside is of no interest."""
        kept = self._lines, self._complaints, self._broken
        self._lines, self._complaints, self._broken = {}, [], set()
        self._node(event, (*place, ""))
        self._lines, self._complaints, self._broken = kept

    def _scalar(self, event: yaml.Event, place: Place) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            raise _Unreadable(_line(event), "this cannot be read as YAML")
        if event.style is None and event.value in NOTHING:
            return None
        hidden = _INVISIBLE.search(event.value)
        if hidden:
            self._refuse(event, place, f"an invisible character (U+{ord(hidden[0]):04X}); delete it")
            return _INVISIBLE.sub("", event.value)
        return event.value

    def _refuse(self, event: yaml.Event, place: Place, sentence: str) -> None:
        self._complaints.append(Complaint(_line(event), sentence))
        self._broken.add(place)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1


def _told(error: yaml.MarkedYAMLError) -> _Unreadable:
    said = f"{error.context or ''} {error.problem or ''}"
    opened = error.context in {
        "while scanning a quoted scalar",
        "while parsing a flow mapping",
        "while parsing a flow sequence",
    }
    mark = (opened and error.context_mark) or error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    for fragment, mend in _MENDS:
        if fragment in said:
            return _Unreadable(line, mend)
    return _Unreadable(line, f"this cannot be read as YAML ({error.problem or error.context or 'no reason given'})")
