"""The steps of the agent's loop: what can be due. Values only."""

from datetime import datetime
from typing import Literal

import msgspec

from events import CallId, EventId, SnapshotTaken, TaskSubmitted, WorkerEvent
from services.worker.agent.approvals.policy import ApprovalNeed
from services.worker.agent.tool_calls import Call


class Record(msgspec.Struct, frozen=True):
    """Append these facts; nothing else has to be done for them."""

    facts: tuple[WorkerEvent, ...]


class PrepareWorkspace(msgspec.Struct, frozen=True):
    """Bring the repository into the sandbox: the base, or what a snapshot holds.

    `is_fork`: the snapshot is another task's, and this one has none of its own yet.
    """

    base: str
    commit: str = ""
    restore: SnapshotTaken | None = None
    is_fork: bool = False


def begin_workspace(submitted: TaskSubmitted) -> PrepareWorkspace:
    """Return the first preparation of a task: from its base, or from where a fork begins."""
    base, origin = submitted.repository.base, submitted.origin
    if origin is None:
        return PrepareWorkspace(base)
    if origin.pack is None:
        return PrepareWorkspace(base, origin.commit)
    taken = SnapshotTaken(tree=origin.tree, pack=origin.pack, files=0, insertions=0, deletions=0)
    return PrepareWorkspace(base, origin.commit, taken, is_fork=True)


class PrepareEnvironment(msgspec.Struct, frozen=True):
    """Set up the environment of the workspace: restore it from the cache, or run its set-up.

    `tree` is what the workspace holds, `base` the branch it is based on. `is_untouched`: it is the
    base itself, which no tool call of this task has changed.
    """

    commit: str
    base: str
    tree: str
    is_untouched: bool


class AskModel(msgspec.Struct, frozen=True):
    """Send the conversation to the model. The intent is in the log."""

    turn: int
    model: str
    effort: str


class CompactContext(msgspec.Struct, frozen=True):
    """Put a summary in place of the conversation, written by the model or by this worker."""

    turn: int
    model: str
    effort: str
    writer: Literal["model", "worker"]


class StartTools(msgspec.Struct, frozen=True):
    """Record that these calls are about to run."""

    calls: tuple[Call, ...]


class AskApproval(msgspec.Struct, frozen=True):
    """Ask a person whether this call may be made."""

    call: Call
    need: ApprovalNeed


class AskPush(msgspec.Struct, frozen=True):
    """Ask a person whether the work may be pushed although it changes these files."""

    call: CallId
    need: ApprovalNeed
    paths: tuple[str, ...]


class RunTools(msgspec.Struct, frozen=True):
    """Run these calls side by side. The intent is in the log."""

    calls: tuple[Call, ...]


class TakeSnapshot(msgspec.Struct, frozen=True):
    """Store what the workspace holds, so that it can be restored."""


class StoreDiff(msgspec.Struct, frozen=True):
    """Store the difference between the base and the work."""


class Push(msgspec.Struct, frozen=True):
    """Commit the work and push it. `event` is the reply that ended the work."""

    title: str
    body: str
    event: EventId


class OpenPullRequest(msgspec.Struct, frozen=True):
    """Find, create or update the task's pull request."""

    title: str
    body: str
    branch: str
    base: str


class Wait(msgspec.Struct, frozen=True):
    """Nothing is due until somebody says something, or until a time."""

    reason: str
    until: datetime | None = None


class Rest(msgspec.Struct, frozen=True):
    """Nothing is due, and nothing will be: this worker is done."""


Step = (
    Record
    | PrepareWorkspace
    | PrepareEnvironment
    | AskModel
    | CompactContext
    | AskApproval
    | AskPush
    | StartTools
    | RunTools
    | TakeSnapshot
    | StoreDiff
    | Push
    | OpenPullRequest
    | Wait
    | Rest
)
