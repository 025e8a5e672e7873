"""Pushes: from the gateway through the push service and the service worker to the very ask."""

import json
import re
from typing import Any, Final

import pytest
from playwright.async_api import CDPSession, Page, expect

from events import ApprovalRequested
from tests.clients.web.browser.stage import Stage
from tests.kit.browser.app_page import AppPage
from tests.kit.fakes.push_services import Browser as Subscriber
from tests.kit.fakes.push_services import PushWorld
from tests.kit.probe.eventually import eventually

SUBSCRIBES: Final = """(made) => {
  // A browser is subscribed at its maker's push service, of which none is here.
  const subscription = { toJSON: () => made, unsubscribe: async () => true };
  PushManager.prototype.subscribe = async () => subscription;
}"""
SHOWN: Final = """async () => {
  const found = await (await navigator.serviceWorker.ready).getNotifications();
  return found.map(({ title, body, tag, actions }) => ({ title, body, tag,
    actions: (actions ?? []).map((each) => each.action) }));
}"""
TOUCHED: Final = """async () => {
  const [notification] = await self.registration.getNotifications();
  const event = new NotificationEvent("notificationclick", { notification });
  const works = [];
  event.waitUntil = (work) => works.push(work); // only the browser's own events have it
  self.dispatchEvent(event);
  await Promise.allSettled(works);
}"""


class PushedBrowser:
    """A browser that is subscribed; what its push service takes is handed to its worker."""

    def __init__(self, app: AppPage, services: PushWorld, key: str) -> None:
        self.app = app
        self._services = services
        self._subscriber: Subscriber = services.browser(key)
        self._tools: CDPSession | None = None
        self._registration = ""

    async def turn_on(self) -> None:
        """Let the person turn notifications on."""
        await self.app.context.grant_permissions(["notifications"], origin=self.app.url)
        await self.app.open("/settings/notifications")
        await self.app.page.evaluate(SUBSCRIBES, self._subscriber.subscription)
        await self.app.tap("Notify me on this device")
        await self.app.see(re.compile("^This device is notified when a task needs you"))

    async def watch(self, page: Page) -> None:
        """Speak to the browser about the worker of a page."""
        self._tools = await self.app.context.new_cdp_session(page)
        registered: list[str] = []
        self._tools.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registered.extend(
                each["registrationId"]
                for each in event["registrations"]
                if each["scopeURL"].startswith(self.app.url) and not each["isDeleted"]
            ),
        )
        await self._tools.send("ServiceWorker.enable")
        self._registration = (await eventually(lambda: registered, seconds=20))[0]

    async def sent(self, task: str) -> dict[str, Any]:
        """Wait for a push about a task at the push service; return it as the browser reads it."""

        def of_task() -> list[dict[str, Any]]:
            found = self._services.to(self._subscriber)
            return [push for push in found if push["notification"]["data"].get("task") == task]

        return (await eventually(of_task, seconds=30))[0]

    async def deliver(self, push: dict[str, Any]) -> None:
        """Hand a push to the worker, as the browser does when it comes."""
        assert self._tools is not None
        await self._tools.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": self.app.url,
                "registrationId": self._registration,
                "data": json.dumps(push),
            },
        )

    async def shown(self, title: str) -> dict[str, Any]:
        """Wait until a notification with this title is shown, alone; return it."""

        async def found() -> list[dict[str, Any]]:
            return await self.app.page.evaluate(SHOWN)

        only = await eventually(
            found, until=lambda all_: [each["title"] for each in all_] == [title], seconds=20
        )
        return only[0]

    async def touch(self) -> None:
        """Touch the notification that is shown."""
        [worker] = self.app.context.service_workers
        await worker.evaluate(TOUCHED)


@pytest.fixture
async def browser(app: AppPage, stage: Stage, push_services: PushWorld) -> PushedBrowser:
    key = (await stage.phone.get("/v1/push/key"))["vapid_public_key"]
    made = PushedBrowser(app, push_services, key)
    await made.turn_on()
    return made


async def test_a_push_opens_the_very_ask_and_one_that_comes_late_asks_nothing(
    app: AppPage, stage: Stage, browser: PushedBrowser
) -> None:
    await app.open("/costs")
    await browser.watch(app.page)
    task, asked = await stage.asked_to_approve()
    push = await browser.sent(task["id"])
    place = f"/t/{task['id']}?ask={asked.request}"
    assert push["notification"]["navigate"] == f"{app.url}{place}"

    await browser.deliver(push)
    shown = await browser.shown("Your approval is needed")
    assert shown["tag"] == push["notification"]["tag"]
    assert shown["body"].startswith(f"{asked.title}: {asked.command}"[:100])
    assert shown["actions"] == _answers_for(asked, shown["body"])
    await browser.touch()
    await expect(app.sheet("Allow this command?")).to_be_visible()
    assert app.page.url == f"{app.url}{place}"

    answer = {"digest": asked.digest, "verdict": "deny", "reason": "mine"}
    await stage.phone.post(f"/v1/tasks/{task['id']}/approvals/{asked.request}", answer)
    await app.see(re.compile("^Denied (on another device|by )"))
    await browser.deliver(push)
    late = await browser.shown("Nothing to do any more")
    assert late["actions"] == []
    assert asked.command[:20] not in late["body"]
    await browser.touch()
    await app.see(re.compile("^You denied this at"))


def _answers_for(asked: ApprovalRequested, body: str) -> list[str]:
    """Allow and deny, where the whole of what is asked stands over the buttons."""
    return ["deny", "allow"] if body == f"{asked.title}: {asked.command}" else []
