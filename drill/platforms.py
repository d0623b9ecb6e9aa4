"""A platform that answers badly, late, or not at all, while people open issues and windows end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from drill.checks import drained, findings
from drill.faults import Range, Row
from drill.people import Crowd

FOR = 6.0
CALM_AFTER = 150.0


@dataclass(frozen=True)
class PlatformFault:
    """What each call that sends or edits is answered with, for some seconds."""

    name: str
    how: dict[str, Any] = field(default_factory=dict)
    honours: bool = True

    async def __call__(self, where: Range) -> Row:
        """Answer badly for a while, then well."""
        row = Row(
            f"platform: {self.name}",
            f"chat.postMessage and chat.update answer so for {FOR:g} s under load",
            "openings are answered all the while; every message arrives; doubled 0"
            if self.honours
            else "openings are answered all the while; every message arrives; doubled at most once a drop",
        )
        async with where.ground("SQLite", honours=self.honours) as world:
            bot = await world.start()
            row.demand(await bot.ready(), "it never was ready")
            async with Crowd(world, chance=where.chance(self.name), pace=6):
                await asyncio.sleep(1.5)
                for method in ("chat.postMessage", "chat.update"):
                    world.slack.faults.always(method, **self.how)
                opened, calls = len(world.promises.opened), len(world.slack.calls)
                await asyncio.sleep(FOR)
                meanwhile = len(world.promises.opened) - opened
                tried = [call for call in world.slack.calls[calls:] if call.method == "chat.postMessage"]
                world.slack.faults.clear()
                await asyncio.sleep(1)
            row.demand(meanwhile > 0, f"nobody could open anything meanwhile: {world.promises.answers}")
            row.demand(bot.alive, f"the process ended: {world.log()[-1000:]}")
            seconds = await drained(world, CALM_AFTER)
            found = await findings(world)
            row.demand(found.clean and found.doubled <= (0 if self.honours else len(tried)), str(found))
            row.demand("Traceback" not in world.log(), world.log()[-1500:])
            row.demand(not world.slack.complaints, "; ".join(world.slack.complaints[:3]))
            await world.stop()
        row.measured = f"{meanwhile} opened meanwhile, {len(tried)} posts tried; {found}; calm after {seconds:.0f} s"
        return row


FAULTS: dict[str, Callable[[Range], Awaitable[Row | list[Row]]]] = {
    "platform-429": PlatformFault("429, Retry-After 2", {"status": 429, "retry_after": 2}),
    "platform-500": PlatformFault("500", {"status": 500}),
    "platform-502": PlatformFault("502 in HTML", {"status": 502, "html": True}),
    "platform-503": PlatformFault("503", {"status": 503}),
    "platform-504": PlatformFault("504", {"status": 504}),
    "platform-html": PlatformFault("200 in HTML", {"status": 200, "html": True}),
    "platform-hangs": PlatformFault("never answers", {"hang": True}),
    "platform-drops": PlatformFault("drops the connection", {"drop": True}),
    "platform-drops-after": PlatformFault("drops after it has accepted", {"drop": True, "accepted": True}),
    "platform-drops-after-no-key": PlatformFault(
        "drops after it has accepted, and honours no key", {"drop": True, "accepted": True}, honours=False
    ),
}
