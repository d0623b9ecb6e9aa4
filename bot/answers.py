"""The sentences that one person gets back: what was done, and why something was not."""

from collections.abc import Sequence

from bot import cards, wording
from bot.directory import PersonId
from bot.errors import Told
from bot.grammar import KEYWORDS, Ask, Misread
from bot.message import Button, Page, Reply, Subject
from bot.permissions import Action, Party
from bot.plan import EN, Deadline, Language, Text
from bot.rich import Mention, Rich, Room, Strong, When
from bot.schedule import Situation
from bot.service import Done
from bot.state import Escalation

REFERENCES = 10
"""References that one sentence names; the others are counted."""


def page(shown: Page, language: Language) -> Reply:
    """A page to read."""
    return Reply(language, page=shown)


def opened(escalation: Escalation, by: PersonId, language: Language, at: Situation) -> Reply:
    """ "ESC-42 is open": who was pinged and until when they have it."""
    entry, level = escalation.entry, escalation.level
    who = wording.people(language, entry.assignees)
    channel = at.roster.channel(level.role)
    room: Rich = (Room(channel),) if channel else ()
    key = "opened_yours" if by in entry.assignees else "opened" if entry.assignees else "opened_in_channel"
    if not entry.assignees and not channel:
        key = "opened_to_fallback"
    where = cards.place_in_plan(language, escalation)
    said = wording.say(
        language, key, ref=Strong(escalation.reference), title=escalation.title, who=who, room=room, where=where
    )
    return Reply(
        language,
        (*said, " ", *_until(escalation, language)),
        buttons=(Button(cards.TIMELINE, wording.words(language, "press_timeline")),),
        subject=Subject(escalation.id, entry.number),
    )


def _until(escalation: Escalation, language: Language) -> Rich:
    due = escalation.entry.due
    if due is None:
        return wording.say(language, "no_deadline_here")
    return wording.say(language, "moves_up_at", due=wording.deadline(language, due))


def done(action: Action, result: Done, language: Language, at: Situation) -> Reply:
    """What an action led to; the same words when the request came twice."""
    escalation = result.escalation
    entry, ending = escalation.entry, escalation.ending
    due: Rich = wording.deadline(language, entry.due) if entry.due else wording.say(language, "no_window")
    channel = at.roster.channel(escalation.level.role)
    room: Rich = (Room(channel),) if channel else wording.say(language, "nobody_bound")
    said = wording.say(
        language,
        f"done_{action.value}",
        ref=Strong(escalation.reference),
        where=cards.place_in_plan(language, escalation),
        who=wording.people(language, entry.assignees) or room,
        due=due,
        other=f"ESC-{ending.duplicate_of}" if ending and ending.duplicate_of else "",
    )
    if action in {Action.ACKNOWLEDGE, Action.REOPEN} and entry.due:
        said = (*said, " ", *wording.say(language, "still_moves_up_at", due=due))
    return Reply(language, said)


def taken(escalations: Sequence[Escalation], language: Language) -> Reply:
    """Which escalations were acknowledged together."""
    count = len(escalations)
    if not count:
        return Reply(language, wording.say(language, "done_acknowledge_mine_none"))
    names: list[Rich] = [(Strong(one.reference),) for one in escalations[:REFERENCES]]
    if count > REFERENCES:
        names.append(wording.say(language, "and_others", count=count - REFERENCES))
    refs = wording.listed(language, names)
    return Reply(language, wording.say(language, "done_acknowledge_mine", count=count, refs=refs))


def misread(asked: Misread, language: Language) -> Reply:
    """What could not be read: the nearest form, and the words given back."""
    keyword = KEYWORDS[asked.keyword][0 if language == EN else 1 if len(KEYWORDS[asked.keyword]) > 1 else 0]
    form = wording.words(language, f"form_of_{asked.keyword.value}", keyword=keyword)
    return Reply(
        language, wording.say(language, "misread", form=Strong(form), help=help_word(language)), typed=asked.typed
    )


def help_word(language: Language) -> str:
    """The keyword that shows the help."""
    return KEYWORDS[Ask.HELP][0 if language == EN else 1]


def apology(told: Told, language: Language, at: Situation) -> Rich:
    """Why something was not done, in the person's language."""
    about = dict(told.about)
    escalation = about.pop("escalation", None)
    parts: dict[str, wording.Words] = {name: _part(name, value, language) for name, value in about.items()}
    if isinstance(escalation, Escalation):
        parts |= _about(escalation, language, at)
    return wording.say(language, f"sorry_{told.sentence}", **parts)


def _part(name: str, value: object, language: Language) -> wording.Words:
    match value:
        case Text():
            return value.in_(language)
        case Action():
            return wording.words(language, f"to_{value.value}")
        case Deadline():
            return wording.deadline(language, value)
        case frozenset():
            named = sorted(party for party in value if isinstance(party, Party))  # type: ignore[reportUnknownVariableType]
            return wording.listed(language, (wording.say(language, f"party_{party.value}") for party in named))
        case tuple() if name == "found":
            return wording.listed(
                language,
                ((f"{found.reference} ({found.title})",) for found in value[:5] if isinstance(found, Escalation)),  # type: ignore[reportUnknownVariableType]
            )
        case int():
            return value
        case _ if name == "person":
            return Mention(PersonId(str(value)))  # type: ignore[arg-type]
        case _:
            return str(value) if value is not None else ""


def _about(escalation: Escalation, language: Language, at: Situation) -> dict[str, wording.Words]:
    entry, ending = escalation.entry, escalation.ending
    zone = at.calendar(escalation.level).zone
    by = ending.by if ending else entry.acknowledged_by
    when = ending.at if ending else entry.acknowledged_at
    return {
        "ref": Strong(escalation.reference),
        "where": cards.place_in_plan(language, escalation),
        "by": (Mention(by),) if by else wording.say(language, "nobody"),
        "at": (When(when, zone),) if when else (),
    }
