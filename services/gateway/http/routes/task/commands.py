"""Routes of the commands, made from their declarations."""

import re
from collections.abc import Awaitable, Callable
from inspect import Parameter, Signature
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from events.protocol.task_state import TaskState
from services.gateway.commands.command_handler import CommandResult
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import (
    CommandKey,
    Context,
    CurrentPrincipal,
    require_command_key,
    route_options,
)
from services.gateway.tasks.access import Principal, history_for
from services.gateway.tasks.command_declarations import (
    COMMANDS,
    CommandDeclaration,
    parse_command_id,
    request_of,
)

_PLACEHOLDER: Final = re.compile(r"{(\w+)}")


def command_route(command: CommandDeclaration) -> HTTPRouteHandler:
    """Return the route of a command."""
    if command.makes_task:
        function = _with_signature(_new_task(command), command, Response[TaskState])
    else:
        function = _with_signature(_on_task(command), command, CommandResult)
    route = HTTPRouteHandler(
        command.path.replace("}", ":str}"),
        http_method=command.method,
        status_code=command.status,
        tags=["tasks"],
        summary=command.summary,
        description=command.description,
        opt=route_options(command.scope),
    )
    return route(function)


def _on_task(command: CommandDeclaration) -> Callable[..., Awaitable[CommandResult]]:
    async def perform_on_task(
        context: GatewayContext,
        principal: Principal,
        *,
        key: str | None,
        data: msgspec.Struct | None,
        **path: str,
    ) -> CommandResult:
        history = history_for(principal, path["task"])
        return await context.tasks.commands.perform(
            principal,
            history.task,
            command_id=parse_command_id(require_command_key(key)),
            request=request_of(command, data, path),
        )

    return perform_on_task


def _new_task(command: CommandDeclaration) -> Callable[..., Awaitable[Response[TaskState]]]:
    async def make_task(
        context: GatewayContext,
        principal: Principal,
        *,
        key: str | None,
        data: msgspec.Struct | None,
        **path: str,
    ) -> Response[TaskState]:
        done = await context.tasks.commands.perform(
            principal,
            history_for(principal, path["task"]).task if "task" in path else None,
            command_id=parse_command_id(require_command_key(key)),
            request=request_of(command, data, path),
        )
        history = history_for(principal, done.task)
        state = await context.tasks.states.get(history, at_least=done.version)
        location = {"Location": f"/v1/tasks/{done.task}"}
        return Response(state, status_code=command.status, headers=location)

    return make_task


def _with_signature(
    function: Callable[..., Awaitable[Any]], command: CommandDeclaration, returns: object
) -> Callable[..., Awaitable[Any]]:
    """Give a function the name and parameters from which the framework makes its operation."""
    body: Any = command.body_type
    is_body_required = any(field.required for field in msgspec.structs.fields(body))
    types: dict[str, Any] = {
        "context": Context,
        "principal": CurrentPrincipal,
        **dict.fromkeys(_PLACEHOLDER.findall(command.path), FromPath[str]),
        "data": JSONBody[body] if is_body_required else JSONBody[body | None],  # type: ignore[misc]
        "key": CommandKey,
    }
    optional = {"key"} if is_body_required else {"key", "data"}
    parameters = [
        Parameter(
            name, Parameter.KEYWORD_ONLY, default=None if name in optional else Parameter.empty
        )
        for name in types
    ]
    function.__name__ = command.operation or command.op
    function.__annotations__ = {**types, "return": returns}
    function.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return function


ROUTES = [command_route(c) for c in sorted(COMMANDS, key=lambda c: c.path.count("{"))]
"""Those with shorter paths come first."""
