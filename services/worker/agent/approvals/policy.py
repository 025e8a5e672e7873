"""Policy of approvals: which calls need one, what an answer allows, how long it may take. Pure.

The sandbox is the wall: without network, and nothing but the workspace to write to. This is a
convenience on top of it, for what a person would rather see before it happens (`risks`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    ApprovalRule,
    CallId,
    Policy,
    RequestId,
    TaskId,
    request_id,
)
from services.worker.agent.approvals.risks import THIS_ALONE, risks_of
from services.worker.agent.approvals.rules import Ruling, rule_on
from services.worker.agent.tool_calls import MUTATING, Call

Decision = Literal["allowed", "ask", "wait", "denied", "expired"]

PUSH: Final = "push"
APPROVAL_VALIDITY: Final = timedelta(hours=24)
"""Time that a request waits for its answer before it expires."""

_SEPARATOR: Final = ", "
_ANY: Final = "changing files and running commands"


class ApprovalNeed(msgspec.Struct, frozen=True):
    """The risks that a person has to approve. `request` and `digest` are of this very call."""

    request: RequestId
    digest: str
    risks: tuple[str, ...]

    @property
    def covers(self) -> str:
        """Name what an answer for the whole task allows."""
        return _SEPARATOR.join(self.risks)


class Approvals(msgspec.Struct, frozen=True):
    """Requests since the newest reply, and what a person answered.

    `granted` holds until the task ends, and so does what was said of pushes, by digest.
    """

    asked: Mapping[RequestId, ApprovalRequested] = MappingProxyType({})
    said: Mapping[RequestId, ApprovalAnswered] = MappingProxyType({})
    granted: frozenset[str] = frozenset()
    pushes: Mapping[str, ApprovalAnswered] = MappingProxyType({})

    @property
    def is_waiting(self) -> bool:
        """Return whether something was asked that nobody has answered."""
        return any(request not in self.said for request in self.asked)


class CallPolicy(msgspec.Struct, frozen=True):
    """The task's policy, and its rules, which come first."""

    policy: Policy = "never"
    rules: tuple[ApprovalRule, ...] = ()


def approval_need(policy: CallPolicy, task: TaskId, call: Call, tree: str) -> ApprovalNeed | None:
    """Return what a call needs approval for; None when it needs none. `tree`: what it changes."""
    risks = _risks(policy, call)
    if not risks:
        return None
    arguments = msgspec.json.encode(call.input, order="deterministic")
    said = b"\n".join((call.name.encode(), arguments, tree.encode()))
    digest = sha256(said).hexdigest()
    return ApprovalNeed(request_id(task, CallId(f"{call.id}\n{digest}")), digest, risks)


def forbidden_by(rules: Sequence[ApprovalRule], call: Call) -> str:
    """Name what of a call the task's rules forbid; empty when nothing."""
    ruling = rule_on(rules, call) if call.name in MUTATING else Ruling()
    return _SEPARATOR.join(ruling.reasons) if ruling.verdict == "deny" else ""


def decide_call(approvals: Approvals, need: ApprovalNeed, *, is_late: bool) -> Decision:
    """Return the ruling on a call. `is_late`: its request has expired."""
    said = approvals.said.get(need.request)
    if said is not None and said.digest == need.digest:
        return "allowed" if said.verdict == "allow" else "denied"
    if approvals.granted.issuperset(need.risks):
        return "allowed"
    if need.request not in approvals.asked:
        return "ask"
    return "expired" if is_late else "wait"


def add_request(approvals: Approvals, event: ApprovalRequested) -> Approvals:
    """Take note of a request."""
    return replace(approvals, asked=MappingProxyType({**approvals.asked, event.request: event}))


def add_answer(approvals: Approvals, event: ApprovalAnswered) -> Approvals:
    """Take note of an answer; the first one stands."""
    request = approvals.asked.get(event.request)
    if event.request in approvals.said:
        return approvals
    approvals = replace(approvals, said=MappingProxyType({**approvals.said, event.request: event}))
    if request is not None and request.tool == PUSH:
        if event.digest != request.digest:
            event = replace(event, verdict="deny", reason="the answer was to something else")
        pushes = {**approvals.pushes, request.digest: event}
        return replace(approvals, pushes=MappingProxyType(pushes))
    if request is None or event.scope != "task" or event.verdict != "allow":
        return approvals
    return replace(approvals, granted=approvals.granted | granted_risks(request))


def granted_risks(request: ApprovalRequested) -> frozenset[str]:
    """Return what an answer for the whole task allows.

    Requests of older workers have the risks only as text, in `covers`.
    """
    risks = request.risks or request.covers.split(_SEPARATOR)
    return frozenset(risks) - {THIS_ALONE}


def granted_by(approvals: Approvals, need: ApprovalNeed) -> Approvals:
    """Return the approvals as if a need had been allowed for the whole task."""
    return replace(approvals, granted=approvals.granted | frozenset(need.risks) - {THIS_ALONE})


def forget_requests(approvals: Approvals) -> Approvals:
    """Forget what was asked about the calls of the reply before."""
    return Approvals(granted=approvals.granted, pushes=approvals.pushes)


def reopen_denied_pushes(approvals: Approvals) -> Approvals:
    """Let a push that was denied be asked about again: the person wrote something new."""
    allowed = {d: said for d, said in approvals.pushes.items() if said.verdict == "allow"}
    return replace(approvals, pushes=MappingProxyType(allowed))


def forget_call(approvals: Approvals, call: CallId) -> Approvals:
    """Forget what was asked about a call that has ended."""
    left = {r: event for r, event in approvals.asked.items() if event.call != call}
    return replace(approvals, asked=MappingProxyType(left))


def forget_unanswered(approvals: Approvals) -> Approvals:
    """Begin again on another machine, which asks again what nobody has answered."""
    said = {r: event for r, event in approvals.asked.items() if r in approvals.said}
    return replace(approvals, asked=MappingProxyType(said))


def _risks(policy: CallPolicy, call: Call) -> tuple[str, ...]:
    if call.name not in MUTATING:
        return ()
    ruling = rule_on(policy.rules, call)
    by_policy = (risk for part in ruling.rest for risk in _risks_by_policy(policy.policy, part))
    return tuple(dict.fromkeys((*ruling.reasons, *by_policy)))


def _risks_by_policy(policy: Policy, call: Call) -> tuple[str, ...]:
    if policy == "never":
        return ()
    return (_ANY,) if policy == "always" else risks_of(call.name, call.input)
