"""Who holds each role right now: the directory with the groups of the platforms resolved."""

from dataclasses import dataclass

from bot.directory import Address, Directory, GroupMembers, PersonId
from bot.plan import Level, Plan, RoleId


@dataclass(frozen=True, slots=True)
class Roster:
    """The directory as it is now, with the members of each group as the platform last told them."""

    directory: Directory
    members: GroupMembers

    def owners(self, role: RoleId) -> tuple[PersonId, ...]:
        """The people who hold `role`, each once, in the order in which they are written."""
        binding = self.directory.binding(role)
        people = [*binding.owners, *(person for group in binding.groups for person in self.members(group))]
        return tuple(dict.fromkeys(people))

    def channel(self, role: RoleId) -> Address | None:
        """The role's channel."""
        return self.directory.binding(role).channel

    def groups(self, role: RoleId) -> tuple[Address, ...]:
        """The groups that hold `role`, to be mentioned where their members are not known."""
        return self.directory.binding(role).groups

    def skips(self, level: Level) -> bool:
        """Whether this level is passed over because the matrix says so and nobody holds it."""
        return level.skip_if_empty and self.directory.binding(level.role).empty

    def owns_any(self, plan: Plan, person: PersonId) -> bool:
        """Whether `person` holds any role of `plan`."""
        return any(person in self.owners(level.role) for level in plan.levels)
