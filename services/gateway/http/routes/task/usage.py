"""A task's cost, and the machines it ran on."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get
from litestar.params import FromPath

from events import History
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.problems import not_found
from services.gateway.queries.usage_queries import AttemptMachine, ModelReply
from services.gateway.tasks.access import Principal, history_for

_TAGS: Final = ["tasks"]


class TaskUsage(msgspec.Struct, frozen=True):
    """The cost of a task's model calls, in all and reply by reply, oldest first."""

    input_tokens: int
    output_tokens: int
    cost_microusd: int
    data: Sequence[ModelReply]


class MachineList(msgspec.Struct, frozen=True):
    """The machines a task had, one an attempt, oldest first."""

    data: Sequence[AttemptMachine]


@get("/v1/tasks/{task:str}/usage", tags=_TAGS, summary="Get a task's usage")
async def get_usage(
    context: Context, principal: CurrentPrincipal, task: FromPath[str]
) -> TaskUsage:
    """Return the cost of the task's model calls. `input_tokens` counts those from the cache too."""
    replies = await context.tasks.usage.usage(await _own(context, principal, task))
    prompts = (
        r.input_tokens + r.cache_creation_input_tokens + r.cache_read_input_tokens for r in replies
    )
    return TaskUsage(
        input_tokens=sum(prompts),
        output_tokens=sum(r.output_tokens for r in replies),
        cost_microusd=sum(r.cost_microusd for r in replies),
        data=replies,
    )


@get("/v1/tasks/{task:str}/machines", tags=_TAGS, summary="List a task's machines")
async def get_machines(
    context: Context, principal: CurrentPrincipal, task: FromPath[str]
) -> MachineList:
    """List the machines that worked on the task."""
    return MachineList(await context.tasks.usage.machines(await _own(context, principal, task)))


async def _own(context: GatewayContext, principal: Principal, task: str) -> History:
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    return history


ROUTES: list[Any] = [get_usage, get_machines]
