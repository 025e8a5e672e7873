"""A worker is killed at every kind of event of a task's history, twice in every task.

SWEEP=all kills one at every single event, SWEEP=n does so n times, CHAPTERS=n makes the task
longer.
"""

from functools import partial

import pytest

from tests.faults.sweep import in_turns, run_with_kills, sweeps

pytestmark = pytest.mark.timeout(1800)


async def test_a_worker_may_be_killed_at_every_kind_of_event(stack, phone):
    for points in await sweeps(stack, phone):
        tasks = -(-len(points) // 2)
        kills = [points[first::tasks] for first in range(tasks)]
        runs = await in_turns(
            partial(run_with_kills, stack, phone, each, "worker") for each in kills
        )
        killed = {point for run in runs for point in run}
        print(f"workers killed at {killed} of {points}")
        assert len(killed) > len(points) // 2  # at the others no worker runs: it is being replaced
