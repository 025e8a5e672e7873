"""A worker is killed at every event of a task's history, twice in every task.

Every event once in the ordinary run; SWEEP=n repeats it, CHAPTERS=n makes the task longer.
"""

from functools import partial

import pytest

from tests.faults.sweep import SWEEPS, in_turns, length_of_a_task, run_with_kills

pytestmark = pytest.mark.timeout(1800)


async def test_a_worker_may_be_killed_at_every_event(stack, phone):
    length = await length_of_a_task(stack, phone)
    half = -(-length // 2)
    kills = [(version, version + half) for version in range(2, 2 + half)] * SWEEPS
    runs = await in_turns(partial(run_with_kills, stack, phone, each, "worker") for each in kills)
    killed = [version for run in runs for version in run]
    print(f"workers killed {len(killed)} times, at events {sorted(set(killed))} of {length}")
    assert len(set(killed)) > length // 2  # at the others no worker runs: it is being replaced
