"""Environments of repositories: which definition is in force and why, settings, and packs."""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from events.protocol.api.environments import (
    EnvironmentList,
    EnvironmentRequest,
    EnvironmentSettings,
    RepositoryEnvironment,
    repository_url,
)
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.problems import Refused, not_found
from services.gateway.tasks.access import require_owner
from services.gateway.tasks.repository_url import locate
from services.gateway.tasks.request_validation import to_definition

_TAGS: Final = ["environments"]
_FOR_OWNERS: Final = route_options("admin")


class DroppedPacks(msgspec.Struct, frozen=True):
    """Count of the packs that were dropped."""

    dropped: int


@get("/v1/environments", tags=_TAGS, summary="List environments")
async def list_environments(context: Context, principal: CurrentPrincipal) -> EnvironmentList:
    """List the repositories that have settings, were set up, or have packs, by address."""
    return EnvironmentList(await context.environments.list(principal.account))


@get(
    "/v1/repositories/{repository:str}/environment",
    tags=_TAGS,
    summary="Get a repository's environment",
)
async def get_environment(
    context: Context, principal: CurrentPrincipal, repository: FromPath[str]
) -> RepositoryEnvironment:
    """Return which definition is in force for the repository's next task, and why.

    The id of a repository is its address in base64url, without padding.
    """
    return await context.environments.get(principal.account, _url(context, repository))


@put(
    "/v1/repositories/{repository:str}/environment",
    tags=_TAGS,
    summary="Set a repository's environment (owner)",
    opt=_FOR_OWNERS,
)
async def set_environment(
    context: Context,
    principal: CurrentPrincipal,
    repository: FromPath[str],
    data: JSONBody[EnvironmentRequest],
) -> RepositoryEnvironment:
    """Set how the repository is set up for the account's tasks, whatever stands in it.

    It holds for tasks that are submitted from now on and name no environment of their own.
    """
    require_owner(principal)
    url = _url(context, repository)
    settings = EnvironmentSettings(to_definition(data), principal.person, context.clock())
    await context.environments.set(principal.account, url, settings)
    return await context.environments.get(principal.account, url)


@delete(
    "/v1/repositories/{repository:str}/environment",
    tags=_TAGS,
    summary="Remove a repository's settings (owner)",
    opt=_FOR_OWNERS,
)
async def remove_environment(
    context: Context, principal: CurrentPrincipal, repository: FromPath[str]
) -> None:
    """Remove the account's settings: what stands in the repository holds again."""
    require_owner(principal)
    await context.environments.set(principal.account, _url(context, repository), None)


@delete(
    "/v1/repositories/{repository:str}/environment/packs",
    tags=_TAGS,
    summary="Drop a repository's packs",
    status_code=200,
)
async def drop_packs(
    context: Context,
    principal: CurrentPrincipal,
    repository: FromPath[str],
    *,
    key: Annotated[str, QueryParameter(max_length=64, description="Only this pack.")] = "",
) -> DroppedPacks:
    """Drop what set-ups added: the next task runs its set-up again."""
    url = _url(context, repository)
    return DroppedPacks(await context.packs.drop(principal.account, url, key))


def _url(context: GatewayContext, repository: str) -> str:
    """Return the address of the repository of an id. Raises Refused (404)."""
    try:
        return locate(repository_url(repository), context.forges).url
    except (ValueError, Refused):
        raise not_found("repository") from None


ROUTES: list[Any] = [
    list_environments,
    get_environment,
    set_environment,
    remove_environment,
    drop_packs,
]
