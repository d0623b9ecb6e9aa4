"""One scenario per platform. Together they pass every fail point; each goes on after the process has died, to its end."""

import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import aiohttp
from sqlalchemy import func, select

from drill.aftermath import expired_story, forgotten_story, move_in, moved_story, opened, repaired_story
from drill.checks import findings
from drill.player import Ending, Player, awaited, changed
from drill.processes import Bot, Starter
from drill.world import World, ground
from storage.tables import escalations
from tests.teams_server import TeamsServer
from tests.teams_tokens import SigningKey

MATRIX = """
matrix: story
title: Story
roles:
  desk: {label: Desk, mandate: Looks first.}
  second: {label: Second line, mandate: Looks again.}
  third: {label: Third line, mandate: Is away.}
  head: {label: Head, mandate: Decides.}
levels:
  - {role: desk, window: 1s, action: Look., condition: Still open.}
  - {role: second, window: 2s, action: Look., condition: Still open.}
  - {role: third, window: 1h, action: Look., condition: Still open.}
  - {role: head, window: none, action: Decide., condition: Last level.}
"""

DIRECTORY = """
workspace: {id: acme, name: Acme, calendar: always, default_matrix: story, admins: [%(admin)s], admin_channel: "%(admins)s"}
calendars:
  always: {zone: Europe/Paris, always: true}
roles:
  desk: {owners: ["%(desk)s"], channel: "%(desks)s"}
  second: {owners: ["%(second)s"], channel: "%(seconds)s"}
  third: {owners: ["%(third)s"]}
  head: {owners: ["%(head)s"], channel: "%(heads)s"}
"""


THE_LAST_LEVEL = "SELECT coalesce(min(level), 0) = 4 FROM escalations"
"""Whether every issue has come to the end of its windows; until then, an empty outbox is empty for a moment only."""


async def slack_story(player: Player) -> None:
    """Opened; two windows end, places refuse, nobody is reached; taken, noted, resolved; its row is spoilt; the end."""
    world = player.world
    slack = world.slack
    move_in(slack)

    async def said(words: str, user: str, channel: str) -> bool:
        return (await world.types(words, user=user, channel=channel))[0] == "done"

    await player.insist(lambda _: opened(world))
    first = world.promises.opened["checkout fails"]
    await player.insist(lambda _: said("lang fr", "UNEW", "CHELP"))
    await player.insist(lambda _: said("lang en", "UNEW", "CHELP"))
    await player.until(lambda: any(f"ESC-{first}" in said.words for said in slack.messages("CHEAD")))
    await player.insist(lambda _: said(f"ack ESC-{first}", "UHEAD", "CHEAD"))
    await player.insist(lambda _: world.notes(first, "looked-at-it", user="UHEAD", channel="CHEAD"))
    slack.groups["SGROUP"].members.append("UNEW")

    async def groupchanged() -> bool:
        return (await world.door().event({"type": "subteam_updated", "subteam": {"id": "SGROUP"}})).ok

    await player.insist(lambda _: groupchanged())

    async def directly() -> bool:
        return (await world.door().direct_message(f"show ESC-{first}", user="UHEAD")).ok

    await player.insist(lambda _: directly())
    await player.insist(lambda _: said(f"resolve ESC-{first} mended", "UHEAD", "CHEAD"))
    await player.drained()
    await _spoil(world, first)
    await awaited(player, "SELECT max(parked) FROM escalations")
    await player.drained()
    await player.bow()
    player.ending.found = await findings(world, damaged=frozenset({first}))
    if not any(f"ESC-{first}" in said.words for said in slack.messages("CADMIN")):
        player.ending.problems.append("the admins never heard that nobody was reached")


async def _spoil(world: World, number: int) -> None:
    """A row that cannot be read, and is due."""
    due = select(func.min(escalations.c.opened_at)).scalar_subquery()
    mine = escalations.c.number == number
    await changed(world, escalations.update().where(mine).values(state="{", next_due=due))


async def bundle_story(player: Player) -> None:
    """Six issues for one desk at once: it is told of several in one message."""
    world = player.world
    move_in(world.slack)
    (world.folder / "matrices" / "story.yaml").write_text(MATRIX.replace("1s", "1h"), encoding="utf-8")
    await player.bot()

    async def open(title: str) -> bool:
        return await world.opens(title, user="UOPENER", channel="CHELP") is not None

    for number in range(6):
        title = f"checkout {number} fails"
        await player.insist(lambda _, title=title: open(title))
    await player.drained()
    await player.bow()
    player.ending.found = await findings(world)


async def teams_story(player: Player) -> None:
    """Opened in a personal chat that is new; two windows end, nobody is reached; the list; the end."""
    world = player.world
    SigningKey(0).to_json()  # made once, before the threads of several servers make one each
    async with TeamsServer() as teams:
        people = {
            name: _entra(nth) for nth, name in enumerate(("admin", "desk", "second", "third", "head", "opener"), 1)
        }
        teams.team("team-1", name="Support")
        for name in people.keys() - {"third"}:
            teams.person(people[name], name=name)
        rooms = {name: f"19:{name}@thread.tacv2" for name in ("admins", "desks", "seconds", "heads")}
        for name, id in rooms.items():
            teams.channel(id, name=name, team="team-1")
        directory = DIRECTORY % {name: f"teams:{id}" for name, id in (people | rooms).items()}
        (world.folder / "directory.yaml").write_text(directory, encoding="utf-8")
        world.settings |= {
            "ECHELON_SLACK_MODE": "off",
            "ECHELON_TEAMS_APP_ID": teams.app_id,
            "ECHELON_TEAMS_APP_PASSWORD": teams.password,
            "ECHELON_TEAMS_TENANT_ID": teams.tenant,
            "ECHELON_TEAMS_SERVICE_URL": teams.service_url,
            "ECHELON_TEAMS_OPENID_URL": teams.identity.openid_url,
            "ECHELON_TEAMS_LOGIN_URL": teams.identity.url,
        }

        async def say(bot: Bot, words: str) -> bool:
            door = teams.door(f"{bot.url}/api/messages", timeout=4)
            return (await door.direct_message(words, people["opener"])).ok

        def told(name: str) -> int:
            to = people.get(name) or rooms[name]
            cards = [said for said in teams.messages(to) if said.card and not said.is_reply]
            return sum(card.words.startswith("ESC-") and "· checkout fails" in card.words for card in cards)

        await player.insist(lambda bot: say(bot, "checkout fails"))
        await player.insist(lambda bot: say(bot, "list"))
        await awaited(player, THE_LAST_LEVEL)  # whoever got no answer said it again: two issues, one behind the other
        await player.drained()
        await player.bow()
        player.ending.found = await findings(world, keys=None)
        there = player.ending.found.escalations
        if not 1 <= there <= 1 + world.kills:
            player.ending.problems.append(f"{there} escalations were opened")
        if not there <= told("heads") <= there + world.kills:
            player.ending.problems.append(f"the heads were told {told('heads')} times of {there}")


def _entra(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


async def local_story(player: Player) -> None:
    """The demo: opened in the local chat; the clock jumps to the end of a window; the end."""
    world = player.world
    chat = world.folder / "demo" / "chat.db"
    world.url = f"sqlite:///{world.folder}/demo/echelon.db"
    world.settings["ECHELON_DEMO_FOLDER"] = str(world.folder / "demo")

    async def post(bot: Bot, what: str, **body: object) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{bot.url}/api/{what}", json={"as": "local:noor", **body}) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    spoken = {"place": "local:#helpdesk", "words": "/escalate checkout fails", "request": "request-0001"}
    await player.insist(lambda bot: post(bot, "say", **spoken))
    world.promises.opened["checkout fails"] = 1
    await player.insist(lambda bot: post(bot, "clock", jump="deadline"))
    await player.drained()
    await player.bow()
    player.ending.found = await findings(world, keys=_local_keys(chat))
    if player.ending.found.escalations != 1:
        player.ending.problems.append("the same request opened more than one")


def _local_keys(chat: Path) -> list[str]:
    """The delivery key of each message that the demo's chat holds: "sent:local:ada:KEY", or "sent:local:#room:KEY"."""
    with closing(sqlite3.connect(chat)) as connection:
        keys = [str(key) for (key,) in connection.execute("SELECT key FROM messages WHERE key LIKE 'sent:%'")]
    return [key.split(":", 3)[3] for key in keys]


Story = Callable[[Player], Awaitable[None]]
ELSEWHERE: dict[str, tuple[Story, tuple[str, ...]]] = {
    "teams": (teams_story, ("run",)),
    "conversations": (teams_story, ("run",)),
    "local": (local_story, ("demo",)),
    "audit": (repaired_story, ("run",)),
    "carrier.told": (bundle_story, ("run",)),
    "move": (moved_story, ("run",)),
    "erasure.after_ledger": (forgotten_story, ("run",)),
    "erasure.after_retention": (expired_story, ("run",)),
}
"""Fail points by name, or by its first word; all others lie on the way of the story in Slack."""


async def play(
    point: str,
    folder: Path,
    url: str,
    starter: Starter,
    *,
    spare: Callable[[], str] | None = None,
) -> Ending:
    """The story that passes `point` ("name" or "name:passage"), with the process dying there. Raises nothing.

    `spare` gives the URL of an empty database on a server: one story moves there.
    """
    name = point.partition(":")[0]
    story, words = ELSEWHERE.get(name) or ELSEWHERE.get(name.partition(".")[0]) or (slack_story, ("run",))
    names = {"admin": "slack:UADMIN", "admins": "slack:CADMIN", "desk": "slack:UDESK", "desks": "slack:CDESK"}
    names |= {"second": "slack:SGROUP", "seconds": "slack:CSECOND", "third": "slack:UTHIRD"}
    names |= {"head": "slack:UHEAD", "heads": "slack:CHEAD"}
    began = time.monotonic()
    async with ground(
        folder,
        url,
        starter,
        directory=DIRECTORY % names,
        matrices={"story": MATRIX},
        mode="socket",
    ) as world:
        player = Player(world, point, words=words, spare=spare)
        try:
            await story(player)
        except Exception as error:  # a story that breaks off is a finding; the others go on
            player.ending.problems.append(f"broke off: {type(error).__name__} {error} {world.log()[-1500:]}")
        player.ending.problems += [f"Slack complains: {said}" for said in world.slack.complaints[:3]]
        if "Traceback" in (log := world.log()):
            player.ending.problems.append(f"a traceback: {log[log.index('Traceback') :][-1500:]}")
    player.ending.seconds = time.monotonic() - began
    return player.ending
