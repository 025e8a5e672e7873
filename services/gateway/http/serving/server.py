"""uvicorn, run as one of the process's loops: it stops when told, not by a signal of its own."""

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn

from services.gateway.http.asgi import Application
from services.gateway.http.serving.connection_limits import (
    AddressLimit,
    ConnectionLimits,
    protocols,
)

_BACKLOG: Final = 1024
_FRAME_BYTES: Final = 64 * 1024


class Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take no signals: infra.runtime.lifecycle does."""
        yield


def bound(host: str, port: int) -> socket.socket:
    """Listen at once (port 0: any free one). Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def make_server(
    application: Application, *, grace_seconds: float, limits: ConnectionLimits
) -> Server:
    """Make the server. Connections still open `grace_seconds` after the end are cut.

    `limits.trusted_proxies`: addresses or networks, separated by commas, whose word on where a
    request comes from (X-Forwarded-For) is taken.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    http, ws = protocols(limits)
    config = uvicorn.Config(
        AddressLimit(application, limits),
        loop="none",
        http=http,
        ws=ws,
        ws_max_size=_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=max(1, int(grace_seconds)),
        timeout_keep_alive=30,
        proxy_headers=bool(limits.trusted_proxies),
        forwarded_allow_ips=limits.trusted_proxies,
    )
    return Server(config)


def _is_ours(record: logging.LogRecord) -> bool:
    """Pass over text of a client's that is no UTF-8: it is answered, and no fault of ours."""
    return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))


async def serve(server: Server, listener: socket.socket, stopping: asyncio.Event) -> None:
    """Serve until told to stop, then let open requests finish."""
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener]))
        told = group.create_task(stopping.wait())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        server.should_exit = True
