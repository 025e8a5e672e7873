"""Going from screen to screen in the web app: the tab's title, the focus, and where Back leads."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.kit.browser.app_page import AppPage, app_page
from tests.kit.run.phone import repository, signed_in
from tests.kit.servers.stack import RealStack

PROMPT = "The tests fail, fix it."


@pytest.fixture
async def app(chromium: Browser, stack: RealStack) -> AsyncIterator[AppPage]:
    """The list on a phone, with a task that was sent from elsewhere."""
    made = await repository(stack, "slugify")
    phone = await signed_in(stack)
    await phone.submit(PROMPT, made.url)
    await phone.close()
    async with app_page(chromium, stack.gateway_url) as page:
        await page.sign_in(await stack.pair())
        await page.see(PROMPT)
        yield page


def heading(app: AppPage, name: str) -> Locator:
    return app.page.get_by_role("heading", name=name, level=1)


async def test_each_screen_has_a_title_and_begins_at_its_heading(app):
    page = app.page
    await expect(page).to_have_title(re.compile(r"Tasks · Errand$"))

    await app.follow("Costs")
    await expect(page).to_have_title(re.compile(r"Costs · Errand$"))
    await expect(heading(app, "Costs")).to_be_focused()

    await app.follow("Tasks")
    await app.follow(re.compile(PROMPT))
    await expect(page).to_have_title(re.compile(rf"{PROMPT} · Errand$"))
    await expect(heading(app, PROMPT)).to_be_focused()


async def test_back_returns_to_the_row_that_was_opened_and_leaves_no_step_behind(app):
    page = app.page
    row = page.locator(".task-row-link", has_text=PROMPT).first
    steps = await page.evaluate("history.length")
    await row.tap()
    await expect(heading(app, PROMPT)).to_be_visible()

    await app.tap("Back")
    await expect(row).to_be_focused()

    await app.follow("Settings")
    await expect(heading(app, "Settings")).to_be_visible()
    assert await page.evaluate("history.length") == steps + 1
    await page.go_back()
    await expect(heading(app, "Tasks")).to_be_visible()


async def test_back_from_an_address_that_was_opened_leads_to_the_screen_above(app):
    await app.open("/settings/devices")
    await app.tap("Back")
    await expect(heading(app, "Settings")).to_be_visible()
    assert app.page.url.endswith("/settings")


async def test_the_notifications_page_says_what_this_device_can_do(app):
    await app.open("/settings/notifications")
    await expect(app.page.get_by_role("button", name="Notify me on this device")).to_be_visible()
