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

from services.gateway.answers import CutShort
from services.gateway.broker.routes import router
from services.gateway.house import House
from services.gateway.problems import Refused
from services.gateway.routes import (
    about,
    artifacts,
    devices,
    history,
    members,
    operator,
    past,
    people,
    secrets,
    spending,
    tasks,
    ways_in,
    work,
)
from services.gateway.routes.before import Before, person_allowed
from services.gateway.routes.docs import DocsJson, DocsPage, Document
from services.gateway.routes.failures import (
    on_bug,
    on_cut_short,
    on_http_exception,
    on_refused,
    on_too_deep,
)
from services.gateway.routes.pages import pair_page

MOST_BODY_BYTES: Final = 256 * 1024


def make_app(house: House) -> Litestar:
    """Put the routes together. Errors of every kind are answered as problems (RFC 9457)."""

    def the_house() -> House:
        return house

    config = AppConfig(
        route_handlers=[
            *tasks.ROUTES,
            *history.ROUTES,
            *past.ROUTES,
            *artifacts.ROUTES,
            *work.ROUTES,
            *people.ROUTES,
            *secrets.ROUTES,
            *spending.ROUTES,
            *operator.ROUTES,
            *devices.ROUTES,
            *members.ROUTES,
            *ways_in.ROUTES,
            *about.ROUTES,
            pair_page(house.public_url),
            router(),
        ],
        dependencies={
            "house": Provide(the_house, sync_to_thread=False),
            "principal": Provide(person_allowed),
        },
        before_request=Before(house),
        cors_config=_cors(house.allowed_origins),
        exception_handlers={
            Refused: on_refused,
            HTTPException: on_http_exception,
            CutShort: on_cut_short,
            RecursionError: on_too_deep,
            Exception: on_bug,
        },
        request_max_body_size=MOST_BODY_BYTES,
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
