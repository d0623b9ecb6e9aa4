"""Domain values ↔ JSON text: the same value always gives the same text, and keys that a newer version added are skipped."""

import json
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    CoreSchema,
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    core_schema,
    to_jsonable_python,
)

from bot.delivery import MessageRef
from bot.directory import Address
from bot.effects import Effect
from bot.facts import Fact
from bot.plan import Plan
from bot.ports import Damaged
from bot.state import Escalation

T = TypeVar("T")


class Codec(Generic[T]):
    """Writes and reads the values of one type. `elsewhere` names a field that is kept apart from the rest."""

    def __init__(self, type: Any, *, elsewhere: str = "") -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(type)
        self._writer = SchemaSerializer(cast("CoreSchema", _in_order(self._adapter.core_schema)))
        self._elsewhere = elsewhere
        self._partly = SchemaValidator(cast("CoreSchema", _without(self._adapter.core_schema, elsewhere)))

    def write(self, value: T, *, whole: bool = True) -> str:
        """The text of `value`, keys and sets sorted; all but the field that is kept elsewhere unless `whole`."""
        left_out = None if whole else {self._elsewhere}
        try:
            return self._writer.to_json(value, exclude=left_out).decode()
        except PydanticSerializationError:  # half a surrogate pair, which no UTF-8 can hold
            plain = self._adapter.dump_python(value, exclude=left_out)
            text = json.dumps(plain, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            return text.encode("utf-8", "replace").decode("utf-8")

    def read(self, text: str, elsewhere: object = None) -> T:
        """The inverse of `write`; `elsewhere` is the value of the field left out. Raises Damaged, quoting no stored text."""
        try:
            if elsewhere is None:
                return self._adapter.validate_json(text)
            value: T = self._partly.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "the whole"
            raise Damaged(f"{place}: {first['type']}") from None
        object.__setattr__(value, self._elsewhere, elsewhere)  # nobody has seen it yet: it is frozen from here on
        return value


def _without(schema: Any, field: str) -> Any:
    """The schema of a reader that does not ask for `field`, which is filled in afterwards."""
    if isinstance(schema, list):
        return [_without(part, field) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _without(part, field) for key, part in cast("dict[str, Any]", schema).items()}
    if parts.get("type") == "dataclass-field" and parts["name"] == field:
        parts["schema"] = core_schema.with_default_schema(core_schema.any_schema(), default=None)
    return parts


def _in_order(schema: Any) -> Any:
    """The schema of a writer that sorts fields and sets itself: a quarter of the time of sorting what it has written."""
    if isinstance(schema, list):
        return [_in_order(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    ordered = {key: _in_order(part) for key, part in cast("dict[str, Any]", schema).items()}
    match ordered.get("type"):
        case "frozenset":
            ordered["serialization"] = core_schema.plain_serializer_function_ser_schema(sorted, when_used="json")
        case "enum" if ordered.get("sub_type") == "str":
            # It is a string as it stands; to ask each for its value costs more than all else.
            return core_schema.str_schema(ref=ordered.get("ref"))
        case "dataclass":
            ordered["fields"] = sorted(ordered["fields"])
        case "dataclass-args":
            ordered["fields"] = sorted(ordered["fields"], key=itemgetter("name"))
        case _:
            pass
    return ordered


def _plain(value: object) -> Any:
    return sorted(cast("frozenset[str]", value)) if isinstance(value, frozenset) else to_jsonable_python(value)


def storable(text: str) -> str:
    """`text` without what a text column cannot hold: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


ESCALATION: Codec[Escalation] = Codec(Escalation, elsewhere="plan")
PLAN: Codec[Plan] = Codec(Plan)
FACT: Codec[Fact] = Codec(Fact)
EFFECT: Codec[Effect] = Codec(Effect)
MESSAGE: Codec[MessageRef] = Codec(MessageRef)
REFERENCE: Codec[dict[str, str]] = Codec(dict[str, str])
ADDRESSES: Codec[tuple[Address, ...]] = Codec(tuple[Address, ...])
