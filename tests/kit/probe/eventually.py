"""Waiting for something to become true, until a deadline, and saying what was seen if not."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS: Final = 60.0
"""The time within which anything that is waited for comes, also on a loaded machine."""


async def eventually(
    look: Callable[[], T | Awaitable[T]],
    *,
    until: Callable[[T], bool] = bool,
    seconds: float = DEADLINE_SECONDS,
    every_seconds: float = 0.02,
) -> T:
    """Look again and again until `until(what was seen)`; return what was seen.

    `look` may be a function or a coroutine function. An AssertionError it raises counts as "not
    yet". Raises AssertionError with the last sight when the seconds are over.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            found = look()
            seen: T = await found if inspect.isawaitable(found) else found
        except AssertionError as not_yet:
            last = not_yet
        else:
            if until(seen):
                return seen
            last = seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {seconds:g} s; last seen: {last!r:.2000}")
        await asyncio.sleep(every_seconds)
