"""On return from the background: how fresh the screen is, and nothing lost or shown twice."""

import asyncio
import re
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from events import MachineDestroyed, TaskFinished, TaskInstructed
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import SMALL, AppPage, app_page
from tests.kit.browser.chromium import missing, running_chromium
from tests.kit.faults.network_link import wire
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import stored

GONE: Final = re.compile("rehearse 1 tool calls")
SENT: Final = re.compile("^Sent$")
OFFLINE: Final = re.compile("^Offline since")
SHOWN_AS: Final = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
TO_THE_END: Final = "(list) => list.scrollHeight - list.clientHeight - list.scrollTop"
KEPT: Final = """async () => {
  const open = indexedDB.open("errand");
  const base = await new Promise((done) => { open.onsuccess = () => done(open.result); });
  const all = base.transaction("events").objectStore("events").getAll();
  const found = await new Promise((done) => { all.onsuccess = () => done(all.result); });
  base.close();
  return found.map((event) => event.version);
}"""


async def complete_through(app: AppPage, version: int) -> None:
    """Wait until the screen says so; then all up to there is kept on the device, each once."""
    await app.see(f"Complete through #{version}")
    assert await app.page.evaluate(KEPT) == list(range(1, version + 1))


async def said(stage: Stage, task: dict[str, str]) -> list[str]:
    """Return the instructions in the task's log."""
    events = [recorded.event for recorded in await stored(stage.stack, task)]
    return [event.text for event in events if isinstance(event, TaskInstructed)]


async def last_version(stage: Stage, task: dict[str, str]) -> int:
    return (await stored(stage.stack, task))[-1].version


async def test_a_screen_says_how_fresh_it_is_and_misses_nothing_of_what_came_meanwhile(
    app: AppPage, stage: Stage
) -> None:
    task = await stage.task("rehearse 12 tool calls of 0.1 seconds")
    await app.open(f"/t/{task['id']}")
    await app.see(re.compile(r"^Complete through #\d+"))
    await app.offline()
    await app.see(OFFLINE)
    await stage.until(task, TaskFinished)
    await app.see(OFFLINE)
    await app.online()
    await app.see_no(OFFLINE)
    await app.see("Finished")
    await complete_through(app, await last_version(stage, task))


async def test_coming_to_the_front_makes_a_new_connection_at_once(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked_to_approve()
    path = f"/v1/tasks/{task['id']}/instructions"
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    hellos: list[str] = []
    app.page.on(
        "websocket",
        lambda socket: socket.on(
            "framesent",
            lambda frame: hellos.append(str(frame)) if '"hello"' in str(frame) else None,
        ),
    )
    await app.page.evaluate(SHOWN_AS, "hidden")
    await stage.phone.post(path, {"text": "Look again"})
    await app.see("Look again")
    async with app.page.expect_websocket():
        await app.page.evaluate(SHOWN_AS, "visible")
    await app.see_no("Connecting …")
    await stage.phone.post(path, {"text": "And once more"})
    await app.see("And once more")
    story = app.page.get_by_role("log", name="Story")
    await expect(story.get_by_text("Look again", exact=True)).to_have_count(1)
    [hello] = hellos
    assert f'"task":"{task["id"]}"' in hello
    await complete_through(app, await last_version(stage, task))


async def test_the_list_knows_what_happened_while_the_app_was_away(
    app: AppPage, stage: Stage
) -> None:
    gone = await stage.task("rehearse 1 tool calls of 0.01 seconds")
    await stage.until(gone, TaskFinished)
    await app.see(GONE)
    await app.offline()
    await app.see(OFFLINE)
    await stage.phone.post(f"/v1/tasks/{gone['id']}/archive", {})
    asked, _ = await stage.asked()
    await app.see(GONE)
    await app.online()
    await app.see("Waits for you")
    await app.see(re.compile("Greet people without a name"))
    await app.see_no(GONE)
    await stage.phone.post(f"/v1/tasks/{asked['id']}/cancel", {"reason": "no more"})
    await app.see(re.compile("^Cancelled"))


async def test_what_was_sent_in_the_moment_the_network_went_is_done_once(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}")
    await app.close_sheet("Allow this command?")
    await app.type("Instruction", "Once is enough")
    async with asyncio.TaskGroup() as group:
        group.create_task(app.offline())
        group.create_task(app.tap("Send"))
    await app.see("Once is enough")
    await app.online()
    await stage.until(task, TaskInstructed)
    await expect(app.page.locator(".pending")).to_have_count(0, timeout=20_000)
    events = [recorded.event for recorded in await stored(stage.stack, task)]
    assert len([e for e in events if isinstance(e, TaskInstructed)]) == 1


@pytest.mark.skipif(missing() != "", reason=missing())
async def test_what_was_sent_into_a_dead_network_is_done_once(stage: Stage) -> None:
    task, _ = await stage.asked_to_approve()
    port = stage.url.rpartition(":")[2]
    async with wire() as link:
        link.lead_to(stage.url)
        there = f"127.0.0.1:{link.url.rpartition(':')[2]}"
        by_wire = f"--host-resolver-rules=MAP localhost:{port} {there}"
        async with (
            running_chromium(by_wire) as browser,
            app_page(browser, f"http://localhost:{port}") as app,
        ):
            await app.sign_in(await stage.pair())
            await app.open(f"/t/{task['id']}")
            await app.close_sheet("Allow this command?")
            pending = app.page.locator(".pending")

            link.is_black_hole = True  # the command is lost, and nothing says so
            await app.type("Instruction", "Lost on its way")
            await app.tap("Send")
            await expect(pending.get_by_text(SENT)).to_be_visible()
            link.is_black_hole = False
            await expect(pending).to_have_count(0, timeout=20_000)
            await app.see("An instruction reopens this task.")

            link.is_deaf = True  # the command arrives, and its answer is lost
            await app.type("Instruction", "Once is enough")
            await app.tap("Reopen the task")
            await eventually(lambda: said(stage, task), until=lambda all_: len(all_) == 2)
            await expect(pending.get_by_text(SENT)).to_be_visible()
            link.is_deaf = False
            await expect(pending).to_have_count(0, timeout=20_000)
    assert await said(stage, task) == ["Lost on its way", "Once is enough"]


async def finished_times(stage: Stage, task: dict[str, str], times: int) -> int:
    """Wait until the task has finished so often and its machine is gone; return its version."""

    async def last() -> int:
        events = await stored(stage.stack, task)
        ends = [each for each in events if isinstance(each.event, TaskFinished)]
        is_over = len(ends) == times and isinstance(events[-1].event, MachineDestroyed)
        return events[-1].version if is_over else 0

    return await eventually(last, seconds=30)


async def test_the_story_follows_only_whom_is_at_its_end(chromium: Browser, stage: Stage) -> None:
    task = await stage.task("rehearse 1 tool calls of 0.01 seconds")
    path = f"/v1/tasks/{task['id']}/instructions"
    async with app_page(chromium, stage.url, size=SMALL) as app:
        await app.sign_in(await stage.pair())
        await app.open(f"/t/{task['id']}")
        story = app.page.get_by_role("log", name="Story")
        pill = app.button(re.compile("[Gg]o to the end"))
        await app.see(f"Complete through #{await finished_times(stage, task, 1)}")
        await story.evaluate("(list) => list.scrollBy(0, 1e6)")
        await expect(pill).to_have_count(0)
        await stage.phone.post(path, {"text": "One more thing. " * 30})
        await app.see(f"Complete through #{await finished_times(stage, task, 2)}")
        await expect(pill).to_have_count(0)
        assert await story.evaluate(TO_THE_END) < 4
        await story.evaluate("(list) => list.scrollBy(0, -900)")
        await expect(pill).to_be_visible()
        place = await story.evaluate("(list) => list.scrollTop")
        await stage.phone.post(path, {"text": "The very last"})
        await app.see(f"Complete through #{await finished_times(stage, task, 3)}")
        await app.see(re.compile("[0-9]+ new"))
        assert abs(await story.evaluate("(list) => list.scrollTop") - place) < 2
        await app.tap(re.compile("go to the end"))
        await expect(pill).to_have_count(0)
