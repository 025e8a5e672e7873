"""Health of the process, for probes."""

from typing import Any

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import SkipValidation

from events.protocol.api.server import Health
from services.gateway.http.serving.readiness import Readiness

CurrentReadiness = NamedDependency[SkipValidation[Readiness]]


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
async def ready(readiness: CurrentReadiness) -> Response[Health]:
    """Answer whether log, Postgres and object store can be used, as of a few seconds ago.

    503 when one of them cannot. Without Redis it is `degraded`: everything works, and slower.
    """
    health = await readiness.health()
    status = 503 if health.status == "unavailable" else 200
    return Response(health, status_code=status, media_type=MediaType.JSON)


ROUTES: list[Any] = [live, ready]
