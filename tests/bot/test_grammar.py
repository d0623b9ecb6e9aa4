"""What can be typed, in both languages, and what becomes of words that cannot be read."""

from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.directory import Address, PersonId
from bot.grammar import KEYWORDS, Ask, Asked, Deed, Keyword, Misread, Question, Words, length, plainly, read
from bot.permissions import Action
from bot.plan import Unit, Window

TYPES = (
    ("hardware", ("Hardware purchase", "Achat de matériel")),
    ("client-data", ("Client-data problems", "Problèmes de données client")),
    ("client-service", ("Service concerns",)),
    ("data", ("Data",)),
    ("data-loss", ("Data loss",)),
)
SAID = [(keyword, word) for keyword, words in KEYWORDS.items() for word in words]
FREE = (Action.NOTE, Action.RESOLVE, Action.REOPEN, Action.CANCEL, Action.ESCALATE)
EVE = PersonId(Address("slack:U02EVE"))


def typed(words: str) -> Asked:
    return read(words, issue_types=TYPES)


# Issues


@pytest.mark.parametrize("words", ["", "   ", "\n\t"])
def test_nothing_asks_for_the_form(words: str) -> None:
    assert read(words) == Words("")


@pytest.mark.parametrize(
    "words",
    [
        "list of customers vanished",
        "liste des clients disparue",
        "show stopper in the checkout",
        "note that the server is down",
        "up and running never again",
        "monter en version a cassé le paiement",
        "more servers are needed",
        "release notes are wrong",
        "rendre la monnaie ne marche plus",
        "cancel button does nothing",
        "resolve does not work for this domain",
        "timeline is empty for everyone",
        "who broke the build",
        "qui a supprimé la base",
        "help desk is unreachable",
        "hand over the keys to nobody",
        "handover document lost",
        "ack thanks",
        "language barrier with a customer",
        "language barrier",
        "42 customers cannot log in",
        "42",
        "resolve 42 complaints",
        "http://shop.example/ answers 500",
        "unknown: words",
    ],
)
def test_words_that_are_no_request_are_the_issue(words: str) -> None:
    assert typed(words) == Words(words)


@pytest.mark.parametrize("words", ["hardware: laptop broke", "Hardware Purchase: laptop broke", "hard : laptop broke",
                                   "ACHAT DE MATERIEL: laptop broke"])  # fmt: skip
def test_a_word_before_a_colon_names_the_issue_type(words: str) -> None:
    assert typed(words) == Words("laptop broke", "hardware")


def test_a_name_that_fits_two_issue_types_names_none() -> None:
    assert typed("client: lost") == Words("client: lost")


def test_an_issue_type_named_in_full_wins_over_a_longer_one() -> None:
    assert typed("data: lost") == Words("lost", "data")


@pytest.mark.parametrize("word", KEYWORDS[Ask.NEW])
def test_new_forces_opening(word: str) -> None:
    assert typed(f"{word} list") == Words("list", None, forced=True)
    assert typed(f"{word} hardware: ack ESC-7") == Words("ack ESC-7", "hardware", forced=True)
    assert typed(word) == Question(Ask.NEW)


# Keywords


@pytest.mark.parametrize(("keyword", "word"), SAID)
def test_each_keyword_is_read_in_both_languages(keyword: Keyword, word: str) -> None:
    expected: Asked = Deed(keyword) if isinstance(keyword, Action) else Question(keyword)
    if keyword is Ask.LIST:
        expected = Question(keyword, rest="all")
    if keyword is Ask.LANGUAGE:
        expected = Misread(keyword, word)

    assert read(word) == expected
    if keyword is not Ask.LANGUAGE:
        assert read(word.upper()) == read(plainly(word)) == expected, "without accents too"


def test_hints_show_an_english_and_a_french_word() -> None:
    shown = {words[:2] for words in KEYWORDS.values()}

    assert shown == {
        ("list", "liste"), ("show", "voir"), ("ack", "prendre"), ("release", "libérer"), ("more", "prolonger"),
        ("handover", "transmettre"), ("up", "remonter"), ("note", "noter"), ("resolve", "résoudre"),
        ("reopen", "rouvrir"), ("cancel", "annuler"), ("timeline", "chronologie"), ("who", "qui"), ("lang", "langue"),
        ("help", "aide"), ("new", "nouveau"),
    }  # fmt: skip


def test_no_word_means_two_things() -> None:
    words = [plainly(word) for _, word in SAID]

    assert len(words) == len(set(words))


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("spelled", ["ESC-42", "esc-42", "ESC 42", "esc42", "#42", "42"])
def test_a_reference_is_read_in_all_spellings(action: Action, spelled: str) -> None:
    for word in KEYWORDS[action]:
        assert read(f"{word} {spelled}") == Deed(action, 42)


@pytest.mark.parametrize("action", [action for action in FREE if action is not Action.ESCALATE])
@pytest.mark.parametrize("rest", ["ESC-42 rolled back", "#42: rolled back", "esc 42, rolled back", "ESC-42   rolled back",
                                  "ESC-42\nrolled back"])  # fmt: skip
def test_words_may_follow_a_reference(action: Action, rest: str) -> None:
    for word in KEYWORDS[action]:
        assert read(f"{word} {rest}") == Deed(action, 42, "rolled back")


@pytest.mark.parametrize("spelled", ["ESC-42", "esc42", "#42", "  esc 42  "])
def test_a_reference_alone_shows_the_escalation(spelled: str) -> None:
    assert read(spelled) == Question(Ask.SHOW, 42)


@pytest.mark.parametrize("ask", [Ask.SHOW, Ask.TIMELINE])
def test_a_reference_may_be_shown(ask: Ask) -> None:
    assert {read(f"{word} #7") for word in KEYWORDS[ask]} == {Question(ask, 7)}


@pytest.mark.parametrize("filter", ["mine", "me", "moi", "mes", "MINE"])
def test_the_list_may_be_of_my_own(filter: str) -> None:
    assert read(f"list {filter}") == Question(Ask.LIST, rest="mine")
    assert read("liste toutes") == Question(Ask.LIST, rest="all")


def test_who_takes_a_role_that_there_is() -> None:
    roles = {"support-team-supervisor"}

    assert read("who support-team-supervisor", roles=roles) == Question(Ask.WHO, rest="support-team-supervisor")
    assert read("who", roles=roles) == Question(Ask.WHO)
    assert read("who knows", roles=roles) == Words("who knows")


@pytest.mark.parametrize(("words", "code"), [("lang fr", "fr"), ("langue EN", "en"), ("language français", "fr"),
                                             ("lang English", "en"), ("langue anglais", "en"),
                                             ("lang de", "de")])  # fmt: skip
def test_a_language_is_named_by_code_or_name(words: str, code: str) -> None:
    assert read(words) == Question(Ask.LANGUAGE, rest=code)


@pytest.mark.parametrize("words", ["hand over", "Hand  Over"])
def test_hand_over_may_be_two_words(words: str) -> None:
    assert read(f"{words} ESC-42 @slack:U02EVE") == Deed(Action.HAND_OVER, 42, to=EVE)


@pytest.mark.parametrize("rest", ["ESC-42 @slack:U02EVE", "ESC-42 to @slack:U02EVE", "#42 à @slack:U02EVE"])
def test_a_person_is_mentioned_by_platform_and_id(rest: str) -> None:
    for word in KEYWORDS[Action.HAND_OVER]:
        assert read(f"{word} {rest}") == Deed(Action.HAND_OVER, 42, to=EVE)
    assert read("handover @slack:U02EVE") == Deed(Action.HAND_OVER, to=EVE)


@pytest.mark.parametrize(("said", "window"), [
    ("2h", "2h"), ("30 min", "30m"), ("2 hours", "2h"), ("2 heures", "2h"), ("1 jour", "1d"), ("3 j", "3d"),
    ("1bd", "1bd"), ("2 jo", "2bd"), ("4BH", "4bh"), ("1 week", "1w"), ("2 semaines", "2w"), ("45 mins", "45m"),
])  # fmt: skip
def test_more_time_is_a_length(said: str, window: str) -> None:
    for word in KEYWORDS[Action.MORE_TIME]:
        assert read(f"{word} ESC-42 {said}") == Deed(Action.MORE_TIME, 42, length=Window.parse(window))
        assert read(f"{word} {said}") == Deed(Action.MORE_TIME, length=Window.parse(window))


@pytest.mark.parametrize("said", ["", "0h", "h", "-2h", "2", "2 moons", "2h please", "9999999h"])
def test_what_is_no_length(said: str) -> None:
    assert length(said) is None
    assert length("90m") == Window(90, Unit.MINUTE)


@pytest.mark.parametrize(("said", "level"), [
    ("to 5 the customer is furious", 5), ("to level 5: the customer is furious", 5),
    ("au niveau 5 the customer is furious", 5),
    ("vers 5, the customer is furious", 5), ("à 5 the customer is furious", 5), ("the customer is furious", None),
])  # fmt: skip
def test_up_may_name_a_level(said: str, level: int | None) -> None:
    for word in KEYWORDS[Action.ESCALATE]:
        assert read(f"{word} ESC-42 {said}") == Deed(Action.ESCALATE, 42, "the customer is furious", level=level)


@pytest.mark.parametrize("said", ["duplicate of ESC-7", "duplicate of #7", "doublon de ESC-7", "doublon 7"])
def test_a_duplicate_names_the_one_that_stays(said: str) -> None:
    assert read(f"cancel ESC-42 {said}") == Deed(Action.CANCEL, 42, duplicate_of=7)
    assert read("cancel ESC-42 duplicate of nothing") == Deed(Action.CANCEL, 42, "duplicate of nothing")


# What cannot be read


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("ack ESC-42 now please", Action.ACKNOWLEDGE),
        ("release #42 at last", Action.RELEASE),
        ("show ESC-42 in full", Ask.SHOW),
        ("list ESC-42", Ask.LIST),
        ("more ESC-42 a while", Action.MORE_TIME),
        ("handover ESC-42 eve", Action.HAND_OVER),
        ("resovle ESC-42", Action.RESOLVE),
        ("resovle ESC-42 rolled back", Action.RESOLVE),
        ("anuler #42", Action.CANCEL),
        ("lang", Ask.LANGUAGE),
    ],
)
def test_what_looks_like_a_request_gone_wrong_gets_the_nearest_form_and_the_words_back(
    words: str, meant: Keyword
) -> None:
    assert typed(words) == Misread(meant, words)


# In the thread of an escalation


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("ack", Deed(Action.ACKNOWLEDGE)),
        ("note it is the cache", Deed(Action.NOTE, text="it is the cache")),
        ("résolu redémarré", Deed(Action.RESOLVE, text="redémarré")),
        ("up to 5 why", Deed(Action.ESCALATE, text="why", level=5)),
        ("more 2h", Deed(Action.MORE_TIME, length=Window(2, Unit.HOUR))),
        ("cancel duplicate of #7", Deed(Action.CANCEL, duplicate_of=7)),
        ("ack ESC-7", Deed(Action.ACKNOWLEDGE, 7)),
        ("timeline", Question(Ask.TIMELINE)),
        ("new disk is full", Words("disk is full", forced=True)),
        ("thanks everyone", Misread(Action.NOTE, "thanks everyone")),
        ("ack thanks", Misread(Action.ACKNOWLEDGE, "ack thanks")),
        ("aknowledge", Misread(Action.ACKNOWLEDGE, "aknowledge")),
    ],
)
def test_in_a_thread_the_reference_may_be_left_out_and_other_words_open_nothing(words: str, asked: Asked) -> None:
    assert read(words, in_thread=True) == asked


# Whatever is typed


TELLING = [word for _, word in SAID] + [
    "ESC-42", "#7", "esc 9", "42", "@slack:U1", "to", "level", "duplicate of", ":", " ", "2h", "\u0663", "\ufdfa",
    "İ", "\0", "\n",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(TELLING)), max_size=8).map(" ".join)


@settings(max_examples=1_000, deadline=None)
@given(TEXTS, st.booleans())
def test_reading_never_fails_and_what_is_no_request_keeps_its_words(text: str, in_thread: bool) -> None:
    reads(text, in_thread=in_thread)


def test_twenty_thousand_texts_are_read_in_no_time_to_speak_of() -> None:
    dice = Random(42)  # noqa: S311
    strange = "".join(
        map(chr, (*range(0x20, 0x250), *range(0x600, 0x700), *range(0x2000, 0x2070), *range(0xFB00, 0xFE00)))
    )
    texts = [
        " ".join(
            dice.choice(TELLING) if dice.random() < 0.6 else "".join(dice.choices(strange, k=dice.randrange(30)))
            for _ in range(dice.randrange(9))
        )
        for _ in range(20_000)
    ]
    began = process_time()

    for text in texts:
        reads(text, in_thread=len(text) % 2 == 0)

    assert (process_time() - began) / len(texts) < 0.005


def reads(text: str, *, in_thread: bool) -> None:
    match read(text, issue_types=TYPES, in_thread=in_thread):
        case Words(words, issue_type, _):
            assert words in text
            assert issue_type is None or issue_type in dict(TYPES)
        case Misread(_, given_back):
            assert given_back == text.strip()
        case Deed(_, number) | Question(_, number):
            assert number is None or 0 <= number < 10**9


@pytest.mark.parametrize(
    "text",
    [
        "up ESC-42 to" + " " * 40_000 + "x",
        "up ESC-42 to level" + " " * 40_000 + "x",
        "hand" + " " * 40_000 + "x",
        "cancel ESC-42 duplicate" + " " * 40_000 + "x",
        "more ESC-42 " + "1" * 40_000,
        "more ESC-42 2" + " " * 40_000 + "?",
        "handover ESC-42 @slack:" + "a" * 40_000,
        "handover ESC-42 " + "@a:" * 13_000,
        "resolv" * 7_000,
        "list " + "é" * 40_000,
        "ﷺ" * 4_000,
        "esc" + "-" * 40_000,
        "a:" * 20_000,
        "#" * 40_000,
        "ESC-" + "9" * 40_000,
    ],
    ids=lambda text: f"{ascii(text[:18]).strip()} {len(text)}",
)
def test_long_words_are_read_at_once(text: str) -> None:
    began = process_time()

    for in_thread in (False, True):
        read(text, issue_types=TYPES, in_thread=in_thread)

    assert process_time() - began < 1
