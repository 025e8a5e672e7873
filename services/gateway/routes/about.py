"""What this house offers, and whether it is well."""

import asyncio
from typing import Any, Literal

import msgspec
from litestar import MediaType, Response, get
from litestar.openapi import ResponseSpec

from services.gateway.house import About, Check
from services.gateway.problems import Refused
from services.gateway.routes.asking import TheHouse

_CHECK_SECONDS = 2.0


class Health(msgspec.Struct, frozen=True):
    """Which parts answer: "ok", or what is wrong."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, str]


@get("/v1/about", tags=["about"], summary="What this house offers", security=[])
async def about(house: TheHouse) -> About:
    """Tell which model and forges are in use. Needs no session."""
    return house.about


@get("/health/live", tags=["about"], summary="Is the process alive", security=[])
async def live() -> Health:
    """Answer at all."""
    return Health("ok", {})


@get(
    "/health/ready",
    tags=["about"],
    summary="Can it serve",
    security=[],
    responses={503: ResponseSpec(Health, description="A part does not answer.")},
)
async def ready(house: TheHouse) -> Response[Health]:
    """Ask NATS, Postgres and Redis; 503 when one does not answer within two seconds."""
    async with asyncio.TaskGroup() as group:
        asked = {name: group.create_task(_ask(check)) for name, check in house.checks.items()}
    parts = {name: task.result() for name, task in asked.items()}
    is_ready = all(answer == "ok" for answer in parts.values())
    health = Health("ok" if is_ready else "unavailable", parts)
    return Response(health, status_code=200 if is_ready else 503, media_type=MediaType.JSON)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "does not answer"
    except (OSError, Refused) as error:
        return type(error).__name__ if isinstance(error, OSError) else error.problem.detail
    return "ok"


ROUTES: list[Any] = [about, live, ready]
