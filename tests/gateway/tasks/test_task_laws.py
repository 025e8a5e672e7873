"""Laws of a task that hold for any history and any command."""

from hypothesis import assume, given
from hypothesis import strategies as st

from events import CallId, QuestionAsked, RequestId, TaskFinished
from services.gateway.problems import Refused
from services.gateway.tasks.task import (
    AnswerQuestion,
    Cancel,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
    decide,
)
from tests.gateway.kit.facts import SUBMIT, SUBMITTED
from tests.gateway.kit.scenario import appended, folded

requests = st.sampled_from([RequestId("req_1"), RequestId("req_2")])
texts = st.sampled_from(["yes", "no"])
commands = st.one_of(
    st.builds(Submit, prompt=texts, repository=st.just(SUBMIT.repository), default_model=texts),
    st.builds(Instruct, texts, st.sampled_from(["steer", "queue"])),
    st.builds(AnswerQuestion, requests, texts),
    st.builds(Interrupt),
    st.builds(Cancel, texts),
    st.builds(RaiseBudget, st.integers(1, 9)),
)
causes = st.sampled_from(["c-1", "c-2", "c-3", "c-4", "c-5"])
others = st.sampled_from(
    [
        *(QuestionAsked(request=RequestId(f"req_{n}"), call=CallId("c"), text="?") for n in (1, 2)),
        TaskFinished(summary="done", outcome="branch"),
    ]
)
sayings = st.lists(st.one_of(st.tuples(causes, commands), others), max_size=10)


def grown(sayings):
    """A task that lived: everything said that was not refused, and what others did."""
    task = folded(SUBMITTED)
    for saying in sayings:
        if not isinstance(saying, tuple):
            task = folded(saying, task=task)
            continue
        cause, command = saying
        try:
            task = appended(task, decide(command, task, cause=cause), cause)
        except Refused:
            continue
    return task


@given(sayings, commands, causes)
def test_asking_twice_changes_nothing_and_is_answered_alike(sayings, command, cause):
    task = grown(sayings)
    try:
        first = decide(command, task, cause=cause)
    except Refused:
        assume(False)
    after = appended(task, first, cause)
    again = decide(command, after, cause=cause)
    assert again.facts == ()
    assert again.version == (after.version if first.facts else first.version)


@given(sayings, sayings, commands, causes)
def test_a_repeat_is_answered_alike_whatever_happened_since(before, since, command, cause):
    task = grown(before)
    try:
        first = decide(command, task, cause=cause)
    except Refused:
        assume(False)
    assume(first.facts)
    after = appended(task, first, cause)
    version = after.version
    for saying in since:
        if not isinstance(saying, tuple):
            after = folded(saying, task=after)
    assert decide(command, after, cause=cause).version == version


@given(sayings, commands, causes)
def test_a_refusal_says_why(sayings, command, cause):
    refusals = []
    try:
        decide(command, grown(sayings), cause=cause)
    except Refused as refusal:
        refusals.append(refusal.problem)
    assert all(problem.detail and 400 <= problem.status < 500 for problem in refusals)
