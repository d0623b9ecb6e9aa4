"""The load: people who open issues, note, acknowledge and resolve, each in turn, for as long as they are let."""

import asyncio
import random
from itertools import count

from drill.world import World
from tests.slack_server import SlackServer

TEAMS = 12
"""Roles per level: as many channels and owners, so that one message a second and place is enough for the load."""
LEVELS = 3
WINDOWS = ("1s", "2s", "none")
OPENERS = 150
ROOMS = 30


def team_matrix(team: int, windows: tuple[str, ...] = WINDOWS) -> str:
    """The matrix of one team: a role of its own on each level."""
    lines = [f"matrix: team{team}", f"title: Team {team}", "roles:"]
    lines += [f"  t{team}l{n}: {{label: Level {n}, mandate: Answers.}}" for n in range(1, LEVELS + 1)]
    lines += ["levels:"]
    for n, window in enumerate(windows, start=1):
        lines += [f"  - {{role: t{team}l{n}, window: {window}, action: Look., condition: Still open.}}"]
    return "\n".join(lines) + "\n"


def matrices(windows: tuple[str, ...] = WINDOWS) -> dict[str, str]:
    """Name → text of each team's matrix."""
    return {f"team{team}": team_matrix(team, windows) for team in range(TEAMS)}


def directory() -> str:
    """Everybody of the drill."""
    rooms = "\n".join(f"  slack:CROOM{n}: {{matrix: team{n % TEAMS}}}" for n in range(ROOMS))
    roles = "\n".join(
        f"  t{team}l{level}: {{owners: slack:UT{team}L{level}, channel: slack:CT{team}L{level}}}"
        for team in range(TEAMS)
        for level in range(1, LEVELS + 1)
    )
    return (
        "workspace: {id: acme, name: Acme, calendar: always, default_matrix: team0,"
        " admins: [slack:UADMIN], admin_channel: slack:CADMIN}\n"
        "calendars:\n  always: {zone: Europe/Paris, always: true}\n"
        f"channels:\n{rooms}\nroles:\n{roles}\n"
    )


def move_in(slack: SlackServer) -> None:
    """All people and channels of the drill."""
    people = ["UADMIN", *(f"UOPENER{n}" for n in range(OPENERS))]
    people += [f"UT{team}L{level}" for team in range(TEAMS) for level in range(1, LEVELS + 1)]
    for person in people:
        slack.person(person, name=person.lower())
    channels = ["CADMIN", *(f"CROOM{n}" for n in range(ROOMS))]
    channels += [f"CT{team}L{level}" for team in range(TEAMS) for level in range(1, LEVELS + 1)]
    for channel in channels:
        slack.channel(channel, name=channel.lower(), members=set(people))


class Crowd:
    """Several people at a time; `pace` is the mean number of things that all of them do in a second."""

    def __init__(self, world: World, *, chance: random.Random, pace: float = 10.0, hands: int = 8) -> None:
        self._world, self._chance, self._pace, self._hands = world, chance, pace, hands
        self._numbers = count(1)
        self._open: list[tuple[int, int]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Crowd":
        self._tasks = [asyncio.ensure_future(self._busy()) for _ in range(self._hands)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in self._tasks:
            if not task.cancelled() and (failure := task.exception()):
                raise failure

    async def _busy(self) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(self._pace / self._hands))
            await self.act()

    async def act(self) -> None:
        """One thing that somebody does."""
        if not self._open or self._chance.random() < 0.4:
            await self.open()
            return
        number, team = self._open[self._chance.randrange(len(self._open))]
        owner, room = f"UT{team}L1", f"CT{team}L1"
        what = self._chance.random()
        if what < 0.4:
            await self._world.notes(number, f"w{next(self._numbers)}x", user=owner, channel=room)
        elif what < 0.7:
            await self._world.types(f"ack ESC-{number}", user=owner, channel=room)
        else:
            answer, _ = await self._world.types(f"resolve ESC-{number} mended", user=owner, channel=room)
            if answer == "done" and (number, team) in self._open:
                self._open.remove((number, team))

    async def open(self) -> int | None:
        """Somebody opens an issue in some room."""
        nth = next(self._numbers)
        room = self._chance.randrange(ROOMS)
        user = f"UOPENER{nth % OPENERS}"
        number = await self._world.opens(f"broken thing {nth}", user=user, channel=f"CROOM{room}")
        if number is not None:
            self._open.append((number, room % TEAMS))
        return number
