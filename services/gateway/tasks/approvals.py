"""Requests for a person's approval, and whether an answer still counts. Pure.

An approval is single-use and bound to a digest of tool, arguments and tree. Whoever answers too
late, or something else than what they saw, learns what happened instead, and when.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    CallId,
    Recorded,
    RequestId,
    Scope,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolCompleted,
    ToolInterrupted,
    Verdict,
)
from services.gateway.problems import Refused, refused

Approvals = Mapping[RequestId, "Approval"]
PUSH = "push"
_REASON_CHARACTERS = 200
_SAID = {"allow": "allowed", "deny": "denied"}


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and what became of it: `version` is that of the answer, `at` when it ended.

    `ended` says what overtook it; empty when it was answered, or ran out of time. `tool` is the
    request's, `answered_digest` is what the answer was given to.
    """

    call: CallId
    digest: str
    expires_at: datetime
    verdict: Verdict | Literal[""] = ""
    scope: Scope = "once"
    reason: str = ""
    version: int = 0
    at: datetime | None = None
    ended: str = ""
    tool: str = ""
    answered_digest: str = ""


def asked(approvals: Approvals, event: ApprovalRequested) -> Approvals:
    """Take note of a request. Asked again, by another machine, it is open for longer."""
    known = approvals.get(event.request)
    if known is None:
        known = Approval(
            call=event.call,
            digest=event.digest,
            expires_at=event.expires_at,
            tool=event.tool,
        )
    else:
        known = replace(known, expires_at=event.expires_at)
    return MappingProxyType({**approvals, event.request: known})


def answered(approvals: Approvals, recorded: Recorded, event: ApprovalAnswered) -> Approvals:
    """Take note of an answer; the first one stands."""
    known = approvals.get(event.request)
    if known is None or known.at is not None:
        return approvals
    known = replace(
        known,
        verdict=event.verdict,
        scope=event.scope,
        reason=event.reason,
        version=recorded.version,
        at=recorded.at,
        answered_digest=event.digest,
    )
    return MappingProxyType({**approvals, event.request: known})


def is_push_allowed(approvals: Approvals, digest: str) -> bool:
    """Return whether a person allowed the push with this digest, and no later answer denied it.

    The digest is that of `infra.git.forge_files.push_digest`.
    """
    answers = sorted(
        (one.version, one.verdict)
        for one in approvals.values()
        if one.tool == PUSH and one.verdict and one.digest == one.answered_digest == digest
    )
    return bool(answers) and answers[-1][1] == "allow"


def overtaken(approvals: Approvals, recorded: Recorded) -> Approvals:
    """Take note of what leaves no room for an answer: its time, a new word, the end of the call."""
    match recorded.event:
        case ToolCompleted(call=call) | ToolInterrupted(call=call):
            return _closed(approvals, "the call was given up", recorded.at, call)
        case TaskInstructed(mode="steer"):
            return _closed(approvals, "an instruction was given instead", recorded.at)
        case TaskInterrupted():
            return _closed(approvals, "the task was interrupted", recorded.at)
        case TaskCancelled():
            return _closed(approvals, "the task was cancelled", recorded.at)
        case TaskFinished():
            return _closed(approvals, "the task was finished", recorded.at)
        case TaskFailed() | TaskAbandoned():
            return _closed(approvals, "the task failed", recorded.at)
        case _:
            return approvals


def _closed(approvals: Approvals, why: str, at: datetime, call: CallId | None = None) -> Approvals:
    ended = {
        request: replace(one, at=at, ended="" if at >= one.expires_at else why)
        for request, one in approvals.items()
        if one.at is None and call in (None, one.call)
    }
    return MappingProxyType({**approvals, **ended}) if ended else approvals


def repeated(approval: Approval, verdict: Verdict, scope: Scope) -> int:
    """Return the version of the answer when the same was said before; 0 when nothing was.

    Raises Refused (409) when something else was said before.
    """
    if not approval.verdict:
        return 0
    if (approval.verdict, approval.scope) == (verdict, scope):
        return approval.version
    whole = " for the rest of the task" if approval.scope == "task" else ""
    why = f" with “{approval.reason[:_REASON_CHARACTERS]}”" if approval.reason else ""
    raise _late(
        "approval_answered",
        f"This was {_SAID[approval.verdict]} already{whole}, {_when(approval.at)}{why}. Send an "
        "instruction to say something else.",
    )


def require_open(approval: Approval, digest: str, now: datetime, *, is_over: bool) -> None:
    """Refuse (409) an answer that comes too late, or is to something else than was asked.

    `is_over`: the task has ended, and has not been taken up again since.
    """
    if approval.ended:
        raise _late(
            "task_ended" if is_over else "approval_overtaken",
            f"Before this was answered, {approval.ended} ({_when(approval.at)}); the call is not "
            "made. Send an instruction if it is still wanted.",
        )
    if approval.at is not None or now >= approval.expires_at:
        raise _late(
            "approval_expired",
            f"This was open until {_when(approval.expires_at)}; unanswered, it counts as denied. "
            "Send an instruction if it is still wanted.",
        )
    if digest != approval.digest:
        raise _late(
            "approval_changed",
            "This answers another command or tree than the one that is asked about. Look at the "
            "request again, and answer with its digest.",
        )


def _late(code: str, detail: str) -> Refused:
    return refused(409, code, detail)


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "before"
