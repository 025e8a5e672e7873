"""A task may put so much into the log and no more: then it has no worker any more."""

import pytest
from msgspec.structs import replace

from events import EventId, History, Recorded, TaskAbandoned, TaskErased
from infra.log.invalid_message import InvalidMessage
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.history_limits import HistoryLimits, HistorySizes
from services.scheduler.fleet.plan import Abandon, Destroy, plan
from services.scheduler.fleet.state import evolve
from tests.scheduler.history import (
    FINISHED,
    HOME,
    INSTRUCTED,
    NOON,
    POLICY,
    SUBMITTED,
    TASK,
    WORKING,
    destroyed,
    given,
    later,
    lost,
    requested,
    started,
    took_up,
)

LIMITS = HistoryLimits(size_bytes=1000, messages=10, invalid_messages=2)
ENDED = TaskAbandoned(reason="history_too_large", detail="", remedy="")


def recorded(body=b"", event=WORKING, task=TASK, sequence=1):
    return Recorded(
        account=HOME,
        task=task,
        id=EventId(f"evt_{sequence}"),
        version=sequence,
        sequence=sequence,
        at=NOON,
        by="worker:1",
        cause="",
        event=event,
        body=body,
    )


def invalid(sequence, size_bytes=1, task=TASK):
    return InvalidMessage(History(HOME, task), sequence, size_bytes, "JSON is malformed")


def flooded(book, sequence=100):
    book.fleet = fleets.record_excess(book.fleet, TASK, sequence, "too much")
    return book


def the_one(book, seconds=0.0):
    [decision] = plan(book.fleet, later(seconds), POLICY)
    return decision


def test_bytes_of_events_and_of_junk_are_one_sum():
    sizes = HistorySizes(LIMITS)
    assert sizes.add_events([recorded(b"x" * 600)]) == []
    assert sizes.add_invalid(invalid(2, size_bytes=400)) is None
    [excess] = sizes.add_events([recorded(b"x", sequence=3)])
    assert (excess.task, excess.sequence) == (TASK, 3)
    assert "HISTORY_BYTES_PER_TASK" in excess.detail


def test_junk_is_counted_however_small():
    sizes = HistorySizes(LIMITS)
    assert [sizes.add_invalid(invalid(number)) for number in (1, 2)] == [None, None]
    excess = sizes.add_invalid(invalid(3))
    assert excess is not None
    assert "HISTORY_INVALID_MESSAGES_PER_TASK" in excess.detail


def test_messages_are_counted_before_the_stream_takes_no_more():
    sizes = HistorySizes(LIMITS)
    found = sizes.add_events([recorded(sequence=number) for number in range(1, 13)])
    assert [excess.sequence for excess in found] == [11]


def test_each_task_is_counted_for_itself():
    sizes = HistorySizes(LIMITS)
    sizes.add_events([recorded(b"x" * 900)])
    assert sizes.add_events([recorded(b"x" * 900, task="task_other", sequence=2)]) == []


def test_what_was_erased_does_not_count():
    sizes = HistorySizes(LIMITS)
    sizes.add_events([recorded(b"x" * 2000)])
    assert sizes.add_events([recorded(b"x", TaskErased(reason=""), sequence=2)]) == []
    assert sizes.add_events([recorded(b"x" * 2000, sequence=3)])


def test_the_machine_goes_first_and_then_it_is_said_once():
    book = flooded(given(SUBMITTED, requested(), started(), took_up()))
    decision = the_one(book)
    assert isinstance(decision, Destroy)
    assert decision.cause == "history_too_large"
    book.add(lost(), destroyed())
    decision = the_one(book)
    assert isinstance(decision, Abandon)
    assert (decision.fact.reason, decision.fact.detail) == ("history_too_large", "too much")
    assert decision.fact.remedy
    book.add(decision.fact)
    assert plan(book.fleet, later(1000), POLICY) == []


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_instruction_ends_the_same_way_and_starts_no_machine(is_restarted):
    book = given(SUBMITTED, requested(), started(), lost(), destroyed())
    if not is_restarted:
        flooded(book, sequence=3)
    book.add(ENDED)
    if is_restarted:  # the same is counted again, after it was said
        flooded(book)
    assert plan(book.fleet, later(1000), POLICY) == []
    book.add(INSTRUCTED)
    decision = the_one(book, 1000)
    assert isinstance(decision, Abandon)
    assert decision.fact.reason == "history_too_large"


def test_forging_besides_changes_nothing():
    book = flooded(given(SUBMITTED, requested(), started(), lost(), destroyed()))
    book.fleet = fleets.record_tampering(book.fleet, TASK, 200, "forged")
    decision = the_one(book)
    assert isinstance(decision, Abandon)
    assert decision.fact.reason == "history_too_large"


def test_an_erased_task_is_left_alone():
    book = flooded(given(SUBMITTED, requested(), started(), lost(), destroyed(), FINISHED))
    erased = replace(recorded(event=TaskErased(reason="")), version=7, sequence=101)
    book.fleet = evolve(book.fleet, [erased], heard_at=NOON)
    assert plan(book.fleet, later(1000), POLICY) == []
    assert not book.fleet.violations
