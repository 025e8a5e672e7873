"""Tasks: list them, and get one."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from events.protocol.api.tasks import TaskPage
from events.protocol.task_state import Phase, TaskState
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.queries.task_queries import TaskFilter
from services.gateway.queries.task_search import MAX_SEARCH_CHARACTERS
from services.gateway.tasks.access import history_for

_TAGS = ["tasks"]
InPhase = Annotated[Phase | None, QueryParameter(description="Only those in this phase.")]
IdPrefix = Annotated[
    str, QueryParameter(max_length=64, description="Only those whose id begins like this.")
]
Search = Annotated[
    str,
    QueryParameter(
        max_length=MAX_SEARCH_CHARACTERS,
        description="Only those in which all of these words occur: in the title, the repository, "
        "or what people and the agent said.",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]


@get("/v1/tasks", tags=_TAGS, summary="List tasks", opt={"answers": (400,)})
async def list_tasks(  # noqa: PLR0913 - one parameter a filter
    context: Context,
    principal: CurrentPrincipal,
    *,
    phase: InPhase = None,
    repository: FromQuery[str | None] = None,
    archived: FromQuery[bool] = False,
    id_prefix: IdPrefix = "",
    search: Search = "",
    after: FromQuery[str] = "",
    limit: Limit = 50,
) -> TaskPage:
    """List the account's tasks, newest first; those archived only with `archived=true`.

    A task just submitted may take a moment to show: look at the task itself, or give the version
    of its last change to `GET /v1/tasks/{task}` as `wait_version`.

    With `search`, words are found anywhere in a text and in any case, and `matches` says where.
    A page looks through 500 tasks, so it may be short, or empty, though `next` is not null.
    """
    wanted = TaskFilter(phase, repository, after, limit, archived, id_prefix, search)
    page = await context.tasks.states.page(principal.account, wanted)
    return TaskPage(page.tasks, page.next or None, dict(page.matches))


@get("/v1/tasks/{task:str}", tags=_TAGS, summary="Get a task")
async def get_task(
    context: Context,
    principal: CurrentPrincipal,
    task: FromPath[str],
    wait_version: Annotated[int, QueryParameter(ge=0, description="Read your writes.")] = 0,
) -> TaskState:
    """Return a task's state, at `wait_version` or later if its history has come that far."""
    return await context.tasks.states.get(history_for(principal, task), at_least=wait_version)


ROUTES = [list_tasks, get_task]
