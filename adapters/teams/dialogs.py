"""Form → the card of a dialog, and what was entered there back into the values of a `Form` (pure)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from adapters.teams import text as words
from adapters.teams.cards import attachment, block, card, prose
from adapters.teams.marks import PERSON, PLATFORM, Ink, Json, marked
from adapters.teams.render import Look, fitting
from bot.directory import Address, PersonId, local_part, platform_of
from bot.message import Form, Input, Kind

FIELD = "in_"
"""Beginning of the ids of inputs; the rest is the name of the field."""
TIME = "_time"
FORM, CONTEXT, ZONE, WAS = "form", "context", "zone", "was"
"""Names in the data of the button that sends a form: signed by nobody, so never trusted for rights."""
TITLE, INTRO, LABEL, TYPED, OPTION, OPTIONS, VALUE, CONTEXT_LENGTH = 60, 2000, 300, 3000, 75, 100, 200, 2000

Data = Mapping[str, Any]


def dialog(title: str, made: Json) -> Json:
    """A task that shows a card: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards"""
    shown = {"title": words.clip(words.one_line(title), TITLE), "width": "medium", "height": "medium"}
    return {"task": {"type": "continue", "value": shown | {"card": attachment(made)}}}


def form(shown: Form, look: Look, zone: str, *, errors: Mapping[str, str] | None = None, notice: str = "") -> Json:
    """The card of a dialog. `errors` stand at their fields, `notice` above all of them."""
    ink = replace(look, live=False).ink(shown.language)
    names = {field.name for field in shown.inputs}
    found = dict(errors or {})
    stray = " ".join([notice, *(said for name, said in found.items() if name not in names)]).strip()

    def build(share: float) -> Json:
        body: list[Json] = [_error(stray)] if stray else []
        body.extend(block(marked(line, ink, max(200, int(INTRO * share)))) for line in shown.intro)
        for field in shown.inputs:
            if field.name in found:
                body.append(_error(found[field.name]))
            body.extend(_field(field, ink, zone, share))
        return card(body, language=shown.language, fallback=shown.title, actions=[_submit(shown, zone)])

    return fitting(build)


def _submit(shown: Form, zone: str) -> Json:
    was = {field.name: field.initial for field in shown.inputs if field.reloads}
    sent = {FORM: shown.name, CONTEXT: shown.context[:CONTEXT_LENGTH], ZONE: zone, WAS: was}
    title = words.clip(words.one_line(shown.submit), 40)
    return {"type": "Action.Submit", "title": title, "style": "positive", "data": sent}


def filled(shown: Form, values: Mapping[str, str]) -> Form:
    """The form with what was entered before: a dialog that is shown anew loses nothing that still makes sense."""

    def kept(field: Input) -> Input:
        given = values.get(field.name, "")
        offered = field.kind is not Kind.CHOICE or given in {option.value for option in field.options}
        return replace(field, initial=given) if given and offered else field

    return replace(shown, inputs=tuple(kept(field) for field in shown.inputs))


def values(data: Data) -> dict[str, str]:
    """The values of a form: text, an option, `teams:…`, whole seconds; "" for what was left empty."""
    read: dict[str, str] = {}
    zone = zone_of(text(data, ZONE))
    for key in data:
        if not key.startswith(FIELD) or key.endswith(TIME):
            continue
        name, given = key.removeprefix(FIELD), text(data, key)
        if f"{key}{TIME}" in data or _is_when(name):
            name = name.removeprefix(_WHEN)
            given = _seconds(given, text(data, f"{key}{TIME}"), zone)
        elif name.startswith(_PERSON):
            name = name.removeprefix(_PERSON)
            given = f"{PLATFORM}:{given.lower()}" if PERSON.fullmatch(given) else ""
        read[name] = given
    return read


def reloaded(data: Data, entered: Mapping[str, str]) -> bool:
    """Whether a field that others depend on is no longer what it was when the dialog was shown."""
    was: object = data.get(WAS)
    if not isinstance(was, Mapping):
        return False
    shown = cast("Mapping[object, object]", was)
    return any(entered.get(str(name), "") != str(given) for name, given in shown.items())


def zone_of(name: str) -> str:
    """The zone by that name, UTC if there is none."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return "UTC"
    return name or "UTC"


def text(data: Data, name: str) -> str:
    """The string under `name`, "" for anything else."""
    given: object = data.get(name)
    return given if isinstance(given, str) else ""


_PERSON, _WHEN = "person_", "when_"


def _is_when(name: str) -> bool:
    return name.startswith(_WHEN)


def _error(said: str) -> Json:
    return block(words.clip(words.one_line(said), 500, to=words.inert), color="Attention", weight="Bolder")


def _field(field: Input, ink: Ink, zone: str, share: float) -> list[Json]:
    language = ink.language
    room = max(OPTION, int(LABEL * share))
    if field.kind is Kind.CHOICE and not field.options:
        named_only = words.clip(words.one_line(field.label), room, to=words.inert)
        return [block(named_only, weight="Bolder"), *prose(field.hint, int(INTRO * share), language)]
    label = words.clip(words.one_line(field.label), room, to=words.quiet)
    hint = [block(words.clip(words.one_line(field.hint), room, to=words.inert), isSubtle=True, size="Small")]
    below = hint if field.hint else []
    named: Json = {"label": label, "isRequired": field.required}
    if field.required:
        named["errorMessage"] = label
    match field.kind:
        case Kind.LINE | Kind.TEXT:
            return [{"type": "Input.Text", "id": f"{FIELD}{field.name}"} | named | _typed(field, share), *below]
        case Kind.CHOICE:
            return [{"type": "Input.ChoiceSet", "id": f"{FIELD}{field.name}"} | named | _choices(field), *below]
        case Kind.PERSON:
            return [{"type": "Input.ChoiceSet", "id": f"{FIELD}{_PERSON}{field.name}"} | named | _person(field, ink)]
        case Kind.WHEN:
            return [*_when(field, named | {"label": f"{label} ({zone})"}, zone), *below]


def _typed(field: Input, share: float) -> Json:
    most = max(1, min(field.longest, TYPED))
    initial = words.clip(words.clean(field.initial), max(1, min(most, int(TYPED * share))))
    if field.kind is Kind.LINE:
        initial = " ".join(initial.split())
    shown: Json = {"isMultiline": field.kind is Kind.TEXT, "maxLength": most}
    return shown | ({"value": initial} if initial else {})


def _choices(field: Input) -> Json:
    offered = field.options[:OPTIONS]
    choices = [{"title": words.clip(words.one_line(one.label), OPTION), "value": one.value[:VALUE]} for one in offered]
    shown: Json = {"style": "compact", "choices": choices}
    return shown | ({"value": field.initial} if field.initial in {one.value for one in offered} else {})


def _person(field: Input, ink: Ink) -> Json:
    """A search among the people of the organisation, by Teams itself.

    https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/people-picker
    """
    search: Json = {"choices.data": {"type": "Data.Query", "dataset": "graph.microsoft.com/users"}, "choices": []}
    initial = Address(field.initial)
    if platform_of(initial) != PLATFORM or not PERSON.fullmatch(local_part(initial)):
        return search
    known = {"title": words.clip(words.one_line(ink.names(PersonId(initial))), OPTION), "value": local_part(initial)}
    return search | {"choices": [known], "value": local_part(initial)}


def _when(field: Input, named: Json, zone: str) -> list[Json]:
    """A date, and a time beside it; both in the reader's zone, which the label names."""
    key = f"{FIELD}{_WHEN}{field.name}"
    day: Json = {"type": "Input.Date", "id": key} | named
    hour: Json = {"type": "Input.Time", "id": f"{key}{TIME}"} | named
    seconds = field.initial
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 11:
        local = datetime.fromtimestamp(int(seconds), UTC).astimezone(ZoneInfo(zone))
        day["value"], hour["value"] = f"{local:%Y-%m-%d}", f"{local:%H:%M}"
    return [day, hour]


def _seconds(day: str, hour: str, zone: str) -> str:
    """Whole UTC seconds of a wall time; a repeated one is its first occurrence, a skipped one shifts by the gap.

    A date alone means midnight at its beginning; anything that is no date means nothing.
    """
    try:
        local = datetime.fromisoformat(f"{day[:10]}T{(hour or '00:00')[:5]}").replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return ""
    return str(int(local.timestamp())) if local.year > 1970 else ""


def errors_in_words(errors: Mapping[str, str]) -> str:
    """All that is wrong, for a dialog that cannot be shown anew."""
    return " ".join(dict.fromkeys(errors.values()))
