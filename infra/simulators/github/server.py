"""The forge served by uvicorn, until it is stopped."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from infra.runtime.clock import Clock
from infra.runtime.lifecycle import run_until_signalled
from infra.simulators.github.http.app import Application
from infra.simulators.github.settings import Settings


class _Server(uvicorn.Server):
    """A uvicorn that leaves the signals to `infra.runtime.lifecycle`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def main(settings: Settings, clock: Clock, announce: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM. `announce` is called with the address once it listens."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.create_server((settings.host, settings.port), family=family) as listener:
        config = uvicorn.Config(
            Application(settings, clock),
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, int(settings.grace_seconds) - 1),
        )
        server = _Server(config)
        shown = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
        announce(f"http://{shown}:{listener.getsockname()[1]}")

        async def serve(stopping: asyncio.Event) -> None:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(server.serve(sockets=[listener]))
                await stopping.wait()
                server.should_exit = True
                await serving

        await run_until_signalled(serve, grace_seconds=settings.grace_seconds)
