"""Whatever people write, Slack takes what is drawn, nothing in it rings a phone, and it can still be read."""

import random
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.slack import marks, render, text, views
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
from bot.rich import Group, Link, Mention, Moment, Room, Strong, When
from bot.state import EscalationId
from tests.slack_limits import live_mentions, problems, size

ADA, BOB = PersonId(Address("slack:U0ADA")), PersonId(Address("local:bob"))
SUBJECT = Subject(EscalationId("01890a5d-ac96-774b-bcce-b302099a8057"), 3)
DUE = When(datetime(2026, 11, 24, 8, 0, tzinfo=UTC), "Europe/Paris")
NAMES = {ADA: "Ada", BOB: "Bob *the* <!channel>"}

HOSTILE = [
    "<!channel>",
    "<!here|here>",
    "<@U1>",
    "<!subteam^S1|@ops>",
    "@channel @here @everyone",
    "`code` ```block``` *bold* _it_ ~no~",
    "> quoted\n>>> more\n* item",
    "\u202eevil\u202c \u2066x\u2069 \u200f",
    "👩‍👩‍👧‍👦👍🏽🇫🇷🇩🇪e\u0301",
    "\x00\x01\x1b[31m\x7f\x85",
    "&amp; &lt;!channel&gt; &",
    "https://evil.test/<!channel>|x> www.x.y mailto:a@b",
    "\ud800 \udfff",
    "الطابق ١ 日本語テキスト ภาษาไทย",
    ":fire: <#C1> <https://x.test|click>",
    '"quotes" \\ back \\u0000 \r\n\u2028\u2029',
    "",
    " ",
    "a",
]


def names(person: PersonId) -> str:
    return NAMES.get(person, person)


def a_card(said: str = "Checkout fails", **more: object) -> Card:
    buttons = (Button("acknowledge", "Acknowledge", Style.PRIMARY), Button("resolve", "Resolve…", dialog=True))
    card = Card(
        language=EN,
        tone=Tone.WAITING,
        headline=f"ESC-42 · {said}",
        status=("Waiting · level 2 of 7 · ", Strong(said)),
        subject=SUBJECT,
        fallback=f"ESC-42 · {said}",
        expected_label="What is expected of you",
        expected=said,
        body=said,
        fields=(Field("Opened by", (said, " in ", Room(Address("slack:C0SUP")))), Field("Deadline", (DUE,))),
        buttons=buttons,
        menu=tuple(
            Button(press, press) for press in ("more_time", "hand_over", "release", "note", "cancel", "timeline")
        ),
        menu_label="More actions",
        footer=(said,),
    )
    return replace(card, **more)  # type: ignore[arg-type]


def a_form(said: str = "Checkout fails", **more: object) -> Form:
    options = (Option("en", said), Option("fr", "French"))
    inputs = (
        Input("title", said, Kind.LINE, initial=said, hint=said, longest=150),
        Input("details", "Details", Kind.TEXT, required=False, initial=said),
        Input("matrix", "Matrix", Kind.CHOICE, initial="en", options=options, reloads=True),
        Input("person", "To whom?", Kind.PERSON, initial="slack:U0ADA"),
        Input("until", "Or until", Kind.WHEN, initial="1795000000"),
        Input("empty", said, Kind.CHOICE),
    )
    form = Form("resolve", EN, said, said, said, str(SUBJECT), inputs, ((Strong(said), " ", said),))
    return replace(form, **more)  # type: ignore[arg-type]


def a_page(said: str = "Checkout fails") -> Page:
    row = (Button("show", said[:30] or "Show"),)
    return Page(
        EN, said, (Section(said, ((said, " ", Strong(said)), (said,)), SUBJECT, row), Section("", ((said,),))), said
    )


def everything(said: str) -> list[dict]:
    """Each thing that can be drawn, with `said` wherever people's words may stand."""
    rich = (said, Strong(said), Link("https://x.test/a?b=1&c=2", said), Link(said, said), Mention(BOB))
    answer = Reply(EN, text=rich, typed=said, buttons=(Button("acknowledge", "Ack"),), subject=SUBJECT)
    messages = [
        render.message(a_card(said), names),
        render.message(
            Line(FR, rich, said, Tone.ALARM, SUBJECT, (Button("resolve", "Résoudre"),), (rich,) * 21), names
        ),
        render.reply(answer, names),
        render.reply(Reply(EN, page=a_page(said)), names),
        render.reply(Reply(EN, form=a_form(said)), names, again=said),
    ]
    modals = [
        views.form(a_form(said), names),
        views.page(a_page(said), names),
        views.notice(rich, EN, names, typed=said),
    ]
    return [one for one in (*messages, *modals) if one is not None]


def assert_fits(said: str, drawn: list[dict]) -> None:
    for payload in drawn:
        assert problems(payload) == [], (said[:80], problems(payload))
        assert live_mentions(payload) == [], said[:80]
        if "type" not in payload:
            assert size(payload["blocks"]) < render.MESSAGE_BYTES
            assert text.length(payload["text"]) < 4000


def corpus(seed: int, count: int) -> list[str]:
    """Hostile pieces thrown together, some of them very long."""
    dice = random.Random(seed)  # noqa: S311
    texts: list[str] = []
    for number in range(count):
        pieces = [dice.choice(HOSTILE) for _ in range(dice.randint(1, 6))]
        said = dice.choice(["", " ", "\n", "*", "<", "x"]).join(pieces)
        texts.append(said * dice.randint(20, 200) if number % 80 == 0 else said)
    return texts


@pytest.mark.timeout(240)
@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), drawn=st.lists(st.text(max_size=400), max_size=5))
def test_ten_thousand_hostile_texts_go_through_every_renderer(seed: int, drawn: list[str]):
    kinds = cycle(
        (
            lambda said: render.message(a_card(said), names),
            lambda said: render.message(Line(EN, (said, Strong(said)), said), names),
            lambda said: render.reply(Reply(FR, page=a_page(said), typed=said), names),
            lambda said: views.form(a_form(said), names),
            lambda said: views.page(a_page(said), names),
        )
    )
    for said in [*drawn, *corpus(seed, 640)]:
        assert_fits(said, [kind(said) for kind in islice(kinds, 2)])


@pytest.mark.parametrize(
    "said", [*HOSTILE, "".join(HOSTILE) * 150, "日" * 100_000, "👩‍👩‍👧‍👦" * 14_000, "\x00" * 100_000]
)
def test_the_worst_texts_fit_everywhere(said: str):
    assert_fits(said, everything(said))


def test_a_full_card_keeps_what_matters():
    said = "日本語" * 1000
    lead = tuple(Mention(PersonId(Address(f"slack:U0000{n:03}"))) for n in range(20))
    fields = tuple(Field(said, (said,)) for _ in range(10))

    drawn = render.message(a_card(said, lead=lead, fields=fields, status=(said,), footer=(said,)), names)

    assert problems(drawn) == []
    assert len(live_mentions(drawn)) == 20
    assert [one["action_id"] for one in drawn["blocks"][-2]["elements"]] == [
        "press:acknowledge",
        "press:resolve",
        "menu:0",
        "menu:1",
    ]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (2, [2]), (5, [5]), (6, [3, 3]), (7, [3, 4]), (11, [3, 4, 4])])
def test_menus_hold_two_to_five_lines(count: int, sizes: list[int]):
    card = a_card(buttons=(), menu=tuple(Button(f"m{n}", f"M{n}") for n in range(count)))

    controls = [one for block in render.message(card, names)["blocks"] for one in block.get("elements", ())]

    menus = [one["options"] for one in controls if one.get("type") == "overflow"]
    assert [len(menu) for menu in menus] == sizes
    assert [option["value"] for menu in menus for option in menu] == [f"m{n} {SUBJECT}" for n in range(count)]


def test_a_menu_of_one_is_a_button():
    drawn = render.message(a_card(buttons=(), menu=(Button("timeline", "Timeline"),)), names)

    (control,) = next(block for block in drawn["blocks"] if block["type"] == "actions")["elements"]
    assert (control["type"], control["action_id"]) == ("button", "press:timeline")


def test_the_pieces_are_slacks_own():
    said = ("Ada: ", Mention(ADA), " ", Group(Address("slack:S0OPS")), " ", Room(Address("slack:C0SUP")), " ", DUE, " ")
    more = (Link("https://x.test/?a=1&b=2", "the *message* | here"), " ", Strong("level 2"))

    marked = marks.marked((*said, *more), EN, names, 3000)

    assert marked == (
        "Ada: <@U0ADA> <!subteam^S0OPS> <#C0SUP> "
        "<!date^1795507200^{date_short_pretty} {time}|Tue 24 Nov 09:00, Paris> "
        "<https://x.test/?a=1&amp;b=2|the ∗message∗ ¦ here> *level 2*"
    )
    assert "^{time}|09:00, Paris>" in marks.marked((replace(DUE, shown=Moment.TIME),), EN, names, 3000)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x", "https://x>|<!channel>", "", "https://x y"])
def test_only_the_web_is_linked(url: str):
    assert marks.marked((Link(url, "here"),), EN, names, 3000) == "here"


@pytest.mark.parametrize("person", ["slack:U1><!channel", "slack:", "teams:U1", "slack:u1"])
def test_only_ids_of_slack_are_mentioned(person: str):
    assert live_mentions({"text": marks.marked((Mention(PersonId(Address(person))),), EN, names, 3000)}) == []


def test_words_can_still_be_read():
    assert text.inert("snake_case_name a*b 2 > 1 & x<y") == "snake_case_name a*b 2 &gt; 1 &amp; x&lt;y"
    assert text.inert("*bold* `x` _y_\n> z") == "∗bold∗ ˋxˋ ˍyˍ\n› z"
    assert text.clean("a\x00b\u202ec\r\nd\te") == "abc\nd\te"


@given(st.text(st.sampled_from("ab<&é👩‍👧🏽🇫🇷\u0301 日*"), max_size=200), st.integers(1, 120))
def test_a_cut_never_splits_a_character_and_says_how_much_is_missing(said: str, most: int):
    cut = text.clip(said, most, to=text.inert)

    assert text.length(cut) <= max(most, 1)
    if cut != text.inert(said) and most >= 60:
        shown, count = re.fullmatch(r"(?s)(.*)… \((\d+) more\)", cut).groups()  # type: ignore[union-attr]
        kept = len(said) - int(count)
        assert text.inert(said[:kept]).rstrip() == shown
        rest = said[kept : kept + 1]
        assert not rest or not (unicodedata.combining(rest) or rest in "\u200d\ufe0f🏽")
        assert not said[:kept].endswith("\u200d")


def test_what_a_link_in_the_details_says_is_where_it_goes():
    block = render.prose("", "see https://x.test/a_b?c=<d>, then <!here>", 3000, EN)

    assert block["elements"][0]["elements"] == [
        {"type": "text", "text": "see "},
        {"type": "link", "url": "https://x.test/a_b?c=", "text": "https://x.test/a_b?c="},
        {"type": "text", "text": "<d>, then <!here>"},
    ]


def test_a_long_page_says_how_many_lines_are_missing():
    long = Page(EN, "Timeline", tuple(Section(f"Day {n}", (("x" * 400,),) * 10) for n in range(80)), "Timeline")

    modal, whisper = views.page(long, names), render.reply(Reply(FR, page=replace(long, language=FR)), names)

    assert problems(modal) == []
    assert len(modal["blocks"]) <= 100
    assert re.fullmatch(r"… \(\d+ more\)", modal["blocks"][-1]["elements"][0]["text"])
    assert whisper
    assert problems(whisper) == []
    assert re.fullmatch(r"… \(\d+ de plus\)", whisper["blocks"][-1]["elements"][0]["text"])


def test_a_form_comes_back_as_its_values():
    view = views.form(a_form(), names, views.Origin("C1", "17.5"))
    state = {
        "title": {"input:title": {"type": "plain_text_input", "value": "No <b> & tea"}},
        "details": {"input:details": {"type": "plain_text_input", "value": None}},
        "matrix": {"input:matrix:abc": {"type": "static_select", "selected_option": {"value": "fr"}}},
        "person": {"input:person": {"type": "users_select", "selected_user": "U7"}},
        "until": {"input:until": {"type": "datetimepicker", "selected_date_time": 1_795_000_000}},
    }

    assert views.values(view | {"state": {"values": state}}) == {
        "title": "No <b> & tea",
        "details": "",
        "matrix": "fr",
        "person": "slack:U7",
        "until": "1795000000",
    }
    assert views.read_metadata(view["private_metadata"]) == (str(SUBJECT), views.Origin("C1", "17.5"))
    assert views.errors({"title": "Say more.", "": "Oh."}, view) == {"title": "Say more. Oh."}


def test_values_of_nonsense_are_empty():
    for state in (None, 1, [], {"values": 3}, {"values": {"a": 1}}, {"values": {"a": {"b": "c"}}}):
        assert not any(views.values({"state": state}).values())


def test_a_menu_with_other_options_is_another_menu():
    def id_of(*offered: str) -> str:
        options = tuple(Option(value, value) for value in offered)
        (block,) = views.form(a_form(inputs=(Input("type", "Type", Kind.CHOICE, options=options),)), names)["blocks"][
            1:
        ]
        return block["element"]["action_id"]

    assert id_of("a", "b") == id_of("a", "b") != id_of("a", "c")


def test_many_options_are_grouped():
    options = tuple(Option(str(n), f"Level {n}") for n in range(250))

    view = views.form(a_form(inputs=(Input("start", "Start", Kind.CHOICE, initial="249", options=options),)), names)

    assert problems(view) == []
    assert [len(group["options"]) for group in view["blocks"][-1]["element"]["option_groups"]] == [100, 100, 50]


def test_a_list_of_many_is_drawn_line_by_line_under_the_sentence():
    items = tuple((Strong(f"ESC-{n} · checkout fails"), " · level 2 of 7 · ", DUE) for n in range(1, 21))
    drawn = render.message(
        Line(EN, ("20 escalations are waiting for you.",), "20", Tone.WAITING, SUBJECT, (), items), names
    )

    sections = [block["text"]["text"] for block in drawn["blocks"] if block["type"] == "section"]
    assert sections[0] == "🟠 20 escalations are waiting for you."
    assert [line.partition(" ")[0] for text in sections[1:] for line in text.split("\n")] == [
        f"*ESC-{n}" for n in range(1, 21)
    ]
    assert not problems(drawn)
