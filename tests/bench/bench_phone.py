"""`phone`: the web app opens a task of 10,000 events and scrolls through all of it, both ways.

Chromium as the distribution has it, touched, with its processor four times slower than it is.
`first_content_ms` runs from the start of a page, of an app that was not running, to the first frame
with rows of the story: the worse of two medians, of a task that comes from the gateway and of one
that is on this device. `longest_task_ms` is the longest task of the page's main thread while a
finger scrolls from the end of the story to its beginning, for which all older pages come, and back:
the time that it had the processor, four times slower, so that a busy machine does not count.
`first_load_bytes` is the page with its script and styles, compressed. `EVENTS` in the environment
makes the task shorter.
"""

import os
import statistics
from typing import Any, Final

import httpx
from playwright.async_api import BrowserContext

from events import NOWHERE, History, TaskId, task_id
from events.ids import CommandId
from infra.local.stack import Pairing
from infra.runtime.clock import DraftFactory, utc_now
from tests.bench.kit.delivery_path import DeliveryPath, Seat, delivery_path
from tests.bench.kit.long_task import FIRST_WORD, long_task
from tests.bench.kit.measure import say
from tests.kit.browser.app_page import app_page
from tests.kit.browser.chromium import BUILT, missing, running_chromium
from tests.kit.browser.slow_page import slow_page
from tests.kit.run.gateway import OPERATOR
from tests.kit.run.opened_task import at_rest
from tests.kit.web_app.first_load import MAX_BYTES, first_load

EVENTS: Final = int(os.environ.get("EVENTS", "10000"))
SLOWER: Final = 4
ROUNDS: Final = 3
_BATCH: Final = 200
_FORGET: Final = "new Promise((done) => { indexedDB.deleteDatabase('errand').onsuccess = done; })"


async def run() -> dict[str, object]:
    if reason := missing():
        raise SystemExit(f"This benchmark needs a browser and the built app: {reason}.")
    async with delivery_path() as road, running_chromium() as browser:
        [[seat]] = await road.people(1)
        opened, scrolled = [await _record(road, seat, name) for name in ("opened", "scrolled")]
        url = f"http://{road.address.host}:{road.address.port}"
        async with app_page(browser, url) as app:
            await app.sign_in(await _pair(url))
            await app.page.evaluate("navigator.serviceWorker.ready.then(() => {})")
            await app.open("/manifest.webmanifest")  # the app itself is not running
            await at_rest(road.gateway)
            contents = await _open_often(app.context, f"{url}/t/{opened}")
            tasks = await _scroll_both_ways(app.context, f"{url}/t/{scrolled}")
    return {
        **contents,
        **tasks,
        "first_load_bytes": sum(first_load(BUILT).values()),
        "events": EVENTS,
        "cpu_slowdown": SLOWER,
        "must_reach": {
            "first_content_ms": 1000,
            "longest_task_ms": 100,
            "first_load_bytes": MAX_BYTES,
        },
    }


async def _record(road: DeliveryPath, seat: Seat, name: str) -> TaskId:
    """Append a long task to the log; nobody has seen any of it."""
    history = History(seat.account, task_id(seat.account, CommandId(name)))
    factory = DraftFactory(utc_now)
    facts = long_task(history.task, EVENTS)
    head = NOWHERE
    for start in range(0, EVENTS, _BATCH):
        drafts = factory.drafts(facts[start : start + _BATCH], by="worker:1")
        head = await road.log.append(history, drafts, after=head)
    say(f"a task has {head.version:,} events")
    return history.task


async def _pair(url: str) -> Pairing:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        answer = await client.post("/v1/pairings", json={"account": "account-0"})
    made: dict[str, Any] = answer.raise_for_status().json()
    return Pairing(code=made["code"], url=made["url"], expires_at=made["expires_at"])


async def _open_often(context: BrowserContext, address: str) -> dict[str, object]:
    [other] = context.pages
    fetched, stored = [], []
    for _ in range(ROUNDS):
        await other.evaluate(_FORGET)
        fetched.append(await _open(context, address))
        stored.append(await _open(context, address))
    say(f"first content: from the gateway {fetched}, from the device {stored} ms")
    from_gateway, from_device = statistics.median(fetched), statistics.median(stored)
    return {
        "first_content_ms": max(from_gateway, from_device),
        "first_content_from_gateway_ms": from_gateway,
        "first_content_from_device_ms": from_device,
    }


async def _open(context: BrowserContext, address: str) -> int:
    async with slow_page(context, address, slower=SLOWER) as page:
        content = await page.first_content_ms()
        await page.rest()  # and all of it is kept on the device
        return round(content)


async def _scroll_both_ways(context: BrowserContext, address: str) -> dict[str, object]:
    async with slow_page(context, address, slower=SLOWER) as page:
        await page.first_content_ms()
        await page.rest()
        async with page.measured() as upwards:
            swipes_up = await page.scroll_to_start(FIRST_WORD)
        async with page.measured() as downwards:
            swipes_down = await page.scroll_to_end()
    up, down = _report("up", swipes_up, upwards), _report("down", swipes_down, downwards)
    return {"longest_task_ms": max(up, down), "longest_up_ms": up, "longest_down_ms": down}


def _report(way: str, swipes: int, tasks: list[float]) -> int:
    longest = [round(task) for task in tasks[:8]]
    say(f"{way}: {swipes} swipes, {len(tasks):,} tasks, the longest {longest} ms")
    return longest[0]
