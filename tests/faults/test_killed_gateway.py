"""The gateway is killed at every event of a task's history.

Every event once in the ordinary run; SWEEP=n repeats it, CHAPTERS=n makes the task longer.
"""

import pytest

from tests.faults.sweep import kill_at_every_event

pytestmark = pytest.mark.timeout(1800)


async def test_the_gateway_may_be_killed_at_every_event(stack, phone):
    await kill_at_every_event(stack, phone, "gateway")
