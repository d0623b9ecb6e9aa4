"""What is shown, free of any platform: cards, short lines, pages and forms. Adapters only translate these."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.directory import PersonId
from bot.plan import Language
from bot.rich import Rich
from bot.state import EscalationId


class Tone(StrEnum):
    """The colour of a card: what it says at a glance. Never the only sign of it."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    MOVED = "moved"
    ALARM = "alarm"


class Style(StrEnum):
    """How much a button stands out."""

    PRIMARY = "primary"
    DANGER = "danger"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Button:
    """One button. `press` is a value of `bot.permissions.Action` or of `bot.reception.Press`; labels fit 30 characters.

    `dialog` says that a form opens, which the label shows by an ellipsis.
    """

    press: str
    label: str
    style: Style = Style.PLAIN
    dialog: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What the buttons of a message act on: an escalation and the entry that the message showed."""

    escalation: EscalationId
    entry: int

    def __str__(self) -> str:
        return f"{self.escalation}:{self.entry}"

    @classmethod
    def read(cls, text: str) -> "Subject | None":
        """The inverse of `str`; None for anything else. Whoever presses is asked for their rights all the same."""
        escalation, _, entry = text.rpartition(":")
        if not escalation or not entry.isascii() or not entry.isdigit() or len(entry) > 9:
            return None
        return cls(EscalationId(escalation), int(entry))


@dataclass(frozen=True, slots=True)
class Field:
    """A label and what it says."""

    label: str
    text: Rich


@dataclass(frozen=True, slots=True)
class Card:
    """The full account of an escalation at one entry; edited in place.

    `headline` is the reference and title; `status` one line; `lead` who is addressed (may be empty); `expected` what is
    expected of this role; `body` the details that people wrote; `buttons` stand in a row (at most 5), `menu` folded away.
    `fallback` is the whole in one plain line, for notifications.
    """

    language: Language
    tone: Tone
    headline: str
    status: Rich
    subject: Subject
    fallback: str
    lead: Rich = ()
    expected_label: str = ""
    expected: str = ""
    body: str = ""
    fields: tuple[Field, ...] = ()
    buttons: tuple[Button, ...] = ()
    menu: tuple[Button, ...] = ()
    menu_label: str = ""
    footer: Rich = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A short message: a sentence or a few, perhaps a list of `items` below it, perhaps buttons."""

    language: Language
    text: Rich
    fallback: str
    tone: Tone | None = None
    subject: Subject | None = None
    buttons: tuple[Button, ...] = ()
    items: tuple[Rich, ...] = ()


Message = Card | Line


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page: an optional heading and its lines; `subject` and `buttons` make it something to act on."""

    heading: str
    lines: tuple[Rich, ...]
    subject: Subject | None = None
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Something to read: the timeline, a list, who holds what, help. Private to the person who asked."""

    language: Language
    title: str
    sections: tuple[Section, ...]
    fallback: str


class Kind(StrEnum):
    """Kinds of form field."""

    LINE = "line"
    TEXT = "text"
    CHOICE = "choice"
    PERSON = "person"
    WHEN = "when"
    """An instant: date and time in the reader's zone; the value is whole UTC seconds since 1970, as text."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: the value sent back and the words shown (at most 75 characters are shown)."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form. `initial` is a value (of an option, a person id, seconds, or the text itself).

    `reloads` says that a change of this field may change the others: the platform sends the values so far to
    `Reception.changed` and shows the form that comes back.
    """

    name: str
    label: str
    kind: Kind
    required: bool = True
    initial: str = ""
    options: tuple[Option, ...] = ()
    hint: str = ""
    longest: int = 3000
    reloads: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A dialog. `name` and `context` come back with the values; `context` is at most 2,000 characters.

    `intro` stands above the fields (who will get what, before it is confirmed).
    """

    name: str
    language: Language
    title: str
    submit: str
    cancel: str
    context: str
    inputs: tuple[Input, ...]
    intro: tuple[Rich, ...] = ()


@dataclass(frozen=True, slots=True)
class FormErrors:
    """What is wrong with the values of a form: name of the input → sentence. Nothing was changed."""

    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to one person: a sentence or a page, private to them, and the form that should open, if any.

    At most one of `page` and `form` is set; `text` may stand alone. `typed` gives back what could not be read.
    """

    language: Language
    text: Rich = ()
    page: Page | None = None
    form: Form | None = None
    typed: str = ""
    buttons: tuple[Button, ...] = ()
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a person: a name to show where a mention is not possible, and a language, "" if unknown."""

    person: PersonId
    name: str
    language: str = ""
