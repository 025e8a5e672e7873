from datetime import timedelta

import msgspec
import pytest

from events import (
    AttemptEnded,
    BranchPushed,
    Budget,
    BudgetExhausted,
    BudgetRaised,
    CallId,
    EventId,
    Guest,
    MachineId,
    MachineLost,
    MachineRequested,
    ModelFailed,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolInterrupted,
    ToolStarted,
    request_id,
)
from services.worker.calls import Call
from services.worker.failures import out_of_time
from services.worker.turn import (
    AskModel,
    OpenPullRequest,
    PrepareWorkspace,
    Push,
    Record,
    Rest,
    RunTools,
    StartTools,
    StoreDiff,
    TakeSnapshot,
    Wait,
    next_step,
    settle,
    stop,
)
from tests.support.worker_history import (
    BEGAN,
    NOW,
    PREPARED,
    SNAPSHOT,
    SUBMITTED,
    TASK,
    began,
    diff_stored,
    ended,
    folded,
    history,
    replied,
    requested,
    started,
)

READY = (SUBMITTED, started(), PREPARED)
ASKED = (*READY, requested())
BASH = ("b", "bash", {"command": "ls"})
READS = [("r1", "read", {"path": "x"}), ("r2", "glob", {"pattern": "*"})]
QUESTION = ("q", "ask", {"question": "Tabs?", "options": ["yes"]})
WORK = {"summary": "did it", "title": "Do it", "body": "like so"}
SUBMIT = ("s", "submit", WORK)
REQUEST = request_id(TASK, CallId("q"))
ASKING = QuestionAsked(request=REQUEST, call="q", text="Tabs?", options=("yes",))
PUSHED = BranchPushed(branch="errand/task_1", commit="abc")
OPENED = PullRequestOpened(number=7, url="http://forge/pull/7", title="Do it")
STEER = TaskInstructed(text="be quick")
SUBMITTING = (*ASKED, replied(SUBMIT), began("s", "submit"))
LOST = MachineLost(attempt=1, reason="silent", retry_at=NOW)
SECOND = MachineRequested(
    attempt=2, name="n", region="r", guest=Guest("shared", 1, 256), deadline=NOW
)


def calls(*wanted):
    return tuple(Call(*each) for each in wanted)


def recording(*facts):
    return Record(tuple(facts))


def failing(retry_at):
    return ModelFailed(turn=1, kind="overloaded", detail="busy", retry_at=retry_at)


def limited(**limits):
    return msgspec.structs.replace(SUBMITTED, budget=Budget(**limits))


@pytest.mark.parametrize(
    ("events", "due"),
    [
        pytest.param([], Rest(), id="nothing_is_known"),
        pytest.param([SUBMITTED], recording(started()), id="the_fence_comes_first"),
        pytest.param([SUBMITTED, started()], PrepareWorkspace(""), id="then_the_workspace"),
        pytest.param(READY, recording(requested()), id="an_intent_before_the_model"),
        pytest.param(ASKED, AskModel(1, SUBMITTED.model, ""), id="then_the_model"),
        pytest.param(
            [*ASKED, STEER], AskModel(1, SUBMITTED.model, ""), id="a_word_while_it_answers"
        ),
        pytest.param(
            [*ASKED, replied(BASH)], StartTools(calls(BASH)), id="an_intent_before_a_tool"
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b")], RunTools(calls(BASH)), id="then_the_tool"
        ),
        pytest.param(
            [*ASKED, replied(*READS, BASH)], StartTools(calls(*READS)), id="readers_side_by_side"
        ),
        pytest.param(
            [*ASKED, replied(BASH, *READS)], StartTools(calls(BASH)), id="a_writer_by_itself"
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), ended("b")], TakeSnapshot(), id="work_is_kept"
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), ended("b"), SNAPSHOT],
            recording(requested(2)),
            id="then_the_next_turn",
        ),
        pytest.param(
            [*ASKED, replied(READS[0]), began("r1", "read"), ended("r1")],
            recording(requested(2)),
            id="reading_needs_no_snapshot",
        ),
        pytest.param(
            [*ASKED, replied(text="wait", stop="pause_turn")],
            recording(requested(2)),
            id="a_paused_turn_goes_on",
        ),
        pytest.param([*ASKED, replied(text="done")], StoreDiff(), id="words_end_the_work"),
        pytest.param(
            [*ASKED, replied(text="done"), diff_stored(0)],
            recording(TaskFinished(summary="done", outcome="no_changes")),
            id="nothing_was_changed",
        ),
        pytest.param(
            [*ASKED, replied(text="done"), diff_stored()],
            Push("mend it", "done", EventId("evt_5")),
            id="unsubmitted_work_is_pushed",
        ),
        pytest.param(
            [*ASKED, replied(text="done"), STEER], recording(requested(2)), id="a_word_at_the_end"
        ),
        pytest.param(
            [*ASKED, replied(text="done"), STEER, requested(2), failing(BEGAN)],
            recording(requested(2)),
            id="a_word_at_the_end_survives_a_failure",
        ),
        pytest.param(
            [*ASKED, replied(SUBMIT)], StartTools(calls(SUBMIT)), id="an_intent_before_submitting"
        ),
        pytest.param(SUBMITTING, StoreDiff(), id="the_difference_is_stored"),
        pytest.param(
            [*SUBMITTING, diff_stored()], Push("Do it", "like so", EventId("evt_5")), id="pushed"
        ),
        pytest.param(
            [*SUBMITTING, diff_stored(), PUSHED],
            OpenPullRequest("Do it", "like so", "errand/task_1", "main"),
            id="proposed",
        ),
        pytest.param(
            [*SUBMITTING, diff_stored(), PUSHED, OPENED],
            recording(ended("s", "Submitted: http://forge/pull/7")),
            id="the_model_is_told",
        ),
        pytest.param(
            [*SUBMITTING, diff_stored(), PUSHED, OPENED, ended("s")],
            recording(TaskFinished(summary="did it", outcome="pull_request")),
            id="finished",
        ),
        pytest.param(
            [*SUBMITTING, diff_stored(), PUSHED, OPENED, ended("s"), STEER],
            recording(requested(2)),
            id="a_word_just_before_the_end",
        ),
        pytest.param(
            [
                *SUBMITTING,
                diff_stored(),
                PUSHED,
                OPENED,
                ended("s"),
                TaskFinished(summary="", outcome="branch"),
            ],
            recording(AttemptEnded(attempt=1, reason="finished")),
            id="the_worker_says_goodbye",
        ),
        pytest.param(
            [
                *SUBMITTING,
                TaskFinished(summary="", outcome="branch"),
                AttemptEnded(attempt=1, reason="finished"),
            ],
            Rest(),
            id="and_rests",
        ),
        pytest.param(
            [*ASKED, replied(QUESTION)],
            recording(ToolStarted(call="q", tool="ask", title="Ask: Tabs?"), ASKING),
            id="a_question_is_asked",
        ),
        pytest.param(
            [*ASKED, replied(QUESTION), began("q", "ask"), ASKING], Wait("question"), id="it_waits"
        ),
        pytest.param(
            [
                *ASKED,
                replied(QUESTION),
                began("q", "ask"),
                ASKING,
                QuestionAnswered(request=REQUEST, text="no"),
            ],
            recording(ended("q", "no")),
            id="the_answer_is_the_result",
        ),
        pytest.param(
            [*ASKED, replied(QUESTION, BASH)], StartTools(calls(BASH)), id="a_question_comes_last"
        ),
        pytest.param(
            [*ASKED, replied(("q", "ask", {}))],
            StartTools(calls(("q", "ask", {}))),
            id="a_malformed_question_is_run_to_be_refused",
        ),
        pytest.param([*READY, TaskInterrupted()], Wait("instruction"), id="interrupted"),
        pytest.param(
            [*ASKED, TaskInterrupted(), STEER], recording(requested()), id="a_word_after_it"
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), TaskInterrupted()],
            recording(ToolInterrupted(call="b", reason="interrupted")),
            id="what_ran_was_interrupted",
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), TaskCancelled()],
            recording(ToolInterrupted(call="b", reason="cancelled")),
            id="cancelling_stops_what_runs",
        ),
        pytest.param(
            [*READY, TaskCancelled()],
            recording(AttemptEnded(attempt=1, reason="cancelled")),
            id="cancelled",
        ),
        pytest.param([SUBMITTED, TaskCancelled()], Rest(), id="cancelled_before_it_began"),
        pytest.param(
            [*READY, TaskAbandoned(reason="r", detail="d", remedy="")],
            recording(AttemptEnded(attempt=1, reason="abandoned")),
            id="abandoned",
        ),
        pytest.param([*ASKED, SECOND], Rest(), id="fenced_by_a_newer_machine"),
        pytest.param([*ASKED, started(2)], Rest(), id="fenced_by_a_newer_attempt"),
        pytest.param([*ASKED, LOST], Rest(), id="fenced_by_its_own_loss"),
        pytest.param(
            [*ASKED, failing(NOW + timedelta(seconds=9))],
            Wait("provider", NOW + timedelta(seconds=9)),
            id="a_failed_call_waits",
        ),
        pytest.param([*ASKED, failing(BEGAN)], recording(requested()), id="and_is_made_again"),
        pytest.param(
            [limited(cost_microusd=100), *ASKED[1:], replied(READS[0]), ended("r1")],
            recording(BudgetExhausted(scope="cost", spent=100, limit=100)),
            id="money_ran_out",
        ),
        pytest.param(
            [limited(turns=1), *ASKED[1:], replied(READS[0]), ended("r1")],
            recording(BudgetExhausted(scope="turns", spent=1, limit=1)),
            id="turns_ran_out",
        ),
        pytest.param(
            [limited(wall_seconds=60), *READY[1:]],
            recording(BudgetExhausted(scope="wall", spent=3598, limit=60)),
            id="time_ran_out",
        ),
        pytest.param(
            [*READY, BudgetExhausted(scope="cost", spent=1, limit=1)], Wait("budget"), id="it_waits"
        ),
        pytest.param(
            [
                limited(turns=1),
                *ASKED[1:],
                replied(READS[0]),
                ended("r1"),
                BudgetExhausted(scope="turns", spent=1, limit=1),
                BudgetRaised(cost_microusd=0),
            ],
            recording(requested(2)),
            id="raised",
        ),
    ],
)
def test_exactly_one_step_is_due(events, due):
    assert next_step(folded(history(*events)), NOW) == due


@pytest.mark.parametrize(
    ("events", "due"),
    [
        pytest.param([*ASKED, SECOND], recording(started(2)), id="the_fence"),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), started(2)],
            recording(ToolInterrupted(call="b", reason="machine_lost")),
            id="a_call_nobody_knows_the_end_of",
        ),
        pytest.param(
            [*ASKED, replied(BASH), SNAPSHOT, started(2)],
            PrepareWorkspace("main", "c0", SNAPSHOT),
            id="the_last_snapshot_on_the_same_base",
        ),
        pytest.param(
            [*ASKED, started(2), PREPARED], recording(requested()), id="the_model_is_asked_again"
        ),
        pytest.param(
            [*ASKED, replied(QUESTION), began("q", "ask"), ASKING, started(2), PREPARED],
            recording(ASKING),
            id="an_open_question_is_shown_again",
        ),
        pytest.param(
            [*SUBMITTING, diff_stored(), PUSHED, started(2), PREPARED],
            OpenPullRequest("Do it", "like so", "errand/task_1", "main"),
            id="a_submission_goes_on",
        ),
        pytest.param(
            [*READY, TaskFinished(summary="", outcome="branch"), STEER],
            recording(started(2)),
            id="a_reopened_task",
        ),
        pytest.param(
            [*READY, TaskFinished(summary="", outcome="branch")], Rest(), id="a_closed_task"
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), TaskCancelled(), STEER, started(2), PREPARED],
            recording(ToolInterrupted(call="b", reason="interrupted")),
            id="calls_of_a_cancelled_task_are_not_run",
        ),
    ],
)
def test_the_next_attempt_takes_up_where_the_last_one_ended(events, due):
    assert next_step(folded(history(*events), attempt=2), NOW) == due


def test_time_spent_waiting_for_a_person_is_not_counted():
    asked = history(
        limited(wall_seconds=3600), *ASKED[1:], replied(QUESTION), began("q", "ask"), ASKING
    )
    [answer] = history(QuestionAnswered(request=REQUEST, text="no"))
    late = msgspec.structs.replace(answer, version=len(asked) + 1, at=BEGAN + timedelta(days=1))
    [done] = history(ended("q", "no"))
    done = msgspec.structs.replace(done, version=len(asked) + 2, at=late.at)

    turn = folded([*asked, late, done])

    assert next_step(turn, late.at + timedelta(seconds=1)) == recording(requested(2))


def test_a_workspace_found_unchanged_is_not_looked_at_again():
    turn = folded(history(*ASKED, replied(BASH), began("b"), ended("b")))

    assert next_step(settle(turn, TakeSnapshot()), NOW) == recording(requested(2))


def test_a_forge_without_pull_requests_gets_a_branch():
    turn = folded(history(*SUBMITTING, diff_stored(), PUSHED, ended("s")))

    told = settle(turn, OpenPullRequest("", "", "", ""))

    assert next_step(told, NOW) == recording(TaskFinished(summary="did it", outcome="branch"))


@pytest.mark.parametrize("reason", ["drained", "gateway_unreachable"])
def test_a_worker_told_to_stop_leaves_the_task_open(reason):
    turn = stop(folded(history(*ASKED)), reason)

    assert next_step(turn, NOW) == recording(AttemptEnded(attempt=1, reason=reason))


def test_a_question_stays_open_when_its_worker_is_told_to_stop():
    turn = stop(folded(history(*ASKED, replied(QUESTION), began("q", "ask"), ASKING)), "drained")

    assert next_step(turn, NOW) == recording(AttemptEnded(attempt=1, reason="drained"))


def test_a_worker_whose_time_is_up_keeps_its_work_and_fails_the_task():
    turn = stop(folded(history(*ASKED, replied(BASH), began("b"), ended("b"))), "deadline")

    assert next_step(turn, NOW) == TakeSnapshot()
    assert next_step(settle(turn, TakeSnapshot()), NOW) == recording(out_of_time())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("key_refused", "model_refused_key"),
        ("out_of_credit", "model_refused_key"),
        ("request_refused", "model_refused"),
        ("overloaded", "model_unavailable"),
    ],
)
def test_a_model_that_will_not_answer_fails_the_task(kind, reason):
    failure = ModelFailed(turn=1, kind=kind, detail="said so")

    step = next_step(folded(history(*ASKED, failure)), NOW)

    assert isinstance(step, Record)
    [fact] = step.facts
    assert isinstance(fact, TaskFailed)
    assert (fact.reason, fact.detail) == (reason, "said so")
    assert fact.remedy


def test_an_attempt_that_ended_its_task_leaves_even_when_the_task_is_reopened():
    turn = folded(history(*READY, TaskFinished(summary="", outcome="branch"), STEER))

    assert next_step(turn, NOW) == recording(AttemptEnded(attempt=1, reason="finished"))


def test_machine_ids_are_recorded_with_the_fence():
    assert next_step(folded(history(SUBMITTED), attempt=3), NOW) == recording(
        msgspec.structs.replace(started(3), machine=MachineId("m3"))
    )
