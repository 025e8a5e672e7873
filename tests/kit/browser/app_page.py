"""The web app in a real browser, as small as on a phone and touched by a finger."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    expect,
)

from infra.local.stack import Pairing
from tests.kit.probe.eventually import eventually

Scheme = Literal["light", "dark"]
_SECONDS: Final = 20.0
_EXPECTED: Final = re.compile(
    r"net::ERR_|Failed to load resource|WebSocket connection to"
)  # what a browser writes by itself when a network or a server is away


class Size(NamedTuple):
    """A screen, in CSS pixels."""

    width: int
    height: int


SMALL: Final = Size(360, 640)
USUAL: Final = Size(390, 844)
ON_ITS_SIDE: Final = Size(844, 390)
WIDE: Final = Size(1280, 800)


class AppPage:
    """The app on one device, with a storage of its own; the console's errors are collected."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(f"{error}"))

    async def open(self, path: str = "/") -> None:
        """Load the app at a path."""
        await self.page.goto(f"{self.url}{path}")

    async def sign_in(self, pairing: Pairing) -> None:
        """Open the app and type the code."""
        await self.open("/")
        await self.type("Code from", pairing.code)
        await self.tap("Sign in")
        await self.see("Tasks")

    @property
    def top(self) -> Locator:
        """The sheet that lies on top, or the whole page where none does."""
        return self.page.locator("body:not(:has(dialog[open])), dialog[open]").last

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """Return the button with this name, of the sheet where one is open."""
        return self.top.get_by_role("button", name=name, exact=True)

    async def tap(self, name: str | re.Pattern[str]) -> None:
        """Touch the button with this name."""
        await self.button(name).first.tap()

    async def follow(self, name: str | re.Pattern[str]) -> None:
        """Touch the link with this name."""
        await self.top.get_by_role("link", name=name).first.tap()

    async def type(self, label: str, text: str) -> None:
        """Write into the field with this label, in place of what is there."""
        await self.page.get_by_label(label).first.fill(text)

    async def choose(self, name: str | re.Pattern[str]) -> None:
        """Touch the choice with this name, one of several."""
        await self.page.get_by_role("radio", name=name).first.tap()

    def sheet(self, title: str | re.Pattern[str]) -> Locator:
        """Return the sheet with this title."""
        return self.page.get_by_role("dialog", name=title)

    async def open_sheet(self, button: str, title: str | re.Pattern[str]) -> Locator:
        """Wait until a sheet is open: by itself, or by the button that leads to it."""
        sheet = self.sheet(title)

        async def is_open() -> bool:
            if await sheet.count():
                return True
            if await self.button(button).count():
                with suppress(Error):  # it opened by itself meanwhile
                    await self.button(button).first.tap(timeout=1000)
            return False

        await eventually(is_open, seconds=_SECONDS, every_seconds=0.1)
        return sheet

    async def close_sheet(self, title: str | re.Pattern[str]) -> None:
        """Close the sheet with this title, and wait until it is gone."""
        sheet = self.sheet(title)
        await sheet.get_by_role("button", name="Close").first.tap()
        await expect(sheet).to_have_count(0, timeout=_SECONDS * 1000)

    async def see(self, text: str | re.Pattern[str]) -> Locator:
        """Wait until a text is on the screen."""
        found = self.page.get_by_text(text).filter(visible=True).first
        await expect(found).to_be_visible(timeout=_SECONDS * 1000)
        return found

    async def see_no(self, text: str | re.Pattern[str]) -> None:
        """Wait until a text is not on the screen any more."""
        shown = self.page.get_by_text(text).filter(visible=True)
        await expect(shown).to_have_count(0, timeout=_SECONDS * 1000)

    async def offline(self) -> None:
        """Cut this device off."""
        await self.context.set_offline(True)

    async def online(self) -> None:
        """Give it its network again."""
        await self.context.set_offline(False)

    async def picture(self, file: Path) -> None:
        """Take a picture of the screen."""
        file.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=file)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self.errors.append(message.text)


@asynccontextmanager
async def app_page(
    browser: Browser, url: str, *, size: Size = USUAL, scheme: Scheme = "light"
) -> AsyncIterator[AppPage]:
    """Open a browser's new device; afterwards its console must have no error."""
    context = await browser.new_context(
        viewport={"width": size.width, "height": size.height},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=size is not WIDE,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    context.set_default_timeout(_SECONDS * 1000)
    try:
        made = AppPage(context, await context.new_page(), url)
        yield made
        assert made.errors == []
    except BaseException:
        if folder := os.environ.get("PICTURES_OF_FAILURES"):
            await made.picture(Path(folder) / f"{os.getpid()}-{id(made)}.png")
        raise
    finally:
        await context.close()
