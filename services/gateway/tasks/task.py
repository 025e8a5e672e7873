"""A task's commands and the events that follow. Pure: no clock, no ids, no I/O.

Commands are idempotent for the life of the task: the id of a command is the `cause` of the fact it
led to, so a repeat finds its fact in the history, adds nothing and is answered as the first was.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, assert_never

import msgspec
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    Budget,
    BudgetRaised,
    CommandId,
    GatewayEvent,
    InstructionMode,
    MachineRequested,
    Policy,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    Repository,
    RequestId,
    Scope,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    Verdict,
    WorkspacePrepared,
)
from services.gateway.problems import not_found, refused
from services.gateway.tasks import approvals
from services.gateway.tasks.approvals import Approval

End = Literal["", "finished", "failed", "cancelled", "erased"]


class Settled(msgspec.Struct, frozen=True):
    """A command that was carried out: the fact it led to, and where that stands."""

    version: int
    fact: GatewayEvent


class Answer(msgspec.Struct, frozen=True):
    """The answer to a question."""

    text: str
    at: datetime
    version: int


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """All the gateway needs to know of a task in order to answer a caller.

    `version` 0 means there is none. `attempt` and `deadline` are of the newest machine asked for;
    `repository` is its address, `base` the branch its work grows from (empty: the default one),
    `base_commit` what the worker says it began from; `model` is the one it asks; `by` is who
    submitted it, `limit_microusd` what it may spend (0: no limit).
    A question's answer is None while it is open. `is_quarantined`: its history cannot be folded any
    further (services.gateway.tasks.quarantine).
    """

    version: int = 0
    repository: str = ""
    base: str = ""
    base_commit: str = ""
    model: str = ""
    by: str = ""
    limit_microusd: int = 0
    end: End = ""
    is_interrupted: bool = False
    is_archived: bool = False
    attempt: int = 0
    deadline: datetime | None = None
    questions: Mapping[RequestId, Answer | None] = MappingProxyType({})
    approvals: Mapping[RequestId, Approval] = MappingProxyType({})
    settled: Mapping[CommandId, Settled] = MappingProxyType({})
    is_quarantined: bool = False


NO_TASK: Final = Task()


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """Submit a task. An empty `model` means the operator's own, `default_model`.

    `has_default_budget`: the caller named no sum, so this installation's own stands in `budget`.
    """

    prompt: str
    repository: Repository
    default_model: str
    model: str = ""
    effort: str = ""
    budget: Budget = Budget()
    policy: Policy = "never"
    has_default_budget: bool = False


class Instruct(msgspec.Struct, frozen=True):
    """An instruction to a task that exists."""

    text: str
    mode: InstructionMode = "steer"


class AnswerQuestion(msgspec.Struct, frozen=True):
    """Answer what the agent asked."""

    request: RequestId
    text: str


class AnswerApproval(msgspec.Struct, frozen=True):
    """Allow or deny what the agent asked to do; `now` is when this is said."""

    request: RequestId
    digest: str
    verdict: Verdict
    now: datetime
    reason: str = ""
    scope: Scope = "once"


class Interrupt(msgspec.Struct, frozen=True):
    """Stop what runs now, and wait for a word."""


class Cancel(msgspec.Struct, frozen=True):
    """Withdraw the work."""

    reason: str = ""


class Archive(msgspec.Struct, frozen=True):
    """Archive a task that has ended."""


class RaiseBudget(msgspec.Struct, frozen=True):
    """Allow this much more, in millionths of a US dollar."""

    cost_microusd: int


Said = Instruct | AnswerQuestion | AnswerApproval | Interrupt | Cancel | Archive | RaiseBudget
"""A command to a task that exists."""

Command = Submit | Said


class Decision(msgspec.Struct, frozen=True):
    """The outcome of a command: facts to append, or none and the version that answers it."""

    facts: tuple[GatewayEvent, ...] = ()
    version: int = 0


def evolve(task: Task, recorded: Recorded) -> Task:
    """Apply one event. Total: it never refuses."""
    if recorded.version <= task.version:
        return task
    still = approvals.overtaken(task.approvals, recorded)
    task = replace(task, version=recorded.version, approvals=still)
    if isinstance(recorded.event, GatewayEvent):
        settled = Settled(recorded.version, recorded.event)
        commands = {**task.settled, CommandId(recorded.cause): settled}
        return _said(replace(task, settled=MappingProxyType(commands)), recorded, recorded.event)
    match recorded.event:
        case QuestionAsked(request=request):
            return _with_question(task, request, task.questions.get(request))
        case ApprovalRequested():
            return replace(task, approvals=approvals.asked(task.approvals, recorded.event))
        case WorkspacePrepared(commit=commit):
            return replace(task, base_commit=task.base_commit or commit)
        case MachineRequested(attempt=attempt, deadline=deadline):
            return replace(task, attempt=attempt, deadline=deadline)
        case TaskFinished():
            return _ended(task, "finished")
        case TaskFailed() | TaskAbandoned():
            return _ended(task, "failed")
        case TaskErased():
            return replace(task, end="erased")
        case _:
            return task


def _said(task: Task, recorded: Recorded, event: GatewayEvent) -> Task:
    match event:
        case TaskInstructed():
            return replace(task, end="", is_interrupted=False, is_archived=False)
        case QuestionAnswered(request=request, text=text):
            answer = Answer(text, recorded.at, recorded.version)
            return replace(_with_question(task, request, answer), is_interrupted=False)
        case ApprovalAnswered():
            answered = approvals.answered(task.approvals, recorded, event)
            return replace(task, approvals=answered, is_interrupted=False)
        case TaskInterrupted():
            return replace(task, is_interrupted=True)
        case TaskCancelled():
            return _ended(task, "cancelled")
        case TaskArchived():
            return replace(task, is_archived=True)
        case BudgetRaised(cost_microusd=cost):
            limit = task.limit_microusd and task.limit_microusd + cost
            return replace(task, is_interrupted=False, limit_microusd=limit)
        case TaskSubmitted(repository=repository, budget=budget):
            return replace(
                task,
                repository=repository.url,
                base=repository.base,
                model=event.model,
                by=recorded.by,
                limit_microusd=budget.cost_microusd,
            )
        case _:
            assert_never(event)


def _ended(task: Task, end: End) -> Task:
    return task if task.end else replace(task, end=end)


def _with_question(task: Task, request: RequestId, answer: Answer | None) -> Task:
    return replace(task, questions=MappingProxyType({**task.questions, request: answer}))


def decide(command: Command, task: Task, *, cause: CommandId) -> Decision:
    """Answer a command with the facts that follow. Asking twice causes nothing new.

    Raises Refused: 404 for a task that is not there, 422 for a command id that was used for
    something else, 409 for what the task's history has overtaken.
    """
    settled = task.settled.get(cause)
    if settled is not None:
        return _repeated(command, settled)
    if isinstance(command, Submit):
        if task.version:
            raise _reused(task.version)
        return Decision((_fact(command),))
    if not task.version or task.end == "erased":
        raise not_found()
    return _decide(command, task)


def _decide(command: Said, task: Task) -> Decision:
    match command:
        case Instruct():
            return Decision((_fact(command),))
        case AnswerQuestion():
            return _answered(command, task)
        case AnswerApproval():
            return _approved(command, task)
        case Interrupt() if task.end or task.is_interrupted:
            return Decision(version=task.version)
        case Cancel() if task.end:
            return Decision(version=task.version)
        case Archive() if task.is_archived:
            return Decision(version=task.version)
        case Archive() if not task.end:
            raise refused(
                409,
                "task_not_ended",
                "The task has not ended, and an archived task would go on spending. Cancel it "
                "first; then archive it.",
            )
        case RaiseBudget() if task.end:
            raise _overtaken(task, "Instruct it to take it up again; then raise its budget.")
        case Interrupt() | Cancel() | Archive() | RaiseBudget():
            return Decision((_fact(command),))
        case _:
            assert_never(command)


def _answered(command: AnswerQuestion, task: Task) -> Decision:
    if command.request not in task.questions:
        raise not_found("question")
    answer = task.questions[command.request]
    if answer is not None and answer.text == command.text:
        return Decision(version=answer.version)
    if answer is not None:
        said = answer.text if len(answer.text) <= 200 else answer.text[:199] + "…"  # noqa: PLR2004 - fits a phone's screen
        raise refused(
            409,
            "question_answered",
            f"This question was answered at {answer.at:%Y-%m-%d %H:%M:%S} UTC with “{said}”. "
            "Send an instruction to say something else.",
        )
    if task.end:
        raise _overtaken(task, "Send an instruction to take it up again.")
    return Decision((_fact(command),))


def _approved(command: AnswerApproval, task: Task) -> Decision:
    approval = task.approvals.get(command.request)
    if approval is None:
        raise not_found("approval")
    version = approvals.repeated(approval, command.verdict, command.scope)
    if version:
        return Decision(version=version)
    approvals.require_open(approval, command.digest, command.now, is_over=bool(task.end))
    if task.end:
        raise _overtaken(task, "Send an instruction to take it up again.")
    return Decision((_fact(command),))


def _fact(command: Command) -> GatewayEvent:
    match command:
        case Submit():
            return TaskSubmitted(
                prompt=command.prompt,
                repository=command.repository,
                model=command.model or command.default_model,
                effort=command.effort,
                budget=command.budget,
                policy=command.policy,
            )
        case Instruct(text, mode):
            return TaskInstructed(text=text, mode=mode)
        case AnswerQuestion(request, text):
            return QuestionAnswered(request=request, text=text)
        case AnswerApproval():
            return ApprovalAnswered(
                request=command.request,
                digest=command.digest,
                verdict=command.verdict,
                reason=command.reason,
                scope=command.scope,
            )
        case Interrupt():
            return TaskInterrupted()
        case Cancel(reason):
            return TaskCancelled(reason=reason)
        case Archive():
            return TaskArchived()
        case RaiseBudget(cost):
            return BudgetRaised(cost_microusd=cost)
        case _:
            assert_never(command)


def _repeated(command: Command, settled: Settled) -> Decision:
    fact = _fact(command)
    if isinstance(command, Submit) and isinstance(settled.fact, TaskSubmitted):
        # The operator's own model and budget may have changed since the first time.
        fact = replace(fact, model=command.model or settled.fact.model)
        if command.has_default_budget:
            fact = replace(fact, budget=settled.fact.budget)
    if fact != settled.fact:
        raise _reused(settled.version)
    return Decision(version=settled.version)


def _reused(version: int) -> Exception:
    return refused(
        422,
        "command_id_reused",
        f"This command id was used before, for the event at version {version} of this task, with "
        "another content. Send a fresh UUID with every new command.",
    )


def _overtaken(task: Task, remedy: str) -> Exception:
    return refused(409, "task_ended", f"The task is {task.end} already. {remedy}")
