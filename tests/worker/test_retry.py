"""One policy of waiting: ever longer pauses, an end, and never beyond the machine's time."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from services.worker.agent.failures.outage import describe_outage
from services.worker.retry import RetryPolicy, RetrySettings
from tests.kit.fakes.virtual_time import run_virtually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def waited(retry: RetryPolicy, **options) -> list[float]:
    """Wait to the end of retry; tell when each try was made."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    wait = retry.start(**options)
    tries = [0.0]
    while await wait.pause():
        tries.append(loop.time() - began)
    return tries


def test_an_outage_of_seven_minutes_is_waited_for_and_one_of_an_hour_is_not():
    tries = run_virtually(waited(RetryPolicy()))
    assert 1700 < tries[-1] <= 1800
    pauses = [late - early for early, late in itertools.pairwise(tries)]
    assert max(pauses) <= 10.0
    assert pauses[0] < 1.0
    assert len(set(pauses)) > 3, "no jitter: all workers would ask at once"


def test_patience_ends_before_the_machine_does():
    retry = RetryPolicy(deadline=NOON + timedelta(seconds=300), clock=lambda: NOON)
    assert 220 < run_virtually(waited(retry))[-1] <= 240


def test_past_the_deadline_nothing_is_waited_for():
    retry = RetryPolicy(deadline=NOON, clock=lambda: NOON)
    assert run_virtually(waited(retry)) == [0.0]


def test_one_wait_may_be_shorter():
    assert run_virtually(waited(RetryPolicy(RetrySettings(seconds=60)), max_seconds=5.0))[-1] <= 5.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "The object store did not answer."),
        (1, "The object store did not answer for 1 second."),
        (45, "The object store did not answer for 45 seconds."),
        (1795, "The object store did not answer for 30 minutes."),
    ],
)
def test_the_words_name_who_was_away_and_for_how_long(seconds, words):
    assert describe_outage("object_store_unreachable", seconds) == words
