"""Who and what there is in the local chat: the people and channels of the directory, and the ladder of each matrix."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.directory import Address, Directory, PersonId, local_part, platform_of
from bot.plan import Language, Level, RoleId, Text
from bot.ports import Plans

ECHELON = "echelon"
"""The author of what Echelon writes."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The levels of one matrix, as the page shows them: whom each belongs to and in which channel it is told."""

    matrix: str
    title: Text
    levels: tuple[Level, ...]


def ladders(plans: Plans, first: str | None) -> tuple[Ladder, ...]:
    """One per matrix, `first` ahead."""
    names = sorted(plans.names(), key=lambda name: name != first)
    return tuple(Ladder(name, plans.title(name), plans.any_plan(name).levels) for name in names)


@dataclass(frozen=True, slots=True)
class Places:
    """The people and channels of a directory that are here, in the order in which it names them."""

    directory: Directory
    people: Mapping[PersonId, str]
    channels: tuple[Address, ...]

    @classmethod
    def of(cls, directory: Directory) -> "Places":
        """People with their names, and channels, each once."""
        people = {person: _name(directory, person) for person in _people(directory) if _is_here(person)}
        channels = dict.fromkeys(channel for channel in _channels(directory) if channel and _is_here(channel))
        return cls(directory, people, tuple(channels))

    def knows(self, place: Address) -> bool:
        """Whether a message can go there."""
        return place in self.channels or place in self.people

    def person(self, given: str) -> PersonId | None:
        """The person with this address or this bare name ("local:ada", "ada")."""
        known = PersonId(Address(given if given.startswith("local:") else f"local:{given}"))
        return known if known in self.people else None

    def name(self, person: PersonId) -> str:
        """What to call somebody, also one who is elsewhere."""
        return self.people.get(person) or local_part(person)

    def may_read(self, person: PersonId, place: Address) -> bool:
        """Everybody reads all channels, but the admins' own; direct messages only the one they are with."""
        if place in self.channels:
            return place != self.directory.admin_channel or person in self.directory.admins
        return place == person

    def open_to(self, person: PersonId) -> tuple[Address, ...]:
        """All that `person` may read."""
        return (*(place for place in self.channels if self.may_read(person, place)), person)

    def addressed(self, words: str) -> str:
        """The words with "@Bruno Costa" or "@bruno" written as the core reads it: "@local:bruno"."""
        names = {name.casefold(): person for person, name in self.people.items()}
        names |= {local_part(person): person for person in self.people}
        longest_first = sorted(names, key=len, reverse=True)
        if not longest_first:
            return words
        mention = re.compile(rf"(?<![\w@])@({'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
        return mention.sub(lambda found: f"@{names[found[1].casefold()]}", words)

    def roles(self, person: PersonId) -> tuple[RoleId, ...]:
        """The roles that `person` holds."""
        return tuple(role for role, binding in self.directory.roles.items() if person in binding.owners)

    def language(self, person: PersonId) -> Language:
        """The person's language by the directory."""
        settings = self.directory.people.get(person)
        return (settings.language if settings else None) or self.directory.language


def _people(directory: Directory) -> Iterator[PersonId]:
    yield from directory.people
    for binding in directory.roles.values():
        yield from binding.owners
    yield from directory.admins
    if directory.fallback_owner:
        yield directory.fallback_owner


def _channels(directory: Directory) -> Iterator[Address | None]:
    yield from directory.channels
    for binding in directory.roles.values():
        yield binding.channel
    yield directory.fallback_channel
    yield directory.admin_channel


def _is_here(address: Address) -> bool:
    return platform_of(address) == "local"


def _name(directory: Directory, person: PersonId) -> str:
    settings = directory.people.get(person)
    return (settings.name if settings else None) or local_part(person).capitalize()
