"""The API's description as a page, made here: no script, nothing from elsewhere."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router
from litestar.datastructures import ResponseHeader
from litestar.enums import OpenAPIMediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Operation
from litestar.routes import HTTPRoute

from services.gateway.http.documentation.openapi import described

_METHODS: Final = ("get", "post", "put", "delete")
_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: auto; padding: 1rem; }
section { border-top: 1px solid #8886; padding: .5rem 0; }
h2 { font: 600 1rem ui-monospace, monospace; overflow-wrap: anywhere; }
td { padding: 0 1rem .2rem 0; vertical-align: top; } code { font-family: ui-monospace, monospace; }
"""

_POLICY: Final = ResponseHeader(
    name="Content-Security-Policy",
    value="default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
)


class Document:
    """The whole description, made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def of(self, app: Litestar, sketch: dict[str, Any]) -> dict[str, Any]:
        """Complete what the framework knows of the routes."""
        if not self._made:
            handlers = {
                str(operation.operation_id): handler
                for route in app.routes
                if isinstance(route, HTTPRoute)
                for handler in route.route_handlers
                if (operation := _operation_of(app, route, handler)) is not None
            }
            self._made = described(sketch, handlers)
        return self._made


def _operation_of(app: Litestar, route: HTTPRoute, handler: HTTPRouteHandler) -> Operation | None:
    item = (app.openapi_schema.paths or {}).get(route.path_format or "/")
    found = (getattr(item, method.lower(), None) for method in handler.http_methods)
    return next((operation for operation in found if operation is not None), None)


class DocsPage(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one plain page; /docs/openapi.json is the document."""

    def __init__(self, document: Document) -> None:
        super().__init__(path="/")
        self._document = document

    def receive_router(self, router: Router) -> None:
        """Let the page have its own style, and nothing else."""
        router.response_headers = [*(router.response_headers or ()), _POLICY]

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Make the page."""
        return "".join(_page(self._document.of(request.app, openapi_schema))).encode()


class DocsJson(OpenAPIRenderPlugin):
    """The OpenAPI document itself."""

    def __init__(self, document: Document) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)
        self._document = document

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document's bytes."""
        return msgspec.json.encode(self._document.of(request.app, openapi_schema))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>{title}: API</title><style>{_STYLE}</style><h1>{title}: API</h1>"
    yield f"<p>{escape(document['info'].get('description', ''))}</p>"
    yield '<p>The whole description for programs: <a href="/docs/openapi.json">OpenAPI 3.1</a>.'
    yield " Live events come over the WebSocket <code>/v1/stream</code>, subprotocol"
    yield " <code>errand.v1+json</code>. Every failure is an RFC 9457 problem.</p>"
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield from _operation(f"{method.upper()} {path}", item[method])
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<section><h2>{escape(title)}</h2><p>{escape(operation.get('description', ''))}</p>"
    yield "<table>"
    for parameter in operation.get("parameters", ()):
        told = parameter.get("description") or parameter["in"]
        yield f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(told)}"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield f"<tr><td>body<td>{_kind(media['schema'])}"
    for status, response in operation.get("responses", {}).items():
        kinds = [_kind(media["schema"]) for media in response.get("content", {}).values()]
        told = " ".join([*kinds, escape(response["description"])])
        yield f"<tr><td>{escape(status)}<td>{told}"
    yield "</table></section>"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h2>{escape(schema.get("title", name))}</h2>'
    yield f"<p>{escape(schema.get('description', ''))}</p><table>"
    for field, kind in schema.get("properties", {}).items():
        needed = " (required)" if field in schema.get("required", ()) else ""
        yield f"<tr><td><code>{escape(field)}</code><td>{_kind(kind)}{needed}"
    yield "</table></section>"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for together in ("oneOf", "anyOf"):
        if together in schema:
            return " or ".join(_kind(option) for option in schema[together])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("type", "")
    return escape(" or ".join(kind) if isinstance(kind, list) else str(kind))
