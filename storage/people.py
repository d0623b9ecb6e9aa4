"""Names and languages of people: in memory for whoever writes a card, stored for the next start."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import RowMapping, case, select

from bot.directory import Address, PersonId, WorkspaceId
from bot.failpoints import failpoint
from bot.message import Profile
from storage.codec import ADDRESSES, storable
from storage.tables import groups, people
from storage.transaction import Transaction

Transactions = Callable[[], AbstractAsyncContextManager[Transaction]]


class SqlPeople:
    """`bot.ports.People` of one workspace."""

    def __init__(self, workspace: WorkspaceId, writing: Transactions, reading: Transactions) -> None:
        self._workspace = workspace
        self._writing = writing
        self._reading = reading
        self._known: dict[PersonId, Profile] = {}
        self._told: dict[PersonId, Profile] = {}
        self._members: dict[Address, tuple[PersonId, ...]] = {}
        self._newer: tuple[dict[PersonId, Profile], dict[Address, tuple[PersonId, ...]]] = ({}, {})

    async def load(self) -> None:
        """Read everybody; again, to see what other replicas have learnt. What is stored meanwhile stays known."""
        self._newer = newer_people, newer_members = ({}, {})
        async with self._reading() as reading:
            known = await reading.rows(select(people).where(people.c.workspace == self._workspace))
            told = await reading.rows(select(groups).where(groups.c.workspace == self._workspace))
        self._known = {PersonId(row["person"]): _profile(row) for row in known} | newer_people
        self._members = {Address(row["address"]): _people(row["members"]) for row in told} | newer_members

    def profile(self, person: PersonId) -> Profile:
        return self._known.get(person) or Profile(person, person)

    async def remember(self, profile: Profile) -> None:
        """What a platform tells again and again is stored once; an empty name or language hides nothing known."""
        if self._told.get(profile.person) == profile:
            return
        await self._store(profile, chosen=False)
        self._told[profile.person] = profile

    async def choose_language(self, person: PersonId, language: str) -> None:
        await self._store(Profile(person, "", language), chosen=True)

    def members(self, group: Address) -> tuple[PersonId, ...]:
        return self._members.get(group, ())

    async def remember_members(self, group: Address, members: tuple[PersonId, ...]) -> None:
        if self._members.get(group) == members:
            return
        row = {"workspace": self._workspace, "address": group, "members": ADDRESSES.write(members)}
        async with self._writing() as writing:
            told = writing.insert(groups).values(row)
            await writing.run(
                told.on_conflict_do_update(
                    index_elements=["workspace", "address"], set_={"members": told.excluded.members}
                )
            )
            await writing.commit()
        failpoint("people.after_members")
        self._members[group] = self._newer[1][group] = members

    async def _store(self, profile: Profile, *, chosen: bool) -> None:
        row = {
            "workspace": self._workspace,
            "person": profile.person,
            "name": storable(profile.name),
            "language": storable(profile.language),
            "chosen": chosen,
        }
        async with self._writing() as writing:
            told = writing.insert(people).values(row)
            new = told.excluded
            stays = ((new.language == "") | people.c.chosen) & ~new.chosen
            merged = told.on_conflict_do_update(
                index_elements=["workspace", "person"],
                set_={
                    "name": case((new.name == "", people.c.name), else_=new.name),
                    "language": case((stays, people.c.language), else_=new.language),
                    "chosen": people.c.chosen | new.chosen,
                },
            )
            (stored,) = await writing.rows(merged.returning(people))
            failpoint("people.before_commit")
            await writing.commit()
        failpoint("people.after_commit")
        self._known[profile.person] = self._newer[0][profile.person] = _profile(stored)


def _people(stored: str) -> tuple[PersonId, ...]:
    return tuple(PersonId(address) for address in ADDRESSES.read(stored))


def _profile(row: RowMapping) -> Profile:
    return Profile(PersonId(row["person"]), row["name"] or row["person"], row["language"])
