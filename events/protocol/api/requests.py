"""Bodies of commands, as clients write them over HTTP and on the stream.

Whichever way a command comes, it is decoded once, into a member of `CommandRequest`. The tag of
that union is the operation. It stands beside the body, in a route's path or in the field `op` of a
`cmd` frame, so it is no field of the structs.
"""

from typing import Literal

import msgspec

from events import ApprovalRule, InstructionMode, Policy, Scope, Verdict
from events.protocol.api.environments import EnvironmentRequest

Effort = Literal["", "low", "medium", "high", "xhigh", "max"]


class _Body(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Body of a command. What has its default value is left out when it is sent."""


class RepositoryRequest(_Body, frozen=True):
    """The repository to work on; without `base`, from its default branch."""

    url: str
    base: str = ""


class BudgetRequest(_Body, frozen=True):
    """The limits of a task; 0 means no limit. Money in millionths of a US dollar.

    Without `cost_microusd` this installation's default holds.
    """

    cost_microusd: int | None = None
    turns: int = 0
    wall_seconds: int = 0


class AttachmentRequest(_Body, frozen=True):
    """An uploaded image (`POST /v1/attachments`), and the name it is shown with."""

    id: str
    name: str = ""


class TaskRequest(_Body, frozen=True):
    """A new task on a repository. `rules` decide on tool calls before the policy does.

    `environment` is how it is set up; without it the account's settings for the repository hold,
    and without those what the repository itself says.
    """

    prompt: str
    repository: RepositoryRequest
    model: str = ""
    effort: Effort = ""
    budget: BudgetRequest = BudgetRequest()
    policy: Policy = "never"
    rules: tuple[ApprovalRule, ...] = ()
    attachments: tuple[AttachmentRequest, ...] = ()
    environment: EnvironmentRequest | None = None


class ForkRequest(_Body, frozen=True):
    """A new task that begins from another one as it was at the version `at`.

    What is left out is as in that task: its model, effort, policy, rules and the budget it was
    submitted with.
    """

    at: int
    prompt: str
    model: str = ""
    effort: Effort | None = None
    budget: BudgetRequest | None = None
    policy: Policy | None = None
    rules: tuple[ApprovalRule, ...] | None = None
    attachments: tuple[AttachmentRequest, ...] = ()


class InstructionRequest(_Body, frozen=True):
    """An instruction: before the next model call (steer), or after the work (queue)."""

    text: str
    mode: InstructionMode = "steer"
    attachments: tuple[AttachmentRequest, ...] = ()


class InstructionChangeRequest(_Body, frozen=True):
    """The new text of an instruction that the agent has not taken up."""

    text: str


class InstructionEditRequest(_Body, frozen=True):
    """Change the instruction at the version `instruction`, on the stream."""

    instruction: int
    text: str


class InstructionWithdrawalRequest(_Body, frozen=True):
    """Withdraw the instruction at the version `instruction`, on the stream."""

    instruction: int


class EmptyRequest(_Body, frozen=True):
    """A body that says nothing more than the path."""


class AnswerRequest(_Body, frozen=True):
    """Answer a question."""

    text: str


class QuestionAnswerRequest(_Body, frozen=True):
    """Answer the question `request`, on the stream."""

    request: str
    text: str


class ApprovalAnswerRequest(_Body, frozen=True):
    """Answer the request `request`, on the stream. `digest` is that of what was seen."""

    request: str
    digest: str
    verdict: Verdict
    reason: str = ""
    scope: Scope = "once"


class VerdictRequest(_Body, frozen=True):
    """Allow or deny what the agent asked to do; with scope `task`, similar calls too.

    `digest` is that of the request as it was shown: it binds the answer to what was seen.
    """

    digest: str
    verdict: Verdict
    reason: str = ""
    scope: Scope = "once"


class InterruptRequest(_Body, frozen=True):
    """Stop what runs now."""


class CancelRequest(_Body, frozen=True):
    """Withdraw the work."""

    reason: str = ""


class ArchiveRequest(_Body, frozen=True):
    """Archive a task that has ended."""


class BudgetRaiseRequest(_Body, frozen=True):
    """Allow this much more, in millionths of a US dollar."""

    cost_microusd: int


class HostAllowanceRequest(_Body, frozen=True):
    """Allow the commands of a task to connect to a host, such as `api.example.com`, on a port."""

    host: str
    port: int = 443


TaskCommandRequest = (
    TaskRequest
    | InstructionRequest
    | InstructionEditRequest
    | InstructionWithdrawalRequest
    | QuestionAnswerRequest
    | ApprovalAnswerRequest
    | InterruptRequest
    | CancelRequest
    | ArchiveRequest
    | BudgetRaiseRequest
    | HostAllowanceRequest
)
"""The requests that need no other task to be understood."""

CommandRequest = TaskCommandRequest | ForkRequest
"""The requests of all commands."""
