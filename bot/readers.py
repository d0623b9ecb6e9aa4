"""Who reads at an address, and in which language."""

from bot import wording
from bot.cards import Reader
from bot.directory import Address, PersonId
from bot.plan import Language
from bot.ports import Directories, People


class Readers:
    """A direct message is in the reader's language, a channel's post in the channel's."""

    def __init__(self, directories: Directories, people: People) -> None:
        self._directories = directories
        self._people = people

    def at(self, to: Address) -> Reader:
        """Who reads what is sent to `to`."""
        directory = self._directories.current()
        if directory.is_channel(to):
            return Reader(directory.channel_language(to), None, to)
        person = PersonId(to)
        return Reader(self.language(person), person)

    def language(self, person: PersonId) -> Language:
        """The language that the person chose, else their platform's, else the directory's for them, else the workspace's."""
        directory = self._directories.current()
        written = directory.people.get(person)
        known = wording.language_of(self._people.profile(person).language)
        return known or (written.language if written else None) or directory.language

    def name(self, person: PersonId) -> str:
        """The directory's name for a person, else the one that their platform told, else the bare id."""
        written = self._directories.current().people.get(person)
        return (written.name if written else None) or self._people.profile(person).name
