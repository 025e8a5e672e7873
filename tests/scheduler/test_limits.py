from datetime import UTC, datetime, timedelta

import pytest

from services.scheduler.machines.rate_limiter import Limits


class Time:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.slept = 0.0

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept += seconds
        self.now += timedelta(seconds=seconds)


@pytest.mark.parametrize(("action", "burst", "per_second"), [("create", 3, 1), ("get", 10, 5)])
async def test_a_burst_passes_and_the_rest_is_paced(action, burst, per_second):
    time = Time()
    limits = Limits(time.clock, time.sleep)
    for _ in range(burst):
        await limits.admit("app", action)
    assert time.slept == 0
    for _ in range(5):
        await limits.admit("app", action)
    assert time.slept == pytest.approx(5 / per_second)


async def test_actions_and_machines_do_not_share_a_bucket():
    time = Time()
    limits = Limits(time.clock, time.sleep)
    for machine in ("a", "b"):
        for action in ("stop", "destroy"):
            for _ in range(3):
                await limits.admit(machine, action)
    assert time.slept == 0


async def test_a_rest_fills_the_bucket_again():
    time = Time()
    limits = Limits(time.clock, time.sleep)
    for _ in range(2):
        for _ in range(3):
            await limits.admit("app", "create")
        time.now += timedelta(seconds=3)
    assert time.slept == 0
