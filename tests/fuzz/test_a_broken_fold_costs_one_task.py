"""Should a fold or a plan break all the same, it costs the one task and nobody else."""

import re
from datetime import timedelta

import msgspec
import pytest

from events import (
    AttemptEnded,
    AttemptStarted,
    CommandId,
    History,
    MachineDestroyed,
    PlanItem,
    PlanUpdated,
    TaskArchived,
    TaskCancelled,
    TaskFailed,
    TaskInstructed,
    ToolStarted,
)
from events.ids import CallId, TaskId
from events.protocol import quarantine, task_state
from services.gateway.tasks import quarantine as gateway_fold
from services.gateway.tasks import task as gateway_task
from services.projector.projections import PROJECTED, TABLES
from services.projector.projections.fold import Fold
from services.scheduler.fleet import plan as planning
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.plan import Abandon, Destroy, Quarantine, Request, plan, wake_at
from services.scheduler.fleet.state import Fleet
from services.worker.agent.failures import unreadable_history
from services.worker.agent.next_step import next_step
from services.worker.agent.state import AgentState, Attempt
from services.worker.agent.steps import Record, Rest
from tests.kit.build.any_event import BEGINNING, recorded
from tests.kit.build.any_event import story as told
from tests.scheduler.history import (
    HOME,
    NOON,
    POLICY,
    SUBMITTED,
    TASK,
    requested,
    started,
)

OTHER = History(HOME, TaskId("task_two"))
MINE = History(HOME, TASK)
ODD = ToolStarted(call=CallId("c"), tool="odd", title="odd")


def breaks_on_odd(step):
    """A fold that has a bug."""

    def broken(state, event, *more):
        if getattr(event.event, "tool", "") == "odd":
            raise KeyError("a bug")
        return step(state, event, *more)

    return broken


def fleet_of(*histories):
    fleet = Fleet(watching_since=NOON)
    for history in histories:
        fleet = fleets.evolve(fleet, history, heard_at=NOON)
    return fleet


@pytest.fixture
def broken_fleet(monkeypatch):
    monkeypatch.setattr(fleets, "advance", breaks_on_odd(fleets.advance))


@pytest.mark.usefixtures("broken_fleet")
def test_a_task_that_breaks_the_fleet_is_abandoned_and_its_machine_ends() -> None:
    bad = told(SUBMITTED, requested(), started(), ODD, history=MINE)
    fleet = fleet_of(bad, told(SUBMITTED, history=OTHER))

    assert fleet.quarantined == {TASK}
    assert fleet.tasks[TASK].quarantined_at == bad[-1].sequence
    [abandon, request] = plan(fleet, NOON, POLICY)
    assert isinstance(abandon, Abandon)
    assert abandon.head == bad[-1].head
    assert abandon.fact.reason == "history_unreadable"
    assert "a bug" in abandon.fact.detail
    assert "errand deadletters" in abandon.fact.remedy
    assert isinstance(request, Request)
    assert request.history == OTHER

    for _ in range(2):  # and so it is after a restart
        bad = told(SUBMITTED, requested(), started(), ODD, abandon.fact, history=MINE)
        assert fleet_of(bad).tasks[TASK].quarantined_at == fleet.tasks[TASK].quarantined_at
        [destroy] = plan(fleet_of(bad), NOON, POLICY)
        assert isinstance(destroy, Destroy)
        gone = MachineDestroyed(attempt=1, machine="m", billed_seconds=1, cost_microusd=1)
        done = fleet_of([*bad, recorded(gone, 6, history=MINE)])
        assert not plan(done, NOON, POLICY)
        assert wake_at(done, NOON, POLICY) is None
        assert TASK not in done.active
        again = fleets.evolve(
            done, [recorded(TaskInstructed(text="x"), 7, history=MINE)], heard_at=NOON
        )
        assert isinstance(plan(again, NOON, POLICY)[0], Abandon)


@pytest.mark.parametrize("step", ["_due", "_wants_machine", "_request"])
def test_a_task_that_cannot_be_planned_for_is_named_and_all_others_are_planned(
    monkeypatch, step
) -> None:
    whole = getattr(planning, step)

    def broken(*args):
        if any(getattr(each, "id", "") == TASK for each in args):
            raise OverflowError("date value out of range")
        return whole(*args)

    monkeypatch.setattr(planning, step, broken)
    fleet = fleet_of(told(SUBMITTED, history=MINE), told(SUBMITTED, history=OTHER))

    [named, request] = plan(fleet, NOON, POLICY)
    assert isinstance(named, Quarantine)
    assert named.history == MINE
    assert isinstance(request, Request)
    assert request.history == OTHER
    kinds = [
        type(one) for one in plan(fleets.quarantine_task(fleet, TASK, named.reason), NOON, POLICY)
    ]
    assert kinds == [Abandon, Request]


def test_a_task_whose_moments_break_lets_the_others_wake(monkeypatch) -> None:
    whole = planning._moments

    def broken(fleet, task, policy):
        if task.id == TASK:
            raise TypeError("can't compare offset-naive and offset-aware datetimes")
        return whole(fleet, task, policy)

    monkeypatch.setattr(planning, "_moments", broken)
    fleet = fleet_of(
        told(SUBMITTED, requested(), started(), history=MINE),
        told(SUBMITTED, requested(task=OTHER.task), started(), history=OTHER),
    )

    assert wake_at(fleet, NOON, POLICY) is not None


def test_people_see_that_a_history_cannot_be_read_and_can_still_end_it(monkeypatch) -> None:
    monkeypatch.setattr(task_state, "_evolve", breaks_on_odd(task_state._evolve))
    state = None
    for event in told(SUBMITTED, ODD, PlanUpdated(items=(PlanItem("x", "done"),))):
        state = task_state.evolve(state, event)

    assert state is not None
    assert (state.version, state.phase, state.is_quarantined) == (3, "failed", True)
    assert state.failure is not None
    assert state.failure.reason == "history_unreadable"
    assert re.search(r"version 1: KeyError: 'a bug'", state.failure.detail)
    assert msgspec.json.decode(msgspec.json.encode(state), type=task_state.TaskState) == state
    state = task_state.evolve(state, recorded(TaskCancelled(), 4))
    assert state is not None
    assert state.phase == "cancelled"
    state = task_state.evolve(state, recorded(TaskArchived(), 5))
    assert state is not None
    assert state.is_archived


def test_a_person_can_cancel_and_archive_a_task_that_breaks_the_gateway(monkeypatch) -> None:
    monkeypatch.setattr(gateway_fold, "fold", breaks_on_odd(gateway_fold.fold))
    task = gateway_task.NO_TASK
    for event in told(SUBMITTED, ODD):
        task = gateway_fold.evolve(task, event)

    assert task.is_quarantined
    cancel = gateway_task.decide(gateway_task.Cancel(), task, cause=CommandId("c1"))
    assert cancel.facts == (TaskCancelled(),)
    said = recorded(TaskCancelled(), 3)
    task = gateway_fold.evolve(task, msgspec.structs.replace(said, cause="c1"))
    assert gateway_task.decide(gateway_task.Cancel(), task, cause=CommandId("c1")).version == 3
    archive = gateway_task.decide(gateway_task.Archive(), task, cause=CommandId("c2"))
    assert archive.facts == (TaskArchived(),)


def test_a_projection_that_breaks_leaves_out_its_rows_and_names_the_event(monkeypatch) -> None:
    def broken(_recorded):
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    spoilt = {**PROJECTED, ToolStarted: (broken,)}
    monkeypatch.setattr("services.projector.projections.fold.PROJECTED", spoilt)
    fold = Fold(TABLES)

    fold.take(told(SUBMITTED, ODD, TaskInstructed(text="more")))

    assert [each.recorded.version for each in fold.quarantined] == [2]
    rows = {write.table.name: len(write.rows) for write in fold.drain().writes}
    assert rows == {"task": 1, "event": 3, "message": 2}


def test_a_worker_fails_a_task_whose_history_it_cannot_fold(monkeypatch) -> None:
    monkeypatch.setattr(
        unreadable_history, "evolve_readable", breaks_on_odd(unreadable_history.evolve_readable)
    )
    turn = AgentState(attempt=Attempt(number=1))
    history = told(SUBMITTED, requested(), ODD)
    for event in history:
        turn = unreadable_history.evolve(turn, event)

    step = next_step(turn, BEGINNING + timedelta(hours=1))
    assert isinstance(step, Record)
    assert [type(fact) for fact in step.facts] == [AttemptStarted, TaskFailed, AttemptEnded]
    assert step.facts[1].reason == quarantine.REASON
    for version, fact in enumerate(step.facts, 4):
        turn = unreadable_history.evolve(turn, recorded(fact, version))
    assert next_step(turn, BEGINNING) == Rest()


def test_what_breaks_is_not_caught_where_the_process_is_at_its_end() -> None:
    def out_of_memory():
        raise MemoryError

    with pytest.raises(MemoryError):
        quarantine.attempt(out_of_memory)
