"""A stop is over in ten seconds, whatever is under way."""

import asyncio

from aiohttp import ClientSession, web
from aiohttp.test_utils import unused_port

from adapters.web import serving
from scheduler.clock import SystemClock


async def test_a_request_that_never_ends_holds_a_stop_up_for_seconds_only() -> None:
    reached, port = asyncio.Event(), unused_port()

    async def hang(_: web.Request) -> web.Response:
        reached.set()
        await asyncio.sleep(3600)
        return web.Response()

    runner = await serving.serve([web.get("/", hang)], "127.0.0.1", port, clock=SystemClock())
    async with ClientSession() as session:
        asking = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}/"))
        await reached.wait()
        async with asyncio.timeout(30):
            await runner.cleanup()
        await asyncio.gather(asking, return_exceptions=True)  # it was cut off
