"""Trial of a policy on a recorded history: the calls it would have asked about, or refused."""

from collections.abc import Iterator, Sequence

import msgspec

from events import ApprovalRule, ModelReplied, Policy, Recorded
from services.worker.agent.approvals.policy import (
    Approvals,
    CallPolicy,
    approval_need,
    decide_call,
    forbidden_by,
    granted_by,
)
from services.worker.agent.tool_calls import WHOLE, Call, calls_of
from services.worker.tools.toolbox import title_of


class TriedCall(msgspec.Struct, frozen=True):
    """A call that a policy would not simply have let run, at the version of its reply.

    `is_repeated`: an answer for the whole task to an earlier request would have allowed it.
    """

    version: int
    title: str
    verdict: str
    reasons: str
    is_repeated: bool = False


class PolicyTrial(msgspec.Struct, frozen=True):
    """Trial of a policy on one history: how many calls it had, and those to ask about or deny."""

    calls: int
    tried: tuple[TriedCall, ...]


def try_policy(
    history: Sequence[Recorded], policy: Policy, rules: Sequence[ApprovalRule] = ()
) -> PolicyTrial:
    """Judge every call of a history by a policy; nothing runs and nobody is asked.

    A call to ask about is taken to be allowed, so that the calls after it stand. Raises ValueError
    where the blocks of a reply are missing.
    """
    policy_of_calls = CallPolicy(policy, tuple(rules))
    approvals, tried, count = Approvals(), list[TriedCall](), 0
    for version, call in _calls(history):
        count += 1
        if forbidden := forbidden_by(rules, call):
            tried.append(TriedCall(version, title_of(call), "deny", forbidden))
            continue
        need = approval_need(policy_of_calls, history[0].task, call, "")
        if need is not None:
            is_repeated = decide_call(approvals, need, is_late=False) == "allowed"
            tried.append(TriedCall(version, title_of(call), "ask", need.covers, is_repeated))
            approvals = granted_by(approvals, need)
    return PolicyTrial(count, tuple(tried))


def _calls(history: Sequence[Recorded]) -> Iterator[tuple[int, Call]]:
    for recorded in history:
        reply = recorded.event
        if not isinstance(reply, ModelReplied):
            continue
        if reply.blob is not None and not reply.blocks:
            raise ValueError(f"the blocks of the reply at version {recorded.version} are missing")
        if reply.stop_reason in WHOLE:
            for call in calls_of(reply.blocks):
                yield recorded.version, call
