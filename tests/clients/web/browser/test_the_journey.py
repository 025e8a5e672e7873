"""The whole journey by touch alone, from the pairing code to the pull request; and by keyboard."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Browser, expect

from events import PullRequestOpened, TaskFinished, TaskInstructed
from infra.local.demo.sample_repositories import PROMPTS
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import SMALL, WIDE, AppPage, app_page
from tests.kit.browser.keyboard import Keyboard
from tests.kit.run.phone import pull_requests, stored

STEER = "Keep the change as small as you can."
Trouble = Callable[[], Awaitable[None]]


async def no_trouble() -> None:
    return


async def pair(app: AppPage, stage: Stage) -> None:
    """Open the link of the pairing code, as its QR code does."""
    offer = await stage.pair()
    await app.open(f"/pair#{offer.code}")
    await app.tap("Sign in")
    await app.see("No tasks yet")


async def compose(app: AppPage, url: str) -> None:
    """Write a task that asks always, with a budget that is soon spent, and send it."""
    await app.follow("New task")
    await app.type("What is to be done", PROMPTS["greeter"])
    await app.tap(re.compile("^Repository"))
    await app.type("Search, or paste an address", url)
    await app.tap("Use this address")
    await app.tap(re.compile("^Approvals"))
    await app.choose("Ask before every change")
    await app.tap("Done")
    await app.tap(re.compile("^Budget"))
    await app.type("Another amount, in US dollars", "0.01")
    await app.tap("Done")
    await app.tap("Send task")


async def pay(app: AppPage) -> None:
    """Steer while the task stands still for want of money; then raise its budget."""
    await app.open_sheet("Raise", "Raise the budget")
    await app.close_sheet("Raise the budget")
    await app.type("Instruction", STEER)
    await app.tap("Send")
    await app.see(STEER)
    await app.open_sheet("Raise", "Raise the budget")
    await app.type("Another amount, in US dollars", "3")
    await app.tap("Add")
    await app.see(re.compile("Claude goes on"))
    await app.close_sheet("Raise the budget")


async def answer(app: AppPage) -> None:
    """Answer the question."""
    await app.open_sheet("Answer", "Question")
    await app.see(re.compile("^How shall the greeter address someone without a name?"))
    await app.tap("friend")
    await app.see(re.compile("Undo"))
    await app.see("You answered: friend")
    await app.see(re.compile(r"^Claude went on at #"))
    await app.close_sheet("Question")


async def approve(app: AppPage) -> None:
    """Allow the first edit once, with its whole diff on the screen; the rest for the task."""
    sheet = await app.open_sheet("Review", re.compile("^Allow: Edit words"))
    await expect(sheet.get_by_text('STRANGER = "stranger"')).to_be_visible()
    await expect(sheet.get_by_text('STRANGER = "friend"')).to_be_visible()
    await expect(sheet.get_by_text(re.compile(r"^1 file, \+1 "))).to_be_visible()
    await app.tap("Show the end")
    await app.tap("Allow once")
    await app.see("You allowed it")
    await app.close_sheet(re.compile("^Allow: Edit words"))
    await app.open_sheet("Review", re.compile("^Allow: Edit test_greeting"))
    await app.tap("Show the end")
    await app.tap(re.compile("^Allow for the task"))
    await app.see("You allowed it for the task")
    await app.close_sheet(re.compile("^Allow: Edit test_greeting"))


async def see_the_work(app: AppPage) -> str:
    """Look at what has changed, then at the pull request; return its address."""
    await app.see(re.compile("^Finished"))
    await app.follow(re.compile("^Changes"))
    await app.see("2 files")
    await app.follow(re.compile("words.py"))
    await app.see('STRANGER = "friend"')
    await app.tap("Back")
    await app.follow("Story")
    link = app.page.get_by_role("link", name=re.compile("^Open pull request #"))
    async with app.context.expect_page() as opened:
        await link.tap()
    page = await opened.value
    return page.url


async def whole_journey(app: AppPage, stage: Stage, trouble: Trouble = no_trouble) -> None:
    """Go all the way; `trouble` comes between the steps."""
    made = await stage.repository("greeter")
    await pair(app, stage)
    await compose(app, made.url)
    await app.follow(re.compile("Greet people without a name"))
    await pay(app)
    await trouble()
    await answer(app)
    await trouble()
    await approve(app)
    await trouble()
    address = await see_the_work(app)
    [task] = (await stage.phone.get("/v1/tasks"))["data"]
    [pull_request] = await pull_requests(stage.stack, made, task["id"])
    assert pull_request["html_url"] == address == task["pull_request"]["url"]
    events = [recorded.event for recorded in await stored(stage.stack, task)]
    assert [e.text for e in events if isinstance(e, TaskInstructed)] == [STEER]
    assert len([e for e in events if isinstance(e, PullRequestOpened)]) == 1
    assert len([e for e in events if isinstance(e, TaskFinished)]) == 1


async def test_a_person_goes_from_pairing_to_the_pull_request_by_touch(
    chromium: Browser, stage: Stage
) -> None:
    async with app_page(chromium, stage.url, size=SMALL) as app:
        await whole_journey(app, stage)


async def test_the_same_journey_goes_on_while_the_gateway_dies_twice_and_the_network_is_away(
    chromium: Browser, stage: Stage
) -> None:
    troubles: list[Trouble] = []
    async with app_page(chromium, stage.url, size=SMALL) as app:

        async def killed() -> None:
            await stage.stack.kill("gateway")

        async def cut_off() -> None:
            await app.offline()
            await app.see(re.compile("^Offline since"))
            await app.online()
            await app.see_no(re.compile("^Offline since|^Connecting"))

        troubles += [killed, cut_off, killed]

        async def next_trouble() -> None:
            await troubles.pop(0)()

        await whole_journey(app, stage, next_trouble)
    assert not troubles


async def compose_by_keyboard(keys: Keyboard, url: str) -> None:
    """Write a task that asks before every change, and send it."""
    await keys.press("New task")
    await keys.write("What is to be done", PROMPTS["greeter"])
    await keys.press(re.compile("^Repository"))
    await keys.write("Search, or paste an address", url)
    await keys.press("Use this address")
    await keys.press(re.compile("^Approvals"))
    await keys.choose(re.compile("^(Never|Ask|Run|Only|Without)"), re.compile("^Ask before every"))
    await keys.press("Done")
    await keys.is_back_at(re.compile("^Approvals"))
    await keys.press("Send task")


async def answer_by_keyboard(keys: Keyboard) -> None:
    """Answer the question, in a sheet that opened by itself."""
    await expect(keys.app.sheet("Question")).to_be_visible(timeout=20_000)
    await keys.press("friend")
    await keys.app.see("You answered: friend")
    await keys.app.see(re.compile(r"^Claude went on at #"))
    await keys.app.see(re.compile("^Waits for you: 1 approval"))
    await keys.escape("Question")


async def approve_and_steer_by_keyboard(keys: Keyboard) -> None:
    """Open the approval, put it away, come back to it, and allow; then reopen the task."""
    title = re.compile("^Allow: Edit words")
    await keys.press("Review")
    await keys.escape(title)
    await keys.is_back_at("Review")
    await keys.app.page.keyboard.press("Enter")
    await keys.press(re.compile("^Allow for the task"))
    await keys.app.see("You allowed it for the task")
    await keys.escape(title)
    await keys.app.see(re.compile("^Finished"))
    await keys.write("Instruction", "Keep it small.")
    await keys.press("Reopen the task")
    await keys.app.see(re.compile("^I read your word"))


async def see_the_changes_by_keyboard(keys: Keyboard) -> None:
    """Look at a file that has changed, and at who made one of its lines."""
    await keys.app.see(re.compile("^Finished"))
    await keys.press("Skip the list")
    await keys.press(re.compile("^Changes"))
    await keys.app.see("2 files")
    await keys.press(re.compile("words.py"))
    await keys.app.see('STRANGER = "friend"')
    await keys.go_to(re.compile("^Line .*: copy"))
    await keys.app.page.keyboard.press("ArrowDown")
    before = await keys.focused()
    assert re.match("^Line ", before)
    await keys.app.page.keyboard.press("Enter")
    sheet = re.compile("words.py")
    await expect(keys.app.sheet(sheet)).to_be_visible()
    await keys.press("Line below")
    await keys.escape(sheet)
    await keys.is_back_at(before)


async def test_a_person_goes_the_whole_way_by_keyboard(chromium: Browser, stage: Stage) -> None:
    made = await stage.repository("greeter")
    async with app_page(chromium, stage.url, size=WIDE) as app:
        await app.sign_in(await stage.pair())
        keys = Keyboard(app)
        await compose_by_keyboard(keys, made.url)
        await app.see(re.compile("Greet people without a name"))
        await keys.press(re.compile("Greet people without a name"))
        await answer_by_keyboard(keys)
        await approve_and_steer_by_keyboard(keys)
        await see_the_changes_by_keyboard(keys)
        await keys.go_to("Skip the list")  # around the whole page: nothing holds the focus
        assert keys.unseen == set()
    [task] = (await stage.phone.get("/v1/tasks"))["data"]
    events = [recorded.event for recorded in await stored(stage.stack, task)]
    assert [e.text for e in events if isinstance(e, TaskInstructed)] == ["Keep it small."]
