"""A history that was tampered with: the machine goes, the task is abandoned, it is said once."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from events import Guest, TaskAbandoned, TaskErased
from services.scheduler.fleet.plan import Abandon, Destroy, bounded, plan
from services.scheduler.fleet.state import AttemptStage, record_tampering
from tests.scheduler.history import (
    FINISHED,
    INSTRUCTED,
    NOON,
    POLICY,
    SUBMITTED,
    TASK,
    destroyed,
    given,
    later,
    lost,
    requested,
    started,
)

SAID = TaskAbandoned(reason="tampered", detail="d", remedy="r")


def forged(book):
    book.fleet = record_tampering(book.fleet, TASK, book.fleet.sequence + 1, "forged")
    book.fleet = replace(book.fleet, sequence=book.fleet.sequence + 1)
    return book


def due(book):
    return plan(book.fleet, later(0), POLICY)


def test_the_machine_goes_first_and_then_the_task_is_abandoned_once():
    book = forged(given(SUBMITTED, requested(), started()))
    [destroy] = due(book)
    assert isinstance(destroy, Destroy)
    assert destroy.cause == "tampered"
    book.add(lost(), destroyed())
    [abandon] = due(book)
    assert isinstance(abandon, Abandon)
    assert (abandon.fact.reason, bool(abandon.fact.remedy)) == ("tampered", True)
    book.add(abandon.fact)
    assert due(book) == []
    assert due(forged(book)) == []  # it was said already


@pytest.mark.parametrize("facts", [(), (requested(),), (requested(), started(), FINISHED)])
def test_whenever_it_is_forged_the_end_is_the_same(facts):
    book = forged(given(SUBMITTED, *facts))
    if book.task.attempt is not None and book.task.attempt.stage is not AttemptStage.CLOSED:
        [destroy] = due(book)
        assert isinstance(destroy, Destroy)
        book.add(lost(), destroyed())
    [abandon] = due(book)
    assert isinstance(abandon, Abandon)


def test_what_was_found_before_it_was_said_is_not_found_again_after_an_instruction():
    book = forged(given(SUBMITTED)).add(SAID, INSTRUCTED)
    [request] = due(book)
    assert not isinstance(request, Abandon)
    [again] = due(forged(book))
    assert isinstance(again, Abandon)


def test_of_an_erased_task_nothing_more_is_said():
    assert due(forged(given(SUBMITTED, SAID, TaskErased(reason="asked")))) == []


def test_an_attempt_is_held_to_the_policy():
    intent = requested()
    huge = replace(intent, guest=Guest("performance", 16, 131_072), deadline=later(10**8))
    attempt = bounded(given(SUBMITTED, huge).task.attempt, POLICY)
    assert attempt.guest == POLICY.guest
    assert attempt.deadline == NOON + timedelta(seconds=POLICY.machine_seconds)
    assert bounded(given(SUBMITTED, intent).task.attempt, POLICY).guest == POLICY.guest


@pytest.mark.parametrize("number", [0, 2, 9, -1])
def test_an_attempt_out_of_order_is_none(number):
    assert given(SUBMITTED, requested(number)).task.attempt is None
