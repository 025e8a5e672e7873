"""Before which calls a person is asked, and what an answer is worth."""

from datetime import UTC, datetime

from msgspec.structs import replace

from events import ApprovalAnswered, ApprovalRequested, CallId, TaskId
from services.worker.agent.approvals import policy
from services.worker.agent.approvals.policy import (
    Approvals,
    CallPolicy,
    approval_need,
    decide_call,
)
from services.worker.agent.approvals.risks import THIS_ALONE
from services.worker.agent.tool_calls import Call

TASK = TaskId("task_" + "a" * 26)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def bash(command: str, call: str = "c1") -> Call:
    return Call(CallId(call), "bash", {"command": command})


def covers(policy, call):
    need = approval_need(CallPolicy(policy), TASK, call, "tree")
    return need.covers if need else ""


def test_leave_must_cover_all_that_a_call_does():
    both = bash("rm -rf build && git push")
    assert covers("risky", both) == "deleting files, pushing"
    need = approval_need(CallPolicy("risky"), TASK, both, "tree")
    assert (
        decide_call(Approvals(granted=frozenset({"deleting files"})), need, is_late=False) == "ask"
    )
    granted = Approvals(granted=frozenset({"deleting files", "pushing"}))
    assert decide_call(granted, need, is_late=False) == "allowed"


def test_always_asks_about_all_that_may_change_something_and_never_about_nothing():
    read, write = (Call(CallId("c"), name, {"path": "a"}) for name in ("read", "write"))
    assert covers("always", read) == ""
    assert covers("always", write)
    assert covers("always", bash("ls"))
    assert covers("never", bash("sudo rm -rf /")) == ""


def test_nothing_the_model_writes_breaks_the_question():
    for arguments in ({}, {"command": 3}, {"path": None}, {"command": "rm\x00 -rf"}):
        for name in ("bash", "write", "edit"):
            approval_need(CallPolicy("risky"), TASK, Call(CallId("c"), name, arguments), "")


def request(call: Call, tree: str = "tree") -> ApprovalRequested:
    need = approval_need(CallPolicy("always"), TASK, call, tree)
    return ApprovalRequested(
        request=need.request,
        call=call.id,
        tool=call.name,
        title="t",
        digest=need.digest,
        covers=need.covers,
        risks=need.risks,
        expires_at=LATER,
    )


def ruling(approvals: Approvals, call: Call, tree: str = "tree", *, is_late: bool = False) -> str:
    return decide_call(
        approvals, approval_need(CallPolicy("always"), TASK, call, tree), is_late=is_late
    )


def said(asked: ApprovalRequested, verdict="allow", **more) -> ApprovalAnswered:
    return ApprovalAnswered(request=asked.request, digest=asked.digest, verdict=verdict, **more)


def test_a_call_is_asked_about_then_waited_for_then_allowed():
    call, approvals = bash("ls"), Approvals()
    assert ruling(approvals, call) == "ask"
    approvals = policy.add_request(approvals, request(call))
    assert approvals.is_waiting
    assert ruling(approvals, call) == "wait"
    assert ruling(approvals, call, is_late=True) == "expired"
    approvals = policy.add_answer(approvals, said(request(call)))
    assert not approvals.is_waiting
    assert ruling(approvals, call, is_late=True) == "allowed"


def test_an_answer_is_for_this_call_these_arguments_and_this_tree_alone():
    call = bash("ls")
    approvals = policy.add_answer(
        policy.add_request(Approvals(), request(call)), said(request(call))
    )
    assert ruling(approvals, bash("ls -a")) == "ask"
    assert ruling(approvals, bash("ls", call="c2")) == "ask"
    assert ruling(approvals, call, tree="another") == "ask"
    forged = ApprovalAnswered(request=request(bash("x")).request, digest="0" * 64, verdict="allow")
    assert ruling(policy.add_answer(Approvals(), forged), bash("x")) == "ask"


def test_the_first_answer_stands():
    call = bash("ls")
    approvals = policy.add_request(Approvals(), request(call))
    for verdict in ("deny", "allow"):
        approvals = policy.add_answer(approvals, said(request(call), verdict))
    assert ruling(approvals, call) == "denied"


def test_leave_for_the_task_covers_the_like_and_survives_the_reply():
    call = bash("ls")
    approvals = policy.add_request(Approvals(), request(call))
    approvals = policy.add_answer(approvals, said(request(call), scope="task"))
    approvals = Approvals(granted=approvals.granted)
    assert ruling(approvals, bash("ls -a", call="c2")) == "allowed"


def test_another_machine_asks_again_what_nobody_answered_and_keeps_what_somebody_did():
    one, other = bash("ls"), bash("ls -a", call="c2")
    approvals = policy.add_request(Approvals(), request(one))
    approvals = policy.add_request(approvals, request(other))
    approvals = policy.forget_unanswered(policy.add_answer(approvals, said(request(one))))
    assert ruling(approvals, one) == "allowed"
    assert ruling(approvals, other) == "ask"
    assert not approvals.is_waiting
    late = policy.add_answer(approvals, said(request(other)))  # it crossed the machine's end
    assert ruling(late, other) == "allowed"


def for_the_task(asked: ApprovalRequested) -> frozenset[str]:
    approvals = policy.add_request(Approvals(), asked)
    return policy.add_answer(approvals, said(asked, scope="task")).granted


def test_an_answer_for_the_task_grants_the_values_and_not_the_text_that_was_shown():
    asked = replace(request(bash("ls")), covers="deleting files, pushing", risks=("a, b",))
    assert for_the_task(asked) == {"a, b"}


def test_a_request_of_an_older_worker_grants_what_its_text_names():
    asked = replace(request(bash("ls")), covers="deleting files, pushing", risks=())
    assert for_the_task(asked) == {"deleting files", "pushing"}


def test_a_script_that_cannot_be_read_grants_nothing_for_the_next():
    for risks in ((THIS_ALONE,), ()):
        assert for_the_task(replace(request(bash("ls")), covers=THIS_ALONE, risks=risks)) == set()
