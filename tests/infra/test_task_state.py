"""A task as people see it: what each fact makes of it, and what no history can make of it."""

from datetime import timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    AttemptEnded,
    AttemptStarted,
    Blob,
    BranchPushed,
    BudgetExhausted,
    BudgetRaised,
    CallId,
    Guest,
    InstructionEdited,
    InstructionWithdrawn,
    MachineDestroyed,
    MachineId,
    MachineLost,
    MachineRequested,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PlanItem,
    PlanUpdated,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    Repository,
    RequestId,
    SnapshotTaken,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
    WorkspacePrepared,
)
from events.plain_text import title_of
from events.protocol.task_state import ENDED, Failure, PullRequest, TaskState, evolve
from tests.kit.build.any_event import BEGINNING, any_fact, recorded, story

SUBMITTED = TaskSubmitted(
    prompt="Fix the tests", repository=Repository("https://f/o/r.git"), model="m"
)
REQUESTED = MachineRequested(
    attempt=1,
    name="n",
    region="here",
    guest=Guest("shared", 1, 256),
    deadline=BEGINNING + timedelta(hours=1),
)
STARTED = AttemptStarted(attempt=1, machine=MachineId("m1"))
AGAIN = AttemptStarted(attempt=2, machine=MachineId("m2"))
THINKING = ModelRequested(turn=1, model="m")
ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("c1"), text="Which?")
ANSWERED = QuestionAnswered(request=RequestId("req_1"), text="That one")
EXHAUSTED = BudgetExhausted(scope="cost", spent=2, limit=1)
RETRYING = ModelFailed(turn=1, kind="overloaded", detail="529", retry_at=BEGINNING)
LOST = MachineLost(attempt=1, reason="silent", retry_at=BEGINNING)
FINISHED = TaskFinished(summary="Done", outcome="pull_request")
FAILED = TaskFailed(reason="push_refused", detail="No.", remedy="Allow it.")
ABANDONED = TaskAbandoned(reason="worker_lost", detail="Gone.", remedy="Try again.")
STEER = TaskInstructed(text="Also this")
QUEUE = TaskInstructed(text="Then that", mode="queue")
WORKING = (SUBMITTED, REQUESTED, STARTED, THINKING)


def fold(*told: Any) -> TaskState:
    state = reduce(evolve, story(*told), None)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("told", "phase", "waiting"),
    [
        ((SUBMITTED,), "queued", ""),
        ((SUBMITTED, STEER), "queued", ""),
        ((SUBMITTED, REQUESTED), "starting", ""),
        ((SUBMITTED, REQUESTED, STARTED), "working", ""),
        (WORKING, "working", ""),
        ((*WORKING, ASKED), "waiting", "question"),
        ((*WORKING, ASKED, ANSWERED), "working", ""),
        ((*WORKING, ASKED, STEER), "working", ""),
        ((*WORKING, ASKED, QUEUE), "waiting", "question"),
        ((*WORKING, ASKED, BudgetRaised(cost_microusd=1)), "waiting", "question"),
        ((*WORKING, ASKED, LOST, REQUESTED), "starting", ""),
        ((*WORKING, ASKED, LOST, REQUESTED, AGAIN), "working", ""),
        ((*WORKING, ASKED, LOST, REQUESTED, AGAIN, ASKED), "waiting", "question"),
        ((*WORKING, EXHAUSTED), "waiting", "budget"),
        ((*WORKING, EXHAUSTED, STEER), "waiting", "budget"),
        ((*WORKING, EXHAUSTED, BudgetRaised(cost_microusd=1)), "working", ""),
        ((*WORKING, RETRYING), "waiting", "provider"),
        ((*WORKING, RETRYING, THINKING), "working", ""),
        ((*WORKING, RETRYING, STEER), "working", ""),
        ((*WORKING, ModelFailed(turn=1, kind="refused", detail="400")), "working", ""),
        ((*WORKING, TaskInterrupted()), "waiting", "instruction"),
        ((*WORKING, TaskInterrupted(), STEER), "working", ""),
        ((*WORKING, TaskInterrupted(), BudgetRaised(cost_microusd=1)), "waiting", "instruction"),
        ((*WORKING, TaskInterrupted(), LOST, REQUESTED, AGAIN), "waiting", "instruction"),
        ((*WORKING, TaskInterrupted(), LOST, REQUESTED, STEER, AGAIN), "working", ""),
        ((*WORKING, LOST), "working", ""),
        ((*WORKING, LOST, REQUESTED), "starting", ""),
        ((*WORKING, FINISHED), "finished", ""),
        ((*WORKING, ASKED, TaskCancelled()), "cancelled", ""),
        ((*WORKING, FAILED), "failed", ""),
        ((SUBMITTED, REQUESTED, ABANDONED), "failed", ""),
        ((*WORKING, FINISHED, TaskInterrupted()), "finished", ""),
        ((*WORKING, FINISHED, EXHAUSTED), "finished", ""),
        ((*WORKING, TaskCancelled(), FINISHED), "cancelled", ""),
        ((*WORKING, FINISHED, AttemptEnded(attempt=1, reason="done")), "finished", ""),
        ((*WORKING, FINISHED, STEER), "queued", ""),
        ((*WORKING, FAILED, STEER, REQUESTED), "starting", ""),
    ],
)
def test_the_phase_follows_from_what_happened(told: Any, phase: str, waiting: str) -> None:
    state = fold(*told)

    assert (state.phase, state.waiting) == (phase, waiting)


def test_of_an_erased_task_no_state_is_left_whatever_comes_after() -> None:
    erased = TaskErased(reason="asked")

    assert reduce(evolve, story(*WORKING, FINISHED, erased), None) is None
    assert reduce(evolve, story(*WORKING, FINISHED, erased, STEER), None) is None


def test_an_archived_task_is_so_until_it_is_told_to_go_on() -> None:
    state = fold(*WORKING, FINISHED, TaskArchived())
    assert (state.phase, state.is_archived) == ("finished", True)
    assert not fold(*WORKING, FINISHED, TaskArchived(), STEER).is_archived


def test_an_open_question_is_shown_until_it_is_answered() -> None:
    asked = fold(*WORKING, ASKED)
    assert asked.question is not None
    assert asked.question.text == "Which?"
    assert fold(*WORKING, ASKED, ANSWERED).question is None


def test_an_answer_to_another_question_leaves_this_one_open() -> None:
    other = QuestionAnswered(request=RequestId("req_0"), text="late")

    assert fold(*WORKING, ASKED, other).question == fold(*WORKING, ASKED).question


def test_money_tokens_and_turns_add_up() -> None:
    usage = Usage(input_tokens=5, output_tokens=7, cache_read_input_tokens=11)
    reply = ModelReplied(turn=1, stop_reason="end_turn", usage=usage, cost_microusd=100)
    gone = MachineDestroyed(
        attempt=1, machine=MachineId("m1"), billed_seconds=2.0, cost_microusd=30
    )

    state = fold(*WORKING, reply, THINKING, reply, FINISHED, gone)

    assert (state.cost_microusd, state.machine_cost_microusd) == (200, 30)
    assert (state.input_tokens, state.output_tokens) == (32, 14)


def test_what_came_of_it_is_in_the_state() -> None:
    state = fold(
        *WORKING,
        WorkspacePrepared(commit="c0", base="main", branch="errand/t", seconds=1.0),
        PlanUpdated(items=(PlanItem("one", "done"),)),
        SnapshotTaken(tree="t", pack=Blob("k", 1, "s"), files=2, insertions=3, deletions=4),
        BranchPushed(branch="errand/t", commit="c1"),
        PullRequestOpened(number=7, url="https://f/7", title="Fixed"),
        FINISHED,
    )

    assert state.repository == Repository("https://f/o/r.git", "main")
    assert state.plan == (PlanItem("one", "done"),)
    assert (state.files_changed, state.insertions, state.deletions) == (2, 3, 4)
    assert (state.branch, state.commit) == ("errand/t", "c1")
    assert state.pull_request == PullRequest(7, "https://f/7")
    assert (state.summary, state.outcome) == ("Done", "pull_request")
    assert state.ended_at == state.updated_at


def test_a_failed_task_says_why_and_a_reopened_one_no_more() -> None:
    failed = fold(*WORKING, FAILED)
    assert failed.failure == Failure("push_refused", "No.", "Allow it.")
    reopened = fold(*WORKING, FAILED, STEER)
    assert reopened.failure is None
    assert reopened.ended_at is None


def test_what_the_agent_is_at_is_said_while_it_is_at_it() -> None:
    tool = ToolStarted(call=CallId("c1"), tool="bash", title="Run the tests")

    assert fold(*WORKING).activity == "Thinking"
    assert fold(*WORKING, tool).activity == "Run the tests"
    assert fold(*WORKING, tool, ToolCompleted(call=CallId("c1"), output="ok")).activity == ""
    assert fold(*WORKING, tool, FINISHED).activity == ""


def test_a_repeated_submission_does_not_restart_the_state() -> None:
    events = story(*WORKING, FINISHED)
    state = reduce(evolve, events, None)

    assert reduce(evolve, events, state) == state


def test_a_history_without_its_beginning_has_no_state() -> None:
    assert evolve(None, recorded(STEER)) is None


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Fix the tests", "Fix the tests"),
        ("\n\n  Fix them \n and more", "Fix them"),
        ("", "Untitled"),
        (" \n\t", "Untitled"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
    ],
)
def test_a_title_is_the_first_line_with_words(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


def _sometimes_submitted(told: list[Any], *, is_submitted: bool) -> list[Recorded]:
    return story(*([SUBMITTED] if is_submitted else []), *told)


histories = st.builds(
    _sometimes_submitted, st.lists(any_fact, max_size=20), is_submitted=st.booleans()
)


@given(histories)
def test_no_history_breaks_the_fold(history: list[Recorded]) -> None:
    state: TaskState | None = None
    for event in history:
        before, state = state, evolve(state, event)
        assert before is None or state is not None or isinstance(event.event, TaskErased)
        if state is None:
            continue
        assert state.version == event.version
        assert state.phase != "waiting" or state.waiting != ""
        assert state.question is None or state.waiting == "question"
        assert state.approval is None or state.waiting == "approval"
        if state.phase in ENDED:
            assert (state.waiting, state.question, state.activity) == ("", None, "")
        if before is not None and before.phase in ENDED:
            is_reopened = isinstance(event.event, TaskInstructed)
            assert state.phase == ("queued" if is_reopened else before.phase)


@given(histories, st.data())
def test_the_version_never_goes_back_whatever_comes_again(
    history: list[Recorded], data: st.DataObject
) -> None:
    state = reduce(evolve, history, None)
    for event in data.draw(
        st.lists(st.sampled_from(history), max_size=10) if history else st.just([])
    ):
        again = evolve(state, event)
        if state is not None:
            assert again == state


def test_the_command_that_runs_is_in_the_state_as_long_as_it_runs():
    tool = ToolStarted(call=CallId("c1"), tool="bash", title="Run the tests", command="pytest -q")

    assert fold(*WORKING, tool).command == "pytest -q"
    assert fold(*WORKING, tool, ToolCompleted(call=CallId("c1"), output="ok")).command == ""
    assert fold(*WORKING, tool, FINISHED).command == ""


@pytest.mark.parametrize("reason", ["tampered", "history_too_large"])
def test_what_finished_is_shown_as_failed_when_its_worker_is_not_to_be_trusted(reason) -> None:
    abandoned = TaskAbandoned(reason=reason, detail="d", remedy="r")
    finished = TaskFinished(summary="s", outcome="pull_request")
    state = reduce(evolve, story(SUBMITTED, finished, abandoned), None)

    assert state is not None
    assert (state.phase, state.failure) == ("failed", Failure(reason, "d", "r"))


def test_what_its_person_cancelled_stays_cancelled_though_its_history_grows_too_large() -> None:
    abandoned = TaskAbandoned(reason="history_too_large", detail="d", remedy="r")
    state = reduce(evolve, story(SUBMITTED, TaskCancelled(), abandoned), None)

    assert state is not None
    assert (state.phase, state.failure) == ("cancelled", None)


def test_the_instructions_that_wait_are_shown_as_they_are_now() -> None:
    edited = InstructionEdited(instruction=6, text="Then this\nand that")
    waiting = fold(*WORKING, STEER, QUEUE, edited)
    assert [(one.version, one.mode, one.title) for one in waiting.instructions] == [
        (5, "steer", "Also this"),
        (6, "queue", "Then this"),
    ]

    later = fold(*WORKING, STEER, QUEUE, ModelRequested(turn=2, model="m", leaves_queued=True))
    assert [one.version for one in later.instructions] == [6]
    assert not fold(*WORKING, STEER, QUEUE, THINKING).instructions
    withdrawn = fold(*WORKING, STEER, QUEUE, InstructionWithdrawn(instruction=5))
    assert [one.version for one in withdrawn.instructions] == [6]
