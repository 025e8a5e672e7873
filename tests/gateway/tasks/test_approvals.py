"""An answer to a request for approval: once, in time, and to what was seen."""

from datetime import timedelta

import msgspec
import pytest

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    AttemptStarted,
    CallId,
    MachineId,
    RequestId,
    TaskAbandoned,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolCompleted,
    ToolInterrupted,
)
from services.gateway.tasks.task import AnswerApproval
from tests.gateway.kit.facts import SUBMITTED
from tests.gateway.kit.scenario import NOON, Scenario

REQUEST, DIGEST = RequestId("req_1"), "d" * 64
ASKED = ApprovalRequested(
    request=REQUEST,
    call=CallId("c1"),
    tool="bash",
    title="$ rm -rf build",
    digest=DIGEST,
    covers="deleting files",
    expires_at=NOON + timedelta(hours=24),
    command="rm -rf build",
)
ALLOW = AnswerApproval(REQUEST, DIGEST, "allow", NOON)
DENY = AnswerApproval(REQUEST, DIGEST, "deny", NOON, reason="I need it")
ALLOWED = ApprovalAnswered(request=REQUEST, digest=DIGEST, verdict="allow")


@pytest.fixture
def task():
    return Scenario().given(SUBMITTED, ASKED)


def test_a_request_is_allowed_or_denied(task):
    task.when(ALLOW).then(ALLOWED)
    task.when(DENY).then(
        ApprovalAnswered(request=REQUEST, digest=DIGEST, verdict="deny", reason="I need it")
    )


def test_answering_twice_alike_gives_the_first_answers_version(task):
    task.given(ALLOWED).when(ALLOW, cause="another tap").then_nothing(version=3)


def test_whoever_says_otherwise_is_told_what_was_said_and_when(task):
    task.given(ALLOWED).when(DENY).then_refused(
        409, "approval_answered", ["allowed already", "2026-01-01 12:00:00 UTC"]
    )


def test_an_answer_to_something_else_than_was_asked_is_refused(task):
    changed = AnswerApproval(REQUEST, "e" * 64, "allow", NOON)
    task.when(changed).then_refused(409, "approval_changed", ["Look at the request again"])


def test_an_answer_after_the_time_is_refused(task):
    late = AnswerApproval(REQUEST, DIGEST, "allow", NOON + timedelta(hours=24))
    task.when(late).then_refused(
        409, "approval_expired", ["open until 2026-01-02 12:00:00 UTC", "counts as denied"]
    )


@pytest.mark.parametrize(
    "ended",
    [
        ToolCompleted(call=CallId("c1"), output="Not run"),
        ToolInterrupted(call=CallId("c1"), reason="interrupted"),
    ],
)
def test_an_answer_about_a_call_that_was_given_up_is_refused(task, ended):
    task.given(ended).when(ALLOW).then_refused(409, "approval_overtaken", ["given up"])


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (TaskCancelled(), "the task was cancelled"),
        (TaskFinished(summary="", outcome="branch"), "the task was finished"),
        (TaskFailed(reason="deadline", detail="", remedy=""), "the task failed"),
        (TaskAbandoned(reason="worker_lost", detail="", remedy=""), "the task failed"),
    ],
)
def test_an_answer_after_the_end_is_told_of_the_end_and_when(task, end, said):
    when = "2026-01-01 12:00:00 UTC"
    task.given(end).when(ALLOW).then_refused(409, "task_ended", [said, when])
    task.given(TaskInstructed(text="go on")).when(ALLOW, cause="later").then_refused(
        409, "approval_overtaken", [said, when]
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (TaskInstructed(text="rather this"), "an instruction was given"),
        (TaskInterrupted(), "interrupted"),
    ],
)
def test_an_answer_after_another_word_is_told_of_it(task, word, said):
    task.given(word).when(ALLOW).then_refused(
        409, "approval_overtaken", [said, "2026-01-01 12:00:00 UTC"]
    )


def test_what_is_said_for_later_leaves_the_request_open(task):
    task.given(TaskInstructed(text="then that", mode="queue")).when(ALLOW).then(ALLOWED)


def test_a_call_given_up_when_its_time_was_over_has_expired():
    over = msgspec.structs.replace(ASKED, expires_at=NOON)
    gone = ToolCompleted(call=CallId("c1"), output="", is_error=True)
    early = AnswerApproval(REQUEST, DIGEST, "allow", NOON - timedelta(seconds=1))
    Scenario().given(SUBMITTED, over, gone).when(early).then_refused(
        409, "approval_expired", ["open until"]
    )


def test_allowing_more_than_another_device_did_is_another_answer(task):
    more = AnswerApproval(REQUEST, DIGEST, "allow", NOON, scope="task")
    task.given(ALLOWED).when(more).then_refused(409, "approval_answered", ["allowed already"])


def test_whoever_allows_what_was_denied_is_told_the_reason(task):
    no = ApprovalAnswered(request=REQUEST, digest=DIGEST, verdict="deny", reason="I need it")
    task.given(no).when(ALLOW).then_refused(
        409, "approval_answered", ["denied already", "I need it"]
    )


def test_a_queued_answer_sent_again_a_day_later_is_answered_as_the_first_was(task):
    task.given(("one", ALLOWED), TaskFinished(summary="", outcome="branch"))
    late = AnswerApproval(REQUEST, DIGEST, "allow", NOON + timedelta(days=1))
    task.when(late, cause="one").then_nothing(version=3)


def test_an_answer_that_was_in_time_is_repeated_after_the_call(task):
    task.given(ALLOWED, ToolCompleted(call=CallId("c1"), output="gone"))
    task.when(ALLOW, cause="a day later").then_nothing(version=3)


def test_a_task_that_has_ended_takes_no_answer(task):
    task.given(TaskCancelled()).when(ALLOW).then_refused(409, "task_ended", ["cancelled"])


def test_another_machine_asking_again_keeps_the_request_open(task):
    later = NOON + timedelta(hours=30)
    again = ApprovalRequested(
        request=REQUEST,
        call=CallId("c1"),
        tool="bash",
        title="t",
        digest=DIGEST,
        covers="c",
        expires_at=later,
    )
    task.given(AttemptStarted(attempt=2, machine=MachineId("m2"), build="b"), again)
    task.when(AnswerApproval(REQUEST, DIGEST, "allow", NOON + timedelta(hours=25))).then(ALLOWED)


def test_what_was_never_asked_is_not_there(task):
    unknown = AnswerApproval(RequestId("req_2"), DIGEST, "allow", NOON)
    task.when(unknown).then_refused(404, "not_found")
    task.given(TaskErased(reason="asked")).when(ALLOW).then_refused(404, "not_found")
