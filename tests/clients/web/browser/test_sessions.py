"""Signing out, here and elsewhere: nothing of the person stays on the device."""

import re
from typing import Final

from tests.clients.web.browser.stage import TIDY, Stage
from tests.kit.browser.app_page import AppPage

SIGN_IN: Final = re.compile("^Code from another device")
LEFT: Final = """async () => {
  const found = [];
  for (const { name } of await indexedDB.databases()) {
    const open = indexedDB.open(name);
    const base = await new Promise((done) => { open.onsuccess = () => done(open.result); });
    for (const store of base.objectStoreNames) {
      const count = base.transaction(store).objectStore(store).count();
      const rows = await new Promise((done) => { count.onsuccess = () => done(count.result); });
      if (rows > 0) found.push(`${store}: ${rows}`);
    }
    base.close();
  }
  return found;
}"""


async def with_something_to_hide(app: AppPage, stage: Stage) -> str:
    """Let this device keep a task, its story and a draft; return the task."""
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    await app.type("Instruction", "Between you and me")
    await app.page.wait_for_function(f"async () => (await ({LEFT})()).length >= 3")
    return str(task["id"])


async def is_wiped(app: AppPage) -> None:
    await app.see(SIGN_IN)
    await app.page.wait_for_function(f"async () => (await ({LEFT})()).length === 0")
    assert await app.page.evaluate("localStorage.getItem('errand.me')") is None


async def test_signing_out_wipes_what_the_device_keeps(app: AppPage, stage: Stage) -> None:
    await with_something_to_hide(app, stage)
    await app.open("/settings")
    await app.tap("Sign out on this device")
    await app.tap("Sign out")
    await is_wiped(app)
    sessions = (await stage.phone.get("/v1/sessions"))["data"]
    assert [session["is_current"] for session in sessions] == [True]


async def test_a_session_that_was_ended_elsewhere_shows_nothing_and_is_wiped(
    app: AppPage, stage: Stage
) -> None:
    await with_something_to_hide(app, stage)
    answer = await stage.phone.request("DELETE", "/v1/sessions")  # all others
    assert answer.is_success
    await app.see(SIGN_IN)
    await app.see_no(TIDY)
    await is_wiped(app)


async def test_a_session_that_was_ended_while_the_app_was_closed_opens_nothing_for_anybody_else(
    app: AppPage, stage: Stage
) -> None:
    task = await with_something_to_hide(app, stage)
    await app.page.goto("about:blank")
    answer = await stage.phone.request("DELETE", "/v1/sessions")
    assert answer.is_success
    await app.open(f"/t/{task}")
    await app.see(SIGN_IN)
    await app.see_no(TIDY)
    assert "drafts: 1" in await app.page.evaluate(LEFT), "it waits for the same person"
    await app.sign_in(await stage.stack.pair())
    await app.page.wait_for_function(f"async () => !(await ({LEFT})()).includes('drafts: 1')")
    await app.open(f"/t/{task}")
    await app.see("This task is not here.")
    await app.see_no(TIDY)


async def test_the_session_is_in_no_place_that_a_script_can_read(app: AppPage) -> None:
    stored = await app.page.evaluate("document.cookie + JSON.stringify(localStorage)")
    secret = [each for each in await app.context.cookies() if each.get("httpOnly")]
    assert secret
    for cookie in secret:
        assert cookie.get("sameSite") in ("Lax", "Strict")
        assert cookie["value"] not in stored
