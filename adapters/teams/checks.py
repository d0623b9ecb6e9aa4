"""`check --live` for Teams: whether the bot may sign in, whether keys can be read, and whom it can reach."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from adapters.teams.connector import Connector, Place
from adapters.teams.credentials import Credentials
from adapters.teams.gateway import TeamsChat, is_channel
from adapters.teams.keys import Keys
from adapters.teams.marks import PLATFORM
from adapters.teams.references import Book
from adapters.teams.refusals import NOT_INSTALLED
from bot.directory import Address, Directory, local_part, platform_of
from bot.errors import DeliveryError, Problem, Refused

_LOGIN = {
    "login_invalid_client": "Entra refuses the client secret: make a new one (Certificates & secrets) and copy its Value",
    "login_unauthorized_client": "there is no app with this id in the tenant: compare both with the registration in Azure",
    "login_invalid_request": "Entra does not know the tenant or the identity: compare both with the registration in Azure",
}


class Line(Protocol):
    """What is asked of the line."""

    @property
    def credentials(self) -> Credentials: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def chat(self) -> TeamsChat: ...
    @property
    def connector(self) -> Connector: ...
    @property
    def book(self) -> Book: ...


async def problems(line: Line, directory: Directory, *, app: str, secret: str) -> AsyncIterator[Problem]:
    """What is wrong, one sentence each. `app` and `secret` are the names of the settings, for the sentences.

    A person's chat is opened, which shows them nothing; no message is sent.
    """
    try:
        await line.keys.fetch()
    except DeliveryError as error:
        said = f"the keys of Teams cannot be read ({error.reason}): the machine must reach login.botframework.com"
        yield Problem("teams", said)
    try:
        await line.credentials.token()
    except DeliveryError as error:
        place = app if error.reason == "login_unauthorized_client" else secret
        yield Problem(place, _LOGIN.get(error.reason, f"no token was given ({error.reason}): try again"))
        return
    for place, address in sorted(set(_places(directory))):
        found = await _unreachable(line, address)
        if found:
            yield Problem(place, found)


async def _unreachable(line: Line, address: Address) -> str:
    """Why an address cannot be reached, "" if it can."""
    try:
        if not is_channel(address):
            await line.chat.open_chat(address)
            return ""
        known = line.book.of(address)
        if not known.conversation:
            return (
                f"nothing was heard from the channel {local_part(address)} yet: add Echelon to its team, then mention it "
                "there once"
            )
        await line.connector.members(Place(known.service_url, known.conversation))
    except Refused as error:
        return _mend(address, error)
    except DeliveryError as error:
        return f"could not be checked: {error.reason}"
    return ""


def _mend(address: Address, error: Refused) -> str:
    named = local_part(address)
    if is_channel(address):
        if error.reason == NOT_INSTALLED:
            return f"Echelon is not in the team of {named}: add the app to that team"
        return f"there is no channel {named}: copy its id from its link"
    if error.reason == NOT_INSTALLED:
        return f"Echelon is not installed for {named}: install it with a policy, or let them add it under Apps"
    return f"there is no person {named} in the tenant: compare it with the Object ID in Entra"


def _places(directory: Directory) -> Iterator[tuple[str, Address]]:
    named: list[tuple[str, Address | None]] = []
    for role, binding in directory.roles.items():
        named.append((f"roles.{role}.channel", binding.channel))
        named.extend((f"roles.{role}.owners", owner) for owner in binding.owners)
    named += [("admin_channel", directory.admin_channel), ("fallback_channel", directory.fallback_channel)]
    named.extend(("admins", admin) for admin in directory.admins)
    named.append(("fallback_owner", directory.fallback_owner))
    yield from ((place, address) for place, address in named if address and platform_of(address) == PLATFORM)
