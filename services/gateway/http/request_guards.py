"""Checks of every request before its route: its rate, and whether it can be decoded."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from litestar import Response
from litestar.routes import HTTPRoute

from events.limits import is_too_deep
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import AnyRequest, Context, authenticated_principal, bearer
from services.gateway.problems import Refused, refused, too_many
from services.gateway.stores.rate_limiter import Kind, RateLimitResult, client_network
from services.gateway.tasks.access import Principal

MAX_DEPTH: Final = 32
_FREE: Final = ("/health/", "/broker/")  # probes, and workers: their tasks have budgets
_BODY: Final = "data"  # the parameter by which a route takes its JSON


async def rate_limited_principal(request: AnyRequest, context: Context) -> Principal:
    """Return who asks, and count it. Raises Refused: 401 for an unknown caller, 429 for too often.

    An unknown caller is counted by address; an API key before it is looked up, so that many at once
    are not all looked up before the first is counted.
    """
    is_guess = context.accounts.people.must_look_up(bearer(request))
    if is_guess:
        await _count(request, context, "anonymous", _address(request))
    try:
        principal = await authenticated_principal(request, context)
    except Refused as refusal:
        if refusal.problem.status == HTTPStatus.UNAUTHORIZED and not is_guess:
            await _count(request, context, "anonymous", _address(request))
        raise
    if is_guess:
        await context.limits.give_back("anonymous", _address(request))
    kind: Kind = "reads" if request.method == "GET" else "commands"
    await _count(request, context, kind, principal.person)
    return principal


class RequestGuards:
    """Runs before each route. Routes that do not ask who it is are counted by address."""

    def __init__(self, context: GatewayContext) -> None:
        self._context = context

    async def __call__(self, request: AnyRequest) -> Response[None] | None:
        """Let a request through (None).

        Raises Refused: 400 not UTF-8, too deep, a parameter repeated or null, 429 too often.

        OPTIONS is answered here: what the framework would allow is the first route's alone, where
        several have one address.
        """
        if request.method == "OPTIONS":
            return Response(None, status_code=204, headers={"Allow": _methods(request)})
        _require_utf8(request)
        if request.url.path.startswith(_FREE):
            if _BODY in request.route_handler.parsed_fn_signature.parameters:
                await _read_body(request)
            return None
        if "principal" not in request.route_handler.parsed_fn_signature.parameters:
            await _count(request, self._context, "anonymous", _address(request))
        names = [name for name, _ in request.query_params.multi_items()]
        if len(names) > len(set(names)):
            raise refused(400, "parameter_repeated", "Give each parameter of the query once.")
        _require_values(request)
        if request.method != "GET":
            await _read_body(request)
        return None


async def _read_body(request: AnyRequest) -> None:
    """Read the body. Raises Refused (400) when it is not UTF-8, or nested too deeply."""
    body = await request.body()
    if not _is_utf8(body):
        raise _not_utf8("body")
    if is_too_deep(body, max_depth=MAX_DEPTH):
        raise refused(400, "too_deep", f"The body is nested more than {MAX_DEPTH} deep.")


def _require_utf8(request: AnyRequest) -> None:
    """Refuse an address or a header that is not UTF-8. Raises Refused (400)."""
    scope = request.scope
    if not _is_utf8(unquote_to_bytes(scope["raw_path"])):
        raise _not_utf8("path")
    if not _is_utf8(unquote_to_bytes(scope["query_string"])):
        raise _not_utf8("query")
    for name, value in scope["headers"]:
        if not _is_utf8(value):
            raise _not_utf8(f"header `{name.decode('ascii', errors='replace')}`")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(place: str) -> Refused:
    return refused(
        400, "not_utf8", f"The {place} is not UTF-8. Encode it as UTF-8 and send it again."
    )


def _require_values(request: AnyRequest) -> None:
    """Refuse the word `null` where it would be read as a parameter that was left out."""
    parameters = request.route_handler.parsed_fn_signature.parameters.items()
    may_be_left_out = {
        getattr(field.kwarg_definition, "name", None) or name
        for name, field in parameters
        if field.is_optional
    }
    for name, value in request.query_params.multi_items():
        if value == "null" and name in may_be_left_out:
            raise refused(400, "parameter_null", f"Leave `{name}` out instead of saying null.")


def _methods(request: AnyRequest) -> str:
    template = request.scope["path_template"]
    routes = [route for route in request.app.routes if route.path_format == template]
    return ", ".join(sorted({m for r in routes if isinstance(r, HTTPRoute) for m in r.methods}))


async def _count(request: AnyRequest, context: GatewayContext, kind: Kind, caller: str) -> None:
    taken = await context.limits.take(kind, caller)
    _tell(request, taken)
    if not taken.is_allowed:
        raise too_many(
            f"At most {taken.most} {kind} a minute are answered. Wait, then go on more slowly.",
            retry_after_seconds=taken.retry_after_seconds,
        )


def _tell(request: AnyRequest, taken: RateLimitResult) -> None:
    """Leave the headers where `answers` finds them, whatever the route answers."""
    scope: Any = request.scope
    scope["limits"] = [(n.lower().encode(), text.encode()) for n, text in taken.headers().items()]


def _address(request: AnyRequest) -> str:
    return client_network(request.client.host) if request.client else "unknown"
