"""The account's usage, and the spend limits in its settings."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from litestar import get, put
from litestar.params import FromQuery, JSONBody
from msgspec.structs import replace

from events import TaskId
from services.gateway.broker.accounting.spend_limits import BillingContext, spend_limits_of
from services.gateway.broker.model.account_usage import Grouping, Limits, Spend, UsageLine
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.problems import invalid
from services.gateway.queries.usage_queries import MachineGrouping, MachineUsageLine
from services.gateway.tasks.access import Principal, require_owner

_TAGS: Final = ["spending"]
_DAYS: Final = 30
_MAX_DAYS: Final = 400


class UsagePage(msgspec.Struct, frozen=True):
    """The cost of the model calls of some days: `since` and `until` are whole days in UTC."""

    since: date
    until: date
    by: Grouping
    data: Sequence[UsageLine]


class MachineUsagePage(msgspec.Struct, frozen=True):
    """The cost of the machines of some days, as `UsagePage` has that of the model calls."""

    since: date
    until: date
    by: MachineGrouping
    data: Sequence[MachineUsageLine]


class Allowance(msgspec.Struct, frozen=True):
    """The limits an account or a person may spend, and the amounts spent this day and month."""

    limits: Limits
    spent: Spend


class SettingsKept(msgspec.Struct, frozen=True):
    """The budgets of the account, shared by all its people, and of the person who asks."""

    account: Allowance
    person: Allowance


class SettingsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Budgets to set; what is left out is not limited, but for an account's day.

    That one then has this installation's default.
    """

    account: Limits = Limits()
    person: Limits = Limits()


@get("/v1/usage", tags=_TAGS, summary="Spending")
async def usage(
    context: Context,
    principal: CurrentPrincipal,
    *,
    by: FromQuery[Grouping] = "day",
    since: FromQuery[date | None] = None,
    until: FromQuery[date | None] = None,
) -> UsagePage:
    """Sum the account's model calls; without dates those of the last 30 days.

    These are the broker's own figures: what the provider counted, priced by the operator's table.
    """
    days = _days(context, since, until)
    lines = await context.records.spending.used(
        principal.account, by, since=days.begin, until=days.end
    )
    return UsagePage(days.first, days.last, by, lines)


@get("/v1/usage/machines", tags=_TAGS, summary="Spending on machines")
async def machine_usage(
    context: Context,
    principal: CurrentPrincipal,
    *,
    by: FromQuery[MachineGrouping] = "day",
    since: FromQuery[date | None] = None,
    until: FromQuery[date | None] = None,
) -> MachineUsagePage:
    """Sum the account's machines by day, task or repository; without dates the last 30 days.

    A machine counts for the day on which it was asked for; what it costs is known when it is gone.
    """
    days = _days(context, since, until)
    lines = await context.tasks.usage.all_machines(
        principal.account, by, since=days.begin, until=days.end
    )
    return MachineUsagePage(days.first, days.last, by, lines)


@get("/v1/settings", tags=_TAGS, summary="Get the budgets")
async def settings(context: Context, principal: CurrentPrincipal) -> SettingsKept:
    """Return the budgets of the account and of the person, and what is spent of them."""
    return await _settings(context, principal)


@put("/v1/settings", tags=_TAGS, summary="Set the budgets (owner)", opt=route_options("admin"))
async def put_settings(
    context: Context, principal: CurrentPrincipal, data: JSONBody[SettingsRequest]
) -> SettingsKept:
    """Set the budgets. Each model call is held to them from now on."""
    require_owner(principal)
    limits_by_owner = {principal.account: data.account, principal.person: data.person}
    await context.records.spending.set_limits(limits_by_owner)
    return await _settings(context, principal)


async def _settings(context: GatewayContext, principal: Principal) -> SettingsKept:
    payer = BillingContext(
        account=principal.account, person=principal.person, task=TaskId(""), attempt=0
    )
    spend_limits = [p for p in spend_limits_of(payer, context.clock()) if p.per != "task"]
    limits = await context.records.spending.limits([principal.account, principal.person])
    own, default = limits[principal.account], context.records.spending.account_day_microusd
    if own.day_microusd is None and default:
        limits = {**limits, principal.account: replace(own, day_microusd=default)}
    spent = await context.records.spending.spent(spend_limits)
    account, person = (
        Allowance(limits[owner], spent[owner]) for owner in (principal.account, principal.person)
    )
    return SettingsKept(account, person)


class _Days(NamedTuple):
    """Whole days in UTC, the last one included."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """Return when the first begins."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """Return when the last has ended."""
        return _midnight(self.last) + timedelta(days=1)


def _days(context: GatewayContext, since: date | None, until: date | None) -> _Days:
    """Return the days asked for, without dates the last 30. Raises Refused (422)."""
    last = until or context.clock().date()
    first = since or last - timedelta(days=min(_DAYS - 1, last.toordinal() - 1))
    if last == date.max or not 0 <= (last - first).days < _MAX_DAYS:
        raise invalid("dates_refused", "/since", f"Ask for 1 to {_MAX_DAYS} days, in their order.")
    return _Days(first, last)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


ROUTES: list[Any] = [usage, machine_usage, settings, put_settings]
