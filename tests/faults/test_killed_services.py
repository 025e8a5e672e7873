"""Gateway, scheduler and projector are killed at every event of a task's history.

Every event once in the ordinary run; SWEEP=n repeats it, CHAPTERS=n makes the task longer.
"""

import os

import pytest

from tests.faults.sweep import SWEEPS, length_of_a_task, run_with_kills
from tests.support.eventually import eventually
from tests.support.stack import RealStack

pytestmark = pytest.mark.timeout(1800)

KILLS_PER_TASK = (4, 2, 1)
"""In the first round, and in those that make up for the events at which nothing ran to be killed:
a program that was killed again and again is started again after a pause."""


@pytest.mark.parametrize("target", ["gateway", "scheduler", "projector"])
async def test_a_service_may_be_killed_at_every_event(stack, phone, target):
    length = await length_of_a_task(stack, phone)
    for _ in range(SWEEPS):
        missed = list(range(1, length))
        for kills_per_task in KILLS_PER_TASK:
            tasks = -(-len(missed) // kills_per_task)
            killed: list[int] = []
            for kills in [missed[first::tasks] for first in range(tasks)]:
                killed += await run_with_kills(stack, phone, kills, target)
                await eventually(lambda: is_serving(stack), seconds=60)
            missed = [version for version in missed if version not in killed]
        print(f"{target} killed at every event of {length - 1} but {missed}")
        assert missed == []


async def is_serving(stack: RealStack) -> bool:
    try:
        for name in ("gateway", "scheduler", "projector"):
            os.kill(stack.pid(name), 0)
    except ProcessLookupError:
        return False
    return True
