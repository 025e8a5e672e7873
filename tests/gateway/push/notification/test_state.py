"""The notifications of a task that a lock screen shows, as a fold: no servers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    AccountId,
    ApprovalAnswered,
    ApprovalRequested,
    BudgetExhausted,
    BudgetRaised,
    CallId,
    EventId,
    History,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    Repository,
    RequestId,
    TaskAbandoned,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
)
from services.gateway.push.log_follower import news_of
from services.gateway.push.notification.message import headline, is_news
from services.gateway.push.notification.state import ASKS, ENDS, SETTLES, concerns, fold_history

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
ADA, BOB = "person:per_ada", "person:per_bob"
HISTORY = History(AccountId("acc_1"), TaskId("task_" + "a" * 26))
SUBMITTED = TaskSubmitted(
    prompt="Fix the parser\nsecret detail", repository=Repository("https://x/y"), model="m"
)
DONE = TaskFinished(summary="s", outcome="branch")
FAILED = TaskFailed(reason="r", detail="d", remedy="m")
SPENT = BudgetExhausted(scope="cost", spent=2, limit=1)


def asked(request="req_1"):
    return QuestionAsked(request=RequestId(request), call=CallId("call_1"), text="Which one?")


def answered(request="req_1"):
    return QuestionAnswered(request=RequestId(request), text="the first")


APPROVAL = ApprovalRequested(
    request=RequestId("req_1"),
    call=CallId("call_1"),
    tool="bash",
    title="git push",
    digest="d" * 64,
    covers="git push",
    expires_at=NOON,
)


def approved(verdict):
    return ApprovalAnswered(request=RequestId("req_1"), digest="d" * 64, verdict=verdict)


def history(*events, by=ADA):
    return [
        Recorded(
            account=HISTORY.account,
            task=HISTORY.task,
            id=EventId(f"evt_{version}"),
            version=version,
            sequence=version,
            at=NOON + timedelta(seconds=version),
            by=by,
            cause="",
            event=event,
        )
        for version, event in enumerate(events, 1)
    ]


def notices(*events):
    """Return the pushes along a history: version and class."""
    recorded = history(*events)
    states = [fold_history(recorded[:count]) for count in range(len(recorded) + 1)]
    found = map(news_of, states, states[1:], recorded)
    return [(news.notice.version, news.notice.push_class) for news in found if news]


@pytest.mark.parametrize(
    ("event", "push_class"),
    [
        (asked(), "needs_input"),
        (SPENT, "needs_input"),
        (DONE, "done"),
        (FAILED, "failed"),
        (TaskAbandoned(reason="r", detail="d", remedy="m"), "failed"),
    ],
)
def test_what_a_person_is_told_of(event, push_class):
    assert notices(SUBMITTED, event) == [(2, push_class)]


@pytest.mark.parametrize("event", [TaskCancelled(), TaskInterrupted(), TaskInstructed(text="go")])
def test_what_a_person_did_themselves_is_no_news(event):
    assert notices(SUBMITTED, event) == []


@pytest.mark.parametrize(
    ("ask", "settle"),
    [
        (asked(), answered()),
        (asked(), TaskInstructed(text="never mind")),
        (asked(), TaskInterrupted()),
        (asked(), TaskCancelled()),
        (SPENT, BudgetRaised(cost_microusd=5)),
        (SPENT, TaskCancelled()),
    ],
)
def test_what_was_settled_elsewhere_is_withdrawn(ask, settle):
    assert notices(SUBMITTED, ask, settle) == [(2, "needs_input"), (3, "withdrawn")]


@pytest.mark.parametrize(
    ("ask", "other"),
    [
        (asked(), answered("req_2")),
        (asked(), BudgetRaised(cost_microusd=5)),
        (asked(), TaskInstructed(text="later", mode="queue")),
        (SPENT, TaskInstructed(text="go on")),
    ],
)
def test_what_is_still_asked_stays(ask, other):
    assert notices(SUBMITTED, ask, other) == [(2, "needs_input")]


def test_two_asks_are_withdrawn_when_both_are_settled():
    events = (SUBMITTED, asked("req_1"), asked("req_2"), answered("req_2"), answered("req_1"))
    assert notices(*events) == [(2, "needs_input"), (3, "needs_input"), (5, "withdrawn")]


def test_a_notification_leads_to_its_ask_and_to_another_when_that_is_answered():
    two = (SUBMITTED, asked("req_1"), asked("req_2"))
    assert fold_history(history(*two)).shown_ask == ("question", "req_2")
    assert fold_history(history(*two, answered("req_2"))).shown_ask == ("question", "req_1")
    assert fold_history(history(SUBMITTED, SPENT)).shown_ask == ("budget", "")
    assert fold_history(history(SUBMITTED, DONE)).shown_ask is None


@pytest.mark.parametrize(
    ("ask", "settle", "said"),
    [
        (APPROVAL, approved("allow"), "Allowed on another device"),
        (APPROVAL, approved("deny"), "Denied on another device"),
        (asked(), answered(), "Answered on another device"),
        (SPENT, BudgetRaised(cost_microusd=5), "Budget raised on another device"),
        (asked(), TaskInstructed(text="never mind"), "Nothing to do any more"),
        (asked(), TaskCancelled(), "Nothing to do any more"),
    ],
)
def test_a_withdrawal_says_how_it_was_settled(ask, settle, said):
    notice = fold_history(history(SUBMITTED, ask, settle)).notice
    assert headline(notice.about, notice.push_class, notice.verdict) == said
    assert is_news(notice) == (said != "Nothing to do any more")


def test_a_worker_that_asks_again_what_is_open_is_no_news():
    assert notices(SUBMITTED, asked(), asked(), asked()) == [(2, "needs_input")]


def test_an_end_replaces_a_question_and_is_told_once():
    assert notices(SUBMITTED, asked(), DONE, FAILED) == [(2, "needs_input"), (3, "done")]


def test_a_task_that_goes_on_takes_its_end_back_and_ends_again():
    events = (SUBMITTED, DONE, TaskInstructed(text="more"), FAILED)
    assert notices(*events) == [(2, "done"), (3, "withdrawn"), (4, "failed")]


def test_who_submitted_and_who_instructed_last_are_told():
    first, second = history(SUBMITTED), history(SUBMITTED, TaskInstructed(text="x"), by=BOB)
    assert fold_history(first).audience == {"per_ada"}
    assert fold_history([*first, second[1]]).audience == {"per_ada", "per_bob"}
    assert fold_history(history(SUBMITTED, by="worker:1")).audience == set()


def test_of_the_prompt_only_its_title_is_told():
    assert fold_history(history(SUBMITTED)).title == "Fix the parser"
    long = TaskSubmitted(prompt="x", title="t" * 200, repository=Repository(""), model="m")
    assert len(fold_history(history(long)).title) == 80


def test_an_erased_task_has_nothing_to_tell():
    state = fold_history(history(SUBMITTED, DONE, TaskErased(reason="r")))
    assert (state.title, state.audience) == ("", set())


def test_every_tag_of_the_tables_is_an_event_or_an_approval():
    known = {"question.asked", "budget.exhausted", "question.answered", "budget.raised"} | {
        "task.finished",
        "task.failed",
        "task.abandoned",
    }
    assert (ASKS.keys() | SETTLES.keys() | ENDS.keys()) - known == {
        "approval.requested",
        "approval.answered",
    }


EVENTS = st.sampled_from(
    [
        asked("req_1"),
        asked("req_2"),
        answered("req_1"),
        answered("req_2"),
        SPENT,
        BudgetRaised(cost_microusd=1),
        TaskInstructed(text="x"),
        TaskInstructed(text="x", mode="queue"),
        TaskInterrupted(),
        TaskCancelled(),
        DONE,
        FAILED,
    ]
)


@given(st.lists(EVENTS, max_size=30))
def test_a_notice_changes_only_at_events_that_concern_it_and_says_what_is_so(events):
    recorded = history(SUBMITTED, *events)
    before = fold_history(recorded[:1])
    for upto in range(2, len(recorded) + 1):
        state = fold_history(recorded[:upto])
        newest = recorded[upto - 1]
        if state.notice != before.notice:
            assert concerns(newest)
            assert state.notice.version == newest.version
        assert bool(state.open_asks) <= (state.notice.push_class == "needs_input")
        assert state.has_ended <= (state.notice.push_class in ("done", "failed", "withdrawn"))
        before = state
