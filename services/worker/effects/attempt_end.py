"""The end of a worker whose attempt is over: replaced by a newer one, or past its deadline.

Its reader is deleted with the attempt, so the log itself can no longer tell it why nothing comes
and nothing is taken. It asks the broker, which knows the newest attempt of each task.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from infra.runtime.clock import Clock

LOOK_SECONDS: Final = 5.0


class AttemptOver(Exception):
    """The attempt is over; the text says why. Nothing more of it would be taken."""


async def end_when_over(
    is_cut_off: Callable[[], bool],
    holds: Callable[[], Awaitable[bool]],
    *,
    deadline: datetime,
    clock: Clock,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Raise AttemptOver at the deadline, or when the broker says so while the log is out of reach.

    `holds` returns False only when the broker is certain that the attempt is over.
    """
    while clock() < deadline:
        await asyncio.sleep(min(look_seconds, max(0.0, (deadline - clock()).total_seconds())))
        if is_cut_off() and not await holds():
            raise AttemptOver("Another attempt does this task now, or the task has ended.")
    raise AttemptOver("The machine's time is up.")
