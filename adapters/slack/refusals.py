"""What Slack's errors mean for a message: the table, and the translation of whatever the SDK raises.

Reasons are Slack's own codes where there is one: stable, and free of secrets. Pages:
https://docs.slack.dev/reference/methods/chat.postMessage#errors , chat.update, conversations.open
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, cast

from aiohttp import ClientConnectorError, ClientError
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import Refused, Unreachable


class Verdict(StrEnum):
    """What an error means for the delivery route."""

    REFUSED = "refused"
    """This place never will: go to the next."""
    LATER = "later"
    """It did not take it, and may later."""
    UNCERTAIN = "uncertain"
    """It may have taken it."""
    OURS = "ours"
    """The app's token, scopes or installation is broken: nothing gets through until someone mends it."""


REFUSED, LATER, UNCERTAIN, OURS = Verdict.REFUSED, Verdict.LATER, Verdict.UNCERTAIN, Verdict.OURS

RENDERING = (
    *("msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "invalid_arguments"),
    *("invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "no_text"),
    *("invalid_attachments", "too_many_attachments", "markdown_text_conflict"),
)

MANGLED = (
    *("invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_json"),
    *("invalid_post_type", "json_not_object", "missing_charset", "missing_post_type", "superfluous_charset"),
)

VERDICTS: Mapping[str, Verdict] = {
    # places
    "channel_not_found": REFUSED,
    "not_in_channel": REFUSED,
    "is_archived": REFUSED,
    "channel_is_archived": REFUSED,
    "no_permission": REFUSED,
    "not_allowed": REFUSED,
    "not_supported_in_channel": REFUSED,
    "channel_type_not_supported": REFUSED,
    "method_not_supported_for_channel_type": REFUSED,
    "slack_connect_file_link_sharing_blocked": REFUSED,
    "external_channel_migrating": LATER,
    "team_access_not_granted": REFUSED,
    "team_not_found": REFUSED,
    "ekm_access_denied": REFUSED,
    "restricted_action": REFUSED,
    "restricted_action_read_only_channel": REFUSED,
    "restricted_action_thread_only_channel": REFUSED,
    "restricted_action_non_threadable_channel": REFUSED,
    "restricted_action_thread_locked": REFUSED,
    "messages_tab_disabled": REFUSED,
    # people
    "user_not_found": REFUSED,
    "users_not_found": REFUSED,
    "user_disabled": REFUSED,
    "user_not_visible": REFUSED,
    "cannot_dm_bot": REFUSED,
    "cannot_message_user": REFUSED,
    "user_not_in_channel": REFUSED,
    "not_in_same_team": REFUSED,
    "no_such_subteam": REFUSED,
    "subteam_not_found": REFUSED,
    # messages
    "message_not_found": REFUSED,
    "cant_update_message": REFUSED,
    "edit_window_closed": REFUSED,
    "is_inactive": REFUSED,
    "block_mismatch": REFUSED,
    "streaming_state_conflict": LATER,
    "thread_not_found": REFUSED,
    "cannot_reply_to_message": REFUSED,
    "cant_broadcast_message": REFUSED,
    "no_dual_broadcast_content_update": REFUSED,
    # our own rendering: every place would refuse it alike
    **dict.fromkeys(RENDERING, LATER),
    # the service
    "ratelimited": LATER,
    "rate_limited": LATER,
    "message_limit_exceeded": LATER,
    "service_unavailable": LATER,
    "team_added_to_org": LATER,
    "request_timeout": UNCERTAIN,
    "fatal_error": UNCERTAIN,
    "internal_error": UNCERTAIN,
    "update_failed": UNCERTAIN,
    "duplicate_message_not_found": UNCERTAIN,
    "duplicate_channel_not_found": UNCERTAIN,
    # the app itself
    "not_authed": OURS,
    "invalid_auth": OURS,
    "token_revoked": OURS,
    "token_expired": OURS,
    "account_inactive": OURS,
    "missing_scope": OURS,
    "missing_args": OURS,
    "not_allowed_token_type": OURS,
    "org_login_required": OURS,
    "two_factor_setup_required": OURS,
    "access_denied": OURS,
    "accesslimited": OURS,
    "app_missing_action_url": OURS,
    "no_active_hooks": OURS,
    "as_user_not_supported": OURS,
    "enterprise_is_restricted": OURS,
    "metadata_must_be_sent_from_app": OURS,
    "method_deprecated": OURS,
    "deprecated_endpoint": OURS,
    # a request that was mangled on its way, or that a new SDK makes wrongly
    **dict.fromkeys(MANGLED, LATER),
}
"""Errors that are not here are taken for LATER: retried until the window ends, then moved along the route."""

NOT_AN_ANSWER, TIMED_OUT, NO_CONNECTION, CUT_OFF = "not_an_answer", "timed_out", "no_connection", "connection_lost"
"""Our own reasons, where Slack gave none."""


@contextmanager
def translated() -> Generator[None]:
    """Raise Refused or Unreachable in place of whatever the SDK raises for a call that failed."""
    try:
        yield
    except SlackApiError as error:
        raise verdict_of(error) from None
    except TimeoutError:
        raise Unreachable(TIMED_OUT, uncertain=True) from None
    except ClientConnectorError:  # nothing was sent yet
        raise Unreachable(NO_CONNECTION) from None
    except (ClientError, ConnectionError):
        raise Unreachable(CUT_OFF, uncertain=True) from None
    except (SlackClientError, AttributeError, UnicodeDecodeError):  # the SDK expects JSON, and trips over anything else
        raise Unreachable(NOT_AN_ANSWER, uncertain=True) from None


def verdict_of(error: SlackApiError) -> Refused | Unreachable:
    """What one refusal means. `Retry-After` counts wherever it is given."""
    status, code, headers = answer_of(error)
    if status == 429:
        return Unreachable("ratelimited", retry_after=_seconds(headers))
    if not code:
        return Unreachable(f"http_{status}" if status >= 400 else NOT_AN_ANSWER, uncertain=True)
    match VERDICTS.get(code, LATER):
        case Verdict.REFUSED:
            return Refused(code)
        case Verdict.UNCERTAIN:
            return Unreachable(code, retry_after=_seconds(headers), uncertain=True)
        case Verdict.LATER | Verdict.OURS:
            return Unreachable(code, retry_after=_seconds(headers), uncertain=status >= 500)


def code_of(error: SlackApiError) -> str:
    """Slack's word for what went wrong, "" if it gave none."""
    return answer_of(error)[1]


def answer_of(error: SlackApiError) -> tuple[int, str, Mapping[str, str]]:
    """(HTTP status, error code or "", headers). The SDK hands out two kinds of response, one of them half read."""
    response = cast(Any, error.response)
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    data = getattr(response, "data", None)
    code = cast("dict[str, object]", data).get("error") if isinstance(data, dict) else None
    headers = cast(Mapping[str, str], getattr(response, "headers", None) or {})
    return status, code if isinstance(code, str) else "", headers


def _seconds(headers: Mapping[str, str]) -> float | None:
    given = headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() and len(given) < 8 else None
