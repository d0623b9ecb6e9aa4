"""Taking people and their words out of stored JSON. Pure: text in, text out; what cannot be read is searched as text."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.directory import PersonId

GONE = "forgotten"
"""The platform of nobody: what stands in the place of a person is an address there."""

ERASED_TITLE = "—"
"""A title is shown everywhere; one that was erased is a dash, in every language."""

ONE, MANY = ("opener",), ("ever_assigned", "participants")
OF_ENTRY = ("acknowledged_by", "by")


@dataclass(frozen=True, slots=True)
class Scrub:
    """Replaces one person by a name that means nothing."""

    person: PersonId
    instead: str

    @property
    def _pattern(self) -> re.Pattern[str]:
        """The whole address, or a mention in the platform's own words ("<@U1>")."""
        bare = self.person.partition(":")[2]
        return re.compile(rf"(?<!\w){re.escape(self.person)}(?!\w)|(?<=<@){re.escape(bare)}(?!\w)")

    def mentions(self, text: str | None) -> bool:
        """Whether a text names the person."""
        return bool(text) and self._pattern.search(text or "") is not None

    def text(self, text: str) -> str:
        """A text that names somebody else instead."""
        return self._pattern.sub(self.instead, text)

    def holds(self, state: str) -> bool:
        """Whether an escalation waits for the person, or is theirs: opener, assignee, or whoever has it."""
        try:
            read = json.loads(state)
            entry = read["entry"]
            return self.person in {read["opener"], entry["acknowledged_by"], *entry["assignees"]}
        except (ValueError, TypeError, KeyError):
            return self.mentions(state)

    def state(self, state: str) -> str:
        """The state of an escalation: the person's own texts empty, the person replaced."""
        try:
            read = json.loads(state)
            if read["opener"] == self.person:
                read |= {"title": ERASED_TITLE, "details": "", "origin": {"channel": None, "link": None}}
            if read["entry"]["by"] == self.person:
                read["entry"]["reason"] = ""
            if read["ending"] and read["ending"]["by"] == self.person:
                read["ending"]["text"] = ""
        except (ValueError, TypeError, KeyError):
            return self.text(state)
        return written(self._walked(read))

    def effect(self, effect: str) -> str:
        """A message that is still to be sent: likewise."""
        try:
            read = json.loads(effect)
            if read["fact"] and read["fact"]["by"] == self.person:
                read["fact"]["text"] = ""
        except (ValueError, TypeError, KeyError):
            return self.text(effect)
        return written(self._walked(read))

    def _walked(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._walked(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
            case dict():
                return {name: self._walked(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
            case _:
                return value


def without_texts(state: str) -> str | None:
    """The state of an ended escalation with nobody's words, and people numbered; None when it cannot be read."""
    try:
        read = json.loads(state)
        entry, ending = read["entry"], read["ending"]
        names = _numbered([read["opener"], *entry["assignees"], *read["ever_assigned"], *read["participants"]])
        names = names | _numbered([entry["acknowledged_by"], entry["by"], ending["by"]], after=names)
        read |= {"title": ERASED_TITLE, "details": "", "origin": {"channel": None, "link": None}}
        read |= {"opener": names[read["opener"]]}
        read |= {many: sorted(names[one] for one in read[many]) for many in MANY}
        entry |= {one: entry[one] and names[entry[one]] for one in OF_ENTRY}
        entry |= {"assignees": [names[one] for one in entry["assignees"]], "reason": ""}
        ending |= {"by": names[ending["by"]], "text": ""}
    except (ValueError, TypeError, KeyError):
        return None
    return written(read)


def _numbered(people: list[str | None], after: Mapping[str, str] | None = None) -> dict[str, str]:
    known = dict(after or {})
    for person in people:
        if person and person not in known:
            known[person] = person if person.startswith(f"{GONE}:") else f"{GONE}:{len(known) + 1}"
    return known


def written(value: Any) -> str:
    """JSON as the codec writes it: keys sorted, nothing escaped that need not be."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
