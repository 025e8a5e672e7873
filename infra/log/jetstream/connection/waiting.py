"""Waiting for the first of two things, with an end to patience."""

import asyncio


class Signal:
    """Says "look again" from callbacks to all who wait.

    Take `next`, look, and if there was nothing to see wait for it: nothing given in between is
    missed.
    """

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    @property
    def next(self) -> asyncio.Event:
        """The event that the next `give` sets."""
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    def give(self) -> None:
        """Wake whoever took `next`."""
        if self._next is not None:
            self._next.set()
            self._next = None


async def wait_for_either(
    one: asyncio.Event, other: asyncio.Event, *, seconds: float | None = None
) -> None:
    """Return when either is set, or after `seconds`."""
    if one.is_set() or other.is_set():
        return
    async with asyncio.TaskGroup() as group:
        either = {group.create_task(one.wait()), group.create_task(other.wait())}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in either:
            task.cancel()
