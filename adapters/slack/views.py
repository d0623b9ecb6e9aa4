"""Form and Page → modal view, and the values of a submitted view back into those of a Form (pure)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from adapters.slack import text as words
from adapters.slack.marks import PERSON, Names, marked
from adapters.slack.render import SECTION, Json, page_blocks, plain, prose, section
from bot.directory import Address, local_part, platform_of
from bot.message import Form, Input, Kind, Option, Page
from bot.plan import Language
from bot.rich import Rich

# https://docs.slack.dev/reference/views/modal-views
TITLE = 24
VIEW_BLOCKS = 100
PRIVATE_METADATA = 3000
CALLBACK_ID = 255
# https://docs.slack.dev/reference/block-kit/blocks/input-block
LABEL, HINT = 2000, 2000
# https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
TYPED = 3000
# https://docs.slack.dev/reference/block-kit/composition-objects/option-object
OPTION_LABEL, OPTIONS = 75, 100

INPUT = "input"
"""Beginning of the action ids of fields; the block id is the name of the field."""
PAGE = "page"
"""The callback id of what is only read."""
BOT_NAME = "Echelon"
WHEN_DIGITS = 10
"""Slack takes instants of ten digits only: September 2001 to November 2286."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the person was when a view opened: answers that are no view go there. Empty for nowhere in particular."""

    channel: str = ""
    thread: str = ""


NOWHERE = Origin()


def form(shown: Form, names: Names, origin: Origin = NOWHERE) -> Json:
    """A dialog. Its context and origin travel in private_metadata: signed by nobody, so never trusted for rights."""
    language = shown.language
    blocks = [section(marked(line, language, names, SECTION)) for line in shown.intro]
    blocks.extend(_field(field, language) for field in shown.inputs)
    view = _modal(shown.title, language, blocks[:VIEW_BLOCKS], shown.name, metadata(shown.context, origin))
    submit = {"submit": plain(shown.submit, TITLE, language)}
    return view | submit | {"close": plain(shown.cancel, TITLE, language)}


def page(shown: Page, names: Names, origin: Origin = NOWHERE) -> Json:
    """Something to read, as a modal."""
    blocks = page_blocks(shown, names, most=VIEW_BLOCKS)
    return _modal(shown.title, shown.language, blocks, PAGE, metadata("", origin))


def notice(said: Rich, language: Language, names: Names, origin: Origin = NOWHERE, typed: str = "") -> Json:
    """A sentence, as a modal: the answer to a press inside another modal."""
    blocks = [section(marked(said, language, names, SECTION))]
    if typed:
        blocks.append(prose("", typed, SECTION, language))
    return _modal(BOT_NAME, language, blocks, PAGE, metadata("", origin))


def metadata(context: str, origin: Origin) -> str:
    """One line of origin, then the context as it is."""
    return f"{origin.channel} {origin.thread}\n{context}"[:PRIVATE_METADATA]


def read_metadata(text: str) -> tuple[str, Origin]:
    """(context, origin) of a view; the inverse of `metadata`."""
    first, newline, context = text.partition("\n")
    if not newline:
        return text, NOWHERE
    channel, _, thread = first.partition(" ")
    return context, Origin(channel, thread)


def values(view: Mapping[str, Any]) -> dict[str, str]:
    """The values of a view as `Form` values: text, an option, `slack:U…`, whole seconds; "" for what was left empty."""
    read: dict[str, str] = {}
    for name, elements in _mapping(_mapping(view.get("state")).get("values")).items():
        for element in _mapping(elements).values():
            read[name] = value(_mapping(element))
    return read


def value(element: Mapping[str, Any]) -> str:
    """What stands in one field, as a value of a `Form`."""
    match element.get("type"):
        case "static_select":
            return str(_mapping(element.get("selected_option")).get("value") or "")
        case "users_select":
            user = element.get("selected_user")
            return f"slack:{user}" if user else ""
        case "datetimepicker":
            seconds = element.get("selected_date_time")
            return str(seconds) if seconds is not None else ""
        case _:
            return str(element.get("value") or "")


def fields(view: Mapping[str, Any]) -> list[str]:
    """The names of the fields that a view has, from the top."""
    blocks = [_mapping(block) for block in cast(Iterable[object], view.get("blocks") or ())]
    return [str(block.get("block_id")) for block in blocks if block.get("type") == "input"]


def errors(found: Mapping[str, str], view: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by field; whatever names no field of this view stands at the first one."""
    names = fields(view)
    placed: dict[str, str] = {}
    for name, sentence in found.items():
        place = name if name in names or not names else names[0]
        said = words.clip(words.clean(sentence), LABEL)
        placed[place] = f"{placed[place]} {said}" if place in placed else said
    return placed


def _modal(title: str, language: Language, blocks: list[Json], callback: str, private: str) -> Json:
    heading = plain(title, TITLE, language)
    return {"type": "modal", "title": heading, "blocks": blocks} | {
        "callback_id": callback[:CALLBACK_ID],
        "private_metadata": private,
    }


def _field(field: Input, language: Language) -> Json:
    if field.kind is Kind.CHOICE and not field.options:
        return prose(field.label, field.hint, HINT, language)
    block: Json = {"type": "input", "block_id": field.name, "optional": not field.required}
    block |= {"label": plain(field.label, LABEL, language), "element": _element(field, language)}
    if field.hint:
        block["hint"] = plain(field.hint, HINT, language)
    return block | {"dispatch_action": True} if field.reloads else block


def _element(field: Input, language: Language) -> Json:
    named: Json = {"action_id": f"{INPUT}:{field.name}"}
    match field.kind:
        case Kind.LINE | Kind.TEXT:
            return named | _typed(field)
        case Kind.CHOICE:
            return named | _choice(field, language)
        case Kind.PERSON:
            return named | {"type": "users_select"} | _first_person(Address(field.initial))
        case Kind.WHEN:
            seconds = field.initial if field.initial.isascii() and field.initial.isdigit() else ""
            start = {"initial_date_time": int(seconds)} if len(seconds) == WHEN_DIGITS else {}
            return named | {"type": "datetimepicker"} | start


def _first_person(address: Address) -> Json:
    known = platform_of(address) == "slack" and PERSON.fullmatch(local_part(address))
    return {"initial_user": local_part(address)} if known else {}


def _typed(field: Input) -> Json:
    most = max(1, min(field.longest, TYPED))
    element: Json = {"type": "plain_text_input", "multiline": field.kind is Kind.TEXT, "max_length": most}
    initial = words.clip(words.clean(field.initial), most)
    if field.kind is Kind.LINE:
        initial = " ".join(initial.split())
    return element | ({"initial_value": initial} if initial else {})


def _choice(field: Input, language: Language) -> Json:
    """A menu. Its action id follows its options: Slack keeps what was chosen under the same id, even when it is gone."""
    digest = hashlib.sha256("\n".join(option.value for option in field.options).encode("utf-8", "replace")).hexdigest()
    named: Json = {"action_id": f"{INPUT}:{field.name}:{digest[:8]}", "type": "static_select"}
    shown = {option.value: _option(option, language) for option in field.options}
    offered = list(shown.values())
    if len(offered) <= OPTIONS:
        named["options"] = offered
    else:
        groups = [offered[start : start + OPTIONS] for start in range(0, len(offered), OPTIONS)]
        named["option_groups"] = [
            {"label": plain(f"{index * OPTIONS + 1} …", OPTION_LABEL, language), "options": options}
            for index, options in enumerate(groups[:OPTIONS])
        ]
    return named | ({"initial_option": shown[field.initial]} if field.initial in shown else {})


def _option(option: Option, language: Language) -> Json:
    return {"text": plain(option.label, OPTION_LABEL, language), "value": option.value}


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
