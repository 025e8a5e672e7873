"""A task as people see it: the JSON that `GET /v1/tasks/{id}` answers.

`events.protocol.task_state` folds it from a task's history.
"""

from datetime import datetime
from typing import Literal

import msgspec

from events.fact import PlanItem
from events.gateway import Budget, Policy, Repository
from events.ids import AccountId, RequestId, TaskId
from events.protocol.api.instructions import WaitingInstruction

Phase = Literal["queued", "starting", "working", "waiting", "finished", "failed", "cancelled"]
Waiting = Literal["", "question", "approval", "budget", "provider", "instruction"]
ENDED: frozenset[Phase] = frozenset({"finished", "failed", "cancelled"})


class Question(msgspec.Struct, frozen=True):
    """A question of the agent that nobody has answered yet."""

    request: RequestId
    text: str
    options: tuple[str, ...] = ()


class Approval(msgspec.Struct, frozen=True):
    """A call that waits for approval; `command` or `diff` is exactly what it would do."""

    request: RequestId
    title: str
    digest: str
    covers: str
    expires_at: datetime
    command: str = ""
    diff: str = ""


class PullRequest(msgspec.Struct, frozen=True):
    """The pull request as the forge numbers and shows it."""

    number: int
    url: str


class TaskBudget(msgspec.Struct, frozen=True, omit_defaults=True):
    """The limits of a task as they stand: what was submitted and every raise since.

    Money in millionths of a US dollar; zero means no limit. `submitted` is how they began.
    """

    cost_microusd: int = 0
    turns: int = 0
    wall_seconds: int = 0
    submitted: Budget = Budget()


class ExhaustedBudget(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit that is met. Scopes cost, person, account: micro-dollars; turns; wall: seconds.

    `resets_at` is when a limit that tasks share starts again.
    """

    scope: Literal["cost", "turns", "wall", "person", "account"]
    spent: int
    limit: int
    resets_at: datetime | None = None


class Failure(msgspec.Struct, frozen=True):
    """Reason why a task failed: a stable code, what happened, what to do about it."""

    reason: str
    detail: str
    remedy: str


class Origin(msgspec.Struct, frozen=True):
    """The task and version that a fork began from."""

    task: TaskId
    version: int


class TaskState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One task as it stands at `version`. Money in millionths of a US dollar.

    `since` is when the present phase, or the present waiting, began. `budget_exhausted` stays until
    the budget is raised or the work goes on; `retry_at` is when a task that waits for the model
    provider goes on by itself. `is_quarantined`: its history cannot be folded any further;
    `failure` says why. Null in `since`, `budget` and `policy`: not known, because an older version
    folded this state. `instructions` are those that the agent has not taken up: they can be edited
    and withdrawn. `origin` is what a fork began from.
    """

    id: TaskId
    account: AccountId
    version: int
    phase: Phase
    title: str
    prompt: str
    repository: Repository
    model: str
    submitted_at: datetime
    updated_at: datetime
    waiting: Waiting = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    turns: int = 0
    tool_calls: int = 0
    cost_microusd: int = 0
    machine_cost_microusd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    activity: str = ""
    command: str = ""
    plan: tuple[PlanItem, ...] = ()
    question: Question | None = None
    approval: Approval | None = None
    files_changed: int = 0
    insertions: int = 0
    deletions: int = 0
    branch: str = ""
    commit: str = ""
    pull_request: PullRequest | None = None
    summary: str = ""
    outcome: str = ""
    failure: Failure | None = None
    is_archived: bool = False
    is_quarantined: bool = False
    since: datetime | None = None
    budget: TaskBudget | None = None
    budget_exhausted: ExhaustedBudget | None = None
    retry_at: datetime | None = None
    policy: Policy | None = None
    instructions: tuple[WaitingInstruction, ...] = ()
    origin: Origin | None = None

    @property
    def is_outdated(self) -> bool:
        """True of a state that an older version folded: some of its fields are not known."""
        return self.budget is None
