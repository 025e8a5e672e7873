"""How a service process runs, and how it stops."""

import asyncio
import signal
from collections.abc import Callable, Coroutine

Loop = Callable[[asyncio.Event], Coroutine[None, None, None]]


async def run_until_signalled(*loops: Loop, grace_seconds: float) -> None:
    """Run the loops until all have ended, one fails, or the process is told to stop.

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
