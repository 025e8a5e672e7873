"""A person's templates and quick replies, and the choices of their newest tasks."""

from typing import Any, Final

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from events.protocol.api.templates import Recents, Template, TemplateList, TemplateRequest
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.problems import invalid
from services.gateway.tasks.request_validation import validate_template

_TAGS: Final = ["templates"]


@get("/v1/me/templates", tags=_TAGS, summary="List your templates")
async def list_templates(context: Context, principal: CurrentPrincipal) -> TemplateList:
    """List one's own templates of tasks and quick replies, the oldest first."""
    return TemplateList(await context.templates.list(principal.account, principal.person))


@post("/v1/me/templates", tags=_TAGS, summary="Add a template", opt=route_options("write", 409))
async def add_template(
    context: Context, principal: CurrentPrincipal, data: JSONBody[TemplateRequest]
) -> Template:
    """Keep a task to send again, or a quick reply; all devices of the person have it."""
    validate_template(data)
    return await context.templates.add(principal.account, principal.person, data)


@put("/v1/me/templates/{template:str}", tags=_TAGS, summary="Change a template")
async def change_template(
    context: Context,
    principal: CurrentPrincipal,
    template: FromPath[str],
    data: JSONBody[TemplateRequest],
) -> Template:
    """Store the whole new content of one of one's own templates. Its kind stays."""
    account, person = principal.account, principal.person
    kind = await context.templates.kind(account, person, template)
    validate_template(data)
    if data.kind != kind:
        raise invalid("kind_refused", "/kind", f"This template is a {kind}; its kind stays.")
    return await context.templates.change(account, person, template=template, content=data)


@delete("/v1/me/templates/{template:str}", tags=_TAGS, summary="Remove a template")
async def remove_template(
    context: Context, principal: CurrentPrincipal, template: FromPath[str]
) -> None:
    """Remove one of one's own templates."""
    await context.templates.delete(principal.account, principal.person, template)


@get("/v1/me/recents", tags=_TAGS, summary="Get your latest choices")
async def recents(context: Context, principal: CurrentPrincipal) -> Recents:
    """Return the repositories, branches and models of one's newest tasks, the last used first."""
    return await context.recents.read(principal.account, principal.by)


ROUTES: list[Any] = [list_templates, add_template, change_template, remove_template, recents]
