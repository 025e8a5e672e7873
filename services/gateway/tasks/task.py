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
    Attachment,
    BudgetRaised,
    CallId,
    CommandId,
    EgressAllowed,
    GatewayEvent,
    InstructionEdited,
    InstructionWithdrawn,
    MachineRequested,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    RequestId,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkspacePrepared,
)
from services.gateway.problems import not_found, refused
from services.gateway.tasks import approvals
from services.gateway.tasks.approvals import Approval
from services.gateway.tasks.messages import attachments, instructions
from services.gateway.tasks.messages.instructions import Instruction
from services.gateway.tasks.task_commands import (
    AllowHost,
    AnswerApproval,
    AnswerQuestion,
    Archive,
    Cancel,
    Command,
    EditInstruction,
    Instruct,
    Interrupt,
    RaiseBudget,
    Said,
    Submit,
    WithdrawInstruction,
    fact_of,
)

__all__ = [
    "NO_TASK",
    "AllowHost",
    "Answer",
    "AnswerApproval",
    "AnswerQuestion",
    "Archive",
    "Cancel",
    "Command",
    "Decision",
    "EditInstruction",
    "Instruct",
    "Interrupt",
    "RaiseBudget",
    "Said",
    "Settled",
    "Submit",
    "Task",
    "WithdrawInstruction",
    "decide",
    "evolve",
]

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
    `asking` is the call whose question is open, whose answer is None so long. `is_quarantined`: its
    history cannot be folded any further (services.gateway.tasks.quarantine). `has_used_tools`: a
    tool call has begun.
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
    asking: CallId | Literal[""] = ""
    questions: Mapping[RequestId, Answer | None] = MappingProxyType({})
    approvals: Mapping[RequestId, Approval] = MappingProxyType({})
    instructions: Mapping[int, Instruction] = MappingProxyType({})
    attachments: Mapping[str, Attachment] = MappingProxyType({})
    settled: Mapping[CommandId, Settled] = MappingProxyType({})
    is_quarantined: bool = False
    has_used_tools: bool = False

    @property
    def is_stopped(self) -> bool:
        """Return whether nothing is at work: the task has ended, or a person interrupted it."""
        return bool(self.end) or self.is_interrupted

    @property
    def waits_for_a_person(self) -> bool:
        """Return whether nothing goes on until a person says something."""
        is_asked = any(one.at is None for one in self.approvals.values())
        return self.is_stopped or bool(self.asking) or is_asked


NO_TASK: Final = Task()


class Decision(msgspec.Struct, frozen=True):
    """The outcome of a command: facts to append, or none and the version that answers it."""

    facts: tuple[GatewayEvent, ...] = ()
    version: int = 0


def evolve(task: Task, recorded: Recorded) -> Task:
    """Apply one event. Total: it never refuses."""
    if recorded.version <= task.version:
        return task
    still = approvals.overtaken(task.approvals, recorded)
    given = instructions.evolve(task.instructions, recorded, resumes=task.waits_for_a_person)
    task = replace(task, version=recorded.version, approvals=still, instructions=given)
    if isinstance(recorded.event, GatewayEvent):
        settled = Settled(recorded.version, recorded.event)
        commands = {**task.settled, CommandId(recorded.cause): settled}
        if new := attachments.attachments_of(recorded.event):
            known = {**task.attachments, **{each.id: each for each in new}}
            task = replace(task, attachments=MappingProxyType(known))
        return _said(replace(task, settled=MappingProxyType(commands)), recorded, recorded.event)
    match recorded.event:
        case QuestionAsked(request=request, call=call):
            task = replace(task, asking=call)
            return _with_question(task, request, task.questions.get(request))
        case ToolCompleted(call=call) | ToolInterrupted(call=call) if call == task.asking:
            return replace(task, asking="")
        case ToolStarted():
            return task if task.has_used_tools else replace(task, has_used_tools=True)
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
            return replace(task, end="erased", attachments=MappingProxyType({}))
        case _:
            return task


def _said(task: Task, recorded: Recorded, event: GatewayEvent) -> Task:
    match event:
        case TaskInstructed():
            return replace(task, end="", is_interrupted=False, is_archived=False)
        case QuestionAnswered(request=request, text=text):
            answer = Answer(text, recorded.at, recorded.version)
            task = _with_question(task, request, answer)
            return replace(task, asking="", is_interrupted=False)
        case ApprovalAnswered():
            answered = approvals.answered(task.approvals, recorded, event)
            return replace(task, approvals=answered, is_interrupted=False)
        case TaskInterrupted():
            return replace(task, is_interrupted=True)
        case TaskCancelled():
            return _ended(task, "cancelled")
        case TaskArchived():
            return replace(task, is_archived=True)
        case InstructionEdited() | InstructionWithdrawn() | EgressAllowed():
            return task
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
        attachments.require_capacity((), command.attachments)
        return Decision((fact_of(command),))
    if not task.version or task.end == "erased":
        raise not_found()
    return _decide(command, task)


def _decide(command: Said, task: Task) -> Decision:
    match command:
        case Instruct():
            attachments.require_capacity(task.attachments.values(), command.attachments)
            return Decision((fact_of(command),))
        case EditInstruction(instruction):
            instructions.require_editable(task.instructions, instruction)
            return Decision((fact_of(command),))
        case WithdrawInstruction(instruction):
            version = instructions.withdrawn_at(
                task.instructions, instruction, is_stopped=task.is_stopped
            )
            return Decision(version=version) if version else Decision((fact_of(command),))
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
        case AllowHost() if task.end:
            raise _overtaken(task, "Instruct it to take it up again; then allow the host.")
        case Interrupt() | Cancel() | Archive() | RaiseBudget() | AllowHost():
            return Decision((fact_of(command),))
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
    return Decision((fact_of(command),))


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
    return Decision((fact_of(command),))


def _repeated(command: Command, settled: Settled) -> Decision:
    fact = fact_of(command)
    if isinstance(command, Submit) and isinstance(settled.fact, TaskSubmitted):
        # The operator's own model and budget, and the account's settings, may have changed.
        fact = replace(fact, model=command.model or settled.fact.model)
        if command.has_default_budget:
            fact = replace(fact, budget=settled.fact.budget)
        if "task" not in (command.environment_source, settled.fact.environment_source):
            fact = replace(
                fact,
                environment=settled.fact.environment,
                environment_source=settled.fact.environment_source,
            )
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
