"""The stream's invariants over thousands of seeded schedules of injected faults, in virtual time.

`SCHEDULES=100000` in the environment is the long run; a failure names its seed.
"""

import asyncio
import os

import pytest

from infra.stores.live_channels import Frame
from services.gateway.stream.feed import Feed
from tests.kit.fakes.stream_world import Lost, schedule
from tests.kit.fakes.virtual_time import run_virtually

SCHEDULES = int(os.environ.get("SCHEDULES", "4000"))
SHARES = 10


def live_through(seed: int) -> int:
    try:
        return run_virtually(schedule(seed))
    except BaseExceptionGroup as group:
        lost, _ = group.split(Lost)
        if lost is None:
            raise
        raise Lost(f"seed {seed}: {lost.exceptions[0]}") from group
    except Lost as lost:
        raise Lost(f"seed {seed}: {lost}") from lost


@pytest.mark.parametrize("share", range(SHARES))
def test_a_phone_gets_the_log_in_order_and_ends_at_its_head(share: int) -> None:
    events = sum(live_through(seed) for seed in range(share, SCHEDULES, SHARES))

    assert events > SCHEDULES // SHARES


def hasty(self: Feed, frame: Frame) -> None:
    """Apply whatever is newer, as if nothing could be missing."""
    if self._loaded and frame.version > self.high:
        self._low = frame.version - len(self._ring)
        self._push(frame.body)
        self._wake()


def forgetful(self: Feed, version: int) -> None:
    """Believe that Redis told everything."""


async def careless(self: Feed) -> None:
    """Compare with nothing."""
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("method", "bug"), [("receive", hasty), ("learn", forgetful), ("_catch_up", careless)]
)
def test_a_bug_planted_in_the_feed_is_found(
    monkeypatch: pytest.MonkeyPatch, method: str, bug: object
) -> None:
    monkeypatch.setattr(Feed, method, bug)
    with pytest.raises(Lost, match="seed"):
        sum(live_through(seed) for seed in range(200))
