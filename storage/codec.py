"""Domain values ↔ JSON text: the same value always gives the same text, and keys that a newer version added are skipped."""

import json
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreSchema, PydanticSerializationError, SchemaSerializer, core_schema, to_jsonable_python

from bot.delivery import MessageRef
from bot.directory import Address
from bot.effects import Effect
from bot.facts import Fact
from bot.plan import Plan
from bot.ports import Damaged
from bot.state import Escalation

T = TypeVar("T")


class Codec(Generic[T]):
    """Writes and reads the values of one type."""

    def __init__(self, type: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(type)
        self._writer = SchemaSerializer(cast("CoreSchema", _in_order(self._adapter.core_schema)))

    def write(self, value: T, *, without: frozenset[str] = frozenset()) -> str:
        """The text of `value`, keys and sets sorted; `without` names fields that are kept elsewhere."""
        left_out = set(without) or None
        try:
            return self._writer.to_json(value, exclude=left_out).decode()
        except PydanticSerializationError:  # half a surrogate pair, which no UTF-8 can hold
            plain = self._adapter.dump_python(value, exclude=left_out)
            text = json.dumps(plain, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            return text.encode("utf-8", "replace").decode("utf-8")

    def read(self, text: str, **elsewhere: object) -> T:
        """The inverse of `write`; `elsewhere` gives the fields left out. Raises Damaged, quoting no stored text."""
        try:
            if not elsewhere:
                return self._adapter.validate_json(text)
            return self._adapter.validate_python({**json.loads(text), **elsewhere})
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "the whole"
            raise Damaged(f"{place}: {first['type']}") from None
        except (TypeError, ValueError):
            raise Damaged("the whole: not a JSON object") from None


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


ESCALATION: Codec[Escalation] = Codec(Escalation)
PLAN: Codec[Plan] = Codec(Plan)
FACT: Codec[Fact] = Codec(Fact)
EFFECT: Codec[Effect] = Codec(Effect)
MESSAGE: Codec[MessageRef] = Codec(MessageRef)
REFERENCE: Codec[dict[str, str]] = Codec(dict[str, str])
ADDRESSES: Codec[tuple[Address, ...]] = Codec(tuple[Address, ...])
