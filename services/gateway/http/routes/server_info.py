"""Server info, and the server's health."""

from typing import Any

from litestar import MediaType, Response, get
from litestar.openapi import ResponseSpec

from events.protocol.api.server import Health, ServerInfo
from services.gateway.http.dependencies import Context


@get("/v1/about", tags=["about"], summary="Server info", security=[])
async def about(context: Context) -> ServerInfo:
    """Return the model and the forges in use. Needs no session."""
    return context.about


@get("/health/live", tags=["about"], summary="Liveness", security=[])
async def live() -> Health:
    """Answer at all."""
    return Health("ok", {})


@get(
    "/health/ready",
    tags=["about"],
    summary="Readiness",
    security=[],
    responses={503: ResponseSpec(Health, description="A part does not answer.")},
)
async def ready(context: Context) -> Response[Health]:
    """Return whether log, Postgres and object store can be used, as of a few seconds ago.

    503 when one of them cannot. Without Redis it is `degraded`: everything works, and slower.
    """
    health = await context.readiness.health()
    status = 503 if health.status == "unavailable" else 200
    return Response(health, status_code=status, media_type=MediaType.JSON)


ROUTES: list[Any] = [about, live, ready]
