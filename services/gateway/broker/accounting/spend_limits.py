"""Spend limits of a model call, and the error when one is exceeded. Pure.

A task's limit lasts as long as the task. Persons and accounts have one per day and one per month,
in UTC; a call belongs to the day and month in which it began.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from events import AccountId, PersonId, TaskId

Per = Literal["task", "day", "month"]
Scope = Literal["cost", "person", "account"]

_SCOPES: Final[dict[str, Scope]] = {"task": "cost", "person": "person", "account": "account"}
_A_MILLION: Final = 1_000_000


class BillingContext(msgspec.Struct, frozen=True, kw_only=True):
    """Billing context of a call: an attempt of a task, its person and account.

    `limit_microusd` is the task's limit; 0 means no limit. `model` is the only model that its
    calls may name; empty for any.
    """

    account: AccountId
    person: PersonId
    task: TaskId
    attempt: int
    limit_microusd: int = 0
    model: str = ""


class SpendLimit(NamedTuple):
    """A limit on a call's spending: the owner's setting, else `max_microusd`, else none."""

    name: str
    owner: str
    per: Per
    max_microusd: int | None = None


class LimitExceeded(msgspec.Struct, frozen=True, kw_only=True):
    """A spend limit that is too small for a call's maximum cost.

    `is_held`: it would suffice without the reservations of running calls.
    """

    scope: Scope
    per: Per
    spent_microusd: int
    reserved_microusd: int
    limit_microusd: int
    needed_microusd: int
    resets_at: datetime | None = None

    @property
    def left_microusd(self) -> int:
        """Amount that can still be reserved."""
        return max(0, self.limit_microusd - self.spent_microusd - self.reserved_microusd)

    @property
    def is_held(self) -> bool:
        """True when waiting for running calls is enough."""
        return self.spent_microusd + self.needed_microusd <= self.limit_microusd

    @property
    def detail(self) -> str:
        """Message for a person."""
        whose = {"cost": "The task's budget", "person": "Your budget", "account": "The account's"}
        budget = whose[self.scope] + (" budget" if self.scope == "account" else "")
        until = "" if self.per == "task" else f" of this {self.per}"
        return (
            f"{budget}{until} is {_dollars(self.limit_microusd)}: "
            f"{_dollars(self.spent_microusd)} is spent, {_dollars(self.reserved_microusd)} is set "
            f"aside for calls under way, and this call may cost up to "
            f"{_dollars(self.needed_microusd)}."
        )


def spend_limits_of(
    payer: BillingContext, now: datetime, account_day_microusd: int = 0
) -> tuple[SpendLimit, ...]:
    """Return the spend limits of a call that begins now.

    `account_day_microusd` is the daily limit of accounts that have set none.
    """
    day, month = f"{now:%Y-%m-%d}", f"{now:%Y-%m}"
    limit = payer.limit_microusd or None
    return (
        SpendLimit(f"task:{payer.task}", payer.task, "task", limit),
        SpendLimit(f"person:{payer.person}:{day}", payer.person, "day"),
        SpendLimit(f"person:{payer.person}:{month}", payer.person, "month"),
        SpendLimit(
            f"account:{payer.account}:{day}", payer.account, "day", account_day_microusd or None
        ),
        SpendLimit(f"account:{payer.account}:{month}", payer.account, "month"),
    )


def scope_of(spend_limit: str) -> Scope:
    """Return the scope of a spend limit, as named in the log."""
    return _SCOPES[spend_limit.partition(":")[0]]


def resets_at(per: Per, now: datetime) -> datetime | None:
    """Return when a limit resets: at the next midnight, or on the first of the month."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case "task":
            return None
        case "day":
            return midnight + timedelta(days=1)
        case "month":
            return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)


def _dollars(microusd: int) -> str:
    return f"${microusd / _A_MILLION:,.4f}".rstrip("0").rstrip(".")
