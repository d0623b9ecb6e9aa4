"""A directory that does not change while the product runs."""

from bot.directory import Address, Directory, GroupMembers, PersonId


class FixedDirectories:
    """The directory of a file, read once at the start; groups are asked of the platform's own book."""

    def __init__(self, directory: Directory, members: GroupMembers = lambda group: ()) -> None:
        self._directory = directory
        self._members = members

    def current(self) -> Directory:
        """The directory."""
        return self._directory

    def members(self, group: Address) -> tuple[PersonId, ...]:
        """The members of a group as last told."""
        return self._members(group)
