"""Who is asking, and what is theirs."""

import re
from datetime import datetime
from typing import Final, Protocol

import msgspec

from events import AccountId, History, PersonId, TaskId
from services.gateway.problems import not_found

REVOKED: Final = "sessions:revoked"
"""Redis channel on which the id of a session that was signed out is told to every gateway."""

_TASK = re.compile(r"task_[a-z2-7]{26}")


class Principal(msgspec.Struct, frozen=True):
    """A person signed in with one session (or API key) of one account.

    `expires_at` is when the credential shown ends by itself; None when it does not.
    """

    account: AccountId
    person: PersonId
    session: str
    expires_at: datetime | None = None

    @property
    def by(self) -> str:
        """How this person appears in the log."""
        return f"person:{self.person}"


class Access(Protocol):
    """Answers who a token belongs to, and whether a task is theirs."""

    async def authenticate(self, token: str) -> Principal | None:
        """Tell whose session this token is; None when it is nobody's, expired or revoked."""
        ...

    async def enter(self, ticket: str) -> Principal | None:
        """Use up a ticket to the stream; None when it is nobody's, used or expired."""
        ...

    async def allowed(self, principal: Principal, task: TaskId) -> bool:
        """Tell whether there is such a task in the person's account."""
        ...


def is_task_id(text: str) -> bool:
    """Tell whether the text has a task id's shape (and so is one token of a NATS subject)."""
    return _TASK.fullmatch(text) is not None


def history_for(principal: Principal, task: str) -> History:
    """Name the history of a task in the person's account.

    Raises Refused (404) when the text has not a task id's shape. Whether the task exists is for
    the log to say; another account's task is a history that is not there.
    """
    if not is_task_id(task):
        raise not_found()
    return History(principal.account, TaskId(task))
