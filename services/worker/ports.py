"""Ports of the agent's loop: a model, a sandbox, a workspace, a history, a broker.

Protocols only, and the plain values that cross them. The classes that satisfy them:
`services.worker.effects.model.client`, `services.worker.sandbox`, `services.worker.workspace`,
`services.worker.effects.broker_client`, `infra.log.jetstream.worker.reader`; in tests the small
classes of tests/kit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from events import (
    Blob,
    Block,
    BudgetExhausted,
    Draft,
    EgressDenied,
    Head,
    LeftOut,
    Recorded,
    SnapshotTaken,
    Usage,
    WorkerEvent,
)
from events.protocol.api.egress import EgressPhase, EgressRules
from events.protocol.ephemeral import EphemeralKind
from events.protocol.stored_changes import StoredChanges
from services.worker.agent.failures.model_errors import ModelError

OnOutput = Callable[[bytes], None]

OUTPUT_LIMIT_BYTES: Final = 8 * 1024 * 1024
FILE_LIMIT_BYTES: Final = 4 * 1024 * 1024

BASH: Final = ("bash", "--noprofile", "--norc", "-c")
"""The beginning of a bash script as a command: the script, its name and its arguments follow."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the text is fit for the model (no such file …)."""


class NoSuchFile(SandboxError):
    """There is nothing at that path."""


class SandboxUnavailable(Exception):
    """There is no sandbox, or it is gone and cannot be made again. The text says the remedy."""


class WorkspaceRefused(Exception):
    """The repository cannot be had, or does not take the work. Ends the task.

    `reason` is a stable code of the plan (repository_not_found, repository_refused,
    forge_unreachable, base_not_found, repository_too_large, push_refused); `detail` says what
    happened, `remedy` what a person can do about it.
    """

    def __init__(self, reason: str, detail: str, remedy: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.remedy = remedy


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a command. `output` is stdout and stderr as they came.

    Output longer than the limit is cut in the middle (is_truncated). `note` says what a person
    should know ("probably out of memory").
    """

    exit_code: int
    output: bytes = b""
    is_truncated: bool = False
    is_timed_out: bool = False
    seconds: float = 0.0
    note: str = ""


class Sandbox(Protocol):
    """A place where commands the model chose may run, and can harm nothing.

    A cancelled call kills the command and all its children before it returns.
    Raises SandboxUnavailable from any method when the sandbox is lost for good.
    """

    name: str

    async def start(self) -> None:
        """Make the sandbox, with an empty /workspace."""
        ...

    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> CommandResult:
        """Run one command in /workspace, by itself. `on_output` gets each chunk as it comes."""
        ...

    async def shell(
        self,
        script: str,
        *,
        timeout_seconds: float,
        on_output: OnOutput | None = None,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> CommandResult:
        """Run a script in the agent's bash: its directory and exported variables stay for the next.

        After a timeout (is_timed_out) the next call has a working shell again.
        """
        ...

    async def read(self, path: str, *, limit_bytes: int = FILE_LIMIT_BYTES) -> bytes:
        """Return at most so many first bytes of a file; path is absolute or under /workspace.

        Raises NoSuchFile, and SandboxError when it is no file or may not be read.
        """
        ...

    async def write(self, path: str, content: bytes) -> None:
        """Put a file, making its directories; the mode of an existing file is kept.

        Raises SandboxError when the path cannot be written.
        """
        ...

    async def stop(self) -> None:
        """End everything that runs in the sandbox, and remove it. May be called twice."""
        ...


class Egress(Protocol):
    """The one way out of the sandbox, to the hosts that the rules of the moment allow."""

    def set_rules(self, rules: EgressRules, *, phase: EgressPhase = "agent") -> None:
        """Decide by these from now on; connections that they do not allow are closed."""
        ...

    async def next_denials(self) -> Sequence[EgressDenied]:
        """Wait until denials are due for a report, and return them, counted per host."""
        ...


class TransferResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a command whose stdout is bytes for a program: stdout whole, stderr for people."""

    exit_code: int
    stdout: bytes
    stderr: str
    is_truncated: bool
    note: str


class ByteTransfer(Protocol):
    """Transfer of bytes into the sandbox and out, for git: every real sandbox has it.

    `written` are the paths that `Sandbox.write` wrote so far, as it was given them.
    """

    written: set[str]

    async def transfer(
        self,
        command: Sequence[str],
        *,
        timeout_seconds: float,
        stdin: bytes | Path = b"",
        output_limit_bytes: int,
    ) -> TransferResult:
        """Run one command whose stdout is wanted byte for byte; `stdin` may be a worker's file.

        One that begins with BASH may run twice, where nothing is known of its first end.
        `is_truncated` means that stdout was longer than the limit and is of no use.
        """
        ...


class PreparedWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace that stands.

    `commit` is the base of the work, `base` the name of its branch, `branch` where the work goes.
    """

    commit: str
    base: str
    branch: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The work as it stands: its tree, the pack that holds it, what it changed since the base.

    `left_out` is what the workspace has besides, `guarded` are the changed paths that a forge runs
    or trusts, `changes` what a person is shown of it.
    """

    tree: str
    pack: bytes
    files: int
    insertions: int
    deletions: int
    left_out: tuple[LeftOut, ...] = ()
    guarded: tuple[str, ...] = ()
    changes: StoredChanges | None = None


class Workspace(Protocol):
    """The task's repository: git on the worker's side, the tree in the sandbox."""

    async def fetch(self, *, base: str, commit: str = "") -> None:
        """Clone what `prepare` will need, while the sandbox starts. Raises WorkspaceRefused."""
        ...

    async def prepare(
        self,
        *,
        base: str,
        commit: str = "",
        restore: SnapshotTaken | None = None,
        is_fork: bool = False,
    ) -> PreparedWorkspace:
        """Clone, and put the tree of the base (or the snapshot's) into the sandbox.

        `base` is a branch, empty for the default one. `commit` is the base commit that an earlier
        attempt worked on, empty at first. The snapshot's pack is fetched from Blobs by its key.
        Of a fork it is another task's: the next `snapshot` takes it as this one's own.
        Raises WorkspaceRefused.
        """
        ...

    async def snapshot(self) -> Snapshot | None:
        """Take what the sandbox holds; None when nothing changed since the last, or `prepare`."""
        ...

    async def diff(self) -> str:
        """Return the unified diff from the base to the work as it stands; empty when the same."""
        ...

    async def commit_and_push(self, *, title: str, body: str, trailers: Mapping[str, str]) -> str:
        """Commit the work as it stands and push it to the task's branch; return the commit's id.

        Work pushed earlier by this task stays: the commit is made on top of it, and when nothing
        changed since, the pushed commit's id is returned. Raises WorkspaceRefused.
        """
        ...


class Blobs(Protocol):
    """The task's own corner of the object store."""

    async def put(self, name: str, content: bytes) -> Blob:
        """Store bytes under a name such as `snapshots/0007.pack`."""
        ...

    async def get(self, key: str) -> bytes:
        """Return the bytes under a Blob's key (`tasks/<task>/<name>`)."""
        ...


class PullRequest(msgspec.Struct, frozen=True):
    """A pull request as the forge shows it."""

    number: int
    url: str


class NothingToMerge(Exception):
    """The base branch holds the pushed work already, so no pull request can be opened."""


class Forge(Protocol):
    """The forge, where pull requests are opened."""

    async def pull_request(
        self, *, title: str, body: str, branch: str, base: str
    ) -> PullRequest | None:
        """Find, create or update the task's pull request; None when the forge has none.

        Raises NothingToMerge, WorkspaceRefused.
        """
        ...


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the model, in the Messages API's words. `user` says for whom it is made."""

    model: str
    effort: str
    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    user: str


class ModelReply(msgspec.Struct, frozen=True, kw_only=True):
    """The model's whole reply. `blocks` are verbatim; `request` is the provider's id for it."""

    blocks: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    model: str
    request: str


class ModelFailure(Exception):
    """A call of the model failed; nothing of it counts."""

    def __init__(self, model_error: ModelError) -> None:
        super().__init__(f"{model_error.kind}: {model_error.detail}")
        self.model_error = model_error


class BudgetRefused(Exception):
    """The broker does not let a call through that might cost more than is left; nothing was spent.

    `met` says which limit stands against it.
    """

    def __init__(self, met: BudgetExhausted) -> None:
        super().__init__(f"{met.scope}: {met.spent} of {met.limit}")
        self.exhausted = met


OnDelta = Callable[[EphemeralKind, int, str], None]


class Model(Protocol):
    """A language model that speaks the Messages API."""

    async def ready(self) -> None:
        """Return when it can be asked; what is asked before that waits."""
        ...

    async def ask(self, question: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Ask once. `on_delta` gets (kind, block index, text) as it comes.

        Raises ModelFailure, BudgetRefused.
        """
        ...


class AttemptLog(Protocol):
    """One task's history as the worker of one attempt sees it: read, follow, append."""

    async def catch_up(self) -> Sequence[Recorded]:
        """Return what the history holds beyond what this object has given so far, oldest first.

        What was appended (by anyone) before the call is in it. Raises Unavailable.
        """
        ...

    def follow(self, until: asyncio.Event) -> AsyncIterator[Sequence[Recorded]]:
        """Yield what comes, oldest first, without gap or repeat, own events too, until set.

        `catch_up` and `follow` share one place: an event is given once, by whichever is asked.
        """
        ...

    async def append(self, drafts: Sequence[Draft[WorkerEvent]], *, after: Head) -> Head:
        """Append all or nothing after `after`; the new head. Raises Conflict, Unavailable."""
        ...
