"""Read model `approval`: what the agent asked approval for, and what a person answered."""

from collections.abc import Sequence

from events import ApprovalAnswered, ApprovalRequested, Recorded
from services.projector.projections.table import Row, Table, key_text

APPROVAL = Table(
    "approval",
    ("task", "request"),
    (
        "task",
        "request",
        "account",
        "version",
        "call",
        "tool",
        "title",
        "digest",
        "covers",
        "command",
        "diff",
        "asked_at",
        "expires_at",
        "verdict",
        "reason",
        "scope",
        "answered_by",
        "answered_at",
    ),
)
FACTS = (ApprovalRequested, ApprovalAnswered)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project a request or its answer."""
    match recorded.event:
        case ApprovalRequested() as asked:
            changes: dict[str, object] = {
                "request": key_text(asked.request),
                "version": recorded.version,
                "call": asked.call,
                "tool": asked.tool,
                "title": asked.title,
                "digest": asked.digest,
                "covers": asked.covers,
                "command": asked.command,
                "diff": asked.diff,
                "asked_at": recorded.at,
                "expires_at": asked.expires_at,
            }
        case ApprovalAnswered(request=request) as said:
            changes = {
                "request": key_text(request),
                "verdict": said.verdict,
                "reason": said.reason,
                "scope": said.scope,
                "answered_by": recorded.by,
                "answered_at": recorded.at,
            }
        case _:
            return []
    return [Row(APPROVAL, {"task": recorded.task, "account": recorded.account, **changes})]
