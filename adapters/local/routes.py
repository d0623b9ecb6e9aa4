"""The web application of the local chat: the page, what it asks, and the stream of what changes."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from adapters.local.clock import SPEEDS, MovableClock
from adapters.local.demo import Story
from adapters.local.feed import Feed, as_seen
from adapters.local.gateway import LocalChat
from adapters.local.guard import LARGEST_BODY, Body, Wrong, guard, problem, read, set_headers
from adapters.local.places import ladders
from adapters.local.store import JsonObject
from adapters.local.talk import Talk
from adapters.local.upcoming import next_deadline, next_stop
from bot import wording
from bot.commands import Actor
from bot.directory import PersonId
from bot.errors import StoreUnavailable
from bot.failpoints import failpoint
from bot.plan import Language
from bot.ports import Archive, Plans
from bot.reception import Receives

PAGE = Path(__file__).with_name("page")
HEARTBEAT = 10.0
FAST_HEARTBEAT = 1.0
"""Seconds between two words of the stream when nothing happens; the fast clock is also kept more often."""

PATIENCE = 15.0
"""Seconds that a move of the clock waits for what it led to."""

MOST_STOPS = 200
"""A jump to a deadline passes at most this many reminders."""

Post = Callable[[PersonId, Body], Awaitable[JsonObject]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWeb:
    """The local chat over HTTP. `settle` carries out all that is due and returns when nothing is any more."""

    reception: Receives
    chat: LocalChat
    clock: MovableClock
    plans: Plans
    archive: Archive
    settle: Callable[[], Awaitable[None]]
    story: Story | None = None

    def app(self) -> web.Application:
        """The application, to be served on loopback only."""
        return Counter(self).app()


class Counter:
    """Takes the requests of the page."""

    def __init__(self, parts: LocalWeb) -> None:
        self._clock, self._settle, self._reception = parts.clock, parts.settle, parts.reception
        self._store, self._places = parts.chat.store, parts.chat.places
        self._feed = Feed(
            store=self._store,
            places=self._places,
            ladders=ladders(parts.plans, self._places.directory.default_matrix),
            clock=parts.clock,
            archive=parts.archive,
            language=self._language,
            story=parts.story,
        )
        self._talk = Talk(parts.reception, self._store, self._places, parts.chat.renderer, parts.clock, parts.chat.url)
        self._moving = asyncio.Lock()
        self._closing = False

    def app(self) -> web.Application:
        """The routes behind the guard."""
        app = web.Application(middlewares=[guard], client_max_size=LARGEST_BODY)
        app.on_response_prepare.append(set_headers)
        app.on_shutdown.append(self._close)
        posts: dict[str, Post] = {
            "say": self._say,
            "new": self._new,
            "press": self._press,
            "submit": self._submit,
            "change": self._change,
            "shortcut": self._shortcut,
            "read": self._read,
            "clock": self._move,
        }
        app.add_routes(
            [
                web.get("/", self._page),
                web.static("/static", PAGE),
                web.get("/api/state", self._state),
                web.get("/api/events", self._events),
                *(web.post(f"/api/{name}", self._taking(post)) for name, post in posts.items()),
            ]
        )
        return app

    def _taking(self, post: Post) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def take(request: web.Request) -> web.Response:
            body = await read(request)
            person = self._person(body.words("as"))
            failpoint("local.received")
            try:
                answer = web.json_response(await post(person, body))
                failpoint("local.before_answer")
                return answer
            except (StoreUnavailable, sqlite3.Error) as error:
                language = self._language(person)
                sentence = error.sentence if isinstance(error, StoreUnavailable) else StoreUnavailable.sentence
                return problem(wording.plain(language, wording.say(language, sentence), self._places.name), 503)

        return take

    async def _page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _state(self, request: web.Request) -> web.Response:
        given = request.query.get("as")
        person = self._person(given) if given else self._first()
        return web.json_response(await self._feed.state(person))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        person = self._person(request.query.get("as", ""))
        since = _whole(request.headers.get("Last-Event-ID") or request.query.get("since", "0"))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        with suppress(ConnectionError):  # the page is gone; it comes back with Last-Event-ID
            await self._follow(stream, person, since)
        return stream

    async def _follow(self, stream: web.StreamResponse, person: PersonId, since: int) -> None:
        while not self._closing:
            ticket = self._store.news.ticket()
            for message in await self._feed.changes(person, since):
                since = message.change
                await stream.write(_event("message", as_seen(message), since))
            await stream.write(_event("status", await self._feed.status(person)))
            await self._store.keep_clock(self._clock.kept())
            try:
                async with asyncio.timeout(HEARTBEAT if self._clock.speed == 1 else FAST_HEARTBEAT):
                    await ticket.wait()
            except TimeoutError:
                continue

    async def _say(self, person: PersonId, body: Body) -> JsonObject:
        spot = await self._talk.spot(person, body.words("place"), body.optional("thread"))
        return await self._talk.say(spot, body.words("words"), body.request)

    async def _new(self, person: PersonId, body: Body) -> JsonObject:
        return await self._talk.new(await self._talk.spot(person, body.words("place"), None), body.request)

    async def _press(self, person: PersonId, body: Body) -> JsonObject:
        spot = await self._talk.spot(person, body.words("place"), body.optional("thread"))
        return await self._talk.press(spot, body.words("press"), body.words("subject"), body.request)

    async def _submit(self, person: PersonId, body: Body) -> JsonObject:
        spot = await self._talk.spot(person, body.words("place"), body.optional("thread"))
        form, context = body.words("form"), body.words("context")
        return await self._talk.submit(spot, form, context, body.fields, request=body.request)

    async def _change(self, person: PersonId, body: Body) -> JsonObject:
        spot = await self._talk.spot(person, body.words("place"), body.optional("thread"))
        return await self._talk.change(spot, body.words("form"), body.words("context"), body.fields)

    async def _shortcut(self, person: PersonId, body: Body) -> JsonObject:
        return await self._talk.shortcut(person, body.words("message"), body.request)

    async def _read(self, person: PersonId, body: Body) -> JsonObject:
        spot = await self._talk.spot(person, body.words("place"), None)
        await self._store.mark_read(person, spot.place, body.words("upto"))
        return {}

    async def _move(self, person: PersonId, body: Body) -> JsonObject:
        async with self._moving:
            if "speed" in body.values:
                self._run_at(body.values["speed"])
            else:
                await self._jump(body.words("jump"))
            await self._settle_soon()
            await self._store.keep_clock(self._clock.kept())
        self._store.news.ring()
        return await self._feed.status(person)

    def _run_at(self, speed: object) -> None:
        if not isinstance(speed, int) or speed not in SPEEDS:
            raise Wrong(f"'speed' must be one of {', '.join(map(str, SPEEDS))}")
        self._clock.run_at(speed)

    async def _jump(self, to: str) -> None:
        """To the next reminder or deadline ("next"), or past the next deadline ("deadline"), stopping at each reminder."""
        if to not in {"next", "deadline"}:
            raise Wrong('\'jump\' must be "next" or "deadline"')
        goal = next_deadline(await self._feed.open_ones()) if to == "deadline" else None
        for _ in range(MOST_STOPS):
            stop = next_stop(await self._feed.open_ones())
            if stop is None:
                return
            self._clock.jump(stop.at + timedelta(milliseconds=1))
            if goal is None or self._clock.now() > goal.at:
                return
            await self._settle_soon()

    async def _settle_soon(self) -> None:
        """Wait for what the move of the clock led to, but not for ever: what is late shows as it comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._settle()

    def _person(self, given: str) -> PersonId:
        person = self._places.person(given)
        if person is None:
            raise Wrong("there is no such person here", 404)
        return person

    def _first(self) -> PersonId:
        people = tuple(self._places.people)
        if not people:
            raise Wrong("the directory names nobody of the local chat", 404)
        return people[0]

    def _language(self, person: PersonId) -> Language:
        return self._reception.language(Actor(person))

    async def _close(self, app: web.Application) -> None:
        self._closing = True
        self._store.news.ring()
        await self._store.keep_clock(self._clock.kept())


def _event(name: str, content: JsonObject, id: int | None = None) -> bytes:
    numbered = f"id: {id}\n" if id is not None else ""
    return f"{numbered}event: {name}\ndata: {json.dumps(content)}\n\n".encode()


def _whole(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else 0
