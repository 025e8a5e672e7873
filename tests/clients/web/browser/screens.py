"""Every screen of the app, with something to see on it."""

import re
from typing import Final, NamedTuple

from events import TaskFinished
from infra.local.demo.sample_repositories import PROMPTS
from tests.clients.web.browser.stage import Stage

SETTINGS: Final = (
    *("", "notifications", "devices", "budgets", "forges", "keys", "api", "members"),
    *("templates", "look"),
)


class Shown(NamedTuple):
    """A screen: its name, its address, and what is on it once it is whole."""

    name: str
    path: str
    sign: str | re.Pattern[str]


async def screens(stage: Stage, *, broke_at_microusd: int = 1_000) -> list[Shown]:
    """Make a finished task and three that wait; return the screens that show them."""
    done = await stage.task(PROMPTS["slugify"])
    await stage.until(done, TaskFinished)
    asked, question = await stage.asked()
    risky, approval = await stage.asked_to_approve()
    broke, _ = await stage.out_of_money(broke_at_microusd)
    made = (await stage.phone.get(f"/v1/tasks/{done['id']}/changes"))["data"]
    share = await stage.phone.post(f"/v1/tasks/{done['id']}/shares", {})
    secret = share["url"].rpartition("/")[2]
    return [
        Shown("inbox", "/", "Waits for you"),
        Shown("new-task", "/new", "Send task"),
        Shown("costs", "/costs", re.compile("^You, today")),
        Shown("task", f"/t/{done['id']}", "Finished"),
        Shown("question", f"/t/{asked['id']}?ask={question.request}", "Something else…"),
        Shown("approval", f"/t/{risky['id']}?ask={approval.request}", "Allow this command?"),
        Shown("budget", f"/t/{broke['id']}", "Raise the budget"),
        Shown("changes", f"/t/{done['id']}/changes", re.compile("^1 file")),
        Shown("file", f"/t/{done['id']}/changes/{made[0]['path']}", re.compile("return slug")),
        Shown("plan", f"/t/{done['id']}/plan", "4 of 4 done"),
        Shown("past", f"/t/{done['id']}/past", re.compile(r"^#\d+ of \d+")),
        Shown("shared", f"/shared/{secret}", re.compile("read-only|shared", re.IGNORECASE)),
        *(
            Shown(f"settings-{page or 'all'}", f"/settings/{page}", re.compile("."))
            for page in SETTINGS
        ),
    ]
