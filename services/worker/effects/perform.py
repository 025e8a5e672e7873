"""The steps that reach outside the process: each one is performed and returns facts."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from events import (
    ApprovalRequested,
    ArtifactStored,
    Blob,
    BranchPushed,
    EnvironmentPrepared,
    PullRequestOpened,
    Recorded,
    SnapshotTaken,
    TaskFailed,
    ToolCompleted,
    ToolInterrupted,
    WorkerEvent,
    WorkspacePrepared,
)
from events.protocol.stored_changes import StoredChanges, encode_changes
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.state import DIFF_NAME, AgentState
from services.worker.agent.steps import (
    AskApproval,
    AskModel,
    AskPush,
    CompactContext,
    OpenPullRequest,
    PrepareEnvironment,
    PrepareWorkspace,
    Push,
    RunTools,
    StoreDiff,
    TakeSnapshot,
)
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.text.redaction import Redactor
from services.worker.agent.tool_calls import Call
from services.worker.effects.approval_request import approval_request, push_approval_request
from services.worker.effects.model.model_turn import ask_model, compact_context
from services.worker.effects.whole_output import store_output
from services.worker.effects.worker_context import WorkerContext
from services.worker.ports import (
    PreparedWorkspace,
    SandboxUnavailable,
    Snapshot,
    WorkspaceRefused,
)
from services.worker.tools.tool import Outcome
from services.worker.tools.toolbox import run_call

Effect = (
    PrepareWorkspace
    | PrepareEnvironment
    | AskModel
    | CompactContext
    | AskApproval
    | AskPush
    | RunTools
    | TakeSnapshot
    | StoreDiff
    | Push
    | OpenPullRequest
)
Facts = Sequence[WorkerEvent]

_DIFF_LIMIT_BYTES: Final = 16 * 1024


async def perform(
    context: WorkerContext, step: Effect, state: AgentState, history: Sequence[Recorded]
) -> Facts:
    """Do what is due and return what happened; an empty list when there is nothing to record.

    Expected failures (a model, a sandbox, a forge that fails) are facts too. Raises NothingToMerge,
    Unreachable.
    """
    try:
        match step:
            case PrepareWorkspace():
                return await _prepare(context, step, state)
            case PrepareEnvironment():
                return [await _set_up(context, step, state)]
            case AskModel():
                return await ask_model(context, step, state, history)
            case CompactContext():
                return await compact_context(context, step, state, history)
            case AskApproval(call=call, need=need):
                return [await approval_request(call, need, context.sandbox, now=context.clock())]
            case AskPush():
                return [await _ask_push(context, step)]
            case RunTools(calls=calls):
                return await _run_calls(context, calls)
            case TakeSnapshot():
                return await _snapshot(context, state)
            case StoreDiff():
                return await _diff(context, state)
            case Push():
                return await _push(context, step, state)
            case OpenPullRequest():
                return await _open_pull_request(context, step, state)
    except WorkspaceRefused as no:
        return [TaskFailed(reason=no.reason, detail=no.detail, remedy=no.remedy)]
    except SandboxUnavailable as error:
        return [_without_sandbox(error)]


async def _prepare(context: WorkerContext, step: PrepareWorkspace, state: AgentState) -> Facts:
    began = context.clock()
    refusal: Exception | None = None  # raised after `except*`: see tests/architecture
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.sandbox.start())
            group.create_task(context.workspace.fetch(base=step.base, commit=step.commit))
    except* (SandboxUnavailable, Unreachable, WorkspaceRefused) as refusals:
        refusal = refusals.exceptions[0]
    if refusal is not None:
        raise refusal
    prepared = await _prepare_tree(context, step)
    chosen = await context.environment.find(prepared.commit, state.submitted)
    fact = WorkspacePrepared(
        commit=prepared.commit,
        base=prepared.base,
        branch=prepared.branch,
        seconds=_seconds_since(context, began),
        snapshot=step.restore.tree if step.restore else "",
        environment=chosen.source if chosen else "",
    )
    own = await _snapshot(context, state) if step.is_fork else ()
    await context.instruction_files.read(prepared.commit)
    await context.model.ready()  # so that `model.requested` is said when the model is asked indeed
    return [fact, *own]


async def _prepare_tree(context: WorkerContext, step: PrepareWorkspace) -> PreparedWorkspace:
    """Put the tree into the sandbox, and ask meanwhile what is installed there."""
    prepared: PreparedWorkspace | None = None
    refusal: Exception = SandboxUnavailable("The sandbox was lost while it got its tree.")
    try:
        async with asyncio.TaskGroup() as group:
            if context.programs is not None:
                group.create_task(context.programs.look())
            prepared = await context.workspace.prepare(
                base=step.base, commit=step.commit, restore=step.restore, is_fork=step.is_fork
            )
    except* (SandboxUnavailable, Unreachable, WorkspaceRefused) as refusals:
        prepared, refusal = None, refusals.exceptions[0]
    if prepared is None:
        raise refusal
    return prepared


async def _set_up(
    context: WorkerContext, step: PrepareEnvironment, state: AgentState
) -> EnvironmentPrepared:
    return await context.environment.prepare(step, state.submitted, state.allowed_hosts)


async def _run_calls(context: WorkerContext, calls: Sequence[Call]) -> Facts:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_run_one(context, call)) for call in calls]
    await context.live.end()
    facts: list[WorkerEvent] = []
    for call, task in zip(calls, running, strict=True):
        ended = task.result()
        if isinstance(ended, SandboxUnavailable):
            interrupted = ToolInterrupted(call=call.id, reason="the sandbox was lost")
            return [*facts, interrupted, _without_sandbox(ended)]
        facts += await _completed_call(context, call, *ended)
    return facts


async def _run_one(
    context: WorkerContext, call: Call
) -> tuple[Outcome, float] | SandboxUnavailable:
    began = context.clock()
    try:
        outcome = await run_call(context.sandbox, call, context.live.output(call.id))
    except SandboxUnavailable as error:
        return error
    return outcome, _seconds_since(context, began)


async def _completed_call(
    context: WorkerContext, call: Call, outcome: Outcome, seconds: float
) -> Facts:
    """Cut a call's output for the model, and store the whole of what was cut."""
    output = await asyncio.to_thread(context.redactor.text, outcome.output)
    told, artifact = await store_output(context.blobs, output)
    completed = ToolCompleted(
        call=call.id,
        output=told,
        exit_code=outcome.exit_code,
        is_error=outcome.is_error,
        is_truncated=artifact is not None or outcome.is_truncated,
        seconds=seconds,
        diff=excerpt(context.redactor.text(outcome.diff), _DIFF_LIMIT_BYTES)[0],
        artifact=artifact,
    )
    return [outcome.plan, completed] if outcome.plan else [completed]


async def _snapshot(context: WorkerContext, state: AgentState) -> Facts:
    taken = await context.workspace.snapshot()
    if taken is None:
        return []
    content = sha256(taken.pack).hexdigest()  # the same tree may come in another pack
    name = f"snapshots/{state.model.turn:04d}-{taken.tree[:12]}-{content[:12]}.pack"
    pack = await context.blobs.put(name, taken.pack)
    return [
        SnapshotTaken(
            tree=taken.tree,
            pack=pack,
            files=taken.files,
            insertions=taken.insertions,
            deletions=taken.deletions,
            left_out=taken.left_out,
            guarded=taken.guarded,
            changes=await _store_changes(context, taken, state.model.turn),
        )
    ]


async def _store_changes(context: WorkerContext, taken: Snapshot, turn: int) -> Blob | None:
    """Store what a person is shown of a snapshot. Raises Unreachable."""
    if taken.changes is None:
        return None
    redacted = await asyncio.to_thread(_redacted, context.redactor, taken.changes)
    digest = sha256(redacted).hexdigest()[:12]
    return await context.blobs.put(f"changes/{turn:04d}-{taken.tree[:12]}-{digest}.gz", redacted)


def _redacted(redactor: Redactor, changes: StoredChanges) -> bytes:
    files = [replace(each, patch=redactor.text(each.patch)) for each in changes.files]
    return encode_changes(replace(changes, files=tuple(files)))


async def _diff(context: WorkerContext, state: AgentState) -> Facts:
    late = await _snapshot(context, state)  # what the background still wrote is delivered, so kept
    diff = await asyncio.to_thread(context.redactor.text, await context.workspace.diff())
    content = diff.encode(errors="replace")
    name = f"artifacts/{state.model.turn:04d}-{sha256(content).hexdigest()[:12]}-{DIFF_NAME}"
    blob = await context.blobs.put(name, content)
    return [*late, ArtifactStored(name=DIFF_NAME, media_type="text/x-diff", blob=blob)]


async def _ask_push(context: WorkerContext, step: AskPush) -> ApprovalRequested:
    return push_approval_request(step, await context.workspace.diff(), now=context.clock())


async def _push(context: WorkerContext, step: Push, state: AgentState) -> Facts:
    commit = await context.workspace.commit_and_push(
        title=context.redactor.text(step.title),
        body=context.redactor.text(step.body),
        trailers={"Task": state.position.task, "Event": step.event},
    )
    branch = state.workspace.prepared.branch if state.workspace.prepared else ""
    return [BranchPushed(branch=branch, commit=commit)]


async def _open_pull_request(
    context: WorkerContext, step: OpenPullRequest, state: AgentState
) -> Facts:
    title = context.redactor.text(step.title)
    signature = f"---\nMade by Errand, task `{state.position.task}`."
    body = f"{context.redactor.text(step.body).rstrip()}\n\n{signature}"
    opened = await context.forge.pull_request(
        title=title, body=body, branch=step.branch, base=step.base
    )
    if opened is None:
        return []
    return [PullRequestOpened(number=opened.number, url=opened.url, title=step.title)]


def _without_sandbox(error: SandboxUnavailable) -> TaskFailed:
    return TaskFailed(
        reason="sandbox_unavailable",
        detail=str(error),
        remedy="Run `errand doctor` where the worker runs: it says which sandbox can be had there.",
    )


def _seconds_since(context: WorkerContext, began: datetime) -> float:
    return round((context.clock() - began).total_seconds(), 3)
