"""Every screen while it is empty, while it loads, after an error, and without a network."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, Error, Locator, Route, expect

from tests.clients.web.browser.screens import Shown, screens
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import AppPage, app_page

API: Final = "**/v1/**"
OFFLINE: Final = re.compile("^Offline since")
MISSING: Final = re.compile("cannot be reached|^Not on this phone yet")
ASKS: Final = ("question", "approval", "budget")  # sheets over a task: their own tests show them
NOTHING: Final = {
    "/": "No tasks yet",
    "/costs": "Nothing was spent in these days.",
    "/settings/notifications": "None yet.",
    "/settings/nothing": "There is no such page",
    "/nothing": "There is no such page",
    "/t/task_aaaaaaaaaaaaaaaaaaaaaaaaaa": "This task is not here.",
}


class Line:
    """The way of a page's requests to the gateway: open, slow without an end, or broken."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.is_broken = False

    async def carry(self, route: Route) -> None:
        if self.is_broken:
            await route.abort("connectionreset")
            return
        await self.is_open.wait()
        try:
            await route.continue_()
        except Error:  # its page is gone
            return

    def hold(self) -> None:
        self.is_open.clear()
        self.is_broken = False

    def let_go(self) -> None:
        self.is_broken = False
        self.is_open.set()


@asynccontextmanager
async def line_of(app: AppPage) -> AsyncIterator[Line]:
    """Be between a page and the gateway."""
    line = Line()
    line.let_go()
    await app.page.route(API, line.carry)
    yield line
    line.let_go()
    await app.page.unroute_all(behavior="ignoreErrors")


def shown_in(app: AppPage, shown: Shown) -> Locator:
    return app.page.get_by_text(shown.sign).filter(visible=True)


async def loads_and_fails(app: AppPage, line: Line, shown: Shown) -> None:
    """Open a screen on a slow and on a broken line: it says so, and an error has a way on."""
    here = shown_in(app, shown)
    line.hold()
    await app.open(shown.path)
    await expect(here.or_(app.page.get_by_role("status")).first).to_be_visible()
    line.let_go()
    await expect(here.first).to_be_visible()
    line.is_broken = True
    await app.open(shown.path)
    failed = app.page.get_by_role("alert").get_by_text(re.compile("cannot be reached"))
    await expect(here.or_(failed).first).to_be_visible()
    line.let_go()
    for _ in range(await failed.count()):
        await app.tap("Try again")
    await expect(here.first).to_be_visible()


async def is_offline(app: AppPage, shown: Shown) -> None:
    """Without a network a screen shows what it has, or says what is missing, and that it is so."""
    await app.open(shown.path)
    missing = app.page.get_by_text(MISSING).filter(visible=True)
    await expect(shown_in(app, shown).or_(missing).first).to_be_visible()
    if shown.name != "shared":  # it is of nobody's account, and has no connection
        await expect(app.page.get_by_text(OFFLINE).filter(visible=True).first).to_be_visible()


async def test_every_screen_says_what_it_has_while_it_is_empty_loads_fails_or_is_offline(
    chromium: Browser, stage: Stage
) -> None:
    wrong: dict[str, str] = {}
    async with app_page(chromium, stage.url) as app:
        await app.sign_in(await stage.pair())
        for path, sign in NOTHING.items():
            await app.open(path)
            await app.see(sign)
        await app.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
        every = [shown for shown in await screens(stage) if shown.name not in ASKS]
        async with line_of(app) as line:
            for shown in every:
                try:
                    await loads_and_fails(app, line, shown)
                except (AssertionError, Error) as error:
                    wrong[shown.name] = str(error)
        await app.offline()
        for shown in every:
            try:
                await is_offline(app, shown)
            except (AssertionError, Error) as error:
                wrong[f"{shown.name} offline"] = str(error)
    assert wrong == {}, "\n\n".join(f"{name}: {what[:600]}" for name, what in wrong.items())
