"""The broker is killed at every kind of event of a task's history.

SWEEP=all kills it at every single event, SWEEP=n does so n times, CHAPTERS=n makes the task
longer.
"""

import pytest

from tests.faults.sweep import kill_at_every_point

pytestmark = pytest.mark.timeout(1800)


async def test_the_broker_may_be_killed_at_every_kind_of_event(stack, phone):
    await kill_at_every_point(stack, phone, "broker")
