"""A person's approval before what a forge runs or trusts is pushed, whatever the policy. Pure.

Decided on the changes themselves, so it does not matter how they came about. The approval is bound
to the tree that is pushed: other files, however little they differ, need another one.
"""

from datetime import datetime
from typing import Final

from events import CallId, TaskFailed, request_id
from infra.git.forge_files import push_digest
from services.worker.agent.approvals.policy import Wanted
from services.worker.agent.state import Turn
from services.worker.agent.steps import AskPush, Wait
from services.worker.agent.tool_calls import one_line

COVERS: Final = "pushing what the forge runs or trusts"
_SHOWN_PATHS: Final = 20
_UNANSWERED: Final = "nobody answered in time whether it is allowed"
_DENIED: Final = "the person does not allow it"


def permit_push(turn: Turn, call: CallId, now: datetime) -> AskPush | Wait | None:
    """Ask for approval of the push, or wait for it; None when it may go, or may not.

    `call` is what ends the work.
    """
    want = _wanted(turn, call)
    if want is None or want.digest in turn.consents.pushes:
        return None
    request = turn.consents.asked.get(want.request)
    if request is None:
        return AskPush(call, want, turn.guarded)
    return Wait("approval", request.expires_at) if now < request.expires_at else None


def push_refusal(turn: Turn, call: CallId, now: datetime) -> str:
    """Return why the push may not go; empty when nothing stands against it, or not yet."""
    want = _wanted(turn, call)
    if want is None:
        return ""
    said = turn.consents.pushes.get(want.digest)
    request = turn.consents.asked.get(want.request)
    if said is None and (request is None or now < request.expires_at):
        return ""
    if said is not None and said.verdict == "allow":
        return ""
    why = _UNANSWERED if said is None else _DENIED
    if said is not None and said.reason:
        why += f" ({one_line(said.reason)})"
    shown = ", ".join(turn.guarded[:_SHOWN_PATHS])
    more = f" and {len(turn.guarded) - _SHOWN_PATHS} more" if turn.guarded[_SHOWN_PATHS:] else ""
    return f"the work changes what the forge runs or trusts ({shown}{more}), and {why}."


def push_not_allowed(why: str) -> TaskFailed:
    """End a task whose work may not be pushed."""
    return TaskFailed(
        reason="push_not_allowed",
        detail=f"Nothing was pushed: {why}",
        remedy="Write to the task to take these changes back, or to try again and be asked again.",
    )


def _wanted(turn: Turn, call: CallId) -> Wanted | None:
    if not turn.guarded or turn.snapshot is None:
        return None
    digest = push_digest(turn.guarded, turn.snapshot.tree)
    return Wanted(request_id(turn.task, CallId(f"{call}\n{digest}")), digest, (COVERS,))
