"""The HTTP routes as one Litestar application, with its description at /docs."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from services.gateway.broker.assembly import Broker
from services.gateway.http.api_reference import DocsJson, DocsPage, Document
from services.gateway.http.context import GatewayContext
from services.gateway.http.error_handlers import (
    on_bug,
    on_cut_short,
    on_http_exception,
    on_refused,
    on_too_deep,
)
from services.gateway.http.request_guards import RequestGuards, rate_limited_principal
from services.gateway.http.response_middleware import RequestAborted
from services.gateway.http.routes import operator, server_info
from services.gateway.http.routes.account import (
    budgets,
    devices,
    members,
    secrets,
    sessions,
    sign_in,
)
from services.gateway.http.routes.broker import router
from services.gateway.http.routes.task import artifacts, commands, events, tasks, time_travel, usage
from services.gateway.http.routes.web_pages import pair_page
from services.gateway.problems import Refused

MAX_BODY_BYTES: Final = 256 * 1024


def make_app(context: GatewayContext) -> Litestar:
    """Put the routes together. Errors of every kind are answered as problems (RFC 9457)."""

    def gateway_context() -> GatewayContext:
        return context

    def broker() -> Broker:
        return context.broker

    config = AppConfig(
        route_handlers=[
            *tasks.ROUTES,
            *commands.ROUTES,
            *events.ROUTES,
            *time_travel.ROUTES,
            *artifacts.ROUTES,
            *usage.ROUTES,
            *sessions.ROUTES,
            *secrets.ROUTES,
            *budgets.ROUTES,
            *operator.ROUTES,
            *devices.ROUTES,
            *members.ROUTES,
            *sign_in.ROUTES,
            *server_info.ROUTES,
            pair_page(context.public_url),
            router(),
        ],
        dependencies={
            "context": Provide(gateway_context, sync_to_thread=False),
            "broker": Provide(broker, sync_to_thread=False),
            "principal": Provide(rate_limited_principal),
        },
        before_request=RequestGuards(context),
        cors_config=_cors(context.allowed_origins),
        exception_handlers={
            Refused: on_refused,
            HTTPException: on_http_exception,
            RequestAborted: on_cut_short,
            RecursionError: on_too_deep,
            Exception: on_bug,
        },
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=_description(),
        logging_config=None,
    )
    return Litestar.from_config(config)


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """Let pages of these origins ask; without any, no page of another origin may."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"],
        expose_headers=["ETag", "Link", "Location", "RateLimit", "Retry-After", "X-Request-Id"],
        max_age=600,
    )


def _description() -> OpenAPIConfig:
    document = Document()
    return OpenAPIConfig(
        title="Errand",
        version=version("errand"),
        description="Send a coding agent on an errand; follow every step; get a pull request.",
        path="/docs",
        render_plugins=[DocsPage(document), DocsJson(document)],
        security=[{"session": []}],
        components=Components(
            security_schemes={"session": SecurityScheme(type="http", scheme="bearer")}
        ),
        use_handler_docstrings=True,
    )
