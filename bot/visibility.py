"""Who may see an escalation: to everybody else it does not exist."""

from dataclasses import dataclass

from bot.commands import Actor
from bot.directory import PersonId
from bot.facts import FactKind
from bot.ports import Archive, Directories, Membership
from bot.roster import Roster
from bot.state import Escalation


@dataclass(frozen=True, slots=True)
class Visibility:
    """Opener, assignees and participants past and present, owners, admins, and whoever has a card before them."""

    archive: Archive
    membership: Membership
    directories: Directories

    async def may_see(self, by: Actor, escalation: Escalation) -> bool:
        """Whether this person may know of it. Raises StoreUnavailable."""
        roster = Roster(self.directories.current(), self.directories.members)
        if by.person in self._always_see(escalation) or roster.owns_any(escalation.plan, by.person):
            return True
        posted = await self.archive.posted_in(escalation.id)
        channels = [to for to in posted if roster.directory.is_channel(to)]
        if by.seen_in in channels or by.person in posted:  # a fallback owner is asked to act, and may
            return True
        return await self.membership.in_any(by.person, channels) or await self._heard_alarm(by, escalation)

    async def _heard_alarm(self, by: Actor, escalation: Escalation) -> bool:
        """Alarms are posted in the admin channel: its members may see what they are about, and nothing else."""
        admins = self.directories.current().admin_channel
        if admins is None or not (by.seen_in == admins or await self.membership.in_any(by.person, (admins,))):
            return False
        rows = await self.archive.ledger(escalation.id)
        return any(row.fact.kind is FactKind.NOBODY_REACHED for row in rows)

    def _always_see(self, escalation: Escalation) -> set[PersonId]:
        admins = self.directories.current().admins
        return {escalation.opener, *escalation.ever_assigned, *escalation.participants, *admins}
