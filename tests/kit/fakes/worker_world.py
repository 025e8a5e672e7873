"""The rest of a worker's context in memory, and the history of its task."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from events import (
    AccountId,
    Blob,
    Draft,
    EnvironmentPrepared,
    History,
    MachineId,
    Recorded,
    TaskId,
    TaskSubmitted,
    Usage,
)
from infra.log.event_log import Conflict
from infra.runtime.clock import DraftFactory
from services.worker.agent.failures.model_errors import ModelError
from services.worker.agent.state import Attempt
from services.worker.agent.steps import PrepareEnvironment
from services.worker.effects.images import Images
from services.worker.effects.live_output import LiveOutput
from services.worker.effects.task_history import TaskHistory
from services.worker.effects.worker_context import WorkerContext
from services.worker.ports import (
    Egress,
    ModelFailure,
    ModelReply,
    ModelRequest,
    NothingToMerge,
    PreparedWorkspace,
    PullRequest,
    Snapshot,
    WorkspaceRefused,
)
from services.worker.workspace.environment.choice import ChosenEnvironment
from services.worker.workspace.instruction_files import InstructionFiles
from tests.kit.fakes.fake_sandbox import FakeSandbox
from tests.kit.fakes.in_memory_log import InMemoryLog

HISTORY = History(AccountId("acc_1"), TaskId("task_1"))
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


def said(text: str, stop_reason: str = "end_turn") -> ModelReply:
    """A reply in words."""
    return answered({"type": "text", "text": text}, stop_reason=stop_reason)


def called(*calls: tuple[str, str, dict[str, Any]]) -> ModelReply:
    """A reply that calls tools: (id, name, input) each."""
    blocks = [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in calls]
    return answered(*blocks, stop_reason="tool_use")


def answered(*blocks: dict[str, Any], stop_reason: str) -> ModelReply:
    return ModelReply(
        blocks=blocks,
        stop_reason=stop_reason,
        usage=Usage(input_tokens=100, output_tokens=10),
        model="claude-sonnet-5-5",
        request="req_x",
    )


class ScriptedModel:
    """Gives its replies in order; an exception is raised, a coroutine function awaited first."""

    def __init__(
        self, *replies: ModelReply | ModelFailure | Callable[[], Awaitable[ModelReply]]
    ) -> None:
        self.replies = list(replies)
        self.model_requests: list[ModelRequest] = []

    async def ready(self) -> None:
        pass

    async def ask(
        self, model_request: ModelRequest, on_delta: Callable[[str, int, str], None]
    ) -> ModelReply:
        self.model_requests.append(model_request)
        reply = self.replies.pop(0)
        if isinstance(reply, ModelFailure):
            raise reply
        answer = reply if isinstance(reply, ModelReply) else await reply()
        for index, block in enumerate(answer.blocks):
            if block["type"] == "text":
                on_delta("text", index, block["text"])
        await asyncio.sleep(0)
        return answer


def out_of_luck(kind: str = "overloaded", retry_after: float | None = 0.01) -> ModelFailure:
    return ModelFailure(ModelError(kind, f"it was {kind}", retry_after))  # type: ignore[arg-type]


class FakeWorkspace:
    """The tree is the fake sandbox's files; a snapshot is a copy of them, not before `delay`."""

    def __init__(self, sandbox: FakeSandbox, blobs: "MemoryBlobs") -> None:
        self.sandbox = sandbox
        self.blobs = blobs
        self.base = dict(sandbox.files)
        self.last = dict(sandbox.files)
        self.restored: list[str] = []
        self.pushed: list[tuple[str, Mapping[str, str]]] = []
        self.delivered: dict[str, bytes] = {}
        self.refusal: WorkspaceRefused | None = None
        self.delay: asyncio.Event | None = None

    async def fetch(self, *, base: str, commit: str = "") -> None:
        if self.refusal:
            raise self.refusal

    async def prepare(
        self, *, base: str, commit: str = "", restore: Any = None, is_fork: bool = False
    ) -> PreparedWorkspace:
        if self.refusal:
            raise self.refusal
        if restore is not None:
            self.restored.append(restore.tree)
            self.sandbox.files = dict(self.blobs.trees[restore.pack.key])
        self.last = {} if is_fork else dict(self.sandbox.files)
        return PreparedWorkspace(commit="c0ffee", base=base or "main", branch="errand/task_1")

    async def snapshot(self) -> Snapshot | None:
        if self.delay:
            await self.delay.wait()
        if self.sandbox.files == self.last:
            return None
        self.last = dict(self.sandbox.files)
        tree = sha256(repr(sorted(self.last.items())).encode()).hexdigest()
        self.blobs.next_tree = self.last
        return Snapshot(tree=tree, pack=tree.encode(), files=1, insertions=1, deletions=0)

    async def diff(self) -> str:
        return "".join(
            f"+{name}\n" for name, text in self.sandbox.files.items() if self.base.get(name) != text
        )

    async def commit_and_push(self, *, title: str, body: str, trailers: Mapping[str, str]) -> str:
        if self.refusal:
            raise self.refusal
        self.pushed.append((title, trailers))
        self.delivered = dict(self.sandbox.files)
        return f"commit{len(self.pushed)}"


class FakeEnvironment:
    """An environment whose preparation has an end that the test chooses; None: there is none."""

    def __init__(self, end: EnvironmentPrepared | None = None) -> None:
        self.end = end
        self.prepared: list[PrepareEnvironment] = []

    async def find(self, commit: str, submitted: TaskSubmitted | None) -> Any:
        del commit, submitted
        if self.end is None:
            return None
        return ChosenEnvironment(self.end.source, self.end.definition, self.end.reason)

    async def prepare(
        self, step: PrepareEnvironment, submitted: TaskSubmitted | None, allowed_hosts: Any = ()
    ) -> EnvironmentPrepared:
        del submitted, allowed_hosts
        assert self.end is not None
        self.prepared.append(step)
        return self.end


class MemoryBlobs:
    """The object store. `trees` remembers which files a fake pack stands for."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, bytes]] = {}
        self.next_tree: dict[str, bytes] = {}
        self.trouble: Exception | None = None
        self.reading_trouble: Exception | None = None

    async def put(self, name: str, content: bytes) -> Blob:
        if self.trouble:
            raise self.trouble
        key = f"tasks/task_1/{name}"
        self.stored[key] = content
        self.trees[key] = dict(self.next_tree)
        return Blob(key, len(content), sha256(content).hexdigest())

    async def get(self, key: str) -> bytes:
        if self.reading_trouble:
            raise self.reading_trouble
        return self.stored[key]


class FakeForge:
    """Opens pull request 7, or none. `meanwhile` is done once while it does so."""

    def __init__(self) -> None:
        self.opened: list[dict[str, str]] = []
        self.has_pull_requests = True
        self.has_merged = False
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def pull_request(self, **proposal: str) -> PullRequest | None:
        self.opened.append(proposal)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if self.has_merged:
            raise NothingToMerge("No commits between main and errand/task_1")
        return PullRequest(7, "http://forge/pull/7") if self.has_pull_requests else None


class Ticking:
    """A clock that moves a millisecond at each look, so that retries come due."""

    def __init__(self, step_seconds: float = 0.001) -> None:
        self.now = BEGAN
        self.step_seconds = step_seconds

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=self.step_seconds)
        return self.now


class Bench:
    """A task's history in memory, and the context of the workers that take it up."""

    def __init__(self, *replies: Any, files: dict[str, str] | None = None) -> None:
        self.log: InMemoryLog[Any] = InMemoryLog()
        self.clock = Ticking()
        self.environment = FakeEnvironment()
        self.draft_factory = DraftFactory(self.clock)
        self.sandbox = FakeSandbox(files)
        self.blobs = MemoryBlobs()
        self.workspace = FakeWorkspace(self.sandbox, self.blobs)
        self.forge = FakeForge()
        self.model = ScriptedModel(*replies)
        self.live: list[bytes] = []
        self.stopping = asyncio.Event()
        self.egress: Egress | None = None

    async def append(self, *events: Any, by: str = "person:per_1") -> list[Draft[Any]]:
        """Append as somebody other than the worker: who loses a race reads again, as a gateway."""
        drafts = self.draft_factory.drafts(events, by=by)
        while True:
            try:
                await self.log.append(HISTORY, drafts, after=await self.log.head(HISTORY))
            except Conflict:
                continue
            return drafts

    async def say(self, item: bytes) -> None:
        self.live.append(item)

    def task_history(self, number: int = 1) -> TaskHistory:
        attempt = Attempt(number=number, machine=MachineId(f"m{number}"), sandbox="fake")
        return TaskHistory(self.log.attempt(HISTORY), attempt, self.blobs, self.draft_factory)

    def context(self) -> WorkerContext:
        return WorkerContext(
            model=self.model,
            sandbox=self.sandbox,
            workspace=self.workspace,
            blobs=self.blobs,
            forge=self.forge,
            instruction_files=InstructionFiles(self.sandbox),
            live=LiveOutput(HISTORY.task, self.say),
            images=Images(self.blobs),
            clock=self.clock,
            egress=self.egress,
            environment=self.environment,
        )

    @property
    def recorded(self) -> list[Recorded]:
        return list(self.log.recorded)

    @property
    def tags(self) -> list[str]:
        """The history as a list of tags."""
        return [str(type(r.event).__struct_config__.tag) for r in self.log.recorded]

    def facts(self, kind: type[Any]) -> list[Any]:
        return [r.event for r in self.log.recorded if isinstance(r.event, kind)]
