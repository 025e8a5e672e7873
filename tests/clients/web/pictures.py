"""Pictures of the app from the real stack: `make pictures` writes those of docs/guide/phone.md.

`python -m tests.clients.web.pictures FOLDER` takes every screen in every size, light and dark, and
small with text twice as large, to look at. Without a folder it takes the pictures of the guide.
"""

import asyncio
import base64
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from playwright.async_api import Browser, async_playwright

from events.protocol.api.templates import Template, TemplateRequest
from tests.clients.web.browser.screens import Shown, screens
from tests.clients.web.browser.stage import Stage, new_account
from tests.kit.browser.app_page import (
    ON_ITS_SIDE,
    SMALL,
    USUAL,
    WIDE,
    AppPage,
    Scheme,
    Size,
    app_page,
)
from tests.kit.browser.chromium import missing
from tests.kit.paths import ROOT
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import real_stack

GUIDE: Final = ROOT / "docs" / "guide" / "pictures"

_LARGE_TEXT: Final = "document.documentElement.style.fontSize = '200%'"
_SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
_WEBP_QUALITY: Final = 80
_JOINED: Final = Size(1248, 880)
_CLEAR: Final = {"r": 0, "g": 0, "b": 0, "a": 0}
_JOINED_STYLE: Final = """
    body { display: flex; gap: 24px; margin: 18px 12px; }
    img { width: 390px; height: 844px; border-radius: 28px; outline: 1px solid #8886; }
"""
_TEMPLATES: Final = (
    TemplateRequest(
        kind="task",
        name="Update dependencies",
        text="Update the dependencies, one commit each, and make the tests pass.",
    ),
    TemplateRequest(
        kind="task",
        name="Find flaky tests",
        text="Run the tests ten times and fix what fails now and then.",
    ),
    TemplateRequest(kind="reply", text="Run the linter too"),
)


class Device(NamedTuple):
    """A phone or a desk: its size, its colours, and whether its text is twice as large."""

    size: Size
    scheme: Scheme
    has_large_text: bool = False

    @property
    def name(self) -> str:
        """Return the folder of its pictures."""
        large = "-large-text" if self.has_large_text else ""
        return f"{self.size.width}x{self.size.height}-{self.scheme}{large}"


DEVICES: Final = (
    *(Device(size, each) for size in (USUAL, SMALL, ON_ITS_SIDE, WIDE) for each in _SCHEMES),
    Device(SMALL, "light", has_large_text=True),
)


async def save_picture(app: AppPage, file: Path) -> None:
    """Write what the screen shows as WebP, which is a fifth of a PNG."""
    file.parent.mkdir(parents=True, exist_ok=True)
    session = await app.context.new_cdp_session(app.page)
    taken = await session.send(
        "Page.captureScreenshot", {"format": "webp", "quality": _WEBP_QUALITY}
    )
    await session.detach()
    file.write_bytes(base64.b64decode(taken["data"]))


async def show(app: AppPage, shown: Shown, *, has_large_text: bool = False) -> None:
    """Open a screen and wait until it is whole."""
    await app.open(shown.path)
    await app.see(shown.sign)
    await app.page.wait_for_load_state("networkidle")
    if has_large_text:
        await app.page.evaluate(_LARGE_TEXT)
    await app.page.evaluate(
        "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
    )


async def take_all(browser: Browser, stage: Stage, folder: Path) -> None:
    """Take a picture of every screen on every device."""
    found = await screens(stage)
    for device in DEVICES:
        async with app_page(browser, stage.url, size=device.size, scheme=device.scheme) as app:
            await app.open("/")
            await app.see("Sign in")
            await save_picture(app, folder / device.name / "sign-in.webp")
            await app.sign_in(await stage.pair())
            for shown in found:
                await show(app, shown, has_large_text=device.has_large_text)
                await save_picture(app, folder / device.name / f"{shown.name}.webp")


async def take_guide(browser: Browser, stage: Stage, folder: Path) -> None:
    """Take the pictures of the guide."""
    for template in _TEMPLATES:
        await stage.phone.gateway.post("/v1/me/templates", template, Template)
    found = {each.name: each for each in await screens(stage, broke_at_microusd=20_000)}
    with TemporaryDirectory() as scratch:
        for scheme, names in (("light", IN_THE_GUIDE), ("dark", SIDE_BY_SIDE)):
            place = folder if scheme == "light" else Path(scratch)
            async with app_page(browser, stage.url, size=USUAL, scheme=scheme) as app:
                await app.open("/")
                await app.see("Sign in")
                if scheme == "light":
                    await save_picture(app, place / "sign-in.webp")
                await app.sign_in(await stage.pair())
                for name in names:
                    await show(app, found[name])
                    await save_picture(app, place / f"{name}.webp")
            shown = [place / f"{name}.webp" for name in SIDE_BY_SIDE]
            await join_pictures(browser, shown, folder / f"overview-{scheme}.webp")
    sizes = {file.name: file.stat().st_size for file in folder.glob("*.webp")}
    print(f"{len(sizes)} pictures, {sum(sizes.values()):,} bytes, in {folder}")


async def join_pictures(browser: Browser, pictures: Sequence[Path], file: Path) -> None:
    """Put screens side by side: the picture at the top of README and guide."""
    contents = [base64.b64encode(picture.read_bytes()).decode() for picture in pictures]
    images = "".join(f"<img src='data:image/webp;base64,{each}'>" for each in contents)
    async with await browser.new_context(viewport=_JOINED._asdict()) as context:
        page = await context.new_page()
        await page.set_content(f"<style>{_JOINED_STYLE}</style>{images}")
        session = await context.new_cdp_session(page)
        await session.send("Emulation.setDefaultBackgroundColorOverride", {"color": _CLEAR})
        wanted = {"format": "webp", "quality": _WEBP_QUALITY}
        taken = await session.send("Page.captureScreenshot", wanted)
        file.write_bytes(base64.b64decode(taken["data"]))


IN_THE_GUIDE: Final = (
    *("inbox", "new-task", "task", "question", "approval", "budget", "changes", "file"),
    *("past", "shared", "costs"),
    *("settings-notifications", "settings-devices", "settings-templates"),
)
SIDE_BY_SIDE: Final = ("inbox", "approval", "task")


@asynccontextmanager
async def staged() -> AsyncIterator[tuple[Browser, Stage]]:
    """Run a stack with one account, and a browser."""
    with server_directory() as directory, real_stack(directory) as stack:
        async with new_account(stack, "ada") as stage, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-dev-shm-usage"],
            )
            yield browser, stage
            await browser.close()


async def main(folder: Path | None) -> None:
    """Take the pictures of the guide, or all of them into a folder."""
    async with staged() as (browser, stage):
        if folder is None:
            await take_guide(browser, stage, GUIDE)
        else:
            await take_all(browser, stage, folder)


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
