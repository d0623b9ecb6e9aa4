"""What `bot.ports.People` promises, on both databases."""

from bot.directory import Address, WorkspaceId
from bot.message import Profile
from tests.builders import ALICE, BOB, WORKSPACE


async def reopened(database):
    """The people as another process reads them."""
    people = database.people(WORKSPACE)
    await people.load()
    return people


async def test_someone_never_seen_is_called_by_their_id(database):
    people = await reopened(database)

    assert people.profile(ALICE) == Profile(ALICE, ALICE)


async def test_what_a_platform_told_is_known_at_once_and_at_the_next_start(database):
    people = await reopened(database)

    await people.remember(Profile(ALICE, "Alice Martin", "fr"))

    assert people.profile(ALICE) == Profile(ALICE, "Alice Martin", "fr")
    assert (await reopened(database)).profile(ALICE) == Profile(ALICE, "Alice Martin", "fr")


async def test_a_newer_name_replaces_the_older_and_an_empty_one_hides_nothing(database):
    people = await reopened(database)
    await people.remember(Profile(ALICE, "Alice", "fr"))

    await people.remember(Profile(ALICE, "Alice Martin", ""))
    await people.remember(Profile(ALICE, "", ""))

    assert people.profile(ALICE) == Profile(ALICE, "Alice Martin", "fr")


async def test_a_chosen_language_stays(database):
    people = await reopened(database)
    await people.remember(Profile(ALICE, "Alice", "en"))

    await people.choose_language(ALICE, "fr")
    await people.remember(Profile(ALICE, "Alice", "en"))
    await people.remember(Profile(ALICE, "Alice M.", "de"))

    assert people.profile(ALICE) == Profile(ALICE, "Alice M.", "fr")
    assert (await reopened(database)).profile(ALICE) == Profile(ALICE, "Alice M.", "fr")


async def test_a_language_may_be_chosen_twice_and_before_a_name_is_known(database):
    people = await reopened(database)

    await people.choose_language(BOB, "fr")
    await people.choose_language(BOB, "en")

    assert people.profile(BOB) == Profile(BOB, BOB, "en")


async def test_workspaces_do_not_share_people(database):
    await (await reopened(database)).remember(Profile(ALICE, "Alice", "fr"))
    other = database.people(WorkspaceId("other"))
    await other.load()

    assert other.profile(ALICE) == Profile(ALICE, ALICE)


async def test_the_members_of_a_group_are_known_at_the_next_start(database):
    group = Address("slack:S1")
    people = await reopened(database)
    assert people.members(group) == ()

    await people.remember_members(group, (ALICE, BOB))
    await people.remember_members(group, (BOB,))

    assert people.members(group) == (BOB,)
    assert (await reopened(database)).members(group) == (BOB,)
