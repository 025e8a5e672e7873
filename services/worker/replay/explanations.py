"""Explanations: which recorded events may have come of a step."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from events import (
    ApprovalRequested,
    ArtifactStored,
    BranchPushed,
    BudgetExhausted,
    CallId,
    ContextCompacted,
    EnvironmentPrepared,
    ModelFailed,
    ModelReplied,
    PlanUpdated,
    PullRequestOpened,
    Recorded,
    SnapshotTaken,
    TaskFailed,
    ToolCompleted,
    ToolInterrupted,
    WorkerEvent,
    WorkspacePrepared,
)
from services.worker.agent.approvals.policy import ApprovalNeed
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
    Record,
    RunTools,
    StartTools,
    Step,
    StoreDiff,
    TakeSnapshot,
)
from services.worker.agent.text.event_limits import fit
from services.worker.agent.tool_calls import Call
from services.worker.tools.toolbox import title_of, tool_started

_REDACTED: Final = "[redacted:"
_REFUSALS: Final = (TaskFailed,)
"""The ends of any step that reaches outside: the sandbox or the repository failed."""


def explains(step: Step, state: AgentState, batch: Sequence[Recorded]) -> bool:
    """Return whether what was appended together may have come of this step."""
    facts = [each.event for each in batch]
    match step:
        case Record(facts=due):
            return _are(due, facts)
        case StartTools(calls=calls):
            return _are([tool_started(call, state) for call in calls], facts)
        case RunTools(calls=calls):
            return _answers(calls, facts)
        case AskModel(turn=turn):
            return _is_reply(turn, facts[0])
        case CompactContext():
            return _is_summary(step, facts[0])
        case AskApproval(call=call, need=need):
            return _asks(call.id, need, facts[0])
        case AskPush(call=call_id, need=need):
            return _asks(call_id, need, facts[0])
        case PrepareWorkspace():
            return isinstance(facts[0], (WorkspacePrepared, *_REFUSALS))
        case PrepareEnvironment():
            return isinstance(facts[0], (EnvironmentPrepared, *_REFUSALS))
        case TakeSnapshot():
            return isinstance(facts[0], (SnapshotTaken, *_REFUSALS))
        case StoreDiff():
            last = facts[-1]
            is_diff = isinstance(last, ArtifactStored) and last.name == DIFF_NAME
            return is_diff or isinstance(last, _REFUSALS)
        case Push():
            return isinstance(facts[0], (BranchPushed, *_REFUSALS))
        case OpenPullRequest():
            return isinstance(facts[0], (PullRequestOpened, *_REFUSALS))
        case _:
            return False


def step_in_words(step: Step) -> str:
    """Name a step, and what it is about, for a developer."""
    match step:
        case Record(facts=facts):
            return f"record {', '.join(map(_described, facts))}"
        case StartTools(calls=calls) | RunTools(calls=calls):
            verb = "start" if isinstance(step, StartTools) else "run"
            return f"{verb} {', '.join(f'{call.name} ({title_of(call)})' for call in calls)}"
        case AskModel(turn=turn):
            return f"ask the model, turn {turn}"
        case _:
            return " ".join(_words_in(type(step).__name__))


def _described(fact: WorkerEvent) -> str:
    return msgspec.json.encode(fact).decode(errors="replace")[:300]


def _words_in(name: str) -> list[str]:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).split()


def _are(due: Sequence[WorkerEvent], facts: Sequence[Any]) -> bool:
    """Return whether these facts were recorded, as far as they fit and hold no secret."""
    fitted = [fit(each) for each in due]
    kept = {whole.name for _, whole in fitted if whole is not None}
    found = [f for f in facts if not (isinstance(f, ArtifactStored) and f.name in kept)]
    return len(found) == len(fitted) and all(map(_is_same, [each for each, _ in fitted], found))


def _is_same(due: WorkerEvent, found: Any) -> bool:  # noqa: ANN401 - any event there is
    if type(due) is not type(found):
        return False
    if _REDACTED in msgspec.json.encode(found).decode(errors="replace"):
        return True  # which secret stood there is not in the log
    return bool(_as_stored(due) == found)


def _as_stored(fact: WorkerEvent) -> WorkerEvent:
    """Return a fact as it is after it was written and read: tuples for lists, times in UTC."""
    return msgspec.json.decode(msgspec.json.encode(fact), type=type(fact))


def _answers(calls: Sequence[Call], facts: Sequence[Any]) -> bool:
    """Return whether the calls were answered in their order, and nothing else happened."""
    if isinstance(facts[-1], _REFUSALS):
        return True
    rest = [f for f in facts if not isinstance(f, (PlanUpdated, ArtifactStored))]
    ends = [f.call for f in rest if isinstance(f, (ToolCompleted, ToolInterrupted))]
    return len(ends) == len(rest) and ends == [call.id for call in calls]


def _is_reply(turn: int, fact: Any) -> bool:  # noqa: ANN401 - any event there is
    if isinstance(fact, (ModelReplied, ModelFailed)):
        return fact.turn == turn
    return isinstance(fact, (BudgetExhausted, *_REFUSALS))


def _is_summary(step: CompactContext, fact: Any) -> bool:  # noqa: ANN401 - any event there is
    if isinstance(fact, ContextCompacted):
        is_ours = step.writer == "model" or fact.writer == "worker"
        return fact.turn == step.turn and is_ours
    return not isinstance(fact, ModelReplied) and _is_reply(step.turn, fact)


def _asks(call: CallId, need: ApprovalNeed, fact: Any) -> bool:  # noqa: ANN401 - any event
    if not isinstance(fact, ApprovalRequested):
        return isinstance(fact, _REFUSALS)
    found = (fact.call, fact.request, fact.digest, fact.covers)
    return found == (call, need.request, need.digest, need.covers)
