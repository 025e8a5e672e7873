from datetime import timedelta

import msgspec
import pytest

from events import (
    AttemptEnded,
    AttemptStarted,
    MachineId,
    ModelFailed,
    QuestionAnswered,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    ToolCompleted,
    ToolInterrupted,
    UndoneCall,
)
from services.worker.agent.failures.model_errors import deadline_failure
from services.worker.agent.next_step import (
    OpenPullRequest,
    PrepareWorkspace,
    Record,
    Rest,
    StartTools,
    TakeSnapshot,
    mark_done,
    next_step,
    request_stop,
)
from tests.kit.build.worker_history import (
    ASKED,
    ASKING,
    BASH,
    BEGAN,
    NOW,
    PREPARED,
    PUSHED,
    QUESTION,
    READS,
    READY,
    REQUEST,
    SECOND,
    SNAPSHOT,
    STEER,
    SUBMIT,
    SUBMITTED,
    SUBMITTING,
    began,
    calls,
    diff_stored,
    ended,
    folded,
    history,
    limited,
    recording,
    replied,
    requested,
    started,
)


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
            recording(ToolInterrupted(call="b", reason="cancelled")),
            id="calls_of_a_cancelled_task_are_not_run",
        ),
    ],
)
def test_the_next_attempt_takes_up_where_the_last_one_ended(events, due):
    assert next_step(folded(history(*events), attempt=2), NOW) == due


WRITE = ("w", "write", {"path": "x", "content": ""})
WROTE = (*ASKED, replied(WRITE), began("w", "write"), ended("w"), requested(2))


@pytest.mark.parametrize(
    ("events", "due"),
    [
        pytest.param(
            [*WROTE, replied(SUBMIT, turn=2), started(2)],
            recording(ToolInterrupted(call="s", reason="not_run")),
            id="a_submission",
        ),
        pytest.param(
            [*WROTE, replied(BASH, SUBMIT, turn=2), started(2)],
            recording(
                ToolInterrupted(call="b", reason="not_run"),
                ToolInterrupted(call="s", reason="not_run"),
            ),
            id="any_call",
        ),
        pytest.param(
            [*WROTE, replied(QUESTION, turn=2), started(2)],
            recording(ToolInterrupted(call="q", reason="not_run")),
            id="a_question",
        ),
        pytest.param(
            [*WROTE, replied(text="Done.", turn=2), started(2), PREPARED],
            recording(requested(3)),
            id="the_end_of_the_work",
        ),
        pytest.param(
            [*WROTE, replied(text="Done.", turn=2), started(2), PREPARED, started(3), PREPARED],
            recording(requested(3)),
            id="also_when_a_second_machine_is_lost",
        ),
        pytest.param(
            [*ASKED, replied(WRITE, SUBMIT), began("w", "write"), ended("w"), started(2)],
            recording(ToolInterrupted(call="s", reason="not_run")),
            id="calls_of_the_same_reply",
        ),
        pytest.param(
            [
                *(*ASKED, replied(WRITE, SUBMIT), began("w", "write"), started(2)),
                ToolInterrupted(call="w", reason="machine_lost"),
            ],
            recording(ToolInterrupted(call="s", reason="not_run")),
            id="what_follows_a_call_that_ran",
        ),
        pytest.param(
            [
                *(*ASKED, replied(WRITE, SUBMIT), began("w", "write")),
                *(ToolInterrupted(call="w", reason="drained"), SNAPSHOT, started(2)),
            ],
            recording(ToolInterrupted(call="s", reason="not_run")),
            id="what_follows_a_call_cut_short_by_a_drain",
        ),
    ],
)
def test_nothing_runs_or_ends_on_work_that_is_gone_before_the_model_was_asked(events, due):
    newest = max(each.attempt for each in events if isinstance(each, AttemptStarted))

    assert next_step(folded(history(*events), attempt=newest), NOW) == due


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param([SNAPSHOT], id="in_a_snapshot"),
        pytest.param(
            [msgspec.structs.replace(began("r", "read"), tree="t1")], id="before_another_call"
        ),
    ],
)
def test_work_that_was_kept_is_not_undone(kept):
    turn = folded(history(*WROTE, *kept, replied(SUBMIT, turn=2)), attempt=2)

    assert turn.undone == ()
    resumed = folded(history(*WROTE, *kept, replied(SUBMIT, turn=2), started(2), PREPARED), 2)
    assert next_step(resumed, NOW) == StartTools(calls(SUBMIT))


def test_a_new_attempt_names_what_it_does_not_find():
    running = (*WROTE, replied(BASH, turn=2), began("b"))

    assert next_step(folded(history(*running), attempt=2), NOW) == recording(
        msgspec.structs.replace(
            started(2),
            undone=(UndoneCall("w", "write", "write"), UndoneCall("b", "bash", "bash")),
        )
    )


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (deadline_failure(), "failed"),
        (TaskCancelled(), "cancelled"),
        (TaskAbandoned(reason="r", detail="d", remedy="m"), "abandoned"),
    ],
)
def test_calls_of_a_task_that_ended_say_why_they_were_not_run(ending, reason):
    later = [*ASKED, replied(BASH, READS[0]), ending, STEER, started(2)]

    assert next_step(folded(history(*later), attempt=2), NOW) == recording(
        ToolInterrupted(call="b", reason=reason), ToolInterrupted(call="r1", reason=reason)
    )


ASKED_IN_VAIN = (*ASKED, replied(QUESTION), began("q", "ask"), ASKING)


@pytest.mark.parametrize(
    ("events", "output"),
    [
        pytest.param([deadline_failure(), STEER], "it may be the answer", id="afterwards"),
        pytest.param(
            [QuestionAnswered(request=REQUEST, text="tabs"), deadline_failure(), STEER],
            "tabs",
            id="just_before_the_end",
        ),
    ],
)
def test_an_answer_to_a_question_of_a_task_that_ended_is_passed_on(events, output):
    step = next_step(folded(history(*ASKED_IN_VAIN, *events, started(2)), attempt=2), NOW)

    assert isinstance(step, Record)
    [done] = step.facts
    assert isinstance(done, ToolCompleted)
    assert (done.call, done.is_error) == ("q", False)
    assert output in done.output


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

    assert next_step(mark_done(turn, TakeSnapshot()), NOW) == recording(requested(2))


def test_a_forge_without_pull_requests_gets_a_branch():
    turn = folded(history(*SUBMITTING, diff_stored(), PUSHED, ended("s")))

    told = mark_done(turn, OpenPullRequest("", "", "", ""))

    assert next_step(told, NOW) == recording(TaskFinished(summary="did it", outcome="branch"))


@pytest.mark.parametrize("reason", ["drained", "gateway_unreachable"])
def test_a_worker_told_to_stop_leaves_the_task_open(reason):
    turn = request_stop(folded(history(*ASKED)), reason)

    assert next_step(turn, NOW) == recording(AttemptEnded(attempt=1, reason=reason))


def test_a_question_stays_open_when_its_worker_is_told_to_stop():
    turn = request_stop(
        folded(history(*ASKED, replied(QUESTION), began("q", "ask"), ASKING)), "drained"
    )

    assert next_step(turn, NOW) == recording(AttemptEnded(attempt=1, reason="drained"))


def test_a_worker_whose_time_is_up_keeps_its_work_and_fails_the_task():
    turn = request_stop(folded(history(*ASKED, replied(BASH), began("b"), ended("b"))), "deadline")

    assert next_step(turn, NOW) == TakeSnapshot()
    assert next_step(mark_done(turn, TakeSnapshot()), NOW) == recording(deadline_failure())


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
