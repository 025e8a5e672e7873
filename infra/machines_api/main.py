"""Composition root of the local Machines API."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import uvicorn

from infra.machines_api.drivers.process import ProcessDriver
from infra.machines_api.faults import Faults
from infra.machines_api.host import Host
from infra.machines_api.http.app import MachinesApi
from infra.machines_api.settings import Settings
from infra.machines_api.store import Store
from infra.runtime.clock import utc_now
from infra.runtime.lifecycle import run_until_signalled
from infra.runtime.settings import Misconfigured
from infra.runtime.telemetry import logger

_SOURCE = Path(__file__).parents[2]
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_LOG = logger(__name__)


async def main(settings: Settings) -> None:
    """Serve until stopped; then end every machine. Raises Misconfigured, OSError."""
    directory = Path(settings.directory)
    faults = Faults()
    driver = ProcessDriver(
        directory,
        _command(settings),
        source_path=_SOURCE,
        search_path=settings.worker_path or _search_path(),
        image_env=_image_environment(settings),
    )
    with socket.create_server((settings.host, settings.port)) as listener:
        async with asyncio.TaskGroup() as machines:
            host = Host(
                Store(directory / "machines"),
                driver,
                machines,
                clock=utc_now,
                entropy=secrets.token_bytes,
                faults=faults,
            )
            await host.recover()
            api = MachinesApi(
                host,
                token=settings.fly_api_token,
                faults=faults,
                has_faults=settings.faults,
                is_strict=settings.strict,
                new_request_id=partial(secrets.token_hex, 13),
            )
            _LOG.info("machines_api.listening", host=settings.host, port=listener.getsockname()[1])
            try:
                await run_until_signalled(
                    partial(_serve, api, listener, host.close), grace_seconds=settings.grace_seconds
                )
            finally:
                await host.close()


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to infra.runtime.lifecycle."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    api: MachinesApi,
    listener: socket.socket,
    close: Callable[[], Awaitable[None]],
    stopping: asyncio.Event,
) -> None:
    """Serve until stopped; the machines end first, so that whoever waits for one gets an answer."""
    config = uvicorn.Config(
        api, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        await stopping.wait()
        await close()
        server.should_exit = True


def _command(settings: Settings) -> list[str]:
    if not settings.worker_command:
        return [sys.executable, "-m", "services.worker"]
    try:
        return msgspec.json.decode(settings.worker_command, type=list[str])
    except msgspec.DecodeError as error:
        raise Misconfigured(
            f'WORKER_COMMAND must be a JSON list of strings, as ["python", "worker.py"]: {error}'
        ) from None


def _image_environment(settings: Settings) -> dict[str, str]:
    """Return what is of this machine, as an image would bring it."""
    own = {"TOOLCHAIN_PATHS": settings.toolchain_paths, "DOCKER_HOST": settings.docker_host}
    return {name: value for name, value in own.items() if value}


def _search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), *_SYSTEM_PATH])
