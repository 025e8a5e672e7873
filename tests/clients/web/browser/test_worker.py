"""The service worker: the app opens without a network, and a new version waits for a yes."""

import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import AppPage, app_page
from tests.kit.browser.chromium import BUILT

WATCH = """addEventListener("securitypolicyviolation", (event) => {
  (globalThis.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI}`);
});"""


async def controlled(page: Page) -> None:
    """Wait until the service worker of this page is at work."""
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    await page.wait_for_function("navigator.serviceWorker.controller !== null")


async def complete_through(app: AppPage) -> int:
    """Return the version that the screen says it is complete through, as soon as it says so."""
    shown = await app.see(re.compile(r"Complete through #\d+"))
    return int((await shown.inner_text()).rpartition("#")[2])


async def test_the_app_opens_without_a_network_and_shows_what_it_keeps(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked_to_approve()
    await controlled(app.page)
    await app.open(f"/t/{task['id']}")
    shown = await complete_through(app)
    await app.page.close(run_before_unload=False)  # as a phone does that needs the memory
    await app.offline()
    app.page = await app.context.new_page()
    await app.open("/")
    await app.see(re.compile("^Offline since"))
    await app.follow(re.compile("^Clear away|Clear away what"))
    await app.see("Clear away what running the tests leaves behind.")
    assert await complete_through(app) >= shown
    await app.open("/costs")
    await app.see(re.compile("Costs"))


async def test_a_new_version_is_offered_and_begins_when_the_person_says_so(
    chromium: Browser, stage: Stage
) -> None:
    worker = BUILT.parent / "sw.js"
    async with app_page(chromium, stage.url) as app:
        await app.sign_in(await stage.pair())
        await controlled(app.page)
        await app.open("/new")
        await app.type("What is to be done", "Not lost by an update")
        await _with_another_version(app, worker)
        await app.see("A new version of Errand is ready.")
        await expect(app.page.get_by_label("What is to be done")).to_have_value(
            "Not lost by an update"
        )
        async with app.page.expect_navigation():
            await app.tap("Use it now")
        await expect(app.page.get_by_label("What is to be done")).to_have_value(
            "Not lost by an update"
        )
        await app.see_no("A new version of Errand is ready.")


async def _with_another_version(app: AppPage, worker: Path) -> None:
    """Let the gateway have another worker for one look at it."""
    before = worker.read_bytes()
    twins = {path: path.read_bytes() for path in worker.parent.glob("sw.js.*")}
    try:
        for path in twins:
            path.unlink()
        worker.write_bytes(before + b"\n// another version\n")
        await app.page.evaluate(
            "navigator.serviceWorker.ready.then((found) => found.update()).then(() => undefined)"
        )
    finally:
        worker.write_bytes(before)
        for path, content in twins.items():
            path.write_bytes(content)


async def test_no_screen_breaks_the_policy_of_the_page(chromium: Browser, stage: Stage) -> None:
    task, _ = await stage.asked_to_approve()
    async with app_page(chromium, stage.url) as app:
        await app.context.add_init_script(WATCH)
        await app.sign_in(await stage.pair())
        for path in ("/", "/new", "/costs", "/settings", f"/t/{task['id']}"):
            await app.open(path)
            await expect(app.page.get_by_role("heading").first).to_be_visible()
            assert await app.page.evaluate("globalThis.violations ?? []") == []


async def test_the_page_refuses_scripts_and_markup_that_no_policy_made(app: AppPage) -> None:
    for act in (
        "document.body.innerHTML = '<b>markup</b>'",
        "document.createElement('script').src = 'https://example.com/x.js'",
        "setTimeout('1')",
    ):
        refused = await app.page.evaluate(
            f"() => {{ try {{ {act}; return ''; }} catch (error) {{ return error.name; }} }}"
        )
        assert refused in ("TypeError", "EvalError"), act
    app.errors.clear()  # the browser reports what it refused
