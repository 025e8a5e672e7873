"""Bodies of commands, as clients write them over HTTP and on the stream."""

from typing import Literal

import msgspec

from events import InstructionMode, Policy, Scope, Verdict

Effort = Literal["", "low", "medium", "high", "xhigh", "max"]


class _Body(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Body of a command. What has its default value is left out when it is sent."""


class RepositoryRequest(_Body, frozen=True):
    """Where to work; without `base` the repository's default branch."""

    url: str
    base: str = ""


class BudgetRequest(_Body, frozen=True):
    """What the task may spend at most; 0 means no limit. Money in millionths of a US dollar.

    Without `cost_microusd` this installation's default holds.
    """

    cost_microusd: int | None = None
    turns: int = 0
    wall_seconds: int = 0


class TaskRequest(_Body, frozen=True):
    """Ask for work on a repository."""

    prompt: str
    repository: RepositoryRequest
    model: str = ""
    effort: Effort = ""
    budget: BudgetRequest = BudgetRequest()
    policy: Policy = "never"


class InstructionRequest(_Body, frozen=True):
    """Say more: before the next model call (steer), or after the work (queue)."""

    text: str
    mode: InstructionMode = "steer"


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
    """Allow or deny what the agent asked to do; with scope `task`, the like of it too.

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
    """Put a task that has ended out of sight."""


class BudgetRaiseRequest(_Body, frozen=True):
    """Allow this much more, in millionths of a US dollar."""

    cost_microusd: int
