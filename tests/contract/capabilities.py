"""What each platform can do, as data: `test_chats.py` holds every cell against behaviour, `docs/platforms.md` shows it.

python -m tests.contract.capabilities > docs/platforms.md
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

YES = "yes"
IN_PROCESS = "does not apply: it is in this process"
PLATFORMS = {"slack": "Slack", "teams": "Microsoft Teams", "local": "Local chat"}

CHATS = "tests/contract/test_chats.py"
_SLACK, _TEAMS, _LOCAL = (
    f"tests/adapters/test_{name}.py" for name in ("slack_listeners", "teams_activities", "local_routes")
)


@dataclass(frozen=True, slots=True)
class Row:
    """One capability: "yes" or a short reason for each platform. `shown_by`: the tests, one a platform or one for all."""

    name: str
    slack: str
    teams: str
    local: str
    shown_by: tuple[str, ...]

    def cell(self, platform: str) -> str:
        """What is said of a platform."""
        return {"slack": self.slack, "teams": self.teams, "local": self.local}[platform]


def _delivery(test: str, name: str, slack: str = YES, teams: str = YES, local: str = YES) -> Row:
    return Row(name, slack, teams, local, (f"{CHATS}::test_{test}",))


DELIVERY = (
    _delivery("a_card_goes_to_a_person", "A card goes to a person"),
    _delivery("a_card_goes_to_a_channel", "A card goes to a channel"),
    _delivery("a_card_is_edited_in_place", "A card is edited in place and stays one message"),
    _delivery("the_buttons_of_a_card_are_offered", "The buttons of a card are offered"),
    _delivery(
        "a_line_goes_into_the_thread_of_a_card_in_a_channel", "A line goes into the thread of a card in a channel"
    ),
    _delivery(
        "a_line_goes_into_the_thread_of_a_card_in_direct_messages",
        "A line goes into the thread of a card in direct messages",
        teams="no: personal chats have no threads; the line follows the card",
    ),
    _delivery(
        "a_link_leads_to_a_message_in_a_channel",
        "A link leads to a message in a channel",
    ),
    _delivery(
        "a_link_leads_to_a_direct_message",
        "A link leads to a direct message",
        teams="no: Teams has links to messages in channels only",
    ),
    _delivery(
        "the_same_key_twice_is_one_message",
        "A message sent twice with the same key is one message",
        teams="no: Teams knows no key, so the second is another message",
    ),
    _delivery(
        "what_an_uncertain_attempt_left_is_found_in_direct_messages",
        "What an uncertain attempt left is found in direct messages",
        teams="no: a bot cannot read what it said",
    ),
    _delivery(
        "what_an_uncertain_attempt_left_is_found_in_a_channel",
        "What an uncertain attempt left is found in a channel",
        slack="no: Echelon does not ask for the right to read channels",
        teams="no: a bot cannot read what it said",
    ),
    _delivery("an_unknown_channel_is_refused", "An unknown channel is refused for good"),
    _delivery("an_unknown_person_is_refused", "An unknown person is refused for good"),
    _delivery(
        "who_cannot_be_reached_any_more_is_refused",
        "Someone deactivated, or without the app, is refused for good",
        local="does not apply: everybody in the directory is there",
    ),
    _delivery("an_edit_of_a_message_that_is_gone_is_refused", "An edit of a message that is gone is refused for good"),
    _delivery("a_rate_limit_names_its_time", "A rate limit is tried again when the platform says", local=IN_PROCESS),
    _delivery("a_503_is_tried_again", "A 503 is tried again", local=IN_PROCESS),
    _delivery("a_dropped_connection_is_tried_again", "A dropped connection is tried again", local=IN_PROCESS),
    _delivery("a_platform_that_hangs_is_tried_again", "A platform that hangs is tried again", local=IN_PROCESS),
    _delivery(
        "an_answer_lost_after_the_post_is_uncertain",
        "An answer that is lost after the post was taken is known to be uncertain",
        local=IN_PROCESS,
    ),
    _delivery(
        "hostile_words_mention_nobody_and_hide_no_link",
        "Hostile words mention nobody, and no link hides where it leads",
    ),
    _delivery(
        "control_characters_and_directions_are_taken_out",
        "Control characters and marks that turn a line around are taken out",
        local="no: words are stored as they were written; its door takes NUL out",
    ),
    _delivery(
        "a_hundred_kilobytes_stay_within_the_limits",
        "100 kB of words are cut to the limits of the platform",
        local="does not apply: the chat itself has no limit, its door takes 64 KiB",
    ),
    _delivery(
        "no_secret_is_in_logs_or_errors",
        "No secret is in logs or errors",
        local="does not apply: it has no secrets",
    ),
)
"""What `bot.delivery.Chat` promises."""

FACES = (
    Row(
        "Slash command",
        YES,
        "no: mention or direct message",
        YES,
        (
            f"{_SLACK}::test_a_command_is_answered_privately_in_its_acknowledgement",
            f"{_TEAMS}::test_words_in_a_personal_chat_are_answered_there",
            f"{_LOCAL}::test_an_issue_opened_by_a_slash_command_pings_the_first_level",
        ),
    ),
    Row(
        "Mention in a channel",
        YES,
        YES,
        YES,
        (
            f"{_SLACK}::test_a_mention_is_answered_in_its_thread_for_its_writer_only",
            f"{_TEAMS}::test_a_mention_in_a_channel_is_answered_in_private_and_the_thread_says_so",
            f"{_LOCAL}::test_a_mention_is_seen_by_all_and_its_answer_by_one",
        ),
    ),
    Row(
        "Direct message",
        YES,
        YES,
        YES,
        (
            f"{_SLACK}::test_a_direct_message_is_answered_there",
            f"{_TEAMS}::test_words_in_a_personal_chat_are_answered_there",
            f"{_LOCAL}::test_everything_in_direct_messages_is_for_echelon",
        ),
    ),
    Row(
        "Form as a dialog",
        YES,
        YES,
        YES,
        (
            f"{_SLACK}::test_a_command_may_open_a_form",
            f"{_TEAMS}::test_a_dialog_comes_back_with_its_values",
            f"{_LOCAL}::test_a_form_that_is_sent_opens_an_escalation",
        ),
    ),
    Row(
        "Form at once after words in a channel",
        "after a slash command; after a mention by a button",
        "no: by a button",
        YES,
        (
            f"{_SLACK}::test_a_form_asked_for_by_mention_becomes_a_button",
            f"{_TEAMS}::test_a_form_in_a_channel_becomes_a_button_that_opens_it",
            f"{_LOCAL}::test_the_command_alone_opens_the_form_and_leaves_no_message",
        ),
    ),
    Row(
        "Message shortcut (escalate what somebody wrote)",
        YES,
        YES,
        YES,
        (
            f"{_SLACK}::test_the_shortcut_takes_the_message_and_its_link",
            f"{_TEAMS}::test_a_message_is_escalated_with_its_words_and_link",
            f"{_LOCAL}::test_any_message_can_be_escalated",
        ),
    ),
    Row(
        "Buttons",
        YES,
        YES,
        YES,
        (
            f"{_SLACK}::test_a_press_is_answered_where_the_card_stands",
            f"{_TEAMS}::test_a_press_is_answered_beside_the_card",
            f"{_LOCAL}::test_a_button_acts_and_the_card_says_so_in_place",
        ),
    ),
    Row(
        "Buttons for each reader (60 at most) on a card in a channel",
        "no: all see the same; who may not is told so",
        YES,
        "no: all see the same; who may not is told so",
        (f"{CHATS}::test_buttons_for_each_reader_of_a_channel",),
    ),
    Row(
        "Threads in direct messages",
        YES,
        "no: personal chats have no threads; the line follows the card",
        YES,
        (f"{CHATS}::test_a_line_goes_into_the_thread_of_a_card_in_direct_messages",),
    ),
    Row(
        "Answers in a channel that only one person sees",
        YES,
        "no: the answer goes to the personal chat, and the thread says so",
        YES,
        (
            f"{_SLACK}::test_a_mention_is_answered_in_its_thread_for_its_writer_only",
            f"{_TEAMS}::test_a_mention_in_a_channel_is_answered_in_private_and_the_thread_says_so",
            f"{_LOCAL}::test_nobody_else_sees_the_command_or_its_answer",
        ),
    ),
    Row(
        "Dates in the reader's own zone",
        YES,
        YES,
        "no: in the zone of the deadline, which cards name",
        (f"{CHATS}::test_dates_are_in_the_readers_own_zone",),
    ),
    Row(
        "Languages: English and French",
        YES,
        YES,
        YES,
        (
            "tests/acceptance/test_slack_story.py::test_a_reader_is_written_to_in_their_own_language",
            "tests/acceptance/test_teams_story.py::test_both_languages_are_understood_in_threads",
            f"{_LOCAL}::test_each_person_reads_their_own_language",
        ),
    ),
)
"""How people meet Echelon."""

ROWS = (*DELIVERY, *FACES)


def cell(test: str, platform: str) -> str:
    """What the table says about what a test of `test_chats.py` shows; the same in every row that names the test."""
    (said,) = {row.cell(platform) for row in ROWS if f"{CHATS}::{test}" in row.shown_by}
    return said


def page() -> str:
    """docs/platforms.md."""
    parts = [
        "# What each platform can do",
        "",
        "Echelon is the same on every platform: one state, one set of rules, the same words. Where a platform cannot do",
        "something, the table says so and what happens instead. Each cell is held against behaviour by a test, and this",
        "page is written from the table by `python -m tests.contract.capabilities > docs/platforms.md`.",
        "",
        "## How people meet Echelon",
        "",
        *_table(FACES),
        "",
        "## How messages are delivered",
        "",
        "*Refused for good* means that the message goes on to the next place of its route; *tried again* that it stays in",
        "the outbox. A message whose arrival is uncertain is looked for, where that is possible, before it is sent once",
        "more; where it is not, somebody may read the same message twice, and nobody misses it.",
        "",
        *_table(DELIVERY),
        "",
        "## Where it is shown",
        "",
        f"Every row about delivery has a test of its name in `{CHATS}`, which runs on all three. The others:",
        "",
        *_notes(FACES),
    ]
    return "\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [f"| | {' | '.join(PLATFORMS.values())} |", "|---" * (len(PLATFORMS) + 1) + "|"]
    return lines + [f"| {row.name} | {' | '.join(map(row.cell, PLATFORMS))} |" for row in rows]


def _notes(rows: Sequence[Row]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines.append(f"- {row.name}")
        if len(row.shown_by) == 1:
            lines.append(f"  - on all three: `{row.shown_by[0]}`")
        else:
            shown = zip(PLATFORMS.values(), row.shown_by, strict=True)
            lines += [f"  - {platform}: `{test}`" for platform, test in shown]
    return lines


if __name__ == "__main__":
    sys.stdout.write(page())
