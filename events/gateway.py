"""Facts of the gateway: what people asked. No other service writes them."""

from typing import Annotated, Literal

import msgspec

from events.fact import Fact
from events.ids import RequestId, TaskId
from events.limits import MAX_NAME_CHARACTERS, Count, Line, Name, Text
from events.worker import Blob, EnvironmentDefinition

InstructionMode = Literal["steer", "queue"]
Policy = Literal["never", "risky", "always"]
"""The tool calls before which a person is asked: none, those the worker calls risky, or
all that can change something."""
Verdict = Literal["allow", "deny"]
Scope = Literal["once", "task"]
_Request = Annotated[RequestId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]
_Task = Annotated[TaskId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]


class Repository(msgspec.Struct, frozen=True, omit_defaults=True):
    """The repository of a task. `base` is a branch name; empty means the default branch."""

    url: Line
    base: Line = ""


class Budget(msgspec.Struct, frozen=True, omit_defaults=True):
    """The limits of a task. Money in millionths of a US dollar; zero means no limit."""

    cost_microusd: Count = 0
    turns: Count = 0
    wall_seconds: Count = 0


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image that goes with a prompt or an instruction; its bytes are in the object store."""

    id: Name
    media_type: Name
    size_bytes: Count
    sha256: Name
    key: Line
    name: Line = ""


MAX_ATTACHMENTS = 10
_Attachments = Annotated[tuple[Attachment, ...], msgspec.Meta(max_length=MAX_ATTACHMENTS)]


class ForkOrigin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Origin of a fork: another task as it was at `version`.

    `commit` is that task's base commit, `tree` its newest snapshot at or before the version, held
    by `pack`, a copy among the fork's own objects; without a snapshot the fork begins from the
    base. `conversation` is an account, for the agent, of what was asked, said and done until then.
    """

    task: _Task
    version: Count
    tree: Name = ""
    commit: Name = ""
    pack: Blob | None = None
    conversation: Text = ""


MAX_RULES = 50
RULED_TOOLS = ("bash", "edit", "write")
"""The tools that rules of approval are about: those that change files or run commands."""


class ApprovalRule(msgspec.Struct, frozen=True):
    """Rule for tool calls of one task: which to allow, to ask about, or to deny.

    `pattern` is matched with the tool's name, a command of a script (or the beginning of one), the
    path of a file that is changed (or of a folder above it), or a host that a command names. `*`
    stands for any characters, `?` for one. The first rule that matches decides.
    """

    verdict: Literal["allow", "ask", "deny"]
    subject: Literal["tool", "command", "path", "host"]
    pattern: Line


class TaskSubmitted(Fact, frozen=True, tag="task.submitted"):
    """A person asked for work. Always version 1 of its history. A fork has an `origin`.

    `rules` decide on tool calls before the policy does.
    `environment` is how its repository is set up, named by the person (`environment_source` task)
    or by the account's settings for the repository (account); without it the worker looks in the
    repository.
    """

    prompt: Text
    repository: Repository
    model: Name
    title: Line = ""
    effort: Name = ""
    budget: Budget = Budget()
    policy: Policy = "never"
    rules: Annotated[tuple[ApprovalRule, ...], msgspec.Meta(max_length=MAX_RULES)] = ()
    attachments: _Attachments = ()
    origin: ForkOrigin | None = None
    environment: EnvironmentDefinition | None = None
    environment_source: Literal["", "task", "account"] = ""


class TaskInstructed(Fact, frozen=True, tag="task.instructed"):
    """A person said more: before the next model call (steer), or after the work (queue).

    Said to a task that has ended, it reopens it.
    """

    text: Text
    mode: InstructionMode = "steer"
    attachments: _Attachments = ()


class InstructionEdited(Fact, frozen=True, tag="instruction.edited"):
    """A person changed an instruction that the agent had not taken up.

    `instruction` is the version of its `task.instructed`.
    """

    instruction: Count
    text: Text


class InstructionWithdrawn(Fact, frozen=True, tag="instruction.withdrawn"):
    """A person withdrew an instruction that the agent had not taken up.

    `instruction` is the version of its `task.instructed`.
    """

    instruction: Count


class QuestionAnswered(Fact, frozen=True, tag="question.answered"):
    """A person answered what the agent asked."""

    request: _Request
    text: Text


class ApprovalAnswered(Fact, frozen=True, tag="approval.answered"):
    """A person allowed or denied what the agent asked to do.

    It holds for what the digest was made of and for nothing else; with the scope `task`, for the
    like of it too, until the task ends.
    """

    request: _Request
    digest: Name
    verdict: Verdict
    reason: Text = ""
    scope: Scope = "once"


class BudgetRaised(Fact, frozen=True, tag="budget.raised"):
    """A person allowed a task to spend this much more, in millionths of a US dollar."""

    cost_microusd: Count


class EgressAllowed(Fact, frozen=True, tag="egress.allowed"):
    """A person allowed the commands of a task to connect to a host, for the life of the task.

    `host` is written in its canonical form: lower case, ASCII, no trailing dot.
    """

    host: Line
    port: Count


class TaskInterrupted(Fact, frozen=True, tag="task.interrupted"):
    """A person stopped what runs now; the task waits for an instruction."""


class TaskCancelled(Fact, frozen=True, tag="task.cancelled"):
    """A person cancelled the task; its worker must stop."""

    reason: Text = ""


class TaskArchived(Fact, frozen=True, tag="task.archived"):
    """A person archived a task that has ended; instructing it brings it back."""


GatewayEvent = (
    TaskSubmitted
    | TaskInstructed
    | InstructionEdited
    | InstructionWithdrawn
    | QuestionAnswered
    | ApprovalAnswered
    | BudgetRaised
    | EgressAllowed
    | TaskInterrupted
    | TaskCancelled
    | TaskArchived
)
