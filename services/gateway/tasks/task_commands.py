"""Commands to a task, as values, and the fact each of them leads to. Pure."""

from datetime import datetime
from typing import Literal, assert_never

import msgspec

from events import (
    ApprovalAnswered,
    ApprovalRule,
    Attachment,
    Budget,
    BudgetRaised,
    EgressAllowed,
    EnvironmentDefinition,
    ForkOrigin,
    GatewayEvent,
    InstructionEdited,
    InstructionMode,
    InstructionWithdrawn,
    Policy,
    QuestionAnswered,
    Repository,
    RequestId,
    Scope,
    TaskArchived,
    TaskCancelled,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    Verdict,
)


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """Submit a task. An empty `model` means the operator's own, `default_model`.

    `has_default_budget`: the caller named no sum, so this installation's own stands in `budget`.
    `origin` is what a fork begins from.
    """

    prompt: str
    repository: Repository
    default_model: str
    model: str = ""
    effort: str = ""
    budget: Budget = Budget()
    policy: Policy = "never"
    rules: tuple[ApprovalRule, ...] = ()
    has_default_budget: bool = False
    attachments: tuple[Attachment, ...] = ()
    origin: ForkOrigin | None = None
    environment: EnvironmentDefinition | None = None
    environment_source: Literal["", "task", "account"] = ""


class Instruct(msgspec.Struct, frozen=True):
    """An instruction to a task that exists."""

    text: str
    mode: InstructionMode = "steer"
    attachments: tuple[Attachment, ...] = ()


class EditInstruction(msgspec.Struct, frozen=True):
    """Change an instruction that the agent has not taken up; its version names it."""

    instruction: int
    text: str


class WithdrawInstruction(msgspec.Struct, frozen=True):
    """Withdraw an instruction that the agent has not taken up."""

    instruction: int


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


class AllowHost(msgspec.Struct, frozen=True):
    """Allow the commands of the task to connect to a host; `host` is in its canonical form."""

    host: str
    port: int


Said = (
    Instruct
    | EditInstruction
    | WithdrawInstruction
    | AnswerQuestion
    | AnswerApproval
    | Interrupt
    | Cancel
    | Archive
    | RaiseBudget
    | AllowHost
)
"""A command to a task that exists."""

Command = Submit | Said


def fact_of(command: Command) -> GatewayEvent:
    """Return the fact that a command leads to when it is carried out."""
    match command:
        case Submit():
            return TaskSubmitted(
                prompt=command.prompt,
                repository=command.repository,
                model=command.model or command.default_model,
                effort=command.effort,
                budget=command.budget,
                policy=command.policy,
                rules=command.rules,
                attachments=command.attachments,
                origin=command.origin,
                environment=command.environment,
                environment_source=command.environment_source,
            )
        case Instruct(text, mode, attachments):
            return TaskInstructed(text=text, mode=mode, attachments=attachments)
        case EditInstruction(instruction, text):
            return InstructionEdited(instruction=instruction, text=text)
        case WithdrawInstruction(instruction):
            return InstructionWithdrawn(instruction=instruction)
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
        case AllowHost(host, port):
            return EgressAllowed(host=host, port=port)
        case _:
            assert_never(command)
