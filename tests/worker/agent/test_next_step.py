from datetime import timedelta

import pytest

from events import (
    AttemptEnded,
    BudgetExhausted,
    BudgetRaised,
    EventId,
    LeftOut,
    QuestionAnswered,
    SnapshotTaken,
    TaskAbandoned,
    TaskCancelled,
    TaskFinished,
    TaskInterrupted,
    ToolInterrupted,
    ToolStarted,
)
from services.worker.agent.next_step import (
    AskModel,
    OpenPullRequest,
    PrepareWorkspace,
    Push,
    Rest,
    RunTools,
    StartTools,
    StoreDiff,
    TakeSnapshot,
    Wait,
    next_step,
    parallel_snapshot,
)
from tests.kit.build.worker_history import (
    ASKED,
    ASKING,
    BASH,
    BEGAN,
    LOST,
    NOW,
    OPENED,
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
    failing,
    folded,
    history,
    limited,
    recording,
    replied,
    requested,
    started,
)

CHANGED = (*ASKED, replied(BASH), began("b"), ended("b"), requested(2))
WRITING = ("w", "write", {"path": "x", "content": ""})


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
            [*ASKED, replied(BASH), began("b"), ended("b")],
            recording(requested(2)),
            id="the_model_is_asked_while_the_work_is_kept",
        ),
        pytest.param([*CHANGED, replied(BASH)], TakeSnapshot(), id="work_is_kept_before_a_change"),
        pytest.param([*CHANGED, replied(SUBMIT)], TakeSnapshot(), id="and_before_a_submission"),
        pytest.param([*CHANGED, replied(text="Done.")], TakeSnapshot(), id="and_before_the_end"),
        pytest.param([*CHANGED, replied(QUESTION)], TakeSnapshot(), id="and_before_a_question"),
        pytest.param(
            [*CHANGED, replied(*READS)], StartTools(calls(*READS)), id="and_not_before_a_look"
        ),
        pytest.param(
            [*ASKED, replied(BASH, WRITING), began("b"), ended("b")],
            TakeSnapshot(),
            id="each_call_of_a_reply_is_kept_before_the_next",
        ),
        pytest.param(
            [*ASKED, replied(BASH), began("b"), ended("b"), TaskInterrupted()],
            TakeSnapshot(),
            id="and_before_a_pause",
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
            Push("fix it", "done", EventId("evt_5")),
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
            recording(ToolStarted(call="q", tool="ask", title="Ask: Tabs?", tree="c0"), ASKING),
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
        pytest.param([*ASKED, replied(BASH), began("b"), ended("b")], TakeSnapshot(), id="asking"),
        pytest.param(CHANGED, TakeSnapshot(), id="asked"),
        pytest.param([*CHANGED, replied(*READS)], TakeSnapshot(), id="looking"),
        pytest.param([*CHANGED, replied(BASH)], TakeSnapshot(), id="by_itself"),
        pytest.param([*CHANGED, SNAPSHOT], None, id="it_is_kept"),
        pytest.param([*ASKED, replied(BASH), began("b")], None, id="while_files_change"),
        pytest.param(
            [*ASKED, replied(BASH, *READS), began("b"), ended("b")],
            TakeSnapshot(),
            id="looking_in_the_same_reply",
        ),
        pytest.param([*CHANGED, TaskCancelled()], None, id="nobody_wants_it"),
    ],
)
def test_work_is_kept_beside_what_does_not_change_it(events, due):
    assert parallel_snapshot(folded(history(*events)), NOW) == due


LEFT_OUT = SnapshotTaken(
    tree="t",
    pack=SNAPSHOT.pack,
    files=1,
    insertions=1,
    deletions=0,
    left_out=(LeftOut("a`b", "ignored"), LeftOut("", "more", 3)),
)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([diff_stored(), PUSHED], lambda step: step.body),
        ([diff_stored(), PUSHED, OPENED], lambda step: step.facts[0].output),
        ([diff_stored(), PUSHED, OPENED, ended("s")], lambda step: step.facts[0].summary),
        ([diff_stored(0), ended("s")], lambda step: step.facts[0].summary),
    ],
    ids=["pull_request", "result", "summary", "summary_of_no_changes"],
)
def test_what_is_left_out_is_named(events, text):
    step = next_step(folded(history(*ASKED, LEFT_OUT, *SUBMITTING[len(ASKED) :], *events)), NOW)

    assert text(step).endswith("\n\nLeft out of the work:\n- `a'b`: git ignores it\n- and 3 more")
