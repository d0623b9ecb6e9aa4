"""Cards, pages and forms become data for the page; what people wrote is text and nothing else, whatever it holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.local.render import Renderer, Token, said
from adapters.local.routes import PAGE
from bot.directory import Address, PersonId
from bot.message import (
    Button,
    Card,
    Field,
    Form,
    Input,
    Kind,
    Line,
    Option,
    Page,
    Reply,
    Section,
    Style,
    Subject,
    Tone,
)
from bot.plan import EN, FR
from bot.rich import Group, Link, Mention, Moment, Rich, Room, Strong, When
from bot.state import EscalationId

ADA = PersonId(Address("local:ada"))
AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SUBJECT = Subject(EscalationId("e1"), 2)

renderer = Renderer({ADA: "Ada Bergström"}.__getitem__)

HOSTILE = (
    '<script>alert("x")</script>',
    "<img src=x onerror=alert(1)>",
    "</textarea><svg/onload=alert(1)>",
    "[click](javascript:alert(1))",
    "<@U123> <!channel> @everyone",
    "\u202egnirts desrever\u202c",
    "{{constructor.constructor('alert(1)')()}}",
    "a\0b\ud83d",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))


def a_card(words: str) -> Card:
    return Card(
        language=EN,
        tone=Tone.WAITING,
        headline=words,
        status=(words, Strong(words)),
        subject=SUBJECT,
        fallback=words,
        lead=(words,),
        expected_label=words,
        expected=words,
        body=words,
        fields=(Field(words, (words,)),),
        buttons=(Button(words, words),),
        menu=(Button(words, words, Style.DANGER),),
        menu_label=words,
        footer=(words,),
    )


def tokens_in(value: object) -> Iterator[Token]:
    """Every token, wherever it stands."""
    match value:
        case {"t": str()}:
            yield value  # type: ignore[misc]
        case dict():
            for inner in value.values():
                yield from tokens_in(inner)
        case list():
            for inner in value:
                yield from tokens_in(inner)
        case _:
            pass


def strings_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from strings_in(inner)
        case list():
            for inner in value:
                yield from strings_in(inner)
        case _:
            pass


@settings(max_examples=500, deadline=None)
@given(words=texts)
def test_what_people_wrote_comes_back_as_text_and_unchanged(words: str) -> None:
    rendered = renderer.message(a_card(words))

    tokens = list(tokens_in(rendered))
    assert {token["t"] for token in tokens} == {"text", "strong"}
    assert all(token["text"] == words for token in tokens)
    own = {"card", "en", "waiting", "text", "strong", "e1:2", "plain", "danger"}
    assert {piece for piece in strings_in(rendered) if piece not in own} <= {words}


@settings(max_examples=500, deadline=None)
@given(words=texts)
def test_what_was_typed_is_one_text_token(words: str) -> None:
    assert said(words, addressed=False)["text"] == [{"t": "text", "text": words}]


@settings(max_examples=500, deadline=None)
@given(url=st.one_of(texts, st.builds("{}:{}".format, st.sampled_from(["javascript", "data", "JaVaScRiPt"]), texts)))
def test_a_link_leads_to_the_web_or_is_plain_text(url: str) -> None:
    (token,) = renderer.tokens(EN, (Link(url, "the message"),))

    assert token["text"] == "the message"
    assert token["t"] == "text" or str(token["url"]).lower().startswith(("http:", "https:"))


def test_every_piece_has_its_token() -> None:
    rich: Rich = (
        "Hello ",
        Mention(ADA),
        Group(Address("slack:S0123ABCD")),
        Room(Address("local:#support-l1")),
        When(AT, "Europe/Paris"),
        When(AT, "Europe/Paris", Moment.TIME),
        Link("https://example.org/x", "there"),
        Strong("now"),
    )

    assert renderer.tokens(EN, rich) == [
        {"t": "text", "text": "Hello "},
        {"t": "mention", "who": "local:ada", "name": "Ada Bergström"},
        {"t": "group", "name": "S0123ABCD"},
        {"t": "room", "channel": "local:#support-l1", "name": "support-l1"},
        {
            "t": "when",
            "at": "2026-11-24T08:00:00+00:00",
            "zone": "Europe/Paris",
            "shown": "day_time",
            "full": "Tue 24 Nov 09:00, Paris",
        },
        {
            "t": "when",
            "at": "2026-11-24T08:00:00+00:00",
            "zone": "Europe/Paris",
            "shown": "time",
            "full": "09:00, Paris",
        },
        {"t": "link", "url": "https://example.org/x", "text": "there"},
        {"t": "strong", "text": "now"},
    ]


def test_an_instant_names_its_zone_in_the_language_of_the_card() -> None:
    (token,) = renderer.tokens(FR, (When(AT, "Europe/Paris"),))

    assert token["full"] == "mar. 24 nov. 09:00, Paris"


def test_a_card_carries_what_its_buttons_act_on() -> None:
    rendered = renderer.message(a_card("x"))

    assert rendered["subject"] == "e1:2"
    assert rendered["buttons"] == [{"press": "x", "label": "x", "style": "plain", "dialog": False}]


def test_a_line_may_have_neither_tone_nor_subject() -> None:
    rendered = renderer.message(Line(EN, ("Noted.",), "Noted."))

    assert (rendered["kind"], rendered["tone"], rendered["subject"]) == ("line", None, None)


def test_the_items_of_a_line_stand_below_it() -> None:
    rendered = renderer.message(Line(EN, ("2 wait.",), "2 wait.", items=(("one",), ("two",))))

    assert rendered["items"] == [[{"t": "text", "text": "one"}], [{"t": "text", "text": "two"}]]


def test_a_form_keeps_names_kinds_and_options() -> None:
    level = Input("level", "Level", Kind.CHOICE, initial="2", options=(Option("2", "Level 2"),), reloads=True)
    reason = Input("reason", "Why", Kind.TEXT, required=False, hint="In your words", longest=150)
    form = Form("escalate", FR, "Faire remonter", "Envoyer", "Fermer", "e1:2", (level, reason), (("Intro",),))

    rendered = renderer.form(form)

    assert (rendered["name"], rendered["context"], rendered["lang"]) == ("escalate", "e1:2", "fr")
    assert rendered["intro"] == [[{"t": "text", "text": "Intro"}]]
    first, second = rendered["inputs"]  # type: ignore[misc]
    assert first == {
        "name": "level",
        "label": "Level",
        "kind": "choice",
        "required": True,
        "initial": "2",
        "options": [{"value": "2", "label": "Level 2"}],
        "hint": "",
        "longest": None,
        "reloads": True,
    }
    assert (second["required"], second["longest"], second["hint"]) == (False, 150, "In your words")  # type: ignore[index]


def test_a_reply_carries_its_page_and_what_was_typed() -> None:
    page = Page(EN, "Open", (Section("First", (("one",),), SUBJECT, (Button("timeline", "Timeline"),)),), "Open")

    rendered = renderer.reply(Reply(EN, ("See below.",), page=page, typed="lst"))

    assert (rendered["typed"], rendered["fallback"]) == ("lst", "See below.")
    assert rendered["page"]["sections"][0]["subject"] == "e1:2"  # type: ignore[index]


@pytest.mark.parametrize("script", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_the_page_never_parses_markup_or_runs_text(script: Path) -> None:
    words = script.read_text("utf-8")

    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")
    assert not [name for name in forbidden if name in words]
    assert "https://" not in words, "the page loads nothing from elsewhere"


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    html = (PAGE / "index.html").read_text("utf-8")

    assert "<style" not in html
    assert " style=" not in html
    assert " on" not in html.replace(" only", "")
    assert html.count("<script") == html.count("<script src=") + html.count('<script type="module" src=')
