"""The caller of a request, and the check that a task is theirs."""

import re
from datetime import datetime
from typing import Final, Protocol, get_args

import msgspec

from events import AccountId, History, PersonId, TaskId
from events.protocol.api.sessions import Role, Scope
from services.gateway.problems import not_found, refused

REVOKED: Final = "sessions:revoked"
"""Redis channel on which every gateway receives the id of a session that was signed out."""

SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))
"""A session has them all, an API key those it was made with."""

_ID = re.compile(r"[a-z]{3,4}_[a-z2-7]{26}")
_TASK = re.compile(r"task_[a-z2-7]{26}")


class Principal(msgspec.Struct, frozen=True):
    """A person signed in with one session (or API key) of one account.

    `expires_at` is when the credential shown ends by itself; None when it does not. `session` is
    the id of a session (`ses_…`) or of an API key (`key_…`).
    """

    account: AccountId
    person: PersonId
    session: str
    expires_at: datetime | None = None
    scopes: frozenset[Scope] = SCOPES
    role: Role = "member"

    @property
    def by(self) -> str:
        """Return this person's name in the log."""
        return f"person:{self.person}"


class Access(Protocol):
    """Answers who a token belongs to, and whether a task is theirs."""

    async def authenticate(self, token: str) -> Principal | None:
        """Return whose session this token is; None when it is nobody's, expired or revoked."""
        ...

    async def enter(self, ticket: str) -> Principal | None:
        """Use a stream ticket up; None when it is wrong, used, or no longer good."""
        ...

    async def allowed(self, principal: Principal, task: TaskId) -> bool:
        """Return whether there is such a task in the person's account."""
        ...


def require(principal: Principal, scope: Scope) -> None:
    """Raise Refused (403) unless the credential may be used for this."""
    if scope not in principal.scopes:
        has = ", ".join(sorted(principal.scopes)) or "none"
        raise refused(
            403,
            "scope_missing",
            f"This needs the scope `{scope}`; the key sent has: {has}. Make a key that has it "
            "(POST /v1/keys), or sign in.",
        )


def require_owner(principal: Principal) -> None:
    """Raise Refused (403) unless the person is an owner of their account."""
    if principal.role != "owner":
        raise refused(
            403,
            "owner_only",
            "Only an owner of the account may do this. GET /v1/members tells who.",
        )


def an_id(text: str, *, of: str) -> str:
    """Read an id out of an address. Raises Refused (404) when it has not an id's shape."""
    if _ID.fullmatch(text) is None:
        raise not_found(of)
    return text


def is_task_id(text: str) -> bool:
    """Return whether the text has a task id's shape (and so is one token of a NATS subject)."""
    return _TASK.fullmatch(text) is not None


def history_for(principal: Principal, task: str) -> History:
    """Name the history of a task in the person's account.

    Raises Refused (404) when the text has not a task id's shape. Whether the task exists is for
    the log to say; another account's task is a history that is not there.
    """
    if not is_task_id(task):
        raise not_found()
    return History(principal.account, TaskId(task))
