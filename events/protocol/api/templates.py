"""Templates of tasks and quick replies that a person keeps, and the choices they made last."""

from datetime import datetime
from typing import Literal

import msgspec

from events import Policy
from events.protocol.api.requests import BudgetRequest, Effort, RepositoryRequest

TemplateKind = Literal["task", "reply"]
"""A task to send again and again, or an instruction to choose instead of writing it."""


class TemplateRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A template as its person writes it; a task's fields but `name` and `text` are as it is sent.

    What is left out of a task is chosen when the task is sent. A reply has nothing but its `text`.
    """

    kind: TemplateKind
    text: str
    name: str = ""
    repository: RepositoryRequest | None = None
    model: str = ""
    effort: Effort | None = None
    policy: Policy | None = None
    budget: BudgetRequest | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A stored template: its id and its content."""

    template: str
    content: TemplateRequest
    updated_at: datetime


class TemplateList(msgspec.Struct, frozen=True):
    """All templates of a person, the oldest first."""

    data: tuple[Template, ...]


class RecentRepository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that a person has sent tasks to, and its branches, the last used first."""

    url: str
    branches: tuple[str, ...]
    used_at: datetime


class Recents(msgspec.Struct, frozen=True, kw_only=True):
    """The repositories and models of a person's newest tasks, the last used first."""

    repositories: tuple[RecentRepository, ...]
    models: tuple[str, ...]
