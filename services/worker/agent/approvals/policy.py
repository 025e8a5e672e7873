"""Before which tool calls a person is asked, and what their word is worth. Pure.

The sandbox is the wall: without network, and nothing but the workspace to write to. This is a
convenience on top of it, for what a person would rather see before it happens (`risks`).
"""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    CallId,
    Policy,
    RequestId,
    TaskId,
    request_id,
)
from services.worker.agent.approvals.risks import THIS_ALONE, risks_of
from services.worker.agent.tool_calls import MUTATING, Call

Ruling = Literal["allowed", "ask", "wait", "denied", "expired"]

PUSH: Final = "push"
_AND: Final = ", "
_ANY: Final = "changing files and running commands"


class Wanted(msgspec.Struct, frozen=True):
    """What a call needs a person's leave for. `request` and `digest` are of this very call."""

    request: RequestId
    digest: str
    risks: tuple[str, ...]

    @property
    def covers(self) -> str:
        """Name what an answer for the whole task allows."""
        return _AND.join(self.risks)


class Consents(msgspec.Struct, frozen=True):
    """What was asked since the newest reply, and what a person said.

    `granted` holds until the task ends, and so does what was said of pushes, by digest.
    """

    asked: Mapping[RequestId, ApprovalRequested] = MappingProxyType({})
    said: Mapping[RequestId, ApprovalAnswered] = MappingProxyType({})
    granted: frozenset[str] = frozenset()
    pushes: Mapping[str, ApprovalAnswered] = MappingProxyType({})

    @property
    def is_waiting(self) -> bool:
        """Whether something was asked that nobody has answered."""
        return any(request not in self.said for request in self.asked)


def wanted(policy: Policy, task: TaskId, call: Call, tree: str) -> Wanted | None:
    """Tell what a call needs leave for; None when it may run without. `tree`: what it changes."""
    risks = _risks(policy, call)
    if not risks:
        return None
    arguments = msgspec.json.encode(call.input, order="deterministic")
    said = b"\n".join((call.name.encode(), arguments, tree.encode()))
    digest = sha256(said).hexdigest()
    return Wanted(request_id(task, CallId(f"{call.id}\n{digest}")), digest, risks)


def rule(consents: Consents, want: Wanted, *, is_late: bool) -> Ruling:
    """Say what is to become of a call. `is_late`: what was asked is not open any more."""
    said = consents.said.get(want.request)
    if said is not None and said.digest == want.digest:
        return "allowed" if said.verdict == "allow" else "denied"
    if consents.granted.issuperset(want.risks):
        return "allowed"
    if want.request not in consents.asked:
        return "ask"
    return "expired" if is_late else "wait"


def asked(consents: Consents, event: ApprovalRequested) -> Consents:
    """Take note of a request."""
    return replace(consents, asked=MappingProxyType({**consents.asked, event.request: event}))


def answered(consents: Consents, event: ApprovalAnswered) -> Consents:
    """Take note of an answer; the first one stands."""
    request = consents.asked.get(event.request)
    if event.request in consents.said:
        return consents
    consents = replace(consents, said=MappingProxyType({**consents.said, event.request: event}))
    if request is not None and request.tool == PUSH:
        if event.digest != request.digest:
            event = replace(event, verdict="deny", reason="the answer was to something else")
        pushes = {**consents.pushes, request.digest: event}
        return replace(consents, pushes=MappingProxyType(pushes))
    if request is None or event.scope != "task" or event.verdict != "allow":
        return consents
    granted = {risk for risk in request.covers.split(_AND) if risk != THIS_ALONE}
    return replace(consents, granted=consents.granted | granted)


def replied(consents: Consents) -> Consents:
    """Forget what was asked about the calls of the reply before."""
    return Consents(granted=consents.granted, pushes=consents.pushes)


def instructed(consents: Consents) -> Consents:
    """Let a push that was denied be asked about again: the person wrote something new."""
    allowed = {d: said for d, said in consents.pushes.items() if said.verdict == "allow"}
    return replace(consents, pushes=MappingProxyType(allowed))


def settled(consents: Consents, call: CallId) -> Consents:
    """Forget what was asked about a call that has ended."""
    left = {r: event for r, event in consents.asked.items() if event.call != call}
    return replace(consents, asked=MappingProxyType(left))


def anew(consents: Consents) -> Consents:
    """Begin again on another machine, which asks again what nobody has answered."""
    said = {r: event for r, event in consents.asked.items() if r in consents.said}
    return replace(consents, asked=MappingProxyType(said))


def _risks(policy: Policy, call: Call) -> tuple[str, ...]:
    if policy == "never" or call.name not in MUTATING:
        return ()
    return (_ANY,) if policy == "always" else risks_of(call.name, call.input)
