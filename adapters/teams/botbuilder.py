"""The only module that knows Microsoft's SDK: a turn of botbuilder around each activity that the guard let through.

The SDK gets the claims that were checked already, so it fetches no keys and blocks nothing; what it would answer to an
invoke comes back as plain JSON. Another SDK would need this module only: `Turns` is all that the others see.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from botbuilder.core import CloudAdapterBase, InvokeResponse, TurnContext
from botbuilder.schema import Activity, ActivityTypes
from botframework.connector.auth import BotFrameworkAuthentication, ClaimsIdentity
from botframework.connector.auth.authenticate_request_result import AuthenticateRequestResult
from botframework.connector.auth.connector_factory import ConnectorFactory
from msrest import exceptions as msrest

from adapters.teams.payloads import Body, Malformed

_UNREADABLE = cast("type[Exception]", cast("Any", msrest).DeserializationError)
Json = dict[str, Any]
Handled = tuple[int, Mapping[str, Any] | None]
"""Status and JSON for an invoke; (200, None) for anything else."""
Handle = Callable[[Body], Awaitable[Handled]]


class Turns(Protocol):
    """Runs what an activity leads to as one turn of the bot."""

    async def run(self, body: Body, claims: Mapping[str, Any], handle: Handle) -> Handled:
        """The outcome of `handle`. Raises Malformed for what is no activity, and whatever `handle` raises."""
        ...


class BotbuilderTurns:
    """`Turns` by botbuilder-core's `process_activity`."""

    def __init__(self) -> None:
        self._adapter: Any = _Adapter(_Verified())

    async def run(self, body: Body, claims: Mapping[str, Any], handle: Handle) -> Handled:
        """See `Turns.run`."""
        activity = _activity(body)
        result = AuthenticateRequestResult()
        result.claims_identity = ClaimsIdentity(dict(claims), True)
        result.connector_factory = _Outbound()

        async def turn(context: TurnContext) -> None:
            status, answer = await handle(body)
            if activity.type == ActivityTypes.invoke:
                response = InvokeResponse(status=status, body=answer)
                await context.send_activity(Activity(type=ActivityTypes.invoke_response, value=response))

        answered = cast("InvokeResponse | None", await self._adapter.process_activity(result, activity, turn))
        if answered is None:
            return 200, None
        return int(answered.status or 200), cast("Json | None", answered.body)


class _Adapter(CloudAdapterBase):
    """All of it is the SDK's; an error goes up to the guard, not to a stranger as a traceback."""


class _Outbound(ConnectorFactory):
    """The turn needs a client; what Echelon says goes through its own connector, after the turn."""

    async def create(self, service_url: str, audience: str) -> Any:
        """Something that is not None."""
        return self


class _Verified(BotFrameworkAuthentication):
    """The guard has authenticated; what it found is handed to each turn."""

    async def authenticate_request(self, activity: Activity, auth_header: str) -> AuthenticateRequestResult:
        raise PermissionError("only the guard authenticates")

    async def authenticate_streaming_request(
        self, auth_header: str, channel_id_header: str
    ) -> AuthenticateRequestResult:
        raise PermissionError("only the guard authenticates")

    def create_connector_factory(self, claims_identity: ClaimsIdentity) -> ConnectorFactory:
        return _Outbound()

    async def create_user_token_client(self, claims_identity: ClaimsIdentity) -> Any:
        return None


def _activity(body: Body) -> Any:
    try:
        read: Any = cast("Any", Activity).deserialize(dict(body))
    except (_UNREADABLE, AttributeError, LookupError, TypeError, ValueError):
        raise Malformed("it is no activity") from None
    return read
