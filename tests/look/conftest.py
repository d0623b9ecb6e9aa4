"""The demo as a newcomer starts it, and a headless Chromium to look at it. Screenshots go to `look/`."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import unused_port
from playwright.async_api import Browser, Page, async_playwright

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "look"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a fresh demo, a process of its own."""
    port = unused_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ECHELON_")},
        "ECHELON_PORT": str(port),
        "ECHELON_DEMO_FOLDER": str(tmp_path / "demo"),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "app.py"), "demo", env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        await _answers(f"{url}/readyz")
        yield url
    finally:
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0, "the demo ends calmly"


async def _answers(url: str) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium: CHROMIUM names it, else the first that is found."""
    found = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next((where for name in found if name and (where := shutil.which(name))), None)
    assert path, "no Chromium here: install one, or name it in CHROMIUM"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=QUIET)
        yield launched
        await launched.close()


async def shot(page: Page, name: str) -> None:
    """A picture for people to look at."""
    SHOTS.mkdir(exist_ok=True)
    await page.screenshot(path=SHOTS / f"{name}.png")
