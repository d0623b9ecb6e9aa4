"""Addresses as a person writes them in the directory: `platform:id`, told apart into people, groups and channels."""

import re
from enum import StrEnum

from bot.directory import Address
from matrix.hints import did_you_mean, shown


class Kind(StrEnum):
    """What an address stands for."""

    PERSON = "a person"
    GROUP = "a group"
    CHANNEL = "a channel"


PLATFORMS = ("slack", "teams", "local")

_FORMS: dict[str, dict[Kind, re.Pattern[str]]] = {
    "slack": {
        Kind.PERSON: re.compile(r"[UW][A-Z0-9]{2,20}", re.ASCII),
        Kind.GROUP: re.compile(r"S[A-Z0-9]{2,20}", re.ASCII),
        Kind.CHANNEL: re.compile(r"[CG][A-Z0-9]{2,20}", re.ASCII),
    },
    "teams": {
        Kind.PERSON: re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII),
        Kind.CHANNEL: re.compile(r"19:[\w.-]{1,200}@thread\.(tacv2|skype|v2)", re.ASCII),
    },
    "local": {
        Kind.PERSON: re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII),
        Kind.CHANNEL: re.compile(r"#[a-z0-9][a-z0-9._-]{0,39}", re.ASCII),
    },
}

_SLACK = {
    Kind.PERSON: "write the person's member ID, found in the profile under More, Copy member ID: slack:U0123ABCD",
    Kind.GROUP: "write the ID of the user group, found in its link: slack:S0123ABCD",
    Kind.CHANNEL: "write the channel's ID, found at the bottom of the channel's About tab: slack:C0123ABCD",
}
_WRITE = {
    "slack": _SLACK,
    "teams": {
        Kind.PERSON: "write the person's object ID, in small letters: teams:01234567-89ab-cdef-0123-456789abcdef",
        Kind.CHANNEL: "write the channel's ID, found in its link: teams:19:0123abcd@thread.tacv2",
    },
    "local": {
        Kind.PERSON: "write a name in small letters: local:alice",
        Kind.CHANNEL: "write a # and a name in small letters: local:#support",
    },
}


class AddressError(ValueError):
    """An address that cannot be read; the message says what to write."""


def parse(given: str, *wanted: Kind) -> tuple[Address, Kind]:
    """An address of one of the wanted kinds. Raises AddressError."""
    platform, colon, local = given.partition(":")
    if not colon or given.startswith(("@", "#")):
        raise AddressError(f"{shown(given)} {_without_platform(given, wanted)}")
    if platform not in _FORMS:
        raise AddressError(f"platform {shown(platform)} is unknown; {did_you_mean(platform, PLATFORMS)}")
    forms = _FORMS[platform]
    for kind in wanted:
        if kind in forms and forms[kind].fullmatch(local):
            return Address(given), kind
    for kind, form in forms.items():
        if form.fullmatch(local):
            raise AddressError(f"{shown(given)} is {kind.value}, and {_either(wanted)} belongs here")
    raise AddressError(f"{shown(given)} is no ID of {_either(wanted)}; {_WRITE[platform][wanted[0]]}")


def _without_platform(given: str, wanted: tuple[Kind, ...]) -> str:
    if any(_FORMS["slack"][kind].fullmatch(given) for kind in wanted):
        return f"lacks its platform; write slack:{given}"
    return f"is a name, not an ID; {_SLACK[wanted[0]]}"


def _either(wanted: tuple[Kind, ...]) -> str:
    return " or ".join(kind.value for kind in wanted)
