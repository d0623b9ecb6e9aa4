"""The story in the local chat, clicked through in a browser; the pictures are in `look/`, one opens the README."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.look.conftest import shot

pytestmark = [pytest.mark.look, pytest.mark.timeout(180)]

WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def patience() -> None:
    """Two shared cores: a page may take its time."""
    expect.set_options(timeout=15_000)


async def opened(browser: Browser, url: str, *, dark: bool = False, phone: bool = False) -> Page:
    """The page; any error in its console fails the test."""
    context = await browser.new_context(
        viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page broke: {error}"))
    await page.goto(url)
    await expect(page.get_by_role("button", name="Watch an issue climb")).to_be_visible()
    return page


async def acts_as(page: Page, name: str) -> None:
    await page.locator("#switcher").click()
    await page.locator("#people").get_by_role("button", name=re.compile(name)).click()
    await expect(page.locator("#switcher")).to_contain_text(name)


async def goes_to(page: Page, place: str) -> None:
    await page.locator("#rooms").get_by_role("button", name=re.compile(rf"\b{place}\b")).click()


async def says(page: Page, words: str) -> None:
    box = page.locator("#composer").get_by_role("textbox")
    await box.fill(words)
    await box.press("Enter")


async def test_an_issue_is_opened_pinged_acknowledged_moved_up_and_resolved(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo)
    await shot(page, "01-start")

    await says(page, "/escalate Checkout fails for every customer")
    await expect(page.locator("#messages")).to_contain_text("ESC-1 is open")
    await shot(page, "02-opened")

    await acts_as(page, "Ada")
    await goes_to(page, "Echelon")
    ping = page.locator("#messages .card").last
    await expect(ping).to_contain_text("Waiting · level 1 of 7")
    await shot(page, "03-ping")
    await ping.get_by_role("button", name="Acknowledge").click()
    await expect(ping).to_contain_text("Ada Bergström has it since")
    await shot(page, "04-acknowledged")

    await page.locator("#jump").click()
    await expect(ping).to_contain_text("Moved up to level 2 of 7")
    await goes_to(page, "support-l2")
    post = page.locator("#messages .card").last
    await expect(post).to_contain_text("@Bruno Costa")
    await shot(page, "05-next-channel")

    await acts_as(page, "Bruno")
    await goes_to(page, "support-l2")
    await post.get_by_role("button", name="Resolve").click()
    dialog = page.locator("#dialog")
    await dialog.get_by_role("textbox").fill("The certificate was renewed.")
    await shot(page, "06-resolving")
    await dialog.get_by_role("button", name="Resolve").click()
    await expect(post).to_contain_text("Resolved by @Bruno Costa")
    await shot(page, "07-resolved")

    await acts_as(page, "Noor")
    await goes_to(page, "Echelon")
    await expect(page.locator("#messages .card").last).to_contain_text("Resolved by @Bruno Costa")
    await page.locator("#messages .card").last.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Timeline").click()
    await expect(page.locator("#dialog")).to_contain_text("Noor Haddad opened it.")
    await shot(page, "08-timeline")


async def test_an_issue_climbs_to_the_last_level_by_the_clock_alone(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo, dark=True)
    await says(page, "/escalate Checkout fails for every customer")
    await expect(page.locator("#messages")).to_contain_text("ESC-1 is open")

    for level in range(2, 8):
        await expect(page.locator("#jump")).to_be_enabled()
        await expect(page.locator("#jump-to")).to_contain_text(f"level {level}")
        await page.locator("#jump").click()
    await goes_to(page, "leadership")

    post = page.locator("#messages .card").last
    await expect(post).to_contain_text("Waiting · level 7 of 7")
    await expect(post).to_contain_text("This is the last level.")
    await shot(page, "09-last-level-dark")


async def test_a_form_and_a_dialog_work_by_keyboard_alone(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo)
    await page.locator("#composer").get_by_role("textbox").focus()
    await page.keyboard.type("/escalate")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    dialog = page.locator("#dialog")
    await expect(dialog).to_be_visible()
    await expect(dialog.get_by_label("What is wrong?")).to_be_focused()

    await page.keyboard.type("Mail is down")
    await shot(page, "10-form")
    await page.keyboard.press("Enter")

    await expect(dialog).to_be_hidden()
    await expect(page.locator("#messages")).to_contain_text("ESC-1 is open: Mail is down")


async def test_it_reads_on_a_phone(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo, phone=True)
    await shot(page, "11-phone-start")
    await says(page, "/escalate Checkout fails for every customer")
    await expect(page.locator("#messages")).to_contain_text("ESC-1 is open")
    await page.locator("#drawer").click()
    await acts_as(page, "Ada")
    await page.locator("#drawer").click()
    await goes_to(page, "Echelon")

    await expect(page.locator("#messages .card").last.get_by_role("button", name="Acknowledge")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the side"
    await shot(page, "12-phone-ping")


async def test_a_french_reader_gets_french(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo)
    await says(page, "/escalate Checkout fails for every customer")
    await expect(page.locator("#messages")).to_contain_text("ESC-1 is open")
    for level in (2, 3):
        await expect(page.locator("#jump-to")).to_contain_text(f"level {level}")
        await page.locator("#jump").click()
    await acts_as(page, "Chloé")
    await goes_to(page, "Echelon")

    ping = page.locator("#messages .card").last
    await expect(ping).to_contain_text("En attente · niveau 3 sur 7")
    await expect(ping.get_by_role("button", name="Prendre en charge")).to_be_visible()
    await shot(page, "13-french")


async def test_the_running_example_runs_to_its_end(browser: Browser, demo: str) -> None:
    page = await opened(browser, demo)
    await page.get_by_role("button", name="Watch an issue climb").click()

    for step in range(1, 9):
        following = page.locator(f'#tour[data-step="{step}"] .primary')
        await expect(following).to_be_enabled()
        if step == 4:
            await shot(page, "14-tour")
        if step < 8:
            await following.click()
    await shot(page, "15-tour-end")

    await expect(page.locator("#messages .card").last).to_contain_text("Resolved by")
