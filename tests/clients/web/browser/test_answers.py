"""Answers to trust: read to the end, bound to what was shown, one truth on all phones."""

import re

from playwright.async_api import Browser, expect

from events import ApprovalAnswered, ApprovalRequested, TaskFinished, ToolStarted
from infra.local.demo.sample_repositories import PROMPTS
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import SMALL, AppPage, app_page
from tests.kit.run.phone import stored

ALLOW = re.compile("^Allow")


async def answers(stage: Stage, task: dict[str, str]) -> list[ApprovalAnswered]:
    """Return the answers in the task's log."""
    events = [recorded.event for recorded in await stored(stage.stack, task)]
    return [event for event in events if isinstance(event, ApprovalAnswered)]


async def test_allow_is_armed_only_when_the_end_was_on_the_screen(
    chromium: Browser, stage: Stage
) -> None:
    task = await stage.task(PROMPTS["inventory"], "inventory", policy="always")
    await stage.until(task, ApprovalRequested)
    async with app_page(chromium, stage.url, size=SMALL) as app:
        await app.sign_in(await stage.pair())
        await app.open(f"/t/{task['id']}")
        sheet = await app.open_sheet("Review", ALLOW)
        once, for_task = app.button("Allow once"), app.button(re.compile("^Allow for the task"))
        await expect(once).to_be_disabled()
        await expect(for_task).to_be_disabled()
        await expect(app.button("Deny")).to_be_enabled()
        end = sheet.get_by_text("def test_", exact=False).last
        await app.tap("Show the end")
        await expect(end).to_be_in_viewport()
        await expect(once).to_be_enabled()
        await expect(for_task).to_be_enabled()
        await app.tap("Allow once")
        await app.see("You allowed it")
        await app.see(re.compile("^In the log at #"))
    [answer] = await answers(stage, task)
    assert (answer.verdict, answer.scope) == ("allow", "once")


async def test_the_dangerous_parts_of_a_command_are_marked_and_counted(
    app: AppPage, stage: Stage
) -> None:
    task, asked = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    sheet = app.sheet("Allow this command?")
    await expect(sheet.get_by_text(re.compile("1 deletion"))).to_be_visible()
    marked = sheet.locator("mark")
    assert {"rm", "-rf", "$("} <= {text.strip() for text in await marked.all_text_contents()}
    whole = sheet.locator("pre, code").filter(has_text="__pycache__")
    assert asked.command in " ".join(await whole.all_text_contents())


async def test_what_is_answered_elsewhere_closes_here_with_who_and_when_and_keeps_what_was_typed(
    app: AppPage, stage: Stage
) -> None:
    task, asked = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await app.tap("Deny with a reason")
    await app.type("Why not", "They are my ca")
    path = f"/v1/tasks/{task['id']}/approvals/{asked.request}"
    await stage.phone.post(path, {"digest": asked.digest, "verdict": "deny", "reason": "mine"})
    await app.see(re.compile("^Denied (on another device|by )"))
    await app.see(re.compile("“mine”; nothing was done"))
    await expect(app.button("Allow once")).to_have_count(0)
    await app.see("They are my ca")
    await app.tap("Use it as an instruction")
    await expect(app.page.get_by_label("Instruction")).to_have_value("They are my ca")
    [answer] = await answers(stage, task)
    assert answer.reason == "mine"


async def test_two_phones_show_one_truth(chromium: Browser, app: AppPage, stage: Stage) -> None:
    task, asked = await stage.asked_to_approve()
    async with app_page(chromium, stage.url) as other:
        await other.sign_in(await stage.pair())
        for each in (app, other):
            await each.open(f"/t/{task['id']}?ask={asked.request}")
            await expect(each.button("Allow once")).to_be_enabled()
        await app.tap("Allow once")
        await app.see("You allowed it")
        await other.see(re.compile("^Allowed (on another device|by )"))
        await expect(other.button("Allow once")).to_have_count(0)
        await stage.until(task, TaskFinished)
        for each in (app, other):
            await each.see(re.compile("What was allowed is what ran"))
    assert len(await answers(stage, task)) == 1


async def test_an_answer_that_comes_too_late_is_refused_and_does_no_harm(
    app: AppPage, stage: Stage
) -> None:
    task, asked = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await expect(app.button("Allow once")).to_be_enabled()
    await app.offline()
    await app.see(re.compile("^Offline since"))
    path = f"/v1/tasks/{task['id']}/approvals/{asked.request}"
    await stage.phone.post(path, {"digest": asked.digest, "verdict": "deny", "reason": "mine"})
    await app.tap("Allow once")
    await app.see("Goes out when you are back online")
    await app.online()
    await app.see(re.compile("^Denied (on another device|by )"))
    await app.see(re.compile("denied already"))
    await stage.until(task, TaskFinished)
    [answer] = await answers(stage, task)
    assert answer.verdict == "deny"
    started = [r.event for r in await stored(stage.stack, task) if isinstance(r.event, ToolStarted)]
    assert not any("rm -rf" in call.command for call in started)


async def test_an_answer_carries_the_digest_of_what_was_shown(app: AppPage, stage: Stage) -> None:
    task, asked = await stage.asked_to_approve()
    sent: list[str] = []
    app.page.on("websocket", lambda socket: socket.on("framesent", lambda f: sent.append(str(f))))
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await app.tap("Allow once")
    await app.see(re.compile("^In the log at #"))
    [command] = [frame for frame in sent if '"op":"approve"' in frame]
    assert asked.digest in command
    [answer] = await answers(stage, task)
    assert answer.digest == asked.digest


async def test_an_answer_in_the_tunnel_goes_out_when_the_network_is_back(
    app: AppPage, stage: Stage
) -> None:
    task, asked = await stage.asked_to_approve()
    await app.open(f"/t/{task['id']}?ask={asked.request}")
    await expect(app.button("Allow once")).to_be_enabled()
    await app.offline()
    await app.tap("Allow once")
    await app.see(re.compile("^Kept on this phone"))
    assert await answers(stage, task) == []
    await app.page.close()
    app.page = await app.context.new_page()  # the app was killed in the tunnel
    await app.online()
    await app.open(f"/t/{task['id']}")
    await stage.until(task, TaskFinished)
    [answer] = await answers(stage, task)
    assert answer.verdict == "allow"
    assert answer.digest == asked.digest


async def test_the_line_of_an_answer_is_marked_until_its_event_is_here(
    app: AppPage, stage: Stage
) -> None:
    task, _ = await stage.asked()
    await app.open(f"/t/{task['id']}")
    await app.open_sheet("Answer", "Question")
    await app.offline()
    await app.tap("Something else…")
    await app.type("Your answer", "dear guest")
    await app.tap("Send answer")
    steps = app.sheet("Question").get_by_role("listitem")
    await expect(steps.filter(has_text="Kept on this phone")).to_be_visible()
    await expect(steps.filter(has_text="Goes out when you are back online")).to_be_visible()
    await app.close_sheet("Question")
    pending = app.page.locator(".pending").filter(has_text="dear guest")
    await expect(pending.get_by_text("Kept on this phone")).to_be_visible()
    await app.online()
    await expect(pending).to_have_count(0, timeout=20_000)
    await stage.until(task, TaskFinished)
    await app.see(re.compile("^You answered at"))
