"""Listening on a port, and working until told to stop."""

import asyncio
import errno
import logging
import signal
from collections.abc import Coroutine, Iterable

from aiohttp import web

from bot.errors import ConfigurationError, Problem

LARGEST_BODY = 256 * 1024
FINISH = 2.0
"""Seconds that requests under way have for their end, and once more for their cancelling: a stop takes at most 10."""

log = logging.getLogger("echelon")


async def serve(
    routes: Iterable[web.AbstractRouteDef], host: str, port: int, app: web.Application | None = None
) -> web.AppRunner:
    """Listen; the runner is to be cleaned up. Raises ConfigurationError when the port is taken."""
    app = app or web.Application(client_max_size=LARGEST_BODY)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=FINISH)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        said = f"cannot listen on {host}:{port} ({error.strerror}); choose another, or stop what listens there"
        setting = "ECHELON_PORT" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "ECHELON_HOST"
        raise ConfigurationError((Problem(setting, said),)) from None
    return runner


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
