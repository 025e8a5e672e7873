"""Links by which people without an account may look at a task: requests and answers."""

from datetime import datetime
from typing import Annotated

import msgspec

from events.ids import PersonId, TaskId
from events.protocol.task_state import TaskState

Version = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


class SharedParts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of a task that a link shows besides what was said.

    commands: what the agent's calls are and would do, with their titles. outputs: what the calls
    printed. diffs: changed files, line by line, and their paths. costs: money, tokens, budgets.
    """

    commands: bool = True
    outputs: bool = False
    diffs: bool = False
    costs: bool = False


class ShareRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link to make. It shows the task as it stands now, or goes on with it (`is_live`).

    `up_to_version` ends it at an earlier version. Without `expires_at` it holds until revoked.
    """

    parts: SharedParts = SharedParts()
    is_live: bool = False
    up_to_version: Version | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A link without its secret. `up_to_version` is null for one that goes on with its task.

    `person` made it and `revoked_by` ended it; `views` counts how often it was opened.
    """

    share: str
    task: TaskId
    person: PersonId
    parts: SharedParts
    up_to_version: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: PersonId | None
    views: int
    viewed_at: datetime | None


class NewShare(msgspec.Struct, frozen=True, kw_only=True):
    """A new link. `url` holds its secret and is returned this once only."""

    share: Share
    url: str


class ShareList(msgspec.Struct, frozen=True):
    """Links, newest first, with those that ended in the last 90 days."""

    data: list[Share]


class SharedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task as a link shows it: the fold of the events that `…/events` answers.

    `is_live`: it goes on. `parts` are what it shows.
    """

    state: TaskState
    parts: SharedParts
    is_live: bool
    expires_at: datetime | None
