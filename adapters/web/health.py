"""`/healthz` (the process answers) and `/readyz` (it can do its work: each part with its own word)."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Part = Callable[[], Awaitable[str]]
"""Says "ok", or in a few words what is wrong with one part."""

OK = "ok"


def routes(parts: Mapping[str, Part]) -> list[web.RouteDef]:
    """The two routes; `parts` are asked at every `/readyz`."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": OK})

    async def readyz(_: web.Request) -> web.Response:
        said = {name: await part() for name, part in parts.items()}
        ready = all(word == OK for word in said.values())
        return web.json_response({"status": OK if ready else "not ready", **said}, status=200 if ready else 503)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
