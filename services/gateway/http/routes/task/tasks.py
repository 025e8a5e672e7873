"""Tasks: ask for one, look at them, and say something to one."""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from events import TaskId
from events.protocol.api.tasks import TaskPage
from events.protocol.task_state import Phase, TaskState
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import (
    CommandKey,
    Context,
    CurrentPrincipal,
    require_command_key,
    route_options,
)
from services.gateway.queries.command_handler import CommandResult
from services.gateway.queries.task_queries import TaskFilter
from services.gateway.tasks.access import Principal, history_for
from services.gateway.tasks.requests import (
    AnswerRequest,
    ApprovalAnswerRequest,
    ArchiveRequest,
    BudgetRaiseRequest,
    CancelRequest,
    InstructionRequest,
    InterruptRequest,
    QuestionAnswerRequest,
    TaskRequest,
    VerdictRequest,
)

_TAGS = ["tasks"]
InPhase = Annotated[Phase | None, QueryParameter(description="Only those in this phase.")]
IdPrefix = Annotated[
    str, QueryParameter(max_length=64, description="Only those whose id begins like this.")
]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]


@post("/v1/tasks", tags=_TAGS, summary="Submit a task")
async def submit(
    context: Context,
    principal: CurrentPrincipal,
    data: JSONBody[TaskRequest],
    *,
    key: CommandKey = None,
) -> Response[TaskState]:
    """Submit a task. Asking again with the same Idempotency-Key answers the same task."""
    done = await context.tasks.commands.perform(
        principal,
        None,
        command_id=require_command_key(key),
        op="submit",
        arguments=msgspec.json.encode(data),
    )
    state = await context.tasks.states.get(history_for(principal, done.task), at_least=done.version)
    return Response(state, status_code=201, headers={"Location": f"/v1/tasks/{done.task}"})


@get("/v1/tasks", tags=_TAGS, summary="List tasks")
async def list_tasks(  # noqa: PLR0913 - one parameter a filter
    context: Context,
    principal: CurrentPrincipal,
    *,
    phase: InPhase = None,
    repository: FromQuery[str | None] = None,
    archived: FromQuery[bool] = False,
    id_prefix: IdPrefix = "",
    after: FromQuery[str] = "",
    limit: Limit = 50,
) -> TaskPage:
    """List the account's tasks, newest first; those archived only with `archived=true`.

    A task just submitted may take a moment to show: look at the task itself, or give the version
    of its last change to `GET /v1/tasks/{task}` as `wait_version`.
    """
    wanted = TaskFilter(phase, repository, after, limit, archived, id_prefix)
    page = await context.tasks.states.page(principal.account, wanted)
    return TaskPage(page.tasks, page.next or None)


@get("/v1/tasks/{task:str}", tags=_TAGS, summary="Get a task")
async def get_task(
    context: Context,
    principal: CurrentPrincipal,
    task: FromPath[str],
    wait_version: Annotated[int, QueryParameter(ge=0, description="Read your writes.")] = 0,
) -> TaskState:
    """Return a task's state, at `wait_version` or later if its history has come that far."""
    return await context.tasks.states.get(history_for(principal, task), at_least=wait_version)


@post(
    "/v1/tasks/{task:str}/instructions", status_code=200, tags=_TAGS, summary="Send an instruction"
)
async def instruct(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    data: JSONBody[InstructionRequest],
    key: CommandKey = None,
) -> CommandResult:
    """Instruct the agent: before its next model call (steer), or after its work (queue)."""
    return await _say(context, principal, task, key=key, op="instruct", data=data)


@post("/v1/tasks/{task:str}/interrupt", status_code=200, tags=_TAGS, summary="Interrupt a task")
async def interrupt(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    data: JSONBody[InterruptRequest | None] = None,
    key: CommandKey = None,
) -> CommandResult:
    """Stop what runs now; the task waits for a word."""
    return await _say(context, principal, task, key=key, op="interrupt", data=data)


@post("/v1/tasks/{task:str}/cancel", status_code=200, tags=_TAGS, summary="Cancel a task")
async def cancel(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    data: JSONBody[CancelRequest | None] = None,
    key: CommandKey = None,
) -> CommandResult:
    """Cancel a task. Cancelling one that has ended is harmless."""
    return await _say(context, principal, task, key=key, op="cancel", data=data)


@post("/v1/tasks/{task:str}/archive", status_code=200, tags=_TAGS, summary="Archive")
async def archive(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    data: JSONBody[ArchiveRequest | None] = None,
    key: CommandKey = None,
) -> CommandResult:
    """Archive a task that has ended: lists leave it out. Instructing it brings it back."""
    return await _say(context, principal, task, key=key, op="archive", data=data)


@post("/v1/tasks/{task:str}/budget", status_code=200, tags=_TAGS, summary="Raise the budget")
async def raise_budget(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    data: JSONBody[BudgetRaiseRequest],
    key: CommandKey = None,
) -> CommandResult:
    """Let a task spend this much more."""
    return await _say(context, principal, task, key=key, op="budget", data=data)


@post(
    "/v1/tasks/{task:str}/questions/{request_id:str}",
    status_code=200,
    tags=_TAGS,
    summary="Answer a question",
)
async def answer(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[AnswerRequest],
    key: CommandKey = None,
) -> CommandResult:
    """Answer what the agent asked. 409 when it was answered otherwise meanwhile."""
    said = QuestionAnswerRequest(request=request_id, text=data.text)
    return await _say(context, principal, task, key=key, op="answer", data=said)


@post(
    "/v1/tasks/{task:str}/approvals/{request_id:str}",
    status_code=200,
    tags=_TAGS,
    summary="Answer an approval request",
    opt=route_options("approve"),
)
async def approve(
    context: Context,
    principal: CurrentPrincipal,
    *,
    task: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[VerdictRequest],
    key: CommandKey = None,
) -> CommandResult:
    """Allow or deny what the agent asked to do. 409 when something else happened meanwhile."""
    said = ApprovalAnswerRequest(
        request=request_id,
        digest=data.digest,
        verdict=data.verdict,
        reason=data.reason,
        scope=data.scope,
    )
    return await _say(context, principal, task, key=key, op="approve", data=said)


async def _say(
    context: GatewayContext,
    principal: Principal,
    task: str,
    *,
    key: str | None,
    op: str,
    data: msgspec.Struct | None,
) -> CommandResult:
    history = history_for(principal, task)
    arguments = msgspec.json.encode(data) if data is not None else b"{}"
    return await context.tasks.commands.perform(
        principal,
        TaskId(history.task),
        command_id=require_command_key(key),
        op=op,
        arguments=arguments,
    )


ROUTES = [
    submit,
    list_tasks,
    get_task,
    instruct,
    interrupt,
    cancel,
    archive,
    raise_budget,
    answer,
    approve,
]
