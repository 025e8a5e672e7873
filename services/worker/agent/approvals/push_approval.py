"""A person's approval before what a forge runs or trusts is pushed, whatever the policy. Pure.

Decided on the changes themselves, so it does not matter how they came about. The approval is bound
to the tree that is pushed: other files, however little they differ, need another one.
"""

from datetime import datetime
from typing import Final

from events import CallId, TaskFailed, request_id
from infra.git.forge_files import push_digest
from services.worker.agent.approvals.policy import ApprovalNeed
from services.worker.agent.state import AgentState
from services.worker.agent.steps import AskPush, Wait
from services.worker.agent.tool_calls import one_line

COVERS: Final = "pushing what the forge runs or trusts"
_SHOWN_PATHS: Final = 20
_UNANSWERED: Final = "nobody answered in time whether it is allowed"
_DENIED: Final = "the person does not allow it"


def permit_push(state: AgentState, call: CallId, now: datetime) -> AskPush | Wait | None:
    """Ask for approval of the push, or wait for it; None when it may go, or may not.

    `call` is what ends the work.
    """
    need = _push_need(state, call)
    if need is None or need.digest in state.approvals.pushes:
        return None
    request = state.approvals.asked.get(need.request)
    if request is None:
        return AskPush(call, need, state.workspace.guarded)
    return Wait("approval", request.expires_at) if now < request.expires_at else None


def push_refusal(state: AgentState, call: CallId, now: datetime) -> str:
    """Return why the push may not go; empty when nothing stands against it, or not yet."""
    need = _push_need(state, call)
    if need is None:
        return ""
    said = state.approvals.pushes.get(need.digest)
    request = state.approvals.asked.get(need.request)
    if said is None and (request is None or now < request.expires_at):
        return ""
    if said is not None and said.verdict == "allow":
        return ""
    why = _UNANSWERED if said is None else _DENIED
    if said is not None and said.reason:
        why += f" ({one_line(said.reason)})"
    paths = state.workspace.guarded
    shown = ", ".join(paths[:_SHOWN_PATHS])
    more = f" and {len(paths) - _SHOWN_PATHS} more" if paths[_SHOWN_PATHS:] else ""
    return f"the work changes what the forge runs or trusts ({shown}{more}), and {why}."


def push_not_allowed_failure(why: str) -> TaskFailed:
    """End a task whose work may not be pushed."""
    return TaskFailed(
        reason="push_not_allowed",
        detail=f"Nothing was pushed: {why}",
        remedy="Write to the task to take these changes back, or to try again and be asked again.",
    )


def _push_need(state: AgentState, call: CallId) -> ApprovalNeed | None:
    guarded, snapshot = state.workspace.guarded, state.workspace.snapshot
    if not guarded or snapshot is None:
        return None
    digest = push_digest(guarded, snapshot.tree)
    request = request_id(state.position.task, CallId(f"{call}\n{digest}"))
    return ApprovalNeed(request, digest, (COVERS,))
