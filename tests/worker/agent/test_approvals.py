"""Before which calls a person is asked, and what an answer is worth."""

from datetime import UTC, datetime

from events import ApprovalAnswered, ApprovalRequested, CallId, TaskId
from services.worker.agent.approvals import policy as approvals
from services.worker.agent.approvals.policy import Consents, rule, wanted
from services.worker.agent.tool_calls import Call

TASK = TaskId("task_" + "a" * 26)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def bash(command: str, call: str = "c1") -> Call:
    return Call(CallId(call), "bash", {"command": command})


def covers(policy, call):
    want = wanted(policy, TASK, call, "tree")
    return want.covers if want else ""


def test_leave_must_cover_all_that_a_call_does():
    both = bash("rm -rf build && git push")
    assert covers("risky", both) == "deleting files, pushing"
    want = wanted("risky", TASK, both, "tree")
    assert rule(Consents(granted=frozenset({"deleting files"})), want, is_late=False) == "ask"
    granted = Consents(granted=frozenset({"deleting files", "pushing"}))
    assert rule(granted, want, is_late=False) == "allowed"


def test_always_asks_about_all_that_may_change_something_and_never_about_nothing():
    read, write = (Call(CallId("c"), name, {"path": "a"}) for name in ("read", "write"))
    assert covers("always", read) == ""
    assert covers("always", write)
    assert covers("always", bash("ls"))
    assert covers("never", bash("sudo rm -rf /")) == ""


def test_nothing_the_model_writes_breaks_the_question():
    for arguments in ({}, {"command": 3}, {"path": None}, {"command": "rm\x00 -rf"}):
        for name in ("bash", "write", "edit"):
            wanted("risky", TASK, Call(CallId("c"), name, arguments), "")


def request(call: Call, tree: str = "tree") -> ApprovalRequested:
    want = wanted("always", TASK, call, tree)
    return ApprovalRequested(
        request=want.request,
        call=call.id,
        tool=call.name,
        title="t",
        digest=want.digest,
        covers=want.covers,
        expires_at=LATER,
    )


def ruling(consents: Consents, call: Call, tree: str = "tree", *, is_late: bool = False) -> str:
    return rule(consents, wanted("always", TASK, call, tree), is_late=is_late)


def said(asked: ApprovalRequested, verdict="allow", **more) -> ApprovalAnswered:
    return ApprovalAnswered(request=asked.request, digest=asked.digest, verdict=verdict, **more)


def test_a_call_is_asked_about_then_waited_for_then_allowed():
    call, consents = bash("ls"), Consents()
    assert ruling(consents, call) == "ask"
    consents = approvals.asked(consents, request(call))
    assert consents.is_waiting
    assert ruling(consents, call) == "wait"
    assert ruling(consents, call, is_late=True) == "expired"
    consents = approvals.answered(consents, said(request(call)))
    assert not consents.is_waiting
    assert ruling(consents, call, is_late=True) == "allowed"


def test_an_answer_is_for_this_call_these_arguments_and_this_tree_alone():
    call = bash("ls")
    consents = approvals.answered(approvals.asked(Consents(), request(call)), said(request(call)))
    assert ruling(consents, bash("ls -a")) == "ask"
    assert ruling(consents, bash("ls", call="c2")) == "ask"
    assert ruling(consents, call, tree="another") == "ask"
    forged = ApprovalAnswered(request=request(bash("x")).request, digest="0" * 64, verdict="allow")
    assert ruling(approvals.answered(Consents(), forged), bash("x")) == "ask"


def test_the_first_answer_stands():
    call = bash("ls")
    consents = approvals.asked(Consents(), request(call))
    for verdict in ("deny", "allow"):
        consents = approvals.answered(consents, said(request(call), verdict))
    assert ruling(consents, call) == "denied"


def test_leave_for_the_task_covers_the_like_and_survives_the_reply():
    call = bash("ls")
    consents = approvals.asked(Consents(), request(call))
    consents = approvals.answered(consents, said(request(call), scope="task"))
    consents = Consents(granted=consents.granted)
    assert ruling(consents, bash("ls -a", call="c2")) == "allowed"


def test_another_machine_asks_again_what_nobody_answered_and_keeps_what_somebody_did():
    one, other = bash("ls"), bash("ls -a", call="c2")
    consents = approvals.asked(Consents(), request(one))
    consents = approvals.asked(consents, request(other))
    consents = approvals.anew(approvals.answered(consents, said(request(one))))
    assert ruling(consents, one) == "allowed"
    assert ruling(consents, other) == "ask"
    assert not consents.is_waiting
    late = approvals.answered(consents, said(request(other)))  # it crossed the machine's end
    assert ruling(late, other) == "allowed"
