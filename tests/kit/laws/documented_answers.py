"""Every answer of the gateway is one that its document tells of: looked at wherever tests ask."""

import re
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx

from services.gateway.http.apps.gateway import make_app
from services.gateway.http.documentation.api_reference import Document


@cache
def described_offline() -> Any:
    """Return the document of a gateway that is not running."""
    context = SimpleNamespace(public_url="http://x", allowed_origins=())
    app = make_app(context)  # type: ignore[arg-type]
    return Document().of(app, app.openapi_schema.to_schema())


@cache
def _routes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """The paths as patterns; those without a place to fill in come first."""
    paths = described_offline()["paths"]
    return [
        (re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))), operations)
        for path, operations in sorted(paths.items(), key=lambda item: item[0].count("{"))
    ]


async def require_described(response: httpx.Response) -> None:
    """Refuse a status that the document does not name for this route (httpx's response hook)."""
    request = response.request
    method, path = request.method.lower(), request.url.path
    for pattern, operations in _routes():
        if pattern.fullmatch(path) and method in operations:
            described = operations[method]["responses"]
            told = f"{method.upper()} {path} answers {response.status_code}, which is not described"
            assert str(response.status_code) in described, told
            return
