"""Whatever people write, Teams takes what is drawn, nothing in it rings a phone or leads away, and it can still be read."""

import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.teams import dialogs, render, text
from adapters.teams.cards import CARD_BYTES, REFRESHED, size
from adapters.teams.marks import Ink, Mentioned, marked
from adapters.teams.render import Look
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
from bot.rich import Group, Link, Mention, Moment, Piece, Room, Strong, When
from bot.state import EscalationId
from tests.teams_server import card_problems

ADA, BOB = (PersonId(Address(f"teams:00000000-0000-4000-8000-00000000000{n}")) for n in (1, 2))
SLACKER = PersonId(Address("slack:U1"))
SUBJECT = Subject(EscalationId("01890a5d-ac96-774b-bcce-b302099a8057"), 3)
DUE = When(datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "Europe/Paris")
NAMES = {ADA: "Ada <at>x</at> [Love](lace) *", BOB: "Bob", SLACKER: "Sla_cker_"}
LINK = "https://teams.microsoft.com/l/message/1"

HOSTILE = [
    "<at>Ada</at> <at id='0'>Bob</at> </at>",
    "[click](https://evil.test) [a] (b) [x]: https://evil.test ![i](http://e.test/a.png)",
    "[[nested](https://evil.test)](https://evil.test)",
    "https://evil.test www.evil.test mailto:a@b.test <https://evil.test> javascript:alert(1)",
    "{{DATE(2026-01-01T00:00:00Z)}} {{TIME(x)}} {{{{DATE(1)}}}} ${x}",
    "**bold** __it__ *x*y* ~~no~~ `code` ```block``` a*b*c",
    "- item\n* item\n1. one\n# head\n> quote\n+ plus\n---\n2) two",
    "\\*not\\* \\[escaped\\]\\(x\\)",
    "\u202eevil\u202c \u2066x\u2069 \u200f",
    "👩‍👩‍👧‍👦👍🏽🇫🇷🇩🇪e\u0301",
    "\x00\x01\x1b[31m\x7f\x85",
    "&lt;at&gt;Ada&lt;/at&gt; &#91;x](https://evil.test) &amp; &",
    "\ud800 \udfff",
    "الطابق ١ 日本語テキスト ภาษาไทย",
    '"quotes" \\ back \\u0000 \r\n\u2028\u2029',
    "<script>alert(1)</script><img src=x onerror=1>",
    "",
    " ",
    "snake_case_name /path/to_file.txt",
]
LINKS = re.compile(r"\]\s*\(|\]\s*:|\]\s*\[")
FUNCTIONS = re.compile(r"\{\{(?:DATE|TIME)\(([^)]*)\)\}\}")


def names(person: PersonId) -> str:
    return NAMES.get(person, person)


def look(*, live: bool = True) -> Look:
    return Look(names, user=lambda person: f"29:{person}", live=live)


def a_card(said: str = "Checkout fails", **more: Any) -> Card:
    return replace(
        Card(
            EN,
            Tone.WAITING,
            f"ESC-1 · {said}",
            ("Waiting · ", said, " ", DUE),
            SUBJECT,
            f"ESC-1 · {said}",
            lead=(Mention(ADA), " and ", Mention(SLACKER), " ", Group(Address("slack:S1"))),
            expected_label="What is expected",
            expected=said,
            body=f"{said}\n\n{said}",
            fields=(
                Field("Opened by", (Mention(BOB), " in ", Room(Address("teams:19:x@thread.tacv2")), " ", said)),
                Field(said, (Strong(said), " · ", Link(LINK, said), Link(said, said))),
            ),
            buttons=(
                Button("acknowledge", "Acknowledge", Style.PRIMARY),
                Button("resolve", "Resolve", dialog=True),
            ),
            menu=(
                Button("release", "Release"),
                Button("note", "Add a note", dialog=True),
                Button("timeline", "Timeline"),
            ),
            menu_label="More",
            footer=(said,),
        ),
        **more,
    )


def a_form(said: str = "x") -> Form:
    inputs = (
        Input("title", said, Kind.LINE, initial=said, hint=said, longest=150),
        Input("details", said, Kind.TEXT, required=False, initial=said),
        Input("to", said, Kind.CHOICE, options=(Option("1", said), Option("2", "Two")), initial="1", reloads=True),
        Input("none", said, Kind.CHOICE, hint=said),
        Input("person", said, Kind.PERSON, initial=ADA),
        Input("until", said, Kind.WHEN, initial="1795507200"),
    )
    return Form("open", EN, said or "Form", said or "Send", "Close", "context", inputs, ((Strong(said), said, DUE),))


def a_page(said: str = "x") -> Page:
    lines: tuple[Any, ...] = ((said, Mention(ADA)), (DUE, " · ", said), (Strong(said),))
    return Page(EN, said, (Section(said, lines, SUBJECT, (Button("note", "Note", dialog=True),)),) * 3, said)


def drawn(said: str) -> Iterator[dict[str, Any]]:
    """Everything that can hold what somebody wrote, as cards."""
    buttons, items = (Button("timeline", "Timeline"),), ((said, " ", Mention(ADA), " ", DUE),) * 21
    line = Line(FR, (said, " ", Mention(ADA), " ", DUE), said, Tone.ALARM, SUBJECT, buttons, items)
    yield render.drawing(a_card(said), look())
    yield render.drawing(line, look())
    for in_dialog in (True, False):
        answers = (
            Reply(EN, (said, Mention(ADA)), typed=said),
            Reply(EN, page=a_page(said)),
            Reply(EN, form=a_form(said)),
        )
        for answer in answers:
            shown = render.reply(answer, look(live=False), again=render.words_again(said), in_dialog=in_dialog)
            if shown:
                yield shown
    yield render.page(a_page(said), look())
    yield dialogs.form(a_form(said), look(), "Europe/Paris", errors={"title": said, "x": said}, notice=said)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for name, one in value.items():
            if name not in {"data", "msteams"}:
                yield from parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from parts(one)


def problems(card: dict[str, Any]) -> list[str]:
    """What Teams would not take, and what is alive that should not be."""
    found = card_problems(card)
    if size(card) >= CARD_BYTES:
        found.append(f"{size(card)} bytes")
    json.dumps(card, ensure_ascii=False).encode()
    entities = {entity["text"] for entity in card["msteams"].get("entities", ())}
    for part in parts(card):
        said = str(part.get("text", ""))
        if part.get("type") == "TextBlock":
            found += [f"link in {said!r}" for one in re.findall(r"\]\s*\(([^)]*)\)", said) if one != LINK]
            found += [f"reference in {said!r}"] * bool(re.search(r"\]\s*[:\[]", said))
            bare = said.replace(f"({LINK})", "")
            found += [f"address in {said!r}"] * bool(re.search(r"(?i)\b(https?|mailto|javascript):|\bwww\.", bare))
        if part.get("type") in {"TextBlock", "TextRun"}:
            live = [one for one in FUNCTIONS.findall(said) if not one.startswith("2026-11-24T08:00:00Z")]
            found += [f"function in {said!r}" for _ in live]
            found += [
                f"mention in {said!r}" for at in re.findall(r"</?at\b.*?>", said) if not any(at in e for e in entities)
            ]
            found += [f"empty {part['type']}"] * (not said.strip())
    return found


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_words_are_harmless_everywhere(said: str) -> None:
    for card in drawn(said):
        assert problems(card) == []


def test_ten_thousand_hostile_texts_in_bounded_time() -> None:
    dice, started = random.Random(4711), time.process_time()  # noqa: S311
    for number in range(10_000):
        said = "".join(dice.choice(HOSTILE) + dice.choice(["", " ", "\n", "a"]) for _ in range(dice.randrange(1, 6)))
        if number % 1000 == 0:
            said *= 100
        card = render.drawing(a_card(said), look()) if number % 4 else dialogs.form(a_form(said), look(), "UTC")
        assert problems(card) == []
    assert time.process_time() - started < 50


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(st.text(max_size=200), st.integers(1, 60))
def test_any_text_of_any_length_fits(said: str, times: int) -> None:
    for card in drawn(said * times):
        assert problems(card) == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*HOSTILE, Mention(ADA), Mention(BOB), DUE, Strong("x*")]), max_size=8),
    st.integers(60, 400),
)
def test_rich_text_keeps_its_limit(pieces: list[Piece], most: int) -> None:
    said = marked(tuple(pieces), Ink(EN, names, Mentioned()), most)

    assert said.strip()
    assert text.length(said) <= most


def test_words_stay_readable() -> None:
    for plain in ("snake_case_name", "checkout fails (since 9:00)", "a/b & c", "3 > 2, price: 10 %", "Zoë's 日本語"):
        assert text.inert(plain) == plain


def test_prose_stands_as_it_was_written() -> None:
    said = "*stars* _under_ [x](https://x.test)\n<div>&amp;</div>"

    runs = [part["text"] for part in parts(render.drawing(a_card(body=said), look())) if part.get("type") == "TextRun"]

    assert runs[-2:] == said.split("\n")


def test_an_instant_is_local_and_says_its_zone() -> None:
    ink = Ink(EN, names)

    assert marked((DUE,), ink, 500) == (
        "{{DATE(2026-11-24T08:00:00Z, SHORT)}} {{TIME(2026-11-24T08:00:00Z)}} (Tue 24 Nov 09:00, Paris)"
    )
    assert (
        marked((replace(DUE, shown=Moment.TIME),), replace(ink, absolute=False), 500)
        == "{{TIME(2026-11-24T08:00:00Z)}}"
    )


def test_mentions_are_alive_in_channels_only_and_for_people_of_teams_only() -> None:
    live = render.drawing(a_card(), look())["msteams"]["entities"]

    assert [entity["mentioned"]["id"] for entity in live] == [ADA.removeprefix("teams:"), BOB.removeprefix("teams:")]
    assert "entities" not in render.drawing(a_card(), look(live=False))["msteams"]


def test_two_people_of_one_name_are_two_people() -> None:
    mentioned = Mentioned()

    tags = [mentioned.tag(person, "Sam") for person in (ADA, BOB, ADA)]

    assert tags == ["<at>Sam</at>", "<at>Sam (2)</at>", "<at>Sam</at>"]


def test_at_most_sixty_readers_get_a_card_of_their_own() -> None:
    crowd = tuple(Mention(PersonId(Address(f"teams:00000000-0000-4000-8000-{n:012}"))) for n in range(99))

    shown = render.drawing(a_card(lead=crowd), look())

    assert len(shown["refresh"]["userIds"]) == REFRESHED
    assert shown["refresh"]["userIds"][0].endswith("000000000000")
    assert shown["refresh"]["action"]["data"] == {"press": "refresh", "subject": str(SUBJECT)}
    assert "refresh" not in render.drawing(a_card(buttons=(), menu=()), look())


def test_buttons_execute_and_fall_back_and_dialogs_are_fetched() -> None:
    acknowledge, resolve, release, *_ = render.drawing(a_card(), look())["actions"]
    data = {"press": "acknowledge", "subject": str(SUBJECT)}

    assert (acknowledge["type"], acknowledge["verb"], acknowledge["data"]) == ("Action.Execute", "acknowledge", data)
    assert (acknowledge["fallback"]["type"], acknowledge["fallback"]["data"]) == ("Action.Submit", data)
    assert (resolve["type"], resolve["title"]) == ("Action.Submit", "Resolve…")
    assert resolve["data"]["msteams"] == {"type": "task/fetch"}
    assert "mode" not in acknowledge
    assert release["mode"] == "secondary"


@pytest.mark.parametrize("tone", Tone)
def test_a_tone_is_a_colour_and_a_sign(tone: Tone) -> None:
    blocks = [part for part in parts(render.drawing(a_card(tone=tone), look())) if "Waiting" in str(part.get("text"))]

    assert blocks[0]["color"] == render.COLOURS[tone]
    assert blocks[0]["text"].startswith(render.SIGNS[tone])


def test_a_long_page_says_how_much_is_missing() -> None:
    page = Page(EN, "Timeline", (Section("So far", (("x" * 900,),) * 200),), "ESC-1")

    shown = render.page(page, look())

    assert problems(shown) == []
    assert re.search(r"\(\d+ more\)", json.dumps(shown, ensure_ascii=False))


# Forms there and back


def test_a_form_comes_back_as_it_was_shown() -> None:
    card = dialogs.form(a_form("words"), look(), "Europe/Paris")
    sent = card["actions"][0]["data"] | {
        one["id"]: one["value"] for one in parts(card) if "value" in one and "id" in one
    }

    assert dialogs.values(sent) == {
        "title": "words",
        "details": "words",
        "to": "1",
        "person": ADA,
        "until": "1795507200",
    }
    assert not dialogs.reloaded(sent, dialogs.values(sent))
    assert dialogs.reloaded(sent, dialogs.values(sent | {"in_to": "2"}))


@pytest.mark.parametrize(
    ("day", "hour", "zone", "seconds"),
    [
        ("2026-11-24", "09:30", "Europe/Paris", "1795509000"),
        ("2026-03-29", "02:30", "Europe/Paris", "1774747800"),  # skipped: shifts by the gap
        ("2026-10-25", "02:30", "Europe/Paris", "1792888200"),  # repeated: its first occurrence
        ("2026-11-24", "", "UTC", "1795478400"),
        ("", "09:30", "UTC", ""),
        ("tomorrow", "09:30", "UTC", ""),
        ("2026-11-24", "25:99", "UTC", ""),
        ("0001-01-01", "00:00", "Pacific/Kiritimati", ""),
        ("2026-11-24", "09:30", "Mars/Olympus", "1795512600"),
        ("2026-11-24", "09:30", "../../etc/passwd", "1795512600"),
    ],
)
def test_a_wall_time_is_an_instant(day: str, hour: str, zone: str, seconds: str) -> None:
    sent = {"in_when_until": day, "in_when_until_time": hour, "zone": zone}

    assert dialogs.values(sent) == {"until": seconds}


@pytest.mark.parametrize("value", [7, None, [], {"a": 1}, "not a person", "29:x", "../.."])
def test_what_a_client_makes_up_is_nothing(value: Any) -> None:
    assert dialogs.values({"in_person_person": value}) == {"person": ""}
    assert dialogs.values({"in_when_until": value, "zone": value}) == {"until": ""}
    assert not dialogs.reloaded({"was": value}, {}) or isinstance(value, dict)


def test_what_was_entered_is_kept_where_it_still_makes_sense() -> None:
    kept = dialogs.filled(a_form("x"), {"title": "typed", "to": "gone"})

    assert [field.initial for field in kept.inputs[:3]] == ["typed", "x", "1"]


def test_a_list_of_many_is_drawn_line_by_line_under_the_sentence() -> None:
    items = tuple((Strong(f"ESC-{n} · checkout fails"), " · level 2 of 7 · ", DUE) for n in range(1, 21))
    shown = render.drawing(Line(EN, ("20 escalations wait.",), "20", Tone.WAITING, SUBJECT, (), items), look())

    texts = [part["text"] for part in parts(shown) if part.get("type") == "TextBlock"]
    assert len(texts) == 21
    assert [f"ESC-{n} " in text for n, text in enumerate(texts[1:], start=1)] == [True] * 20
    assert card_problems(shown) == []
