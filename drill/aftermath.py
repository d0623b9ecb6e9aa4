"""What is done to old issues: a person is forgotten, a year is over, a row is mended."""

import json
from datetime import UTC, datetime

from sqlalchemy import select

from drill.checks import findings
from drill.player import Player, asked, awaited, changed, rows
from drill.world import World
from storage.tables import escalations
from tests.slack_server import SlackServer

AUDITED_SOON = {"ECHELON_AUDIT_SECONDS": "1"}
"""By default the first audit comes a minute after a start, and a story with a death waits for two."""


def move_in(slack: SlackServer) -> None:
    for person in ("UADMIN", "UDESK", "USECOND", "UHEAD", "UOPENER", "UNEW"):
        slack.person(person, name=person.lower())
    slack.person("UTHIRD", name="uthird", deleted=True)
    for channel in ("CADMIN", "CDESK", "CHEAD", "CHELP"):
        slack.channel(channel, name=channel.lower(), members=set(slack.people))
    slack.channel("CSECOND", name="csecond", archived=True)
    slack.group("SGROUP", members=["USECOND"])


async def opened(world: World) -> bool:
    return await world.opens("checkout fails", user="UOPENER", channel="CHELP") is not None


async def past(player: Player, *, resolved: bool) -> None:
    """Something to look after: one issue, everybody told, the process stopped; what follows is armed."""
    world, player.armed = player.world, False
    move_in(world.slack)

    async def resolves() -> bool:
        return (await world.types("resolve ESC-1 mended", user="UOPENER", channel="CHELP"))[0] == "done"

    await player.insist(lambda _: opened(world))
    if resolved:
        await player.insist(lambda _: resolves())
    else:
        await player.until(lambda: any("ESC-1" in said.words for said in world.slack.messages("CHEAD")))
    await player.drained()
    await player.bow()
    player.armed = True


async def forgotten_story(player: Player) -> None:
    """A person is forgotten; the process dies in the middle, and is asked again."""
    await past(player, resolved=True)
    player.world.promises.opened.clear()  # the title goes with the person
    await player.command("forget", "slack:UOPENER", "--yes")
    player.ending.found = await findings(player.world)
    left = await asked(player.world, "SELECT count(*) FROM escalations WHERE state LIKE '%UOPENER%'")
    if left:
        player.ending.problems.append("the person is still named")


async def moved_story(player: Player) -> None:
    """From the file to a server; the process dies in the middle, and the same words do it afterwards."""
    await past(player, resolved=True)
    world = player.world
    if player.spare is None:
        player.ending.problems.append("there is no server to move to")
        return
    file, world.url = world.url, player.spare()
    await player.command("move", "--from", file)
    player.ending.found = await findings(world)
    if player.ending.found.escalations != 1:
        player.ending.problems.append(f"{player.ending.found.escalations} escalations were moved")


async def expired_story(player: Player) -> None:
    """What ended a year ago is erased by the first audit after the start."""
    await past(player, resolved=True)
    world = player.world
    world.promises.opened.clear()
    world.settings |= {"ECHELON_RETENTION_DAYS": "30"} | AUDITED_SOON
    (row,) = await rows(world, select(escalations.c.state, escalations.c.opened_at))
    state = json.loads(row["state"])
    state["ending"]["at"] = "2020-01-02T00:00:00Z"
    old = {"state": json.dumps(state), "opened_at": datetime(2020, 1, 1, tzinfo=UTC)}
    await changed(world, escalations.update().values(old))
    await awaited(player, "SELECT count(*) FROM ledger WHERE kind = 'erased'")
    await player.bow()
    player.ending.found = await findings(world)


async def repaired_story(player: Player) -> None:
    """An escalation without a next instant is given one by the first audit after the start."""
    await past(player, resolved=False)
    world = player.world
    world.settings |= AUDITED_SOON
    await changed(world, escalations.update().values(next_due=None, reminder_due=None, deadline=None))
    await awaited(player, "SELECT count(*) FROM ledger WHERE kind = 'repaired'")
    await player.drained()
    await player.bow()
    player.ending.found = await findings(world)
