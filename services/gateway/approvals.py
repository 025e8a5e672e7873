"""What was asked for a person's leave, and whether an answer still counts. Pure.

An approval is single-use and bound to a digest of tool, arguments and tree. Whoever answers too
late, or something else than what they saw, is told what happened instead, and when.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec.structs import replace

from events import ApprovalAnswered, ApprovalRequested, CallId, Recorded, RequestId, Verdict
from services.gateway.problems import Refused, refused

Approvals = Mapping[RequestId, "Approval"]
_SAID = {"allow": "allowed", "deny": "denied"}


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and what became of it: `version` is that of the answer, `at` when it ended."""

    call: CallId
    digest: str
    expires_at: datetime
    verdict: Verdict | Literal[""] = ""
    version: int = 0
    at: datetime | None = None


def asked(approvals: Approvals, event: ApprovalRequested) -> Approvals:
    """Take note of a request. Asked again, by another machine, it is open for longer."""
    known = approvals.get(event.request)
    if known is None:
        known = Approval(call=event.call, digest=event.digest, expires_at=event.expires_at)
    else:
        known = replace(known, expires_at=event.expires_at)
    return MappingProxyType({**approvals, event.request: known})


def answered(approvals: Approvals, recorded: Recorded, event: ApprovalAnswered) -> Approvals:
    """Take note of an answer; the first one stands."""
    known = approvals.get(event.request)
    if known is None or known.verdict:
        return approvals
    known = replace(known, verdict=event.verdict, version=recorded.version, at=recorded.at)
    return MappingProxyType({**approvals, event.request: known})


def settled(approvals: Approvals, call: CallId, at: datetime) -> Approvals:
    """Take note that a call has ended: what waits for an answer about it waits no more."""
    ended = {r: a for r, a in approvals.items() if a.call == call and a.at is None}
    return MappingProxyType({**approvals, **{r: replace(a, at=at) for r, a in ended.items()}})


def repeated(approval: Approval, verdict: Verdict) -> int:
    """Tell the version of the answer when the same was said before; 0 when nothing was.

    Raises Refused (409) when something else was said before.
    """
    if not approval.verdict:
        return 0
    if approval.verdict == verdict:
        return approval.version
    raise _late(
        "approval_answered",
        f"This was {_SAID[approval.verdict]} already, {_when(approval.at)}. Send an instruction to "
        "say something else.",
    )


def require_open(approval: Approval, digest: str, now: datetime) -> None:
    """Refuse (409) an answer that comes too late, or is to something else than was asked."""
    if approval.at is not None:
        raise _late(
            "approval_overtaken",
            f"The call was given up {_when(approval.at)}, before it was answered. Send an "
            "instruction if it is still wanted.",
        )
    if now >= approval.expires_at:
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
