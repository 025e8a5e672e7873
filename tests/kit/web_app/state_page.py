"""The web app's state in a real browser, without a screen: a page of the gateway's origin runs it.

The compiled modules are handed to the page by Playwright; everything else goes to the gateway.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, Route

from tests.kit.web_app.node import WEB, compiled_web_app

_MODULES: Final = WEB / "node_modules"
_PACKAGES: Final = {
    "preact": "preact/dist/preact.mjs",
    "preact/hooks": "preact/hooks/dist/hooks.mjs",
    "@preact/signals": "@preact/signals/dist/signals.mjs",
    "@preact/signals-core": "@preact/signals-core/dist/signals-core.mjs",
    "idb": "idb/build/index.js",
}
_SECONDS: Final = 25.0
_PLACE: Final = "/under-test"
_IMPORTS: Final = json.dumps(
    {"imports": {name: f"{_PLACE}/modules/{path}" for name, path in _PACKAGES.items()}}
)
_PAGE: Final = f"""<!doctype html><title>State</title>
<script type="importmap">{_IMPORTS}</script>
<script type="module">
import {{ createApp }} from "{_PLACE}/app/src/state/create_app.js";
import {{ effect }} from "@preact/signals";
window.app = createApp(window);
window.until = (found) => new Promise((resolve) => {{
  const stop = effect(() => {{
    const made = found();
    if (made) setTimeout(() => {{ stop(); resolve(made); }});
  }});
}});
window.isReady = true;
</script>"""


@asynccontextmanager
async def state_page(browser: Browser, url: str) -> AsyncIterator["StatePage"]:
    """Open a device of its own, signed out; its console must have no error afterwards."""
    # A page that Playwright hands over is of no network, and may not speak to this machine unasked.
    context = await browser.new_context(permissions=["local-network-access"])
    page = await context.new_page()
    made = StatePage(page, url)
    try:
        await page.route(f"**{_PLACE}/**", _hand_over)
        await made.load()
        yield made
        assert made.errors == []
    finally:
        await context.close()


async def _hand_over(route: Route) -> None:
    path = route.request.url.partition(_PLACE)[2].partition("?")[0]
    if path == "/page":
        await route.fulfill(content_type="text/html", body=_PAGE)
        return
    kind, _, name = path.lstrip("/").partition("/")
    file: Path = (compiled_web_app() if kind == "app" else _MODULES) / name
    await route.fulfill(content_type="text/javascript", body=file.read_text())


class StatePage:
    """A page with `app` (createApp) and `until(found)`, which waits for a signal's value."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.said: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"{error}"))
        page.on("console", lambda message: self.said.append(message.text))

    async def load(self) -> None:
        """Load the page, again: what is in memory is gone, what is stored is not."""
        await self.page.goto(f"{self.url}{_PLACE}/page")
        await self.page.wait_for_function("window.isReady")

    async def run(self, body: str, given: Any = None) -> Any:
        """Run the body of an async function of `given`; return what it returns."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self.page.evaluate(f"async (given) => {{ {body} }}", given)
        except TimeoutError:
            raise AssertionError(
                f"not in {_SECONDS} s: {body}\n{self.errors}\n{self.said}"
            ) from None

    async def sign_in(self, code: str) -> None:
        await self.run(
            "await app.session.signIn(given);"
            "await until(() => app.connection.status.value.kind === 'live')",
            code,
        )
