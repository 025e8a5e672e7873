"""A page of the app on a slow phone: how soon it shows something, and how long its tasks take."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from playwright.async_api import BrowserContext, CDPSession, Page

from tests.kit.browser.app_page import USUAL

_PROBE: Final = """
  window.found = { tasks: [] };
  found.content = new Promise((shown) => {
    new MutationObserver((_, observer) => {
      if (document.querySelector(".story-row") === null) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => shown(performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) found.tasks.push([task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });
"""
_REST: Final = """new Promise((rested) => {
  const look = (times) => requestIdleCallback((idle) => {
    if (idle.timeRemaining() < 10) return look(0);
    if (times === 5) return rested();
    setTimeout(() => look(times + 1), 100);
  });
  look(0);
})"""
_LIST: Final = "document.querySelector('.virtual-list')"
_MAX_SECONDS: Final = 60
_MIDDLE_PX: Final = 470  # of the list, below header and tabs
_STEPS: Final = 6
_STEP_PX: Final = 90
_FRAME_SECONDS: Final = 0.016
_GLIDE_SECONDS: Final = 0.4
_MAX_SWIPES: Final = 500


class LongTask(NamedTuple):
    """A task of the browser's main thread, of 50 ms or more; milliseconds since the page began."""

    start: float
    duration: float


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

    async def long_tasks(self) -> list[LongTask]:
        """Return the long tasks since the last call."""
        return [LongTask(*each) for each in await self.page.evaluate("found.tasks.splice(0)")]

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
