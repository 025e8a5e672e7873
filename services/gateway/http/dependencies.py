"""The caller and the command id, which routes read from a request's headers."""

from typing import Annotated, Final

from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from events.protocol.api.sessions import Scope
from services.gateway.http.browser.same_origin import require_same_origin
from services.gateway.http.browser.session_cookies import credential
from services.gateway.http.context import GatewayContext
from services.gateway.http.request_checks import AnyRequest
from services.gateway.problems import refused, unauthenticated
from services.gateway.tasks.access import Principal, require

_SCOPE: Final = "scope"
_LOOKING: Final = ("GET", "HEAD", "OPTIONS")

Context = NamedDependency[SkipValidation[GatewayContext]]
CurrentPrincipal = NamedDependency[SkipValidation[Principal]]
CommandKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A UUID (best: version 7), new for every command and the same when the same "
        "command is sent again. Required.",
        schema_extra={"format": "uuid"},
    ),
]


def route_options(scope: Scope | None, *answers: int) -> dict[str, Scope | tuple[int, ...] | None]:
    """Make a route's `opt`: the scope it needs, and further statuses that it answers with.

    Unsaid, GET needs `read` and all else `write`.
    """
    return {_SCOPE: scope, "answers": answers}


async def authenticated_principal(request: AnyRequest, context: Context) -> Principal:
    """Return the person or program that sent the request.

    Raises Refused: 401 when the caller is not known, 403 when their key lacks the route's scope or
    their cookie came from another page.
    """
    token, is_cookie = credential(request, context.public_url)
    if is_cookie:
        require_same_origin(request, context)
    principal = await context.accounts.people.authenticate(token) if token else None
    if principal is None:
        raise unauthenticated()
    usual: Scope = "read" if request.method in _LOOKING else "write"
    scope = request.route_handler.opt.get(_SCOPE, usual)
    if scope is not None:
        require(principal, scope)
    return principal


def require_command_key(key: str | None) -> str:
    """Insist on an Idempotency-Key. Raises Refused (400) without one."""
    if not key:
        raise refused(
            400,
            "idempotency_key_missing",
            "Send the header `Idempotency-Key` with a fresh UUID, and the same one when you "
            "repeat the request.",
        )
    return key
