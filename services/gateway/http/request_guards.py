"""Checks of every request before its route: its rate, and whether it can be decoded."""

from http import HTTPStatus
from typing import Any, Final

from litestar import Response

from services.gateway.http.browser.session_cookies import credential
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, authenticated_principal
from services.gateway.http.request_checks import (
    TAKES,
    AnyRequest,
    answer_options,
    require_plain_body,
    require_utf8,
)
from services.gateway.problems import Refused, refused, too_many
from services.gateway.stores.callers import Kind, client_network
from services.gateway.stores.rate_limiter import RateLimitResult
from services.gateway.tasks.access import Principal

_FREE: Final = "/health/"  # for probes


async def rate_limited_principal(request: AnyRequest, context: Context) -> Principal:
    """Return who asks, and count it. Raises Refused: 401 for an unknown caller, 429 for too often.

    An unknown caller is counted by address; an API key before it is looked up, so that many at once
    are not all looked up before the first is counted.
    """
    token = credential(request, context.public_url).token
    is_guess = context.accounts.people.must_look_up(token)
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

        OPTIONS is answered here.
        """
        if options := answer_options(request):
            return options
        require_utf8(request)
        if request.url.path.startswith(_FREE):
            return None
        if "principal" not in request.route_handler.parsed_fn_signature.parameters:
            await _count(request, self._context, "anonymous", _address(request))
        names = [name for name, _ in request.query_params.multi_items()]
        if len(names) > len(set(names)):
            raise refused(400, "parameter_repeated", "Give each parameter of the query once.")
        _require_values(request)
        if request.method != "GET" and TAKES not in request.route_handler.opt:
            await require_plain_body(request)
        return None


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
