"""/healthz and /readyz: every part is asked at once, none can hold up the answer, and what is wrong is named."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.web.health import OK, Note, Part, routes
from tests.fakes import FakeClock


async def readiness(parts: dict[str, Part], notes: dict[str, Note] | None = None) -> tuple[int, dict[str, str]]:
    return (await several(1, parts, notes))[0]


async def several(
    times: int, parts: dict[str, Part], notes: dict[str, Note] | None = None
) -> list[tuple[int, dict[str, str]]]:
    app = web.Application()
    app.add_routes(routes(parts, FakeClock(), notes, patience=0.05))
    answers = []
    async with TestClient(TestServer(app)) as client:
        for _ in range(times):
            async with client.get("/readyz") as answer:
                answers.append((answer.status, await answer.json()))
    return answers


async def fine() -> str:
    return OK


async def test_ready_when_every_part_is() -> None:
    assert await readiness({"database": fine, "sweep": fine}) == (
        200,
        {"status": "ok", "database": "ok", "sweep": "ok"},
    )


async def test_not_ready_when_one_part_is_not_and_it_is_named() -> None:
    async def late() -> str:
        return "the last sweep was 12 s ago"

    status, said = await readiness({"database": fine, "sweep": late})

    assert (status, said["status"], said["sweep"]) == (503, "not ready", "the last sweep was 12 s ago")


async def test_a_part_that_hangs_is_named_and_asked_once() -> None:
    asked = []

    async def hangs() -> str:
        asked.append(1)
        await asyncio.Event().wait()
        return OK

    answers = await several(3, {"database": hangs, "sweep": fine})

    assert [status for status, _ in answers] == [503] * 3
    assert answers[0][1]["database"].startswith("no answer")
    assert answers[0][1]["sweep"] == "ok"
    assert len(asked) == 1, "probes must not pile up behind it"


async def test_parts_are_asked_at_the_same_time() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> str:
        first.set()
        await second.wait()
        return OK

    async def other() -> str:
        second.set()
        await first.wait()
        return OK

    assert (await readiness({"one": one, "other": other}))[0] == 200


async def test_a_part_that_fails_is_named_without_its_words() -> None:
    async def breaks() -> str:
        raise RuntimeError("xoxb-secret")

    assert await readiness({"slack": breaks}) == (503, {"status": "not ready", "slack": "failed: RuntimeError"})


async def test_a_part_that_has_come_back_is_ready_again() -> None:
    answers = iter(["does not answer", OK])

    async def heals() -> str:
        return next(answers)

    assert [status for status, _ in await several(2, {"database": heals})] == [503, 200]


async def test_a_note_is_shown_and_changes_nothing() -> None:
    notes: dict[str, Note] = {"clock": lambda: "the wall clock stepped by +3600.0 s", "quiet": lambda: None}

    status, said = await readiness({"database": fine}, notes)

    assert (status, said["clock"], "quiet" in said) == (200, "the wall clock stepped by +3600.0 s", False)


async def test_the_process_answers_whatever_its_parts_do() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return OK

    app = web.Application()
    app.add_routes(routes({"database": hangs}, FakeClock(), patience=0.05))
    async with TestClient(TestServer(app)) as client, client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
