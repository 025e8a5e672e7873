"""A gateway of a few lines: a real WebSocket and HTTP server that does what the test says."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from events import TaskInstructed
from tests.kit.build.any_event import HISTORY, recorded

TASK = HISTORY.task
Visit = Callable[["Visitor"], Awaitable[None]]


def event(version: int) -> dict[str, Any]:
    """An event as the gateway sends it."""
    fact = TaskInstructed(text=f"event {version}")
    sent: dict[str, Any] = json.loads(recorded(fact, version).body)
    return sent


class Visitor:
    """One connection of the client, from the gateway's side."""

    def __init__(self, socket: ServerConnection, hello: dict[str, Any]) -> None:
        self.socket = socket
        self.hello = hello

    @property
    def version(self) -> int:
        """The version it resumes from."""
        return int(self.hello["subs"][0]["version"])

    async def tell(self, *items: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(items))

    async def hear(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self.socket.recv())
        return said


class ScriptedGateway:
    """A gateway with one script per visit; the last is for all later ones. `pages` answers HTTP."""

    def __init__(self, *visits: Visit) -> None:
        self.visits = list(visits)
        self.hellos: list[dict[str, Any]] = []
        self.pages: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, socket: ServerConnection) -> None:
        hello = json.loads(await socket.recv())
        self.hellos.append(hello)
        visit = self.visits.pop(0) if len(self.visits) > 1 else self.visits[0]
        await visit(Visitor(socket, hello))

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        self.asked.append(request.path)
        status, body = self.pages.pop(0)
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, HTTPStatus(status).phrase, headers, body)


@asynccontextmanager
async def scripted_gateway(*visits: Visit) -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway(*visits)
    async with serve(
        gateway.serve, "127.0.0.1", 0, process_request=gateway.answer, compression=None
    ) as server:
        [listener] = server.sockets
        gateway.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield gateway
