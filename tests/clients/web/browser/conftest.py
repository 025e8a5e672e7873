"""One person's account: a device with the web app, and one that speaks HTTP."""

import itertools
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser

from tests.clients.web.browser.stage import Stage, new_account
from tests.kit.browser.app_page import AppPage, app_page
from tests.kit.servers.stack import RealStack

_NUMBERS: Final = itertools.count(1)


@pytest.fixture
async def stage(stack: RealStack) -> AsyncIterator[Stage]:
    """A new account on the shared stack."""
    async with new_account(stack, f"account-{next(_NUMBERS)}") as made:
        yield made


@pytest.fixture
async def app(chromium: Browser, stage: Stage) -> AsyncIterator[AppPage]:
    """The app on a phone of that account, signed in."""
    async with app_page(chromium, stage.url) as page:
        await page.sign_in(await stage.pair())
        yield page
