"""A process that serves HTTP: it listens at once, opens what it needs, and stops in order."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, NamedTuple, Protocol

from infra.runtime.lifecycle import collect_rarely, run_until_signalled
from infra.runtime.settings import Misconfigured
from infra.runtime.telemetry import logger
from services.gateway.http.asgi import Application
from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.http.serving.server import bound, make_server, serve
from services.gateway.http.serving.startup import Startup
from services.gateway.stores.server_report import Report

_CUT_SECONDS: Final = 3.0  # for streams and long polls that do not end by themselves

_log = logger(__name__)


class ServedApplication(Protocol):
    """An application and what runs beside it, put together."""

    @property
    def application(self) -> Application:
        """The ASGI application that serves each connection."""
        ...

    async def run(self, stopping: asyncio.Event) -> None:
        """Do what is done beside answering, until told to stop."""
        ...

    def drain(self) -> None:
        """Ask those who are connected for long to go: the process stops."""
        ...


class Listening(NamedTuple):
    """Address and name of a process that serves, and how long it may take to stop."""

    name: str
    host: str
    port: int
    limits: ConnectionLimits
    grace_seconds: float


Open = Callable[[Report], AbstractAsyncContextManager[ServedApplication]]
"""Opens an application; the report receives the server that is waited for."""


async def run_process(listening: Listening, open_application: Open) -> None:
    """Run until told to stop. What is opened last is closed first.

    It listens at once: while it waits for its servers, readiness names them. Raises Misconfigured.
    """
    startup, served = Startup(listening.name), asyncio.Event()
    grace_seconds = min(_CUT_SECONDS, listening.grace_seconds)
    server = make_server(startup, grace_seconds=grace_seconds, limits=listening.limits)
    listener = bound(listening.host, listening.port)
    _log.info("http.listening", host=listening.host, port=listener.getsockname()[1])

    async def listen(stopping: asyncio.Event) -> None:
        await serve(server, listener, stopping)
        served.set()

    async def work(stopping: asyncio.Event) -> None:
        async with AsyncExitStack() as resources:
            made: ServedApplication | None = None
            async with startup.opening():
                made = await resources.enter_async_context(open_application(startup.report))
            if made is None:
                return
            collect_rarely()
            startup.hand_over(made.application)
            async with asyncio.TaskGroup() as group:
                group.create_task(made.run(stopping))
                await stopping.wait()
                made.drain()
                await served.wait()

    async def stop_opening(stopping: asyncio.Event) -> None:
        await stopping.wait()
        startup.give_up()

    failure: BaseException | None = None
    try:
        await run_until_signalled(listen, work, stop_opening, grace_seconds=listening.grace_seconds)
    except* Misconfigured as failures:
        failure = failures.exceptions[0]
    if failure is not None:
        raise failure
