"""A task as it was at any version or time."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from events.protocol.api.tasks import PastTask
from infra.log.event_log import Unavailable
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.problems import not_found, unavailable
from services.gateway.tasks.access import history_for
from services.gateway.tasks.time_travel import as_it_was, moment

At = Annotated[
    str, QueryParameter(description="A version, or an RFC 3339 time. Left out: as it is now.")
]


@get("/v1/tasks/{task:str}/state", tags=["tasks"], summary="Get a task at a version or time")
async def get_state(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], at: At = ""
) -> PastTask:
    """Fold a task's history to `at` (inclusive): phase, plan, spend, conversation as they were.

    The fold is of the log itself, so it shows what happened and not what a read model kept. 422
    when the task had not begun at `at`, or its history has no such version.
    """
    history = history_for(principal, task)
    wanted = moment(at) if at else None
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    try:
        past = as_it_was(await context.tasks.log.read(history), wanted)
    except Unavailable:
        raise unavailable("The event log does not answer at the moment.") from None
    if past is None:
        raise not_found()
    return past


ROUTES = [get_state]
