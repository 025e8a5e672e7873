"""The run and the orderly stop of a service process."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from typing import Final

Loop = Callable[[asyncio.Event], Coroutine[None, None, None]]

_NEW_OBJECTS: Final = 50_000


def collect_rarely() -> None:
    """Look for garbage in cycles seldom, and never among what is there already.

    For processes that hold or make very many objects, few of them in cycles. A look at all that a
    gateway with a thousand phones holds takes 200 ms, in which nobody is served; by Python's own
    measure it would look each time a few dozen more have come.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


async def run_until_signalled(*loops: Loop, grace_seconds: float) -> None:
    """Run the loops until all have ended, one fails, or the process is asked to stop.

    Each loop is handed the event that says "stopping": it takes no new work, finishes what it
    holds, and returns. A loop still busy `grace_seconds` after SIGINT or SIGTERM is cancelled.
    A loop that fails takes its siblings with it.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)

    async with asyncio.TaskGroup() as group:
        running = {group.create_task(loop(stopping)) for loop in loops}
        told = group.create_task(stopping.wait())
        while running and not told.done():
            done, _ = await asyncio.wait({*running, told}, return_when=asyncio.FIRST_COMPLETED)
            running -= done
        told.cancel()
        if running:
            _, late = await asyncio.wait(running, timeout=grace_seconds)
            for task in late:
                task.cancel()
