"""Listening on a port, and working until told to stop."""

import asyncio
import errno
import logging
import signal
from collections.abc import Coroutine, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.web.walls import Remotes, WalledRunner, set_headers, turning_away
from bot.errors import ConfigurationError, Problem
from bot.ports import Clock
from bot.requests import working_on
from bot.signals import Signals

LARGEST_BODY = 256 * 1024
FINISH = 2.0
"""Seconds that requests under way have for their end, and once more for their cancelling: a stop takes at most 10."""

log = logging.getLogger("echelon")


async def serve(
    routes: Iterable[web.AbstractRouteDef],
    host: str,
    port: int,
    app: web.Application | None = None,
    *,
    clock: Clock,
    remotes: Remotes | None = None,
    signals: Signals | None = None,
) -> web.AppRunner:
    """Listen, behind the walls; the runner is to be cleaned up. Raises ConfigurationError when the port is taken."""
    app, remotes = app or web.Application(client_max_size=LARGEST_BODY), remotes or Remotes()
    app.add_routes(routes)
    app.middlewares.insert(0, turning_away(clock, remotes, signals))
    app.middlewares.insert(0, _begin)
    app.on_response_prepare.append(set_headers)
    runner = WalledRunner(app, remotes, shutdown_timeout=FINISH)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        said = f"cannot listen on {host}:{port} ({error.strerror}); choose another, or stop what listens there"
        setting = "ECHELON_PORT" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "ECHELON_HOST"
        raise ConfigurationError((Problem(setting, said),)) from None
    return runner


@web.middleware
async def _begin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A connection's requests share a task: the name of the one before must not stick to the next."""
    working_on("")
    return await handler(request)


async def until_stopped(*works: Coroutine[None, None, None]) -> None:
    """Run `works`, if any, until SIGTERM or SIGINT; then cancel them and wait for their end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        await stop.wait()
        log.info("Stopping: what is under way is finished, the rest waits in the database", extra={"action": "stop"})
        for task in tasks:
            task.cancel()
