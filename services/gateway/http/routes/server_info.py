"""Server info."""

from typing import Any

from litestar import get

from events.protocol.api.server import ServerInfo
from services.gateway.http.dependencies import Context


@get("/v1/about", tags=["about"], summary="Server info", security=[])
async def about(context: Context) -> ServerInfo:
    """Return the model and the forges in use. Needs no session."""
    return context.about


ROUTES: list[Any] = [about]
