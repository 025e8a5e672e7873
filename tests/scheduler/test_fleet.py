"""Given these facts, and this much silence, this is due."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from events import (
    AccountId,
    AttemptEnded,
    Blob,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineStarted,
    SnapshotTaken,
    TaskCancelled,
    TaskFailed,
    TaskId,
)
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.outcome import (
    MachineGone,
    MachineReady,
    MachineUnavailable,
    conclude,
    cost_microusd,
)
from services.scheduler.fleet.plan import (
    Abandon,
    Destroy,
    Request,
    Resume,
    ServeReader,
    plan,
    to_watch,
    wake_at,
)
from services.scheduler.fleet.state import evolve
from tests.scheduler.history import (
    FINISHED,
    GUEST,
    HOME,
    INSTRUCTED,
    MACHINE,
    NOON,
    POLICY,
    SUBMITTED,
    TASK,
    WORKING,
    Book,
    destroyed,
    given,
    later,
    left,
    lost,
    refused,
    requested,
    started,
    took_up,
)

FAILED = TaskFailed(reason="base_not_found", detail="no such branch", remedy="name another")


def due(book, seconds=0.0, policy=POLICY):
    return list(plan(book.fleet, later(seconds), policy))


def the(decisions):
    [decision] = decisions
    return decision


def test_a_submitted_task_gets_a_machine():
    decision = the(due(given(SUBMITTED)))
    assert isinstance(decision, Request)
    assert decision.fact == requested(1)
    assert decision.fact.name == "task-one-a1"


def test_an_intent_without_an_outcome_is_resumed_not_repeated():
    decision = the(due(given(SUBMITTED, requested())))
    assert isinstance(decision, Resume)
    assert decision.attempt.name == "task-one-a1"


def test_a_running_worker_is_left_alone_and_watched():
    book = given(SUBMITTED, requested(), started(), took_up())
    assert due(book) == []
    assert [(task, attempt.machine) for task, attempt in to_watch(book.fleet)] == [(TASK, MACHINE)]


def test_a_machine_that_ended_is_made_certain_of_and_then_lost():
    book = given(SUBMITTED, requested(), started(), took_up())
    book.fleet = fleets.record_machine_gone(book.fleet, TASK, 1)
    decision = the(due(book))
    assert (type(decision), decision.cause) == (Destroy, "exited")
    gone = MachineGone(1, decision.cause, MACHINE, 10.0, "exit code 137, signal 9")
    assert conclude(gone, book.task, NOON, POLICY) == [
        MachineLost(
            attempt=1, reason="exited", retry_at=later(1), detail="exit code 137, signal 9"
        ),
        MachineDestroyed(
            attempt=1,
            machine=MACHINE,
            billed_seconds=10.0,
            cost_microusd=cost_microusd(GUEST, 10.0, NOON.date()),
        ),
    ]


def test_the_next_attempt_begins_after_the_backoff():
    book = given(SUBMITTED, requested(), started(), lost(retry_at=later(30)), destroyed())
    assert due(book, 29) == []
    assert wake_at(book.fleet, later(29), POLICY) == later(30)
    assert the(due(book, 30)).fact.attempt == 2


def test_after_the_last_attempt_the_task_is_abandoned_with_a_remedy():
    book = given(SUBMITTED)
    for attempt in (1, 2, 3):
        book.add(requested(attempt), started(attempt), lost(attempt), destroyed(attempt))
    decision = the(due(book))
    assert isinstance(decision, Abandon)
    assert decision.fact.reason == "worker_lost"
    assert decision.fact.remedy
    assert due(book.add(decision.fact)) == []


def test_an_instruction_opens_an_abandoned_task_again():
    book = given(SUBMITTED)
    for attempt in (1, 2, 3):
        book.add(requested(attempt), started(attempt), lost(attempt), destroyed(attempt))
    book.add(the(due(book)).fact, INSTRUCTED)
    assert the(due(book)).fact.attempt == 4


def test_silence_is_a_reason_to_destroy():
    book = given(SUBMITTED, requested(), started())
    book.fleet = fleets.record_heartbeat(book.fleet, TASK, 1, at=later(100))
    assert due(book, 129) == []
    assert wake_at(book.fleet, later(100), POLICY) == later(130)
    assert the(due(book, 130)).cause == "silent"


def test_what_a_worker_writes_is_a_sign_of_life():
    book = given(SUBMITTED, requested(), started())
    book.add(WORKING, at=later(100), by="worker:1")
    assert due(book, 129) == []
    assert the(due(book, 130)).cause == "silent"


def test_a_machine_that_boots_may_be_silent_longer():
    book = given(SUBMITTED, requested(), started())
    assert due(book, 119) == []
    assert the(due(book, 120)).cause == "silent"


def test_after_a_restart_silence_is_counted_from_zero():
    book = Book(watching_since=later(1000)).add(SUBMITTED, requested(), started())
    assert due(book, 1119) == []
    assert the(due(book, 1120)).cause == "silent"


def test_a_zombies_heartbeat_counts_for_nobody():
    book = given(SUBMITTED, requested(), started(), lost(), destroyed(), requested(2), started(2))
    assert fleets.record_heartbeat(book.fleet, TASK, 1, at=later(100)) == book.fleet


def test_a_machine_outlives_its_deadline_by_a_minute():
    book = given(SUBMITTED, requested(), started())
    deadline = POLICY.machine_seconds
    book.fleet = fleets.record_heartbeat(book.fleet, TASK, 1, at=later(deadline + 60))
    assert due(book, deadline + 59) == []
    assert the(due(book, deadline + 60)).cause == "deadline"


@pytest.mark.parametrize("end", [FINISHED, FAILED, TaskCancelled()])
def test_an_ended_task_lets_its_worker_say_goodbye_and_then_destroys(end):
    book = given(SUBMITTED, requested(), started(), end)
    assert due(book, 4) == []
    assert the(due(book, 5)).cause == "ended"
    assert the(due(book.add(left()), 1)).cause == "ended"


def test_the_machine_of_an_ended_task_is_destroyed_not_lost():
    book = given(SUBMITTED, requested(), started(), FINISHED, left())
    [fact] = conclude(MachineGone(1, "ended", MACHINE, 10.0, ""), book.task, NOON, POLICY)
    assert isinstance(fact, MachineDestroyed)
    assert due(book.add(fact)) == []
    assert book.fleet.active == frozenset()


def test_a_worker_that_ended_its_task_while_its_exit_was_looked_into_is_not_lost():
    book = given(SUBMITTED, requested(), started(), FINISHED)
    [fact] = conclude(MachineGone(1, "exited", MACHINE, 10.0, ""), book.task, NOON, POLICY)
    assert isinstance(fact, MachineDestroyed)


def test_a_task_cancelled_between_intent_and_outcome_is_looked_for():
    book = given(SUBMITTED, requested(), TaskCancelled())
    decision = the(due(book))
    assert (type(decision), decision.attempt.machine) == (Destroy, "")
    [fact] = conclude(MachineGone(1, "ended", "", 0.0, "none"), book.task, NOON, POLICY)
    assert (type(fact), fact.reason) == (MachineLost, "never_started")
    assert due(book.add(fact), 60) == []


def test_an_instruction_after_the_end_gives_a_new_attempt_once_the_old_machine_is_gone():
    book = given(SUBMITTED, requested(), started(), FINISHED, INSTRUCTED)
    assert due(book, 1) == []
    decision = the(due(book, 5))
    assert (type(decision), decision.cause) == (Destroy, "ended")
    facts = conclude(MachineGone(1, "ended", MACHINE, 1.0, ""), book.task, later(5), POLICY)
    assert the(due(book.add(*facts), 5)).fact.attempt == 2


def test_a_worker_that_leaves_an_open_task_is_lost_with_its_reason():
    book = given(SUBMITTED, requested(), started(), took_up(), left(reason="drained"))
    facts = conclude(MachineGone(1, "exited", MACHINE, 1.0, "exit code 0"), book.task, NOON, POLICY)
    assert facts[0].detail == "drained; exit code 0"


def test_a_refusal_is_tried_again_in_the_next_region():
    book = given(SUBMITTED, requested())
    [fact] = conclude(MachineUnavailable(1, "no_capacity", "full"), book.task, NOON, POLICY)
    assert fact == MachineRefused(attempt=1, reason="no_capacity", retry_at=later(1), detail="full")
    book.add(fact)
    assert due(book) == []
    again = the(due(book, 1)).fact
    assert (again.attempt, again.name, again.region) == (1, "task-one-a1", "ord")


def test_refusals_have_an_end():
    book = given(SUBMITTED)
    for _ in range(POLICY.refusals):
        book.add(requested(), refused())
    decision = the(due(book))
    assert decision.fact.reason == "machine_no_capacity"
    assert "full" in decision.fact.detail
    assert due(book.add(decision.fact)) == []


def test_a_machine_obtained_is_told_once():
    book = given(SUBMITTED, requested())
    outcome = MachineReady(1, MACHINE, "iad", 0.5)
    [fact] = conclude(outcome, book.task, NOON, POLICY)
    assert fact == MachineStarted(attempt=1, machine=MACHINE, region="iad", seconds=0.5)
    assert conclude(outcome, book.add(fact).task, NOON, POLICY) == []


def test_a_reader_asked_for_is_served_once():
    book = given(SUBMITTED, requested(), started())
    book.fleet = fleets.record_heartbeat(book.fleet, TASK, 1, at=NOON, reader=2)
    assert the(due(book)) == ServeReader(book.task.history, 1, 2)
    book.fleet = fleets.record_reader(book.fleet, TASK, 1, 2)
    assert due(book) == []


def test_a_busy_or_postponed_task_is_not_planned():
    book = given(SUBMITTED)
    book.fleet = fleets.mark_busy(book.fleet, TASK)
    assert due(book) == []
    book.fleet = fleets.mark_idle(book.fleet, TASK, postponed_until=later(2))
    assert due(book, 1) == []
    assert wake_at(book.fleet, later(1), POLICY) == later(2)
    assert len(due(book, 2)) == 1


def test_no_account_starves_another():
    book = Book()
    busy, calm = AccountId("acc_busy"), AccountId("acc_calm")
    for number in range(10):
        book.add(SUBMITTED, task=TaskId(f"task_b{number}"), account=busy, at=later(number))
    book.add(SUBMITTED, task=TaskId("task_c"), account=calm, at=later(100))
    policy = replaced(POLICY, tasks_at_once=2)
    assert [d.history.account for d in due(book, 200, policy)] == [busy, calm]


def test_quotas_hold_for_an_account_and_in_all():
    book = Book()
    for account in ("acc_a", "acc_b", "acc_c"):
        for number in range(10):
            task = TaskId(f"task_{account[-1]}{number}")
            book.add(SUBMITTED, task=task, account=AccountId(account))
    assert len(due(book)) == 15
    assert len(due(book, policy=replaced(POLICY, tasks_at_once=7))) == 7


def test_a_machine_not_yet_destroyed_counts():
    book = given(SUBMITTED, requested(), started(), FINISHED)
    book.add(SUBMITTED, task=TaskId("task_two"), account=HOME)
    assert due(book, policy=replaced(POLICY, tasks_per_account=1)) == []


@pytest.mark.parametrize("hours", [-2, -0.01, 0.01, 2, 24 * 365])
def test_a_workers_clock_is_never_compared_with_the_schedulers(hours):
    """A worker's heartbeat counts from when it is read, whatever the worker's own clock says."""
    its_time = NOON + timedelta(hours=hours)
    book = given(SUBMITTED, requested(), started())
    book.add(took_up(), WORKING, by="worker:1", at=its_time, heard_at=later(100))
    assert due(book, 129) == []
    assert the(due(book, 130)).cause == "silent"

    book.fleet = fleets.record_heartbeat(book.fleet, TASK, 1, at=later(140))
    book.add(WORKING, by="worker:1", at=its_time, heard_at=later(141))
    assert due(book, 170) == []

    book.add(FINISHED, by="worker:1", at=its_time, heard_at=later(150))
    assert due(book, 154) == []
    assert the(due(book, 155)).cause == "ended"


def test_a_start_that_another_schedulers_clock_dated_is_waited_for_as_long_as_any():
    ahead = given(SUBMITTED, requested())
    ahead.add(started(), at=later(7200), heard_at=later(1))
    assert due(ahead, 120) == []
    assert the(due(ahead, 121)).cause == "silent"


def test_an_event_told_twice_changes_nothing():
    book = given(SUBMITTED, requested(), started())
    told = book.fleet
    assert evolve(told, [], heard_at=NOON) == told


def test_a_machines_price_is_flys():
    month_seconds = timedelta(hours=730).total_seconds()
    assert cost_microusd(GUEST, month_seconds, NOON.date()) == 11_390_000


def replaced(policy, **changes):
    return fleets.replace(policy, **changes)


SNAPSHOT = SnapshotTaken(tree="t", pack=Blob("k", 1, "s"), files=1, insertions=1, deletions=0)
STORE_AWAY = AttemptEnded(
    attempt=1,
    reason="object_store_unreachable",
    detail="The object store did not answer for 30 minutes.",
)


def outage(book, attempt, *, at, snapshot=False):
    """Add an attempt that left because the object store was away."""
    book.add(requested(attempt), started(attempt), at=at)
    if snapshot:
        book.add(SNAPSHOT, at=at)
    book.add(replace(STORE_AWAY, attempt=attempt), lost(attempt), destroyed(attempt), at=at)
    return book


def test_attempts_that_an_outage_ended_are_not_counted_as_crashes():
    book = given(SUBMITTED)
    for attempt in range(1, 6):
        outage(book, attempt, at=later(attempt * 60))
    assert the(due(book, 600)).fact.attempt == 6


def test_crashes_count_among_outages():
    book = outage(given(SUBMITTED), 1, at=NOON)
    for attempt in (2, 3, 4):
        book.add(requested(attempt), started(attempt), lost(attempt), destroyed(attempt))
    fact = the(due(book)).fact
    assert (fact.reason, "lost 3 times" in fact.detail) == ("worker_lost", True)


def test_an_outage_without_end_abandons_the_task_in_the_attempts_own_words():
    book = given(SUBMITTED)
    for attempt in range(1, 4):
        outage(book, attempt, at=later((attempt - 1) * POLICY.outage_seconds / 2))
    fact = the(due(book, POLICY.outage_seconds)).fact
    assert fact.reason == "object_store_unreachable"
    assert "The object store did not answer for 30 minutes." in fact.detail
    assert "S3_ENDPOINT_URL" in fact.remedy
    assert "machine" not in fact.remedy


def test_an_outage_after_another_that_passed_is_a_new_one():
    book = outage(given(SUBMITTED), 1, at=NOON)
    outage(book, 2, at=later(POLICY.outage_seconds + 1), snapshot=True)
    assert the(due(book, POLICY.outage_seconds + 2)).fact.attempt == 3


def test_outages_are_counted_too_whatever_the_worker_claims_in_between():
    book = given(SUBMITTED)
    for attempt in range(1, POLICY.outages + 1):
        outage(book, attempt, at=NOON, snapshot=True)
    assert the(due(book)).fact.reason == "object_store_unreachable"


def test_what_ended_the_last_machine_is_told_and_the_remedy_fits():
    book = given(SUBMITTED)
    for attempt in (1, 2, 3):
        ended = replace(lost(attempt), detail="exit code 137, signal 9, out of memory")
        book.add(requested(attempt), started(attempt), ended, destroyed(attempt))
    fact = the(due(book)).fact
    assert "out of memory" in fact.detail
    assert "MACHINE_MEMORY_MB" in fact.remedy
