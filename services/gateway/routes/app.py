"""The HTTP routes as one Litestar application, with its description at /docs."""

from importlib.metadata import version
from typing import Final

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

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
)
from services.gateway.routes.asking import person_asking
from services.gateway.routes.docs import DocsPage
from services.gateway.routes.failures import on_bug, on_http_exception, on_refused, on_too_deep
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
            "principal": Provide(person_asking),
        },
        exception_handlers={
            Refused: on_refused,
            HTTPException: on_http_exception,
            RecursionError: on_too_deep,
            Exception: on_bug,
        },
        request_max_body_size=MOST_BODY_BYTES,
        openapi_config=_description(),
        logging_config=None,
    )
    return Litestar.from_config(config)


def _description() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Errand",
        version=version("errand"),
        description="Send a coding agent on an errand; follow every step; get a pull request.",
        path="/docs",
        render_plugins=[DocsPage(path="/")],
        security=[{"session": []}],
        components=Components(
            security_schemes={"session": SecurityScheme(type="http", scheme="bearer")}
        ),
        use_handler_docstrings=True,
    )
