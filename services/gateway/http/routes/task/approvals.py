"""Precedents of a request for approval, shown beside it."""

from litestar import get
from litestar.params import FromPath

from events.protocol.api.approvals import PrecedentList
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.problems import not_found
from services.gateway.tasks.access import history_for


@get(
    "/v1/tasks/{task:str}/approvals/{request_id:str}/precedents",
    tags=["tasks"],
    summary="List earlier approvals of similar calls",
)
async def list_precedents(
    context: Context, principal: CurrentPrincipal, task: FromPath[str], request_id: FromPath[str]
) -> PrecedentList:
    """Return how similar calls were answered before, in any task of the account on this repository.

    Similar: the same tool with the same risks; of a script that nobody can read beforehand only
    the very same one. What was asked a moment ago may be missing.
    """
    history = history_for(principal, task)
    if not await context.accounts.people.allowed(principal, history.task):
        raise not_found()
    return await context.tasks.precedents.find(history, request_id)


ROUTES = [list_precedents]
