"""A fork from a moment of the history, by touch."""

from events import SnapshotTaken
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import AppPage
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import stored

WORK = "rehearse 4 tool calls"


async def test_a_person_forks_a_task_at_a_moment_and_sees_what_the_new_one_began_from(
    app: AppPage, stage: Stage
) -> None:
    task = await stage.task(WORK, "slugify")
    await stage.phone.until_end(task["id"])
    history = await stored(stage.stack, task)
    at = next(r.version for r in history if isinstance(r.event, SnapshotTaken))
    await app.open(f"/t/{task['id']}/past#v{at}")
    await app.tap(f"Fork from here (#{at})")
    await app.see(f"“{WORK}” at #{at}")
    await app.type("What is to be done", "rehearse 1 tool calls")
    await app.tap("Send task")
    await app.see("rehearse 1 tool calls")

    async def made() -> str:
        others = [t for t in (await stage.phone.get("/v1/tasks"))["data"] if t["id"] != task["id"]]
        return str(others[0]["id"]) if others else ""

    fork = await stage.phone.task(await eventually(made))  # the list may be a moment behind
    assert fork["origin"] == {"task": task["id"], "version": at}
    assert (fork["policy"], fork["budget"]["submitted"]) == (
        task["policy"],
        task["budget"]["submitted"],
    )
    await stage.phone.until_end(fork["id"])
    await app.open(f"/t/{fork['id']}")
    await app.tap("Details of the task")
    await app.see(f"{task['id']} at #{at}")
