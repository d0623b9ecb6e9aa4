"""The conversation: what people type, press and submit, on any platform, and the answer to it.

Adapters translate their payloads into these calls and the replies into their own looks; nothing is decided there. Every
method answers after the commit. Besides the replies, `StoreUnavailable` may be raised: the person is then told, in the
words of `not_recorded`, that nothing was stored.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot import answers, bundles, cards, forms, pages, patience, wording
from bot.cards import TIMELINE, Desk, Reader
from bot.commands import LONGEST_TITLE, Act, Actor, Open
from bot.directory import PersonId
from bot.effects import Errand
from bot.errors import NotFound, OutOfTurn, Told, Unreadable
from bot.events import Acknowledged, HandedOver, MoreTimeTaken, PersonEvent, Released
from bot.grammar import Ask, Deed, Misread, Question, Words, read
from bot.message import Card, Form, FormErrors, Reply, Subject
from bot.permissions import Action, demand
from bot.plan import LANGUAGES, Language
from bot.ports import Archive, Directories, People, Plans
from bot.readers import Readers
from bot.service import Done, Service, of_old_entry
from bot.state import Escalation, EscalationId

_MENTION = re.compile(r"@([a-z]{2,10}:[^\s@]{1,200})")
_AT_ONCE = {Action.ACKNOWLEDGE: Acknowledged, Action.RELEASE: Released}


class Receives(Protocol):
    """What an adapter calls; see `Reception`."""

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply: ...
    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply: ...
    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None: ...
    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors: ...
    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply: ...
    async def new(self, actor: Actor, *, request: str) -> Reply: ...
    async def drawn(self, actor: Actor, subject: str) -> Card | None: ...
    def language(self, actor: Actor) -> Language: ...


class Reception:
    """Answers people. One instance serves every platform."""

    def __init__(
        self,
        *,
        service: Service,
        plans: Plans,
        directories: Directories,
        people: People,
        archive: Archive,
    ) -> None:
        self._readers = Readers(directories, people)
        self._service = service
        self._plans = plans
        self._directories = directories
        self._people = people
        self._archive = archive

    def language(self, actor: Actor) -> Language:
        """The person's own language, else their platform's, else the workspace's."""
        return self._readers.language(actor.person)

    # Entrances

    async def typed(
        self, actor: Actor, words: str, *, request: str, thread: tuple[str, str] | None = None, link: str | None = None
    ) -> Reply:
        """Words after `/escalate`, after a mention, or in a direct message (`actor.seen_in` None).

        `thread` is the (place, message id) of the root message of the thread they were said in.
        """
        try:
            return await self._typed(actor, words, request, thread, link)
        except Told as told:
            return self._apology(actor, told)

    async def pressed(self, actor: Actor, press: str, subject: str, *, request: str) -> Reply:
        """A button. The entry it showed decides: one of an earlier entry changes nothing and says where the issue is."""
        try:
            return await self._pressed(actor, press, subject, request)
        except Told as told:
            return self._apology(actor, told)

    async def changed(self, actor: Actor, form: str, context: str, values: Mapping[str, str]) -> Form | None:
        """A field that others depend on was changed: the form as it is now, None when it no longer makes sense."""
        language = self.language(actor)
        if form == forms.OPEN:
            return forms.open_form(forms.draft_of(values, context), self._plans, language)
        try:
            escalation = await self._of_context(actor, context)
            return self._reshown(Action(form), escalation, values, language)
        except (Told, ValueError):
            return None

    async def submitted(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], *, request: str
    ) -> Reply | FormErrors:
        """A form that was sent. FormErrors when a value makes no sense: the form stays open and nothing was changed."""
        try:
            if form == forms.OPEN:
                return await self._submitted_opening(actor, context, values, request)
            return await self._submitted_action(actor, form, context, values, request)
        except Unreadable as told:
            field = str(told.about.get("input", "")) or _FIELD_OF.get(told.sentence, "")
            said = answers.apology(told, self.language(actor), self._service.situation())
            plain = wording.plain(self.language(actor), said, self._name)
            return FormErrors({field: plain}) if field in values else self._apology(actor, told)
        except Told as told:
            return self._apology(actor, told)

    async def shortcut(self, actor: Actor, words: str, link: str | None, *, request: str) -> Reply:
        """ "Escalate this message": the form, prefilled with the text and the link."""
        del request
        try:
            self._service.admit(actor)
        except Told as told:
            return self._apology(actor, told)
        first, _, rest = self._named(words).strip().partition("\n")
        title, spill = _title(first)
        return self._opening_form(actor, forms.Draft(title=title, details=f"{spill}{rest}".strip(), link=link or ""))

    async def new(self, actor: Actor, *, request: str) -> Reply:
        """The empty form."""
        return await self.typed(actor, "", request=request)

    async def drawn(self, actor: Actor, subject: str) -> Card | None:
        """The card of an entry for this very reader: their buttons, their language.

        None when they may not see it, or when the entry is over: then the card that everybody sees says all there is.
        """
        about = Subject.read(subject)
        try:
            escalation = await self._service.show(actor, about.escalation) if about else None
        except Told:
            return None
        if not about or not escalation or not escalation.is_open or about.entry != escalation.entry.number:
            return None
        desk = Desk(self._service.situation(), self._name)
        return cards.draw(escalation, about.entry, Errand.POST, Reader(self.language(actor), actor.person), desk)

    # What was typed

    async def _typed(
        self, actor: Actor, typed: str, request: str, thread: tuple[str, str] | None, link: str | None
    ) -> Reply:
        self._service.admit(actor)
        here = await self._archive.of_message(*thread) if thread else None
        asked = read(typed, issue_types=self._issue_types(actor), roles=self._roles(), in_thread=here is not None)
        match asked:
            case Words():
                return await self._opened(actor, asked, request, link)
            case Question():
                return await self._answered(actor, asked, here[0] if here else None)
            case Deed():
                return await self._done(actor, asked, here[0] if here else None, request)
            case Misread():
                return answers.misread(asked, self.language(actor))

    async def _opened(self, actor: Actor, asked: Words, request: str, link: str | None) -> Reply:
        """At once when the channel's matrix needs no more than words; else the form, prefilled."""
        words = self._named(asked.words).strip()
        title, spill = _title(" ".join(words.split()))
        directory = self._directories.current()
        matrix = directory.matrix_for(actor.seen_in)
        complete = matrix is not None and (asked.issue_type is not None or not self._plans.issue_types(matrix))
        if not words or not complete or matrix is None:
            return self._opening_form(
                actor, forms.Draft(matrix, asked.issue_type, title, details=spill, link=link or "")
            )
        order = Open(actor, request, matrix, asked.issue_type, title, details=spill, link=link)
        return self._opened_reply(actor, await self._service.open(order))

    async def _answered(self, actor: Actor, asked: Question, here: EscalationId | None) -> Reply:
        language = self.language(actor)
        match asked.ask:
            case Ask.LIST:
                found = await self._service.open_ones(actor, mine=asked.rest == "mine")
                return answers.page(pages.open_list(found, language, self._service.situation()), language)
            case Ask.SHOW | Ask.TIMELINE:
                return await self._shown(actor, asked.number or here)
            case Ask.WHO:
                return self._who(asked.rest, language)
            case Ask.LANGUAGE:
                return await self._language_chosen(actor, asked.rest)
            case Ask.HELP:
                return answers.page(pages.help_page(language), language)
            case Ask.NEW:
                return self._opening_form(actor, forms.Draft())

    async def _done(self, actor: Actor, deed: Deed, here: EscalationId | None, request: str) -> Reply:
        target = deed.number or here or await self._only_one(actor)
        event = _event_of(deed, actor.person)
        if event is None:
            escalation = await self._service.show(actor, target)
            if deed.level is not None and not escalation.entry.level < deed.level <= len(escalation.plan.levels):
                raise Unreadable("no_such_level_above", escalation=escalation, given=deed.level)
            return self._action_form(actor, deed.action, escalation, given=deed)
        done = await self._service.act(Act(actor, request, target, event))
        return self._done_reply(actor, deed.action, done)

    async def _only_one(self, actor: Actor) -> EscalationId:
        """The one escalation that this person can mean without naming it."""
        mine = await self._service.open_ones(actor, mine=True)
        if len(mine) != 1:
            raise Unreadable("which_one" if mine else "none_of_yours", found=mine)
        return mine[0].id

    def _who(self, role: str, language: Language) -> Reply:
        at = self._service.situation()
        matrices = tuple((self._plans.title(name), self._plans.any_plan(name).levels) for name in self._plans.names())
        return answers.page(pages.who(matrices, role, language, at), language)

    async def _language_chosen(self, actor: Actor, typed: str) -> Reply:
        chosen = wording.language_of({"français": "fr", "francais": "fr", "english": "en"}.get(typed, typed))
        if chosen is None:
            raise Unreadable("no_such_language", given=typed, known=", ".join(LANGUAGES))
        patience.commits()
        await self._people.choose_language(actor.person, chosen)
        return Reply(chosen, wording.say(chosen, "language_chosen"))

    # What was pressed

    async def _pressed(self, actor: Actor, press: str, subject: str, request: str) -> Reply:
        about = Subject.read(subject)
        if about is None:
            raise NotFound("not_found", given="")
        if (until := bundles.until(about)) and press in {bundles.ACKNOWLEDGE_MINE, bundles.LIST_MINE}:
            return await self._pressed_together(actor, press, until)
        if press == TIMELINE:
            return await self._shown(actor, about.escalation)
        try:
            action = Action(press)
        except ValueError:
            raise NotFound("not_found", given="") from None
        if action not in _AT_ONCE:
            return await self._asked_for_form(actor, action, about)
        order = Act(actor, request, about.escalation, _AT_ONCE[action](actor.person), about.entry)
        try:
            return self._done_reply(actor, action, await self._service.act(order))
        except OutOfTurn:
            await self._service.redraw(about.escalation)
            raise

    async def _pressed_together(self, actor: Actor, press: str, until: datetime) -> Reply:
        """A button of a message that lists many."""
        language = self.language(actor)
        if press == bundles.ACKNOWLEDGE_MINE:
            return answers.taken(await self._service.acknowledge_all(actor, until), language)
        found = await self._service.open_ones(actor, mine=actor.seen_in is None)
        return answers.page(pages.open_list(found, language, self._service.situation()), language)

    async def _asked_for_form(self, actor: Actor, action: Action, about: Subject) -> Reply:
        """The dialog, unless the person may not or the button is old: better told before filling it in."""
        escalation = await self._service.show(actor, about.escalation)
        at = self._service.situation()
        try:
            if about.entry != escalation.entry.number:
                raise of_old_entry(escalation)
            demand(action, escalation, actor.person, at.roster, at.now)
        except OutOfTurn:
            await self._service.redraw(escalation.id)
            raise
        return self._action_form(actor, action, escalation)

    # What was submitted

    async def _submitted_opening(
        self, actor: Actor, link: str, values: Mapping[str, str], request: str
    ) -> Reply | FormErrors:
        draft = forms.draft_of(values, link)
        order = Open(
            actor,
            request,
            draft.matrix or "",
            draft.issue_type,
            self._named(draft.title),
            self._named(draft.details),
            draft.start_level,
            draft.reason,
            draft.link or None,
        )
        return self._opened_reply(actor, await self._service.open(order))

    async def _submitted_action(
        self, actor: Actor, form: str, context: str, values: Mapping[str, str], request: str
    ) -> Reply:
        about = Subject.read(context)
        if about is None or form not in set(Action):
            raise NotFound("not_found", given="")
        action = Action(form)
        escalation = await self._service.show(actor, about.escalation)
        condition = escalation.level.condition.in_(self.language(actor))
        event = forms.event_of(action, actor.person, values, condition)
        done = await self._service.act(Act(actor, request, about.escalation, event, about.entry))
        return self._done_reply(actor, action, done)

    async def _of_context(self, actor: Actor, context: str) -> Escalation:
        about = Subject.read(context)
        if about is None:
            raise NotFound("not_found", given="")
        return await self._service.show(actor, about.escalation)

    # Replies

    async def _shown(self, actor: Actor, target: EscalationId | int | None) -> Reply:
        language = self.language(actor)
        wanted = target if target is not None else await self._only_one(actor)
        escalation, rows = await self._service.ledger(actor, wanted)
        at = self._service.situation()
        return answers.page(pages.timeline(escalation, rows, language, at, actor.person), language)

    def _opening_form(self, actor: Actor, draft: forms.Draft) -> Reply:
        language = self.language(actor)
        matrix = draft.matrix or self._directories.current().matrix_for(actor.seen_in)
        return Reply(language, form=forms.open_form(replace(draft, matrix=matrix), self._plans, language))

    def _action_form(self, actor: Actor, action: Action, escalation: Escalation, *, given: Deed | None = None) -> Reply:
        language, at = self.language(actor), self._service.situation()
        demand(action, escalation, actor.person, at.roster, at.now)
        return Reply(language, form=forms.action_form(action, escalation, at, language, given=given))

    def _reshown(self, action: Action, escalation: Escalation, values: Mapping[str, str], language: Language) -> Form:
        level = values.get("level", "")
        given = Deed(action, text=values.get("reason", ""), level=int(level) if level.isdigit() else None)
        return forms.action_form(action, escalation, self._service.situation(), language, given=given)

    def _opened_reply(self, actor: Actor, escalation: Escalation) -> Reply:
        return answers.opened(escalation, actor.person, self.language(actor), self._service.situation())

    def _done_reply(self, actor: Actor, action: Action, done: Done) -> Reply:
        return answers.done(action, done, self.language(actor), self._service.situation())

    def _apology(self, actor: Actor, told: Told) -> Reply:
        language = self.language(actor)
        return Reply(language, answers.apology(told, language, self._service.situation()))

    # Small parts

    def _issue_types(self, actor: Actor) -> Sequence[tuple[str, Sequence[str]]]:
        matrix = self._directories.current().matrix_for(actor.seen_in)
        if matrix is None:
            return ()
        return [(id, [words for _, words in title.versions]) for id, title in self._plans.issue_types(matrix)]

    def _roles(self) -> frozenset[str]:
        return frozenset(level.role for name in self._plans.names() for level in self._plans.any_plan(name).levels)

    def _named(self, words: str) -> str:
        """Words with each mention replaced by the person's name: user text is kept as plain text."""
        return _MENTION.sub(lambda found: f"@{self._name(PersonId(found[1]))}", words)  # type: ignore[arg-type]

    def _name(self, person: PersonId) -> str:
        return self._readers.name(person)


_FIELD_OF: Mapping[str, str] = {
    "title_needed": "title",
    "start_reason_needed": "reason",
    "issue_type_needed": "issue_type",
    "unknown_issue_type": "issue_type",
    "no_such_level": "start",
    "no_such_level_above": "level",
    "reason_needed": "reason",
    "more_time_out_of_range": "length",
    "already_theirs": "person",
    "duplicate_of_itself": "duplicate",
}
"""Which field of a form a sentence is about."""


def _title(line: str) -> tuple[str, str]:
    """A first line that is too long for a title, cut at a word, and what did not fit."""
    if len(line) <= LONGEST_TITLE:
        return line, ""
    cut = line.rfind(" ", 60, LONGEST_TITLE - 1)
    at = cut if cut > 0 else LONGEST_TITLE - 1
    return f"{line[:at]}…", f"{line}\n"


def _event_of(deed: Deed, by: PersonId) -> PersonEvent | None:
    """The event that a typed deed is; None when the dialog must ask for what is missing, or show who would hear."""
    if deed.action in _AT_ONCE:
        return _AT_ONCE[deed.action](by)
    if deed.action is Action.ESCALATE:
        return None
    if deed.action is Action.RESOLVE or deed.text or deed.duplicate_of:
        return _spoken(deed, by)
    if deed.to:
        return HandedOver(by, deed.to)
    return MoreTimeTaken(by, window=deed.length) if deed.length else None


def _spoken(deed: Deed, by: PersonId) -> PersonEvent:
    duplicate = str(deed.duplicate_of) if deed.duplicate_of else ""
    return forms.event_of(deed.action, by, {"text": deed.text, "duplicate": duplicate})
