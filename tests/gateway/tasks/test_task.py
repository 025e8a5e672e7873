import pytest

from events import (
    Budget,
    BudgetRaised,
    CallId,
    EgressAllowed,
    Guest,
    MachineRequested,
    QuestionAnswered,
    QuestionAsked,
    RequestId,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
)
from services.gateway.tasks.task import (
    AllowHost,
    AnswerQuestion,
    Archive,
    Cancel,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
)
from tests.gateway.kit.facts import REPOSITORY, SUBMIT, SUBMITTED
from tests.gateway.kit.scenario import NOON, Scenario, folded

FINISHED = TaskFinished(summary="done", outcome="branch")
FAILED = TaskFailed(reason="deadline", detail="", remedy="")
ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("c"), text="Which?")
ANSWERED = QuestionAnswered(request=RequestId("req_1"), text="the left")
LEFT = AnswerQuestion(RequestId("req_1"), "the left")


@pytest.fixture
def task():
    return Scenario()


def test_a_new_task_is_submitted(task):
    task.given().when(SUBMIT).then(SUBMITTED)


def test_a_task_keeps_the_model_effort_and_budget_asked_for(task):
    asked = Submit(
        prompt="fix it",
        repository=REPOSITORY,
        default_model="server-model",
        model="claude-opus-5-5",
        effort="high",
        budget=Budget(cost_microusd=5),
    )
    task.when(asked).then(
        TaskSubmitted(
            prompt="fix it",
            repository=REPOSITORY,
            model="claude-opus-5-5",
            effort="high",
            budget=Budget(cost_microusd=5),
        )
    )


def test_submitting_twice_with_the_same_id_answers_the_first_version(task):
    task.given(("asked", SUBMITTED), ASKED).when(SUBMIT).then_nothing(version=1)


def test_a_repeated_submit_is_the_same_though_the_servers_model_changed_meanwhile(task):
    later = Submit(prompt="fix it", repository=REPOSITORY, default_model="newer")
    task.given(("asked", SUBMITTED)).when(later).then_nothing(version=1)


def test_the_same_id_with_another_body_is_refused(task):
    other = Submit(prompt="break it", repository=REPOSITORY, default_model="server-model")
    task.given(("asked", SUBMITTED)).when(other).then_refused(422, "command_id_reused")


def test_the_same_id_for_another_kind_of_command_is_refused(task):
    task.given(SUBMITTED, ("asked", TaskInterrupted())).when(Cancel()).then_refused(
        422, "command_id_reused", says=["version 2"]
    )


@pytest.mark.parametrize(
    "command", [Instruct("x"), LEFT, Interrupt(), Cancel(), Archive(), RaiseBudget(1)]
)
def test_nothing_can_be_said_to_a_task_nobody_submitted(task, command):
    task.given().when(command).then_refused(404, "not_found")


@pytest.mark.parametrize("command", [Instruct("x"), LEFT, Interrupt(), Cancel(), RaiseBudget(1)])
def test_nothing_can_be_said_to_an_erased_task(task, command):
    erased = TaskErased(reason="asked")
    task.given(SUBMITTED, erased).when(command).then_refused(404, "not_found")


@pytest.mark.parametrize("mode", ["steer", "queue"])
def test_a_person_says_more(task, mode):
    task.given(SUBMITTED).when(Instruct("also this", mode)).then(
        TaskInstructed(text="also this", mode=mode)
    )


def test_the_same_instruction_given_twice_with_two_ids_is_two_instructions(task):
    task.given(SUBMITTED, ("one", TaskInstructed(text="again"))).when(
        Instruct("again"), cause="two"
    ).then(TaskInstructed(text="again"))


@pytest.mark.parametrize("end", [FINISHED, FAILED, TaskCancelled()])
def test_instructing_a_task_that_ended_reopens_it(task, end):
    task.given(SUBMITTED, end).when(Instruct("go on")).then(TaskInstructed(text="go on"))
    assert not folded(SUBMITTED, end, TaskInstructed(text="go on")).end


@pytest.mark.parametrize("end", [FINISHED, FAILED, TaskCancelled()])
def test_a_task_that_ended_is_archived_once(task, end):
    task.given(SUBMITTED, end).when(Archive()).then(TaskArchived())
    task.given(("one", TaskArchived())).when(Archive(), cause="two").then_nothing(version=3)


def test_a_task_that_may_still_spend_is_not_archived(task):
    task.given(SUBMITTED).when(Archive()).then_refused(409, "task_not_ended", says=["Cancel it"])


def test_instructing_an_archived_task_brings_it_back(task):
    archived = (SUBMITTED, FINISHED, TaskArchived())
    assert folded(*archived).is_archived
    assert not folded(*archived, TaskInstructed(text="go on")).is_archived


def test_a_question_is_answered(task):
    task.given(SUBMITTED, ASKED).when(LEFT).then(ANSWERED)


def test_a_double_tap_answers_the_first_answers_version(task):
    task.given(SUBMITTED, ASKED, ("one", ANSWERED), FINISHED).when(LEFT, cause="two").then_nothing(
        version=3
    )


def test_a_stale_answer_is_told_what_was_answered_instead(task):
    right = AnswerQuestion(RequestId("req_1"), "the right")
    task.given(SUBMITTED, ASKED, ANSWERED).when(right).then_refused(
        409, "question_answered", says=["the left", "2026-01-01 12:00:00"]
    )


def test_an_answer_after_the_end_is_told_of_the_end(task):
    task.given(SUBMITTED, ASKED, TaskCancelled()).when(LEFT).then_refused(
        409, "task_ended", says=["cancelled"]
    )


def test_an_answer_to_no_question_is_refused(task):
    task.given(SUBMITTED).when(LEFT).then_refused(404, "not_found", says=["question"])


def test_what_runs_is_interrupted_once(task):
    task.given(SUBMITTED).when(Interrupt()).then(TaskInterrupted())
    task.given(TaskInterrupted()).when(Interrupt(), cause="again").then_nothing(version=2)


@pytest.mark.parametrize(
    "word", [TaskInstructed(text="go on"), ANSWERED, BudgetRaised(cost_microusd=1)]
)
def test_after_a_word_it_can_be_interrupted_again(task, word):
    task.given(SUBMITTED, ASKED, TaskInterrupted(), word).when(Interrupt(), cause="new").then(
        TaskInterrupted()
    )


def test_an_open_task_is_cancelled(task):
    task.given(SUBMITTED).when(Cancel("no more")).then(TaskCancelled(reason="no more"))


@pytest.mark.parametrize(
    "end", [FINISHED, FAILED, TaskAbandoned(reason="", detail="", remedy=""), TaskCancelled()]
)
@pytest.mark.parametrize("command", [Cancel(), Interrupt()])
def test_stopping_what_has_ended_is_harmless(task, end, command):
    task.given(SUBMITTED, end).when(command).then_nothing(version=2)


def test_a_budget_is_raised(task):
    task.given(SUBMITTED).when(RaiseBudget(2_000_000)).then(BudgetRaised(cost_microusd=2_000_000))


def test_the_budget_of_an_ended_task_is_not_raised_and_the_remedy_is_told(task):
    task.given(SUBMITTED, FINISHED).when(RaiseBudget(1)).then_refused(
        409, "task_ended", says=["finished", "Instruct"]
    )


def test_a_host_is_allowed_while_the_task_lives(task):
    allow = AllowHost("api.example.com", 443)
    task.given(SUBMITTED).when(allow).then(EgressAllowed(host="api.example.com", port=443))
    task.given(SUBMITTED, FINISHED).when(allow).then_refused(
        409, "task_ended", says=["finished", "Instruct"]
    )


def test_the_newest_attempt_and_its_deadline_are_known():
    requested = MachineRequested(
        attempt=2, name="m", region="r", guest=Guest("shared", 1, 512), deadline=NOON
    )
    task = folded(SUBMITTED, requested)
    assert (task.attempt, task.deadline, task.repository) == (2, NOON, REPOSITORY.url)
