"""The broker's routes as one Litestar application. Only workers and probes come here."""

from litestar import Litestar, Response
from litestar.config.app import AppConfig
from litestar.di import Provide

from services.gateway.broker.assembly import Broker
from services.gateway.http.error_handlers import error_handlers
from services.gateway.http.request_checks import (
    MAX_BODY_BYTES,
    AnyRequest,
    answer_options,
    require_plain_body,
    require_utf8,
    takes_json,
)
from services.gateway.http.routes import health
from services.gateway.http.routes.broker import router
from services.gateway.http.serving.readiness import Readiness


def make_broker_app(broker_: Broker, readiness_: Readiness) -> Litestar:
    """Put the routes together. Errors of every kind are answered as problems (RFC 9457)."""

    def broker() -> Broker:
        return broker_

    def readiness() -> Readiness:
        return readiness_

    config = AppConfig(
        route_handlers=[router(), *health.ROUTES],
        dependencies={
            "broker": Provide(broker, sync_to_thread=False),
            "readiness": Provide(readiness, sync_to_thread=False),
        },
        before_request=_guard,
        exception_handlers=error_handlers(),
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
    return Litestar.from_config(config)


async def _guard(request: AnyRequest) -> Response[None] | None:
    """Let a request through (None). Raises Refused: 400 not UTF-8, too deep.

    Workers are not counted: their tasks have budgets.
    """
    if options := answer_options(request):
        return options
    require_utf8(request)
    if takes_json(request):
        await require_plain_body(request)
    return None
