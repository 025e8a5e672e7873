"""Reading a request that is not trusted: its credential, its sender, and checks of its text."""

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from litestar import Request, Response
from litestar.routes import HTTPRoute

from events.limits import is_too_deep
from services.gateway.problems import Refused, refused

MAX_DEPTH: Final = 32
MAX_BODY_BYTES: Final = 256 * 1024
TAKES: Final = "takes"
"""The option of a route that takes bytes as they are: their media types."""

_BODY: Final = "data"  # the parameter by which a route takes its JSON

AnyRequest = Request[Any, Any, Any]


def bearer(request: AnyRequest) -> str:
    """Read the token of `Authorization: Bearer …`; empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def client_address(request: AnyRequest) -> str:
    """Return the address a request comes from, by which guessing is slowed down."""
    return request.client.host if request.client else "unknown"


def answer_options(request: AnyRequest) -> Response[None] | None:
    """Answer OPTIONS; None for every other method.

    What the framework would allow is the first route's alone, where several have one address.
    """
    if request.method == "OPTIONS":
        return Response(None, status_code=204, headers={"Allow": _methods(request)})
    return None


def takes_json(request: AnyRequest) -> bool:
    """Return whether the request's route takes its body as JSON."""
    return _BODY in request.route_handler.parsed_fn_signature.parameters


async def require_plain_body(request: AnyRequest) -> None:
    """Read the body. Raises Refused (400) when it is not UTF-8, or nested too deeply."""
    body = await request.body()
    if not _is_utf8(body):
        raise _not_utf8("body")
    if is_too_deep(body, max_depth=MAX_DEPTH):
        raise refused(400, "too_deep", f"The body is nested more than {MAX_DEPTH} deep.")


def require_utf8(request: AnyRequest) -> None:
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


def _methods(request: AnyRequest) -> str:
    template = request.scope["path_template"]
    routes = [route for route in request.app.routes if route.path_format == template]
    return ", ".join(sorted({m for r in routes if isinstance(r, HTTPRoute) for m in r.methods}))
