"""What Slack refuses: the sizes and shapes of messages and views, as one pure check.

Lengths count UTF-16 units, the strictest reading of Slack's "characters": what passes here passes however Slack counts.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

TEXT = 3000
MESSAGE_TEXT = 40_000
MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
BLOCKS_BYTES, VIEW_BYTES = 13_200, 250_000
METADATA_BYTES = 8_000
MARKDOWN = 12_000
IDENTIFIER = 255
SELECTS = {"static_select", "multi_static_select", "external_select", "multi_external_select"} | {
    f"{many}{what}_select" for many in ("", "multi_") for what in ("users", "conversations", "channels")
}
PICKERS = {"datepicker", "timepicker", "datetimepicker"}
CHOICES = {"radio_buttons", "checkboxes"}
INPUTS = {"plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input", "file_input"}
ALLOWED = {  # which elements fit in which block
    "accessory": {"button", "overflow", "image", "datepicker", "timepicker"} | SELECTS | CHOICES,
    "actions": {"button", "overflow", "workflow_button"}
    | {kind for kind in SELECTS if not kind.startswith("multi_")}
    | PICKERS
    | CHOICES,
    "input": INPUTS | SELECTS | PICKERS | CHOICES,
}
MOST_OPTIONS = {"overflow": 5, "radio_buttons": 10, "checkboxes": 10}
OTHER_BLOCKS = {"divider", "rich_text", "table", "video", "file", "context_actions"}  # shape not checked here
ONLY_IN_MESSAGES = {"markdown", "file", "table", "context_actions"}

LIVE = re.compile(
    r"<(?:!(?:channel|here|everyone|group)|!subteam\^[A-Z0-9]+|@[UWB][A-Z0-9]+)(?:\|[^<>]*)?>",
)
LINKED_BY_PARSE = re.compile(r"(?<![\w&])@(?:channel|here|everyone|group)\b")


def length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def problems(payload: Json) -> list[str]:
    """Why Slack would refuse this message or view: one sentence a fault, each opening with its place; empty if fine."""
    if payload.get("type") in {"modal", "home"}:
        return list(_view(payload))
    return list(_message(payload))


def live_mentions(payload: Json) -> list[str]:
    """The tokens that would ring somebody's phone, wherever Slack would read them as such."""
    found: list[str] = []
    linking = payload.get("parse") in {"full", "client"} or payload.get("link_names") in {True, "1", "true"}
    for text in _read_as_markup(payload):
        found += LIVE.findall(text)
        if linking:
            found += LINKED_BY_PARSE.findall(text)
    return found + [token for node in _nodes(payload) if (token := _rich_mention(node))]


def _nodes(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for key, child in value.items():
            if key not in {"metadata", "private_metadata", "value"}:
                yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _read_as_markup(payload: Json) -> Iterator[str]:
    for node in _nodes(payload):
        kind = node.get("type")
        text = node.get("text")
        if isinstance(text, str) and (kind in {"mrkdwn", "markdown"} or node is payload or kind is None):
            yield text
        if kind is None:  # an attachment or one of its fields
            yield from (node[key] for key in ("pretext", "title", "value", "footer") if isinstance(node.get(key), str))


def _rich_mention(node: Json) -> str | None:
    match node:
        case {"type": "user", "user_id": str(who)}:
            return f"<@{who}>"
        case {"type": "usergroup", "usergroup_id": str(group)}:
            return f"<!subteam^{group}>"
        case {"type": "broadcast", "range": str(reach)}:
            return f"<!{reach}>"
    return None


def _message(payload: Json) -> Iterator[str]:
    text = payload.get("text")
    blocks = payload.get("blocks") or []
    attachments = payload.get("attachments") or []
    if not text and not blocks and not attachments:
        yield "no_text: neither text nor blocks"
    if text is not None and not isinstance(text, str):
        yield "text: not a string"
    elif text and length(text) > MESSAGE_TEXT:
        yield f"msg_too_long: text has {length(text)} characters, limit {MESSAGE_TEXT}"
    yield from _blocks("blocks", blocks, MESSAGE_BLOCKS, in_view=False)
    if blocks and size(blocks) > BLOCKS_BYTES:
        yield f"msg_blocks_too_long: blocks take {size(blocks)} bytes, limit {BLOCKS_BYTES}"
    if len(attachments) > 100:
        yield f"attachments: {len(attachments)}, limit 100"
    for i, attachment in enumerate(attachments):
        yield from _blocks(f"attachments[{i}].blocks", attachment.get("blocks") or [], MESSAGE_BLOCKS, in_view=False)
    yield from _metadata(payload.get("metadata"))


def _metadata(metadata: object) -> Iterator[str]:
    if not metadata:
        return
    match metadata:
        case {"event_type": str(), "event_payload": dict()}:
            if size(metadata) > METADATA_BYTES:
                yield f"metadata_too_large: metadata takes {size(metadata)} bytes, limit {METADATA_BYTES}"
        case _:
            yield "invalid_metadata_format: metadata needs event_type and event_payload"


def _view(view: Json) -> Iterator[str]:
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        yield "blocks: missing"
        return
    yield from _blocks("blocks", blocks, VIEW_BLOCKS, in_view=True)
    if view["type"] == "modal":
        yield from _text("title", view.get("title"), 24, plain=True)
        for part in ("submit", "close"):
            if part in view:
                yield from _text(part, view[part], 24, plain=True)
        if "submit" not in view and any(block.get("type") == "input" for block in blocks if isinstance(block, dict)):
            yield "submit: required, as there are input blocks"
    yield from _string(view, "private_metadata", "view", TEXT)
    yield from _string(view, "callback_id", "view", IDENTIFIER)
    yield from _string(view, "external_id", "view", IDENTIFIER)
    if size(view) > VIEW_BYTES:
        yield f"view_too_large: {size(view)} bytes, limit {VIEW_BYTES}"


def _blocks(place: str, blocks: object, most: int, *, in_view: bool) -> Iterator[str]:
    if not isinstance(blocks, list):
        yield f"{place}: not a list"
        return
    if len(blocks) > most:
        yield f"{place}: {len(blocks)} blocks, limit {most}"
    for i, block in enumerate(blocks):
        yield from _block(f"{place}[{i}]", block, in_view=in_view)
    known = [block for block in blocks if isinstance(block, dict)]
    yield from (f"{place}: block_id {name!r} twice" for name in _repeated(known, "block_id"))
    markdown = sum(length(str(block.get("text", ""))) for block in known if block.get("type") == "markdown")
    if markdown > MARKDOWN:
        yield f"{place}: markdown blocks hold {markdown} characters together, limit {MARKDOWN}"


def _block(place: str, block: object, *, in_view: bool) -> Iterator[str]:
    if not isinstance(block, dict):
        yield f"{place}: not an object"
        return
    yield from _string(block, "block_id", place, IDENTIFIER)
    kind = block.get("type")
    if in_view and kind in ONLY_IN_MESSAGES:
        yield f"{place}: {kind} blocks are for messages only"
    match kind:
        case "section":
            yield from _section(place, block)
        case "header":
            yield from _text(f"{place}.text", block.get("text"), 150, plain=True)
        case "context":
            yield from _context(place, block)
        case "actions":
            yield from _actions(place, block)
        case "input":
            yield from _input(place, block)
        case "image":
            yield from _image(place, block)
        case "markdown":
            if not isinstance(block.get("text"), str) or not block["text"]:
                yield f"{place}.text: empty"
        case _ if kind not in OTHER_BLOCKS:
            yield f"{place}: unknown block type {kind!r}"


def _section(place: str, block: Json) -> Iterator[str]:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield f"{place}: a section needs text or fields"
    if "text" in block:
        yield from _text(f"{place}.text", block["text"], TEXT)
    if fields is not None:
        if not 1 <= len(fields) <= 10:
            yield f"{place}.fields: {len(fields)}, must be 1 to 10"
        for i, field in enumerate(fields):
            yield from _text(f"{place}.fields[{i}]", field, 2000)
    if "accessory" in block:
        yield from _element(f"{place}.accessory", block["accessory"], "accessory")


def _context(place: str, block: Json) -> Iterator[str]:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 10:
        yield f"{place}.elements: {len(elements)}, must be 1 to 10"
    for i, element in enumerate(elements):
        if isinstance(element, dict) and element.get("type") == "image":
            yield from _image(f"{place}.elements[{i}]", element)
        else:
            yield from _text(f"{place}.elements[{i}]", element, TEXT)


def _actions(place: str, block: Json) -> Iterator[str]:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 25:
        yield f"{place}.elements: {len(elements)}, must be 1 to 25"
    for i, element in enumerate(elements):
        yield from _element(f"{place}.elements[{i}]", element, "actions")
    for name in _repeated([element for element in elements if isinstance(element, dict)], "action_id"):
        yield f"{place}: action_id {name!r} twice"


def _input(place: str, block: Json) -> Iterator[str]:
    yield from _text(f"{place}.label", block.get("label"), 2000, plain=True)
    if "hint" in block:
        yield from _text(f"{place}.hint", block["hint"], 2000, plain=True)
    yield from _element(f"{place}.element", block.get("element"), "input")


def _image(place: str, image: Json) -> Iterator[str]:
    if not image.get("image_url") and not image.get("slack_file"):
        yield f"{place}: an image needs image_url or slack_file"
    if not image.get("alt_text"):
        yield f"{place}.alt_text: empty"
    yield from _string(image, "image_url", place, 3000)
    yield from _string(image, "alt_text", place, 2000)


def _element(place: str, element: object, where: str) -> Iterator[str]:
    if not isinstance(element, dict):
        yield f"{place}: missing"
        return
    kind = element.get("type")
    if kind not in ALLOWED[where]:
        yield f"{place}: {kind!r} does not fit here"
        return
    yield from _string(element, "action_id", place, IDENTIFIER)
    if "placeholder" in element:
        yield from _text(f"{place}.placeholder", element["placeholder"], 150, plain=True)
    if "confirm" in element:
        yield from _confirm(f"{place}.confirm", element["confirm"])
    if kind == "button":
        yield from _button(place, element)
    elif kind == "image":
        yield from _image(place, element)
    elif kind == "plain_text_input":
        yield from _plain_text_input(place, element)
    elif kind in {"static_select", "multi_static_select", "overflow"} | CHOICES:
        yield from _choice(place, element)
    elif kind == "datetimepicker":
        start = element.get("initial_date_time")
        if start is not None and not (isinstance(start, int) and len(str(start)) == 10):
            yield f"{place}.initial_date_time: not a Unix time in seconds"


def _button(place: str, button: Json) -> Iterator[str]:
    yield from _text(f"{place}.text", button.get("text"), 75, plain=True)
    yield from _string(button, "value", place, 2000)
    yield from _string(button, "url", place, 3000)
    yield from _string(button, "accessibility_label", place, 75)
    if button.get("style", "primary") not in {"primary", "danger"}:
        yield f"{place}.style: {button['style']!r}"


def _plain_text_input(place: str, element: Json) -> Iterator[str]:
    least, most = element.get("min_length", 0), element.get("max_length", TEXT)
    if not 0 <= least <= most <= TEXT or most < 1:
        yield f"{place}: min_length {least} and max_length {most} must lie in 0 to {TEXT}"
    if length(element.get("initial_value") or "") > most:
        yield f"{place}.initial_value: longer than max_length {most}"


def _choice(place: str, element: Json) -> Iterator[str]:
    kind = element["type"]
    groups = element.get("option_groups")
    if groups is not None:
        if not 1 <= len(groups) <= 100:
            yield f"{place}.option_groups: {len(groups)}, must be 1 to 100"
        for i, group in enumerate(groups):
            yield from _text(f"{place}.option_groups[{i}].label", group.get("label"), 75, plain=True)
            yield from _options(f"{place}.option_groups[{i}].options", group.get("options") or [], kind)
    else:
        yield from _options(f"{place}.options", element.get("options") or [], kind)
    offered = options_of(element)
    chosen = [element["initial_option"]] if "initial_option" in element else element.get("initial_options") or []
    yield from (f"{place}: an initial option that is not among the options" for one in chosen if one not in offered)


def options_of(element: Json) -> list[Json]:
    groups = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group.get("options") or [])]


def _options(place: str, options: list[Json], kind: str) -> Iterator[str]:
    most = MOST_OPTIONS.get(kind, 100)
    if not 1 <= len(options) <= most:
        yield f"{place}: {len(options)}, must be 1 to {most}"
    for i, option in enumerate(options):
        yield from _text(f"{place}[{i}].text", option.get("text"), 75, plain=kind not in CHOICES)
        if "description" in option:
            yield from _text(f"{place}[{i}].description", option["description"], 75, plain=kind not in CHOICES)
        if not isinstance(option.get("value"), str):
            yield f"{place}[{i}].value: missing"
        yield from _string(option, "value", f"{place}[{i}]", 150)
    yield from (f"{place}: value {value!r} twice" for value in _repeated(options, "value"))


def _confirm(place: str, confirm: Json) -> Iterator[str]:
    yield from _text(f"{place}.title", confirm.get("title"), 100, plain=True)
    yield from _text(f"{place}.text", confirm.get("text"), 300)
    for part in ("confirm", "deny"):
        yield from _text(f"{place}.{part}", confirm.get(part), 30, plain=True)


def _text(place: str, text: object, most: int, *, plain: bool = False) -> Iterator[str]:
    match text:
        case {"type": "plain_text" | "mrkdwn" as kind, "text": str(words)}:
            if plain and kind != "plain_text":
                yield f"{place}: must be plain_text"
            if not words.strip():
                yield f"{place}: empty"
            if length(words) > most:
                yield f"{place}: {length(words)} characters, limit {most}"
            if kind == "mrkdwn" and "emoji" in text:
                yield f"{place}: emoji is for plain_text only"
        case _:
            yield f"{place}: not a text object"


def _string(owner: Json, key: str, place: str, most: int) -> Iterator[str]:
    value = owner.get(key)
    if value is None:
        return
    if not isinstance(value, str):
        yield f"{place}.{key}: not a string"
    elif length(value) > most:
        yield f"{place}.{key}: {length(value)} characters, limit {most}"


def _repeated(things: list[Json], key: str) -> list[str]:
    counted = Counter(thing[key] for thing in things if isinstance(thing.get(key), str))
    return [name for name, count in counted.items() if count > 1]
