"""Whatever a platform answers to a message, nobody is left without word unless the history says so, where people see it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.slack.refusals import VERDICTS as SLACK_VERDICTS
from adapters.teams.refusals import CODES, STATUSES
from adapters.teams.refusals import Verdict as TeamsVerdict
from bot.commands import Actor
from bot.directory import Address, PersonId, WorkspaceId
from bot.facts import FactKind
from bot.plan import EN
from bot.rich import Rich
from bot.state import Status
from bot.wording import plain
from matrix.directory_file import load_directory
from scheduler.engine import Engine
from storage.database import Database
from tests.acceptance.test_slack_story import SlackWorld
from tests.acceptance.test_slack_story import connected as to_slack
from tests.acceptance.test_teams_story import TeamsWorld, person
from tests.acceptance.test_teams_story import connected as to_teams
from tests.conftest import SqliteFiles
from tests.fakes import CountingIds
from tests.process.bot import DIRECTORY

POSTING = """
    access_denied account_inactive accesslimited as_user_not_supported channel_not_found deprecated_endpoint
    ekm_access_denied enterprise_is_restricted fatal_error internal_error invalid_arg_name invalid_arguments
    invalid_array_arg invalid_auth invalid_blocks invalid_blocks_format invalid_charset invalid_form_data
    invalid_metadata_format invalid_metadata_schema invalid_post_type is_archived markdown_text_conflict
    message_limit_exceeded metadata_must_be_sent_from_app metadata_too_large method_deprecated missing_post_type
    missing_scope msg_blocks_too_long msg_too_long no_permission no_text not_allowed_token_type not_authed not_in_channel
    org_login_required rate_limited ratelimited request_timeout restricted_action
    restricted_action_non_threadable_channel restricted_action_read_only_channel restricted_action_thread_only_channel
    service_unavailable slack_connect_file_link_sharing_blocked team_access_not_granted team_added_to_org team_not_found
    token_expired token_revoked too_many_attachments two_factor_setup_required
""".split()  # noqa: SIM905 - as the pages list them
"""https://docs.slack.dev/reference/methods/chat.postMessage#errors"""

EDITING = """
    access_denied account_inactive accesslimited as_user_not_supported block_mismatch cant_broadcast_message
    cant_update_message channel_not_found deprecated_endpoint edit_window_closed ekm_access_denied
    enterprise_is_restricted external_channel_migrating fatal_error internal_error invalid_arg_name invalid_arguments
    invalid_array_arg invalid_attachments invalid_auth invalid_blocks invalid_blocks_format invalid_charset
    invalid_form_data invalid_metadata_format invalid_metadata_schema invalid_post_type is_inactive
    markdown_text_conflict message_not_found metadata_must_be_sent_from_app metadata_too_large method_deprecated
    missing_post_type missing_scope msg_too_long no_dual_broadcast_content_update no_permission no_text
    not_allowed_token_type not_authed org_login_required ratelimited request_timeout service_unavailable
    slack_connect_file_link_sharing_blocked streaming_state_conflict team_access_not_granted team_added_to_org
    team_not_found token_expired token_revoked too_many_attachments two_factor_setup_required update_failed
""".split()  # noqa: SIM905 - as the pages list them
"""https://docs.slack.dev/reference/methods/chat.update#errors"""

FINAL = 403


@pytest.fixture
async def file(files: SqliteFiles, tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.open(await files.migrated(tmp_path / "echelon.db"), CountingIds())
    yield database
    await database.close()


@pytest.fixture
async def slack(file: Database) -> AsyncIterator[SlackWorld]:
    async with to_slack(file, load_directory(DIRECTORY, "directory.yaml").directory, "socket") as made:
        yield made


@pytest.fixture
async def teams(file: Database) -> AsyncIterator[TeamsWorld]:
    async with AsyncExitStack() as stack:
        yield await to_teams(stack, file)


async def is_seen(engine: Engine, reader: str, number: int) -> str:
    """What the history of an escalation says to its opener."""
    actor = Actor(PersonId(Address(reader)))
    reply = await engine.reception.typed(actor, f"timeline ESC-{number}", request=f"timeline {number}")
    assert reply.page

    def words(line: Rich) -> str:
        return plain(EN, line, lambda named: named)

    return "\n".join(words(line) for section in reply.page.sections for line in section.lines)


async def not_delivered(engine: Engine, number: int) -> set[int]:
    """The entries whose history says that somebody was not reached."""
    archive = engine.store.archive()
    rows = await archive.ledger((await archive.by_number(WorkspaceId("acme"), number)).id)
    return {row.fact.entry for row in rows if row.fact.kind in {FactKind.NOT_DELIVERED, FactKind.NOBODY_REACHED}}


def some(codes: list[str]) -> list[list[str]]:
    """Few worlds, each for some codes: a world takes longer to make than a story to tell."""
    return [codes[start : start + 9] for start in range(0, len(codes), 9)]


def test_every_documented_error_of_slack_is_in_the_table() -> None:
    assert {*POSTING, *EDITING} - SLACK_VERDICTS.keys() == set()


@pytest.mark.parametrize("codes", some(POSTING), ids=lambda codes: codes[0])
async def test_an_error_of_slack_to_a_ping_stands_in_the_history(slack: SlackWorld, codes: list[str]) -> None:
    for number, code in enumerate(codes, start=1):
        slack.slack.faults.always("chat.postMessage", code=code)
        await slack.types("checkout fails")
        await slack.forward(minutes=8)
        await slack.forward(minutes=8)

        assert 1 in await not_delivered(slack.engine, number), code
        assert "Not delivered to" in await is_seen(slack.engine, "slack:UOPENER", number), code
        slack.slack.faults.clear()
        escalation = await slack.escalation(number)
        assert escalation.entry.level > 1, code
        assert escalation.is_open, code
        await slack.types(f"resolve ESC-{number} over")


async def test_once_slack_takes_messages_again_somebody_hears(slack: SlackWorld) -> None:
    slack.slack.faults.always("chat.postMessage", code="is_archived")
    await slack.types("checkout fails")
    slack.slack.faults.clear()

    due = await slack.engine.store.archive().next_due()
    assert due is not None
    slack.clock.to(due + timedelta(seconds=1))
    await slack.ticks()

    assert any("Nobody could be reached" in message.words for message in slack.slack.messages("CADMIN"))


@pytest.mark.parametrize("codes", some(EDITING), ids=lambda codes: codes[0])
async def test_an_error_of_slack_to_an_edit_keeps_nobody_from_hearing(slack: SlackWorld, codes: list[str]) -> None:
    for number, code in enumerate(codes, start=1):
        await slack.types("checkout fails")
        slack.slack.faults.always("chat.update", code=code)

        await slack.clicks(slack.root("UREP"), "Acknowledge", user="UREP")
        await slack.types(f"resolve ESC-{number} restarted", user="UREP")
        await slack.forward(minutes=16)

        told = [message.words for message in slack.slack.messages("UOPENER") if f"ESC-{number} " in message.words]
        assert (await slack.escalation(number)).status is Status.RESOLVED, code
        assert any("has it" in words for words in told), code
        assert any("resolved it" in words for words in told), code
        slack.slack.faults.clear()
        await slack.forward(minutes=1)


ERRORS = [
    *((status, "") for status in sorted(STATUSES)),
    *((FINAL if verdict is TeamsVerdict.REFUSED else 412, code) for code, (verdict, _) in sorted(CODES.items())),
]


@pytest.mark.parametrize("errors", [ERRORS[start : start + 8] for start in range(0, len(ERRORS), 8)])
async def test_an_error_of_teams_to_a_ping_stands_in_the_history(
    teams: TeamsWorld, errors: list[tuple[int, str]]
) -> None:
    actor = Actor(PersonId(Address(f"teams:{person('opener')}")))
    for number, (status, code) in enumerate(errors, start=1):
        for method in ("activities.send", "activities.reply", "conversations.create"):
            teams.teams.faults.always(method, status=status, code=code or "Unheard")
        await teams.engine.reception.typed(actor, "checkout fails", request=f"opened {number}")
        await teams.ticks()
        await teams.forward(minutes=8)
        await teams.forward(minutes=8)

        assert 1 in await not_delivered(teams.engine, number), (status, code)
        assert "Not delivered to" in await is_seen(teams.engine, actor.person, number), (status, code)
        assert (await teams.escalation(number)).entry.level > 1, (status, code)
        teams.teams.faults.clear()
        await teams.engine.reception.typed(actor, f"resolve ESC-{number} over", request=f"resolved {number}")
        await teams.ticks()
