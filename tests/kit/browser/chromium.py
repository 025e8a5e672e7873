"""The browser of the tests: Chromium as the distribution has it, one per test. A fixture.

Without Chromium, or without the built web app, the test is skipped and says why.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

from tests.kit.paths import ROOT

BUILT: Final = ROOT / "clients" / "web" / "dist" / "index.html"


def missing() -> str:
    """Return why no page of the web app can be opened here; empty when one can."""
    if shutil.which("chromium") is None:
        return "no Chromium here; install it with: apt-get install chromium"
    if not BUILT.exists():
        return "the web app is not built; build it with: make web"
    return ""


@asynccontextmanager
async def running_chromium(*arguments: str) -> AsyncIterator[Browser]:
    """Run Chromium without a window, with these arguments."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", *arguments],
        )
        yield running
        await running.close()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A running Chromium without a window."""
    if reason := missing():
        pytest.skip(reason)
    async with running_chromium() as running:
        yield running
