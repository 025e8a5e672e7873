"""A page of the app on a slow phone: how soon it shows something, and how long its tasks take."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from playwright.async_api import BrowserContext, CDPSession, Page

from tests.kit.browser.app_page import USUAL

_PROBE: Final = """
  window.found = {};
  found.content = new Promise((shown) => {
    new MutationObserver((_, observer) => {
      if (document.querySelector(".story-row") === null) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => shown(performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
"""
_REST: Final = """new Promise((rested) => {
  const look = (times) => requestIdleCallback((idle) => {
    if (idle.timeRemaining() < 10) return look(0);
    if (times === 5) return rested();
    setTimeout(() => look(times + 1), 100);
  });
  look(0);
})"""
_TASKS: Final = "disabled-by-default-devtools.timeline"
_LIST: Final = "document.querySelector('.virtual-list')"
_MAX_SECONDS: Final = 60
_MIDDLE_PX: Final = 470  # of the list, below header and tabs
_STEPS: Final = 6
_STEP_PX: Final = 90
_FRAME_SECONDS: Final = 0.016
_GLIDE_SECONDS: Final = 0.4
_MAX_SWIPES: Final = 500


class SlowPage:
    """The page of one task, with its story on the screen."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self.page = page
        self.cdp = cdp

    async def first_content_ms(self) -> float:
        """Return the time from the page's start to the first frame with rows of the story."""
        async with asyncio.timeout(_MAX_SECONDS):
            return float(await self.page.evaluate("found.content"))

    async def rest(self) -> None:
        """Wait until the page has had nothing to do for half a second."""
        await self.page.evaluate(_REST)

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[list[float]]:
        """Collect the milliseconds that the main thread's tasks have the processor, longest first.

        What other programs take of it meanwhile does not count.
        """
        browser = self.page.context.browser
        assert browser is not None
        tasks: list[float] = []
        await browser.start_tracing(page=self.page, categories=["-*", _TASKS])
        try:
            yield tasks
        finally:
            tasks += _main_thread_tasks(await browser.stop_tracing())

    async def scroll_to_start(self, first_word: str) -> int:
        """Flick the list with a finger until the story's first row is on the screen.

        `first_word` is in that row alone. Return how many swipes it took.
        """
        first = """document.querySelector('[data-index="0"]')?.textContent ?? ''"""
        is_there = f"{_LIST}.scrollTop < 1 && ({first}).includes({json.dumps(first_word)})"
        return await self._swipe_until(is_there, downwards=True)

    async def scroll_to_end(self) -> int:
        """Flick the list until it is at its end; return how many swipes it took."""
        below = f"{_LIST}.scrollHeight - {_LIST}.scrollTop - {_LIST}.clientHeight"
        return await self._swipe_until(f"{below} < 2", downwards=False)

    async def _swipe_until(self, is_there: str, *, downwards: bool) -> int:
        for swipes in range(1, _MAX_SWIPES):
            await self._swipe(downwards)
            if await self.page.evaluate(is_there):
                return swipes
        raise AssertionError(f"{_MAX_SWIPES} swipes did not bring the end of the story")

    async def _swipe(self, downwards: bool) -> None:
        """Move a finger over the list, let go, and look on while it glides."""
        step = _STEP_PX if downwards else -_STEP_PX
        y = _MIDDLE_PX - step * _STEPS / 2
        async with asyncio.TaskGroup() as group:  # at once: a finger that rests is a long press
            group.create_task(self._touch("touchStart", y))
            group.create_task(self._touch("touchMove", y + step))
        for place in range(2, _STEPS + 1):
            await asyncio.sleep(_FRAME_SECONDS)
            await self._touch("touchMove", y + place * step)
        await self._touch("touchEnd")
        await asyncio.sleep(_GLIDE_SECONDS)

    async def _touch(self, kind: str, y: float | None = None) -> None:
        points = [] if y is None else [{"x": USUAL.width / 2, "y": y}]
        await self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@asynccontextmanager
async def slow_page(
    context: BrowserContext, address: str, *, slower: int
) -> AsyncIterator[SlowPage]:
    """Open an address in a new page whose processor is so many times slower."""
    page = await context.new_page()
    await page.add_init_script(_PROBE)
    cdp = await context.new_cdp_session(page)
    await cdp.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    try:
        await page.goto(address, wait_until="commit")
        yield SlowPage(page, cdp)
    finally:
        await page.close()


def _main_thread_tasks(trace: bytes) -> list[float]:
    """Return what each task of the busiest page took, the longest first."""
    events = msgspec.json.decode(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {thread: [] for thread in mains}
    for event in events:
        thread = (event["pid"], event["tid"])
        if event["name"] == "RunTask" and thread in mains:
            tasks[thread].append(event.get("tdur", 0) / 1000)
    return sorted(max(tasks.values(), key=sum), reverse=True)
