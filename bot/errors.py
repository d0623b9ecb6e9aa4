"""Everything that can be wrong, in one tree.

EscalationError                 the root: catch this where a person or an operator can be answered
├── ConfigurationError          a file or a setting is wrong; carries every problem found
├── WindowError                 a window that cannot be read
├── CalendarError               a calendar that cannot be built or asked
├── NotFound                    no such escalation, or none that this person may see
├── NotAllowed                  this person may not do this; the sentence says who may
├── OutOfTurn                   the state does not permit it (any more); nothing was changed
├── Unreadable                  an argument that makes no sense here (a date in the past, an unknown level)
├── NobodyHolds                 a plan with a level that nobody would hear of
├── Conflict                    the row moved under us; run the use case again
├── StoreUnavailable            the database does not answer; nothing was recorded
│   └── Unsettled               it fell silent in the middle of a commit; perhaps it was
└── DeliveryError               a chat platform did not take a message
    ├── Refused                 it never will: go to the next place of the route
    └── Unreachable             it may later: try again
"""

from dataclasses import dataclass
from typing import ClassVar


class EscalationError(Exception):
    """The root of the errors that someone can do something about."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file or in the settings, with the place, the value and the mend."""

    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class ConfigurationError(EscalationError):
    """A file or a setting is wrong. `problems` holds all of them, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class WindowError(EscalationError):
    """A window that cannot be read; the message shows the forms that can."""


class CalendarError(EscalationError):
    """A calendar that cannot be built, or an instant it cannot find."""


class Told(EscalationError):
    """An answer for a person: the key of a sentence in `bot.wording` and what it is about.

    `args` of the sentence are given by keyword; their types are those of `bot.rich.Piece` or str/int.
    """

    def __init__(self, sentence: str, /, **about: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.about = about


class NotFound(Told):
    """No such escalation, or none that this person may see: the two are not told apart."""


class NotAllowed(Told):
    """This person may not do this; the sentence says who may."""


class OutOfTurn(Told):
    """The state does not permit it, or not any more; nothing was changed."""


class Unreadable(Told):
    """An argument that makes no sense here; the sentence says what would."""


class NobodyHolds(Told):
    """A plan with a level that has neither owner nor channel nor fallback."""


class Conflict(EscalationError):
    """The row moved between reading and writing. The rule is pure: run the use case again."""


class StoreUnavailable(EscalationError):
    """The database does not answer: nothing was recorded, and a person must be told so, in the words of `sentence`."""

    sentence: ClassVar[str] = "not_recorded"


class Unsettled(StoreUnavailable):
    """The database fell silent in the middle of a commit: it may have been recorded or not, and a person must be told so."""

    sentence: ClassVar[str] = "perhaps_recorded"


class DeliveryError(EscalationError):
    """A chat platform did not take a message. `reason` is short, stable and free of secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(DeliveryError):
    """The place refuses for good (unknown, archived, deactivated, forbidden): go to the next place of the route."""


class Unreachable(DeliveryError):
    """The platform may take it later. `retry_after` is in seconds where the platform named a time."""

    def __init__(self, reason: str, *, retry_after: float | None = None, uncertain: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.uncertain = uncertain
