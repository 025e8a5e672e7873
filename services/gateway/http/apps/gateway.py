"""The HTTP routes as one Litestar application, with its description at /docs."""

from collections.abc import Sequence
from importlib.metadata import version

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from services.gateway.http.context import GatewayContext
from services.gateway.http.documentation.api_reference import DocsJson, DocsPage, Document
from services.gateway.http.error_handlers import error_handlers
from services.gateway.http.request_checks import MAX_BODY_BYTES
from services.gateway.http.request_guards import RequestGuards, rate_limited_principal
from services.gateway.http.routes import health, operator, server_info
from services.gateway.http.routes.account import (
    attachments,
    budgets,
    devices,
    environments,
    members,
    secrets,
    sessions,
    sign_in,
    templates,
)
from services.gateway.http.routes.task import (
    approvals,
    artifacts,
    changes,
    commands,
    event_content,
    events,
    shares,
    tasks,
    time_travel,
    usage,
)
from services.gateway.http.serving.readiness import Readiness


def make_app(context: GatewayContext) -> Litestar:
    """Put the routes together. Errors of every kind are answered as problems (RFC 9457)."""

    def gateway_context() -> GatewayContext:
        return context

    def readiness() -> Readiness:
        return context.readiness

    config = AppConfig(
        route_handlers=[
            *tasks.ROUTES,
            *commands.ROUTES,
            *events.ROUTES,
            *event_content.ROUTES,
            *time_travel.ROUTES,
            *artifacts.ROUTES,
            *changes.ROUTES,
            *approvals.ROUTES,
            *attachments.ROUTES,
            *usage.ROUTES,
            *shares.ROUTES,
            *sessions.ROUTES,
            *templates.ROUTES,
            *secrets.ROUTES,
            *budgets.ROUTES,
            *operator.ROUTES,
            *devices.ROUTES,
            *environments.ROUTES,
            *members.ROUTES,
            *sign_in.ROUTES,
            *server_info.ROUTES,
            *health.ROUTES,
        ],
        dependencies={
            "context": Provide(gateway_context, sync_to_thread=False),
            "readiness": Provide(readiness, sync_to_thread=False),
            "principal": Provide(rate_limited_principal),
        },
        before_request=RequestGuards(context),
        cors_config=_cors(context.allowed_origins),
        exception_handlers=error_handlers(),
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
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
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
