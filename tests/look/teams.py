"""A look at the Teams cards: the product's own cards, drawn by Microsoft's renderer in headless Chromium."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import sync_playwright

from adapters.teams import dialogs, render
from bot import cards, pages
from bot.cards import Desk, Reader
from bot.directory import Address, Binding, PersonId, WorkspaceId
from bot.effects import Errand
from bot.escalation import Outcome, advance, opened
from bot.events import Acknowledged, Event, MoreTimeTaken, Noted, Resolved, WindowPassed
from bot.facts import LedgerRow, Via
from bot.forms import Draft, action_form, open_form
from bot.message import Card, Form
from bot.permissions import Action
from bot.plan import EN, FR, Language, Unit, Window
from bot.schedule import Situation
from bot.state import Entry, Escalation, EscalationId, Origin, Status
from matrix.shelf import MatrixShelf
from tests.bot.office import at
from tests.fakes import NINE

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
LOOK = ROOT / "look"
NPM = LOOK / ".npm"
PACKAGES = ("adaptivecards@3.0.6", "@microsoft/app-manifest@1.1.2")
WIDE, NARROW = 700, 360
"""Pixels: a channel on a desk, a telephone."""
ZONE = "Europe/Paris"


# Microsoft's packages


@cache
def packages() -> Path:
    """The folder with the npm packages, fetched when they are not there yet."""
    folder = NPM / "node_modules"
    if all((folder / name.rpartition("@")[0] / "package.json").exists() for name in PACKAGES):
        return folder
    npm = shutil.which("npm")
    if not npm:
        raise RuntimeError("make look needs npm for Microsoft's card renderer; install Node.js, then say it again")
    NPM.mkdir(parents=True, exist_ok=True)
    (NPM / "package.json").write_text('{"private": true}', encoding="utf-8")
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    answer = subprocess.run(
        [npm, "install", *quiet, *PACKAGES], cwd=NPM, capture_output=True, text=True, timeout=240, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"npm could not fetch {' and '.join(PACKAGES)}: {answer.stderr.strip()[-500:]}")
    return folder


def schema(version: str, name: str) -> Json:
    """A schema of the Teams manifest, `MicrosoftTeams` or `MicrosoftTeams.Localization`."""
    folder = packages() / "@microsoft/app-manifest/build/json-schemas/teams" / f"v{version}"
    return json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))


# The cards: seven levels of support, on a Monday at ten in Paris

_NAMES = ("Ada Okafor", "Bruno Costa", "Chloé Petit", "David Kim", "Emeka Eze", "Farah Haddad", "Inès Moreau", "Olga")
AADS = {name: f"{number:08d}-0000-4000-8000-000000000000" for number, name in enumerate(_NAMES, start=1)}
PEOPLE = {name: PersonId(Address(f"teams:{aad}")) for name, aad in AADS.items()}
NAMES = {person: name for name, person in PEOPLE.items()}
ADA, BRUNO, CHLOE, DAVID, EMEKA, FARAH, INES, OLGA = PEOPLE.values()
SUPPORT = Address("teams:19:0123456789abcdef0123456789abcdef@thread.tacv2")
SHELF = MatrixShelf.open()
PLAN = SHELF.plan("support-process", None)
HELD = {
    level.role: Binding((holder,), channel=SUPPORT if level.ordinal <= 2 else None)
    for level, holder in zip(PLAN.levels, (ADA, BRUNO, CHLOE, DAVID, EMEKA, FARAH, INES), strict=True)
}
TITLE = "Checkout fails for every customer who pays by card"
DETAILS = (
    "Since 09:40 each payment ends with error 502, in the shop and in the app.\n"
    "The status page of the bank is green. Orders by invoice still go through.\n"
    "https://status.example.com/incidents/4711 _not_ related, says <b>the bank</b>"
)


def here(now: datetime = NINE) -> Situation:
    """The office at an instant."""
    return at(now, {str(role): binding for role, binding in HELD.items()})


@dataclass(frozen=True, slots=True)
class Story:
    """An escalation, and what its ledger holds."""

    escalation: Escalation
    rows: tuple[LedgerRow, ...]
    now: datetime

    @classmethod
    def begun(cls) -> "Story":
        """Olga opens it."""
        draft = Escalation(
            id=EscalationId("e1"),
            workspace=WorkspaceId("acme"),
            number=42,
            plan=PLAN,
            title=TITLE,
            details=DETAILS,
            opener=OLGA,
            opened_at=NINE,
            origin=Origin(SUPPORT, "https://teams.microsoft.com/l/message/19%3a0123/1"),
            status=Status.WAITING,
            entry=Entry(1, 1, Via.OPENED, NINE, (), None),
        )
        return cls(draft, (), NINE)._with(opened(draft, here()), NINE)

    def then(self, event: Event, minutes: float) -> "Story":
        """What happens some minutes after nine."""
        now = NINE + timedelta(minutes=minutes)
        return self._with(advance(self.escalation, event, here(now)), now)

    def _with(self, outcome: Outcome, now: datetime) -> "Story":
        more = (LedgerRow(len(self.rows) + number, now, fact) for number, fact in enumerate(outcome.facts, start=1))
        return Story(outcome.escalation, (*self.rows, *more), now)

    def passed(self) -> "Story":
        """Its window ends."""
        due = self.escalation.entry.due
        assert due
        return self.then(
            WindowPassed(self.escalation.entry.number, due.at), (due.at - NINE).total_seconds() / 60 + 0.02
        )

    def card(self, to: PersonId | None, language: Language = EN, *, entry: int | None = None) -> Card:
        """The card in somebody's chat, or in the channel."""
        reader = Reader(language, to, None if to else SUPPORT)
        kind = Errand.PING if to else Errand.POST
        link = "https://teams.microsoft.com/l/message/19%3a0123/2"
        desk = Desk(here(self.now), name, link)
        return cards.draw(self.escalation, entry or self.escalation.entry.number, kind, reader, desk)


@dataclass(frozen=True, slots=True)
class Picture:
    """A card as it is sent, with what has to be on it: buttons in sight, buttons folded away, words."""

    card: Json
    row: tuple[str, ...] = ()
    menu: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()
    """What the library holds against it, and Teams does not."""


def name(person: PersonId) -> str:
    """What a person is called."""
    return NAMES.get(person, "?")


def look(*, live: bool = False) -> render.Look:
    """What the renderer is given."""
    return render.Look(name, lambda room: "Support", lambda person: f"29:{person}", live)


def _card(shown: Card, *, live: bool = False) -> Picture:
    row, menu = tuple(each.label for each in shown.buttons), tuple(each.label for each in shown.menu)
    labels = (shown.expected_label, shown.expected, *(field.label for field in shown.fields))
    said = (shown.headline, *(label for label in labels if label))
    return Picture(render.drawing(shown, look(live=live)), row, menu, said)


def _form(shown: Form, errors: dict[str, str] | None = None) -> Picture:
    drawn = dialogs.form(shown, look(), ZONE, errors=errors)
    return Picture(drawn, (shown.submit,), (), (*(field.label for field in shown.inputs), *(errors or {}).values()))


def _page(story: Story, language: Language) -> Picture:
    shown = pages.timeline(story.escalation, story.rows, language, here(story.now), ADA)
    row = tuple(button.label for section in shown.sections for button in section.buttons)
    return Picture(render.page(shown, look()), row, (), tuple(one.heading for one in shown.sections if one.heading))


@cache
def stage(name: str) -> Story:
    """A moment of the story."""
    match name:
        case "waiting":
            return Story.begun()
        case "taken":
            return stage("waiting").then(Acknowledged(ADA), 3)
        case "longer":
            longer = stage("taken").then(MoreTimeTaken(ADA, Window(15, Unit.MINUTE)), 5)
            return longer.then(Noted(OLGA, "200 orders *lost* so far"), 9)
        case "above":
            return stage("longer").passed()
        case "ended":
            taken = stage("above").then(Acknowledged(BRUNO), 50)
            return taken.then(Resolved(BRUNO, "Rolled the payment service back to 4.2.1"), 62)
        case _:
            last = stage("waiting")
            for _ in PLAN.levels[1:]:
                last = last.passed()
            return last


def _asked(action: Action, language: Language, errors: dict[str, str] | None = None) -> Picture:
    return _form(action_form(action, stage("waiting").escalation, here(), language), errors)


PEOPLE_SEARCH = (
    'Property "choices.data" is supported in version 1.6, but you are using version 1.5.',
    "An Input.ChoiceSet must have at least one choice defined.",
)
"""https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/people-picker"""
PICTURES: Mapping[str, Callable[[], Picture]] = {
    "waiting": lambda: _card(stage("waiting").card(ADA)),
    "waiting-fr": lambda: _card(stage("waiting").card(ADA, FR)),
    "channel": lambda: _card(stage("waiting").card(None), live=True),
    "acknowledged": lambda: _card(stage("taken").card(ADA)),
    "moved": lambda: _card(stage("above").card(ADA, entry=1)),
    "level-2-fr": lambda: _card(stage("above").card(BRUNO, FR)),
    "last-level": lambda: _card(stage("last").card(INES)),
    "resolved": lambda: _card(stage("ended").card(BRUNO)),
    "form-open": lambda: _form(open_form(Draft("project-matrix", title=TITLE, details=DETAILS), SHELF, EN)),
    "form-escalate-fr": lambda: _asked(Action.ESCALATE, FR),
    "form-more-time": lambda: _asked(Action.MORE_TIME, EN),
    "form-hand-over": lambda: replace(_asked(Action.HAND_OVER, EN), newer=PEOPLE_SEARCH),
    "form-errors-fr": lambda: _asked(
        Action.MORE_TIME, FR, {"length": "« demain » n’est pas une durée ; écrivez 30m, 2h, 1bd ou 1d."}
    ),
    "timeline": lambda: _page(stage("above"), EN),
    "timeline-fr": lambda: _page(stage("ended"), FR),
    "help-fr": lambda: Picture(render.page(pages.help_page(FR), look())),
}
"""Every kind of card, by the name of its screenshot."""


# The browser


@dataclass(frozen=True, slots=True)
class Seen:
    """What a card looks like: what the library complained of, texts that are cut off, buttons, words."""

    errors: tuple[str, ...]
    cut: tuple[str, ...]
    row: tuple[str, ...]
    menu: tuple[str, ...]
    text: str
    raw: tuple[str, ...]
    """Markup that reached the reader as it was written."""


class Viewer:
    """A page that draws one card after another as Teams would."""

    def __init__(self, page: BrowserPage) -> None:
        self._page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in {"error", "warning"} else None
        )

    def show(self, card: Json, *, dark: bool, width: int, into: Path | None = None) -> Seen:
        """Draw a card, keep a picture of it, and tell what can be seen."""
        self.complaints.clear()
        library = packages() / "adaptivecards/dist"
        self._page.set_viewport_size({"width": width, "height": 900})
        self._page.goto("about:blank")  # a card leaves nothing behind for the next one
        self._page.set_content(_PAGE)
        self._page.add_style_tag(path=library / "adaptivecards.css")
        self._page.add_style_tag(content=_STYLE)
        self._page.add_script_tag(path=library / "adaptivecards.min.js")
        self._page.add_script_tag(content=_SCRIPT)
        told = self._page.evaluate("([card, config, dark]) => show(card, config, dark)", [card, host(dark), dark])
        self._page.wait_for_timeout(50)
        seen = self._page.evaluate("look()")
        if into:
            self._page.locator("body").screenshot(path=into)
        menu = self._page.evaluate("unfold()")
        if into and menu:
            self._page.wait_for_timeout(300)  # it slides in
            self._page.screenshot(path=into.with_stem(f"{into.stem}-menu"))
        errors = (*told, *self.complaints)
        return Seen(errors, tuple(seen["cut"]), tuple(seen["row"]), tuple(menu), seen["text"], tuple(seen["raw"]))


@contextmanager
def viewer() -> Iterator[Viewer]:
    """A browser with nothing else in it; it reaches nothing outside."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(device_scale_factor=1.5, locale="en-GB", timezone_id=ZONE, offline=True)
        try:
            yield Viewer(context.new_page())
        finally:
            browser.close()


def chromium() -> str:
    """The browser that `make look` found, else the one in the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if not found:
        raise RuntimeError("make look needs Chromium or Chrome; name one: make look CHROMIUM=/path/to/chromium")
    return found


def host(dark: bool) -> Json:
    """Sizes and colours near those of Teams."""
    ink, soft = ("#ffffff", "#adadad") if dark else ("#242424", "#616161")
    tints = {
        "default": ink,
        "dark": "#1f1f1f",
        "light": "#f5f5f5",
        "accent": "#9299f7" if dark else "#5b5fc7",
        "good": "#92c353" if dark else "#237b4b",
        "warning": "#f8d22a" if dark else "#8a5a00",
        "attention": "#f9526b" if dark else "#c4314b",
    }
    colours = {
        tint: {"default": shade, "subtle": soft if tint == "default" else shade} for tint, shade in tints.items()
    }
    sheet, raised = ("#292929", "#383838") if dark else ("#ffffff", "#f0f0f0")
    styles = {
        style: {"backgroundColor": ground, "foregroundColors": colours}
        for style, ground in (("default", sheet), ("emphasis", raised))
    }
    return {
        "fontFamily": "'Segoe UI', system-ui, sans-serif",
        "supportsInteractivity": True,
        "fontSizes": {"small": 12, "default": 14, "medium": 16, "large": 18, "extraLarge": 24},
        "fontWeights": {"lighter": 300, "default": 400, "bolder": 600},
        "spacing": {"small": 8, "default": 12, "medium": 16, "large": 20, "extraLarge": 24, "padding": 16},
        "separator": {"lineThickness": 1, "lineColor": soft},
        "containerStyles": styles,
        "actions": {
            "maxActions": 20,  # the library counts those that are folded away, too
            "spacing": "default",
            "buttonSpacing": 8,
            "showCard": {"actionMode": "inline"},
            "actionsOrientation": "horizontal",
            "actionAlignment": "left",
        },
        "inputs": {
            "label": {
                "inputSpacing": "small",
                "requiredInputs": {"weight": "bolder", "suffix": " *", "suffixColor": "attention"},
                "optionalInputs": {"weight": "bolder"},
            },
            "errorMessage": {"color": "attention"},
        },
    }


_PAGE = "<!doctype html><html><head><meta charset='utf-8'></head><body><main></main></body></html>"
_STYLE = """
body { margin: 0; padding: 12px; background: #ebebeb; font-family: 'Segoe UI', system-ui, sans-serif }
body.dark { background: #141414; color-scheme: dark }
main > .ac-adaptiveCard { border-radius: 6px; box-shadow: 0 1px 4px #0004 }
.ac-pushButton { border: 1px solid #8888; border-radius: 4px; background: none; color: inherit; padding: 5px 12px;
  white-space: nowrap; max-width: 100% }
body.dark .ac-pushButton { color: #fff }
.ac-pushButton.style-positive { background: #5b5fc7; color: #fff; border-color: #5b5fc7 }
.ac-pushButton.style-destructive { color: #c4314b }
.ac-actionSet { flex-wrap: wrap; row-gap: 8px }
.ac-pushButton { flex: 0 0 auto !important }
.ac-pushButton > div { overflow: hidden; text-overflow: ellipsis }
.ac-input { font: inherit; background: #fff !important; color: #242424 !important; width: 100%;
  box-sizing: border-box; padding: 6px; border: 1px solid #8888; border-radius: 4px }
a.ac-anchor, .ac-textRun a { color: #5b5fc7 }
body.dark a.ac-anchor { color: #9299f7 }
body.dark .ac-input { background: #1f1f1f !important; color: #fff !important }
.ac-ctrl-popup-container { background: #fff; box-shadow: 0 2px 8px #0006; padding: 4px; position: absolute }
body.dark .ac-ctrl-popup-container { background: #333; color: #fff }
.ac-ctrl-dropdown-item { padding: 6px 12px }
.mention { color: #5b5fc7 } body.dark .mention { color: #9299f7 }
"""
_SCRIPT = r"""
const escaped = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

// The part of Markdown that Teams reads in a TextBlock, and its mentions.
function markdown(text, names) {
  let html = text.split(/(<at>.*?<\/at>)/).map(part =>
    part.startsWith('<at>') && names.has(part) ? `<span class="mention">${escaped(part.slice(4, -5))}</span>`
      : escaped(part)).join('');
  html = html.replace(/\[([^\]]*)\]\((https:[^)\s]*)\)/g, '<a href="$2">$1</a>')
    .replace(/(\*\*|__)(?=\S)(.+?)(?<=\S)\1/g, '<b>$2</b>')
    .replace(/(?<!\w)(\*|_)(?=\S)([^*_]+?)(?<=\S)\1(?!\w)/g, '<i>$2</i>');
  return `<p style="margin:0">${html.replace(/\n/g, '<br>')}</p>`;
}

function show(json, config, dark) {
  document.body.classList.toggle('dark', dark);
  const names = new Set(((json.msteams || {}).entities || []).map(entity => entity.text));
  AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = markdown(text, names);
    result.didProcess = true;
  };
  const card = new AdaptiveCards.AdaptiveCard(), told = [];
  card.hostConfig = new AdaptiveCards.HostConfig(config);
  const context = new AdaptiveCards.SerializationContext(AdaptiveCards.Versions.v1_5);
  card.parse(json, context);
  for (let index = 0; index < context.eventCount; index++) told.push(context.getEventAt(index).message);
  for (const event of card.validateProperties().validationEvents) told.push(event.message);
  document.querySelector('main').replaceChildren(card.render());
  return told;
}

const visible = element => element.offsetParent !== null && element.getClientRects().length > 0;
const said = element => (element.innerText || element.value || '').trim();

function look() {
  const cut = [];
  const wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) cut.push(`the page is ${wide.scrollWidth} px wide`);
  for (const element of document.querySelectorAll('main *')) {
    if (!visible(element) || !said(element) || /^(TEXTAREA|SELECT|OPTION|INPUT)$/.test(element.tagName)) continue;
    const style = getComputedStyle(element), inline = style.display === 'inline';
    const right = element.getBoundingClientRect().right;
    if (right > wide.clientWidth - 11) cut.push(`beyond the edge: ${said(element).slice(0, 60)}`);
    else if (!inline && style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1)
      cut.push(`too wide: ${said(element).slice(0, 60)}`);
    else if (!inline && style.overflowY === 'hidden' && element.scrollHeight > element.clientHeight + 1)
      cut.push(`too high: ${said(element).slice(0, 60)}`);
  }
  const text = document.querySelector('main').innerText;
  const labels = [...document.querySelectorAll('main button')].filter(visible).map(said);
  const raw = text.match(/\{\{|\}\}|<\/?at>|\*\*|\]\(/g) || [];
  return {cut, row: labels.filter(label => !/^(…|\.\.\.)?$/.test(label)), text, raw};
}

function unfold() {
  const button = [...document.querySelectorAll('main button')].find(each => /^(…|\.\.\.)$/.test(said(each)));
  if (!button) return [];
  button.click();
  return [...document.querySelectorAll('.ac-ctrl-dropdown-item, [role=menuitem]')].filter(visible).map(said);
}
"""
