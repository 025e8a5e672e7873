"""No typed character is lost: not with the tab, not without a network, not before the answer."""

import re

from playwright.async_api import Browser, expect

from events import TaskInstructed
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import AppPage, app_page
from tests.kit.run.phone import stored

SENTENCE = "Do not touch the tests in tests/test_unique.py, and say why"


async def kill_tab(app: AppPage) -> None:
    """End the page at once, as a phone does that needs the memory."""
    await app.page.close(run_before_unload=False)
    app.page = await app.context.new_page()


async def test_every_keystroke_survives_the_tab_being_killed(app: AppPage, stage: Stage) -> None:
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    box = app.page.get_by_label("Instruction")
    await box.tap()
    await app.page.keyboard.type(SENTENCE, delay=20)  # as fast as the fastest thumbs
    await kill_tab(app)
    await app.open(f"/t/{task['id']}")
    await expect(app.page.get_by_label("Instruction")).to_have_value(SENTENCE)


async def test_each_field_has_a_draft_of_its_own(app: AppPage, stage: Stage) -> None:
    task, asked = await stage.asked_to_approve()
    await app.open("/new")
    await app.type("What is to be done", "A task for tomorrow")
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await app.tap("Deny with a reason")
    await app.type("Why not", "Not before the release")
    await app.close_sheet("Allow this command?")
    await app.type("Instruction", "Look again")
    await kill_tab(app)
    await app.open("/new")
    await expect(app.page.get_by_label("What is to be done")).to_have_value("A task for tomorrow")
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await expect(app.page.get_by_label("Why not")).to_have_value("Not before the release")
    await app.close_sheet("Allow this command?")
    await expect(app.page.get_by_label("Instruction")).to_have_value("Look again")


async def test_a_draft_dies_with_the_acknowledgement_and_not_before(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    await app.offline()
    await app.see(re.compile("^Offline since"))
    await app.type("Instruction", SENTENCE)
    await app.tap("Send")
    await app.see(SENTENCE)
    assert SENTENCE in await drafts(app)
    await app.online()
    await stage.until(task, TaskInstructed)
    await app.see_no(re.compile("^Kept on this phone"))
    await expect(app.page.get_by_label("Instruction")).to_have_value("")
    await app.page.wait_for_function(_NO_DRAFTS)
    said = [r.event for r in await stored(stage.stack, task) if isinstance(r.event, TaskInstructed)]
    assert [each.text for each in said] == [SENTENCE]


async def test_what_was_sent_and_not_left_can_be_taken_back_into_the_field(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    await app.offline()
    await app.see(re.compile("^Offline since"))
    await app.type("Instruction", SENTENCE)
    await app.tap("Send")
    await app.tap("Take back")
    await expect(app.page.get_by_label("Instruction")).to_have_value(SENTENCE)
    await app.see_no("Take back")


async def test_a_refused_instruction_gives_its_words_back(app: AppPage, stage: Stage) -> None:
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    await app.page.get_by_label("Instruction").evaluate("(box) => box.removeAttribute('maxlength')")
    long = "x" * 70_000
    await app.type("Instruction", long)
    await app.tap("Send")
    await expect(app.page.locator(".field-error").first).to_be_visible(timeout=20_000)
    await expect(app.page.get_by_label("Instruction")).to_have_value(long)


_STORED = """async () => {
  const open = indexedDB.open("errand");
  const base = await new Promise((done) => { open.onsuccess = () => done(open.result); });
  const all = base.transaction("drafts").objectStore("drafts").getAll();
  const found = await new Promise((done) => { all.onsuccess = () => done(all.result); });
  base.close();
  return found.map((draft) => draft.text ?? "").filter((text) => text !== "");
}"""
_NO_DRAFTS = f"async () => (await ({_STORED})()).length === 0"


async def drafts(app: AppPage) -> list[str]:
    """Return the texts that this device keeps."""
    found: list[str] = await app.page.evaluate(_STORED)
    return found


async def test_another_person_on_this_device_sees_nothing_of_it(
    chromium: Browser, stage: Stage
) -> None:
    async with app_page(chromium, stage.url) as app:
        await app.sign_in(await stage.pair())
        await app.open("/new")
        await app.type("What is to be done", SENTENCE)
        await app.open("/settings")
        await app.tap("Sign out on this device")
        await app.tap("Sign out")
        await app.see(re.compile("^Code from another device"))
        await app.sign_in(await stage.stack.pair())
        await app.open("/new")
        await expect(app.page.get_by_label("What is to be done")).to_have_value("")
