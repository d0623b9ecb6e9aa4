"""A chat service that takes its time: what the pump sends to, in a process of its own, over real sockets.

It speaks the few methods of Slack's Web API that sending needs, and a plainer way of its own (`/post`). Every answer takes
`latency` seconds; when each message came is noted by channel, on the machine's monotonic clock.
"""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, pairwise

from aiohttp import web


class Platform:
    """Takes messages and notes when they came."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._numbers = count(1)
        self.came: dict[str, list[float]] = defaultdict(list)

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/post", self._post),
                web.post("/api/chat.postMessage", self._post),
                web.post("/api/chat.update", self._post),
                web.get("/api/chat.getPermalink", self._link),
                web.post("/api/conversations.open", self._open),
                web.get("/came", self._tell),
            ]
        )
        return app

    async def _post(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.came[said["channel"]].append(time.monotonic())
        await asyncio.sleep(self._latency)
        return web.json_response({"ok": True, "channel": said["channel"], "ts": f"{next(self._numbers)}.000000"})

    async def _link(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._latency)
        return web.json_response({"ok": True, "permalink": f"https://chat.example/{request.query['message_ts']}"})

    async def _open(self, request: web.Request) -> web.Response:
        said = await request.json()
        await asyncio.sleep(self._latency)
        return web.json_response({"ok": True, "channel": {"id": "D" + said["users"]}})

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self.came)


@contextmanager
def platform(latency: float) -> Iterator[str]:
    """The URL of one that runs while the block does."""
    command = [sys.executable, "-m", "benchmarks.platform", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def shortest_gap(came: dict[str, list[float]]) -> float | None:
    """The least time between two messages to one channel; None when no channel got two."""
    gaps = [later - sooner for times in came.values() for sooner, later in pairwise(sorted(times))]
    return min(gaps, default=None)


async def main(latency: float) -> None:
    """Serve until stopped; says first where."""
    runner = web.AppRunner(Platform(latency).app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
