"""Conversation references, on both databases."""

from bot.directory import Address
from tests.builders import WORKSPACE

SOMEBODY = Address("teams:6f0c")


async def reopened(database):
    """The references as another process reads them."""
    conversations = database.conversations(WORKSPACE)
    await conversations.load()
    return conversations


async def test_the_newest_reference_is_known_at_the_next_start(database):
    conversations = await reopened(database)
    assert conversations.get(SOMEBODY) is None

    await conversations.put(SOMEBODY, {"conversation": "a:1", "service_url": "https://old.example/"})
    await conversations.put(SOMEBODY, {"conversation": "a:1", "service_url": "https://new.example/"})

    assert conversations.get(SOMEBODY) == {"conversation": "a:1", "service_url": "https://new.example/"}
    assert (await reopened(database)).get(SOMEBODY) == {"conversation": "a:1", "service_url": "https://new.example/"}


async def test_a_reference_can_be_forgotten(database):
    conversations = await reopened(database)
    await conversations.put(SOMEBODY, {"conversation": "a:1"})

    await conversations.forget(SOMEBODY)

    assert conversations.get(SOMEBODY) is None
    assert (await reopened(database)).get(SOMEBODY) is None


async def test_what_two_replicas_learn_of_one_person_is_kept_together(database):
    one, two = await reopened(database), await reopened(database)

    await one.put(SOMEBODY, {"conversation": "a:1"})
    await two.put(SOMEBODY, {"user": "29:x"})

    assert two.get(SOMEBODY) == {"conversation": "a:1", "user": "29:x"}
    await one.load()
    assert one.get(SOMEBODY) == {"conversation": "a:1", "user": "29:x"}


async def test_a_replica_that_knows_less_brings_nothing_back(database):
    one = await reopened(database)
    await one.put(SOMEBODY, {"conversation": "a:1", "zone": "Europe/Paris"})
    two = await reopened(database)

    await one.put(SOMEBODY, {"zone": "Europe/Paris"})
    await two.put(SOMEBODY, {"conversation": "a:1", "zone": "Europe/Oslo"})

    assert (await reopened(database)).get(SOMEBODY) == {"zone": "Europe/Oslo"}
