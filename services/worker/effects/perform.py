"""The steps that reach into the world: each one done, and told as facts."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from zlib import crc32

from events import (
    ApprovalRequested,
    ArtifactStored,
    BranchPushed,
    ModelReplied,
    PullRequestOpened,
    Recorded,
    SnapshotTaken,
    TaskFailed,
    ToolCompleted,
    ToolInterrupted,
    WorkerEvent,
    WorkspacePrepared,
)
from events.protocol.model_prices import billed_model, cost_microusd
from events.protocol.quarantine import Broken, attempt
from infra.runtime.clock import Clock
from services.worker.agent.failures import unreadable_history
from services.worker.agent.failures.model_errors import failed
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.messages import messages
from services.worker.agent.state import DIFF_NAME, Turn
from services.worker.agent.steps import (
    AskApproval,
    AskModel,
    AskPush,
    OpenPullRequest,
    PrepareWorkspace,
    Push,
    RunTools,
    StoreDiff,
    TakeSnapshot,
)
from services.worker.agent.system_prompt import system_blocks
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.text.redaction import Redactor
from services.worker.agent.tool_calls import Call, calls_of, with_own_ids
from services.worker.effects.approval_request import push_request, request_of
from services.worker.effects.live_output import Live
from services.worker.ports import (
    Blobs,
    BudgetRefused,
    Forge,
    Model,
    ModelFailure,
    Question,
    Sandbox,
    SandboxUnavailable,
    Workspace,
    WorkspaceRefused,
)
from services.worker.tools.tool import Outcome
from services.worker.tools.toolbox import run_call, specs
from services.worker.workspace.instruction_files import Rules

Deed = (
    PrepareWorkspace
    | AskModel
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


class World(NamedTuple):
    """All that a worker reaches."""

    model: Model
    sandbox: Sandbox
    workspace: Workspace
    blobs: Blobs
    forge: Forge
    rules: Rules
    live: Live
    clock: Clock
    redactor: Redactor = Redactor()


async def perform(world: World, step: Deed, turn: Turn, history: Sequence[Recorded]) -> Facts:
    """Do what is due and return what happened; nothing, when nothing came of it.

    Misfortunes of the agent's world are facts too. Raises NothingToMerge, Unreachable.
    """
    try:
        match step:
            case PrepareWorkspace():
                return await _prepare(world, step)
            case AskModel():
                return await _ask(world, step, turn, history)
            case AskApproval(call=call, want=want):
                return [await request_of(call, want, world.sandbox, now=world.clock())]
            case AskPush():
                return [await _ask_push(world, step)]
            case RunTools(calls=calls):
                return await _run(world, calls)
            case TakeSnapshot():
                return await _snapshot(world, turn)
            case StoreDiff():
                return await _diff(world, turn)
            case Push():
                return await _push(world, step, turn)
            case OpenPullRequest():
                return await _propose(world, step, turn)
    except WorkspaceRefused as no:
        return [TaskFailed(reason=no.reason, detail=no.detail, remedy=no.remedy)]
    except SandboxUnavailable as error:
        return [_without_sandbox(error)]


async def _prepare(world: World, step: PrepareWorkspace) -> Facts:
    began = world.clock()
    refusal: Exception | None = None  # raised after `except*`: see tests/architecture
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(world.sandbox.start())
            group.create_task(world.workspace.fetch(base=step.base, commit=step.commit))
    except* (SandboxUnavailable, Unreachable, WorkspaceRefused) as refusals:
        refusal = refusals.exceptions[0]
    if refusal is not None:
        raise refusal
    prepared = await world.workspace.prepare(
        base=step.base, commit=step.commit, restore=step.restore
    )
    fact = WorkspacePrepared(
        commit=prepared.commit,
        base=prepared.base,
        branch=prepared.branch,
        seconds=_since(world, began),
        snapshot=step.restore.tree if step.restore else "",
    )
    await world.rules.of(prepared.commit)
    await world.model.ready()  # so that `model.requested` is said when the model is asked indeed
    return [fact]


async def _ask(world: World, step: AskModel, turn: Turn, history: Sequence[Recorded]) -> Facts:
    began = world.clock()
    commit = turn.workspace.commit if turn.workspace else ""
    conversation = attempt(messages, history)
    if isinstance(conversation, Broken):
        return [unreadable_history.failed(conversation.reason)]
    question = Question(
        model=step.model,
        effort=step.effort,
        system=system_blocks(await world.rules.of(commit)),
        messages=conversation,
        tools=specs(),
        user=turn.task,
    )
    try:
        answer = await world.model.answer(question, world.live.reply(step.turn))
    except ModelFailure as failure:
        failures, since, now = turn.failures, turn.failing_since, world.clock()
        told = failure.misfortune
        jitter = _spread(turn.task, failures)
        return [
            failed(told, turn=step.turn, failures=failures, since=since, now=now, jitter=jitter)
        ]
    except BudgetRefused as refused:
        return [refused.met]
    await world.live.end()
    return [
        ModelReplied(
            turn=step.turn,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            cost_microusd=cost_microusd(billed_model(step.model, answer.model), answer.usage),
            blocks=with_own_ids(answer.blocks, _call_ids(history), step.turn),
            model=answer.model,
            request=answer.request,
            seconds=_since(world, began),
        )
    ]


async def _run(world: World, calls: Sequence[Call]) -> Facts:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_run_one(world, call)) for call in calls]
    await world.live.end()
    facts: list[WorkerEvent] = []
    for call, task in zip(calls, running, strict=True):
        ended = task.result()
        if isinstance(ended, SandboxUnavailable):
            interrupted = ToolInterrupted(call=call.id, reason="the sandbox was lost")
            return [*facts, interrupted, _without_sandbox(ended)]
        facts += await _told(world, call, *ended)
    return facts


async def _run_one(world: World, call: Call) -> tuple[Outcome, float] | SandboxUnavailable:
    began = world.clock()
    try:
        outcome = await run_call(world.sandbox, call, world.live.output(call.id))
    except SandboxUnavailable as error:
        return error
    return outcome, _since(world, began)


async def _told(world: World, call: Call, outcome: Outcome, seconds: float) -> Facts:
    """Cut a call's output to what the model is told, and keep the whole of what was cut."""
    output = await asyncio.to_thread(world.redactor.text, outcome.output)
    told, is_cut = excerpt(output.replace("\0", "\N{SYMBOL FOR NULL}"))
    whole = output.encode(errors="replace")
    name = f"outputs/{sha256(whole).hexdigest()}.txt"  # the model chooses no name of ours
    completed = ToolCompleted(
        call=call.id,
        output=told,
        exit_code=outcome.exit_code,
        is_error=outcome.is_error,
        is_truncated=is_cut or outcome.is_truncated,
        seconds=seconds,
        diff=excerpt(world.redactor.text(outcome.diff), _DIFF_LIMIT_BYTES)[0],
        artifact=await world.blobs.put(name, whole) if is_cut else None,
    )
    return [outcome.plan, completed] if outcome.plan else [completed]


async def _snapshot(world: World, turn: Turn) -> Facts:
    taken = await world.workspace.snapshot()
    if taken is None:
        return []
    content = sha256(taken.pack).hexdigest()  # the same tree may come in another pack
    name = f"snapshots/{turn.number:04d}-{taken.tree[:12]}-{content[:12]}.pack"
    return [
        SnapshotTaken(
            tree=taken.tree,
            pack=await world.blobs.put(name, taken.pack),
            files=taken.files,
            insertions=taken.insertions,
            deletions=taken.deletions,
            left_out=taken.left_out,
            guarded=taken.guarded,
        )
    ]


async def _diff(world: World, turn: Turn) -> Facts:
    late = await _snapshot(world, turn)  # what the background still wrote is delivered, so kept
    diff = await asyncio.to_thread(world.redactor.text, await world.workspace.diff())
    content = diff.encode(errors="replace")
    name = f"artifacts/{turn.number:04d}-{sha256(content).hexdigest()[:12]}-{DIFF_NAME}"
    blob = await world.blobs.put(name, content)
    return [*late, ArtifactStored(name=DIFF_NAME, media_type="text/x-diff", blob=blob)]


async def _ask_push(world: World, step: AskPush) -> ApprovalRequested:
    return push_request(step, await world.workspace.diff(), now=world.clock())


async def _push(world: World, step: Push, turn: Turn) -> Facts:
    commit = await world.workspace.commit_and_push(
        title=world.redactor.text(step.title),
        body=world.redactor.text(step.body),
        trailers={"Task": turn.task, "Event": step.event},
    )
    branch = turn.workspace.branch if turn.workspace else ""
    return [BranchPushed(branch=branch, commit=commit)]


async def _propose(world: World, step: OpenPullRequest, turn: Turn) -> Facts:
    title = world.redactor.text(step.title)
    body = f"{world.redactor.text(step.body).rstrip()}\n\n---\nMade by Errand, task `{turn.task}`."
    opened = await world.forge.pull_request(
        title=title, body=body, branch=step.branch, base=step.base
    )
    if opened is None:
        return []
    return [PullRequestOpened(number=opened.number, url=opened.url, title=step.title)]


def _call_ids(history: Sequence[Recorded]) -> set[str]:
    replies = (recorded.event for recorded in history)
    return {c.id for e in replies if isinstance(e, ModelReplied) for c in calls_of(e.blocks)}


def _without_sandbox(error: SandboxUnavailable) -> TaskFailed:
    return TaskFailed(
        reason="sandbox_unavailable",
        detail=str(error),
        remedy="Run `errand doctor` where the worker runs: it says which sandbox can be had there.",
    )


def _spread(task: str, failures: int) -> float:
    """Return a number from 0 to 1 that differs between tasks, so that they do not retry at once."""
    return crc32(f"{task}:{failures}".encode()) / 0xFFFFFFFF


def _since(world: World, began: datetime) -> float:
    return round((world.clock() - began).total_seconds(), 3)
