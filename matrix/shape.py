"""Plain content → a pydantic model, with every misfit told in a sentence of ours.

A misfit is mended with a blank and the rest is read on, so that one report names all that is wrong. What lies at or
below a mended place is not complained of again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import EnumType
from typing import Annotated, Any, Generic, TypeVar, cast, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from bot.errors import ConfigurationError, Problem
from matrix.hints import did_you_mean, shown
from matrix.position import Document, Place, Plain

Finding = tuple[Place, str]

PASSES = 8  # a mended block may lack fields in turn; no file nests deeper than that


class Shape(BaseModel):
    """A block of a file: nothing but the fields it names. A field's description says what to write there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _said(cls, given: object) -> object:
        """A field that stands there without a value is a slip (`channel: #support` is one: the rest is a comment)."""
        if given is None:
            raise PydanticCustomError("empty", "empty")
        return given


def _as_words(given: object) -> object:
    if isinstance(given, dict):
        return {language: "" if words is None else words for language, words in cast(dict[str, object], given).items()}
    return {"": given} if isinstance(given, str) else given


def _as_list(given: object) -> object:
    return [given] if isinstance(given, str) else given


Words = Annotated[dict[str, str], BeforeValidator(_as_words)]
"""A text: one for all languages (under the key ""), or language → text."""

Listed = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""A list of words; a single one may stand without its dash."""

M = TypeVar("M", bound=Shape)


@dataclass(frozen=True, slots=True)
class Layout(Generic[M]):
    """Where the blocks of a file are: `single` blocks by field, blocks of a `collection` by field and key or number."""

    root: type[M]
    single: Mapping[str, type[Shape]]
    collection: Mapping[str, type[Shape]]

    def kind_at(self, place: Place) -> type[Shape] | None:
        """The kind of the block that a place is."""
        top = str(place[0]) if place else ""
        if len(place) < 2:
            return self.single.get(top) if place else self.root
        return self.collection.get(top) if len(place) == 2 else None


def owner(place: Place) -> str:
    """How a sentence calls the block at a place: "level 3", "role 'support'", "the file"."""
    match place:
        case ("levels", int(index), *_):
            return f"level {index + 1}"
        case (str(top), str(key), *_) if top in _ONE:
            return f"{_ONE[top]} {shown(key)}"
        case (str(top), *_) if top not in _ONE:
            return f"the {top.replace('_', ' ')}"
        case _:
            return "the file"


_ONE = {
    "roles": "role",
    "issue_types": "issue type",
    "calendars": "calendar",
    "channels": "channel",
    "people": "person",
    "levels": "level",
}


def checked(document: Document, layout: Layout[M], checks: Callable[[M], Iterator[Finding]]) -> M:
    """The model of a document. Raises ConfigurationError with every problem of shape and fit, in line order."""
    findings, broken = list[Finding](), set(document.broken)
    content = document.content
    model: M | None = None
    for _ in range(PASSES):
        try:
            model = layout.root.model_validate(content)
            break
        except ValidationError as error:
            if () in broken:
                break
            content = deepcopy(content)
            for detail in error.errors(include_url=False):
                place = _place(detail)
                if not _below(place, broken):
                    findings.append((place, _sentence(detail, place, layout)))
                    broken.add(place)
                content = _mended(content, detail, place, layout)
    if model is not None:
        findings += [finding for finding in checks(model) if not _below(finding[0], broken)]
    _raise_any(document, findings)
    if model is None:
        raise AssertionError("a document without a model has problems")
    return model


def _raise_any(document: Document, findings: list[Finding]) -> None:
    lines = [(complaint.line, complaint.sentence) for complaint in document.complaints]
    lines += [(document.line(place), sentence) for place, sentence in _one_each(findings)]
    if lines:
        lines.sort(key=lambda found: found[0])
        raise ConfigurationError(tuple(Problem(f"{document.name}:{line}", sentence) for line, sentence in lines))


def _one_each(findings: list[Finding]) -> Iterator[Finding]:
    seen = set[Place]()
    for place, sentence in findings:
        if place not in seen:
            seen.add(place)
            yield place, sentence


def _below(place: Place, broken: set[Place]) -> bool:
    return any(place[:length] in broken for length in range(len(place) + 1))


def _place(detail: ErrorDetails) -> Place:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _sentence(detail: ErrorDetails, place: Place, layout: Layout[M]) -> str:
    field, given = str(place[-1]) if place else "", detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            kind = layout.kind_at(place[:-1])
            fields = kind.model_fields if kind else ()
            return f"{owner(place[:-1])} has no field {shown(field)}; {did_you_mean(field, fields)}"
        case "missing":
            return f"{owner(place[:-1])} has no {field}; write {field}: {_hint(place, layout)}"
        case "enum":
            values = re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))
            return f"{field} {shown(given)} is unknown; {did_you_mean(str(given), values)}"
        case _:
            hint, named = _hint(place, layout), _named(place, layout)
    if given is None:
        comment = " (a # after a space begins a comment)" if "#" in hint else ""
        return f"{named} is empty{comment}; write {hint}{'' if _needed(place, layout) else ', or delete the line'}"
    return f"{named} is {shown(given)}; write {hint}"


def _named(place: Place, layout: Layout[M]) -> str:
    match place:
        case (*_, int(index)) if not layout.kind_at(place):
            return f"item {index + 1} of {place[-2]} of {owner(place[:-2])}"
        case (*_, str(field)) if not (len(place) == 2 and layout.kind_at(place)):
            return f"{field} of {owner(place[:-1])}" if len(place) > 1 else field
        case _:
            return owner(place)


def _field(place: Place, layout: Layout[M]) -> FieldInfo | None:
    kind = layout.kind_at(place[:-1]) if place else None
    return kind.model_fields.get(str(place[-1])) if kind else None


def _needed(place: Place, layout: Layout[M]) -> bool:
    field = _field(place, layout)
    return field is None or field.is_required()


def _hint(place: Place, layout: Layout[M]) -> str:
    block = layout.kind_at(place)
    if block and not _field(place, layout):
        return "its fields: " + ", ".join(f"{name}:" for name in block.model_fields)
    if place and isinstance(place[-1], int):
        return "one text or word after the dash"
    for length in range(len(place), 0, -1):
        field = _field(place[:length], layout)
        if field and field.description:
            return field.description
    return "a word or a sentence"


def _mended(content: Plain, detail: ErrorDetails, place: Place, layout: Layout[M]) -> Plain:
    """The content with something harmless, or nothing, at a place."""
    if not place:
        return {}
    around = content
    for part in place[:-1]:
        inside = _inside(around, part)
        if inside is None:
            return content
        around = inside
    last = place[-1]
    if isinstance(around, list) and isinstance(last, int):
        around[last] = _blank(place, layout)
    elif isinstance(around, dict):
        unknown = detail["type"] == "extra_forbidden"
        if unknown or not _needed(place, layout):
            around.pop(str(last), None)
        else:
            around[str(last)] = _blank(place, layout)
    return content


def _inside(around: Plain, part: str | int) -> Plain:
    if isinstance(around, list) and isinstance(part, int):
        return around[part]
    return around.get(str(part)) if isinstance(around, dict) else None


def _blank(place: Place, layout: Layout[M]) -> Plain:
    if layout.kind_at(place):
        return {}
    field = _field(place, layout)
    wanted: object = get_origin(field.annotation) or field.annotation if field else str
    if isinstance(wanted, EnumType):
        return str(next(iter(cast(Any, wanted))).value)
    return [] if wanted is tuple else {} if wanted is dict else ""
