"""Services whose log lines cannot be written: they start, work, and never raise or hang."""

import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from infra.local import ports
from tests.kit.faults.late_nats import late_nats
from tests.kit.probe.eventually import eventually
from tests.kit.run.service_processes import (
    a_task_is_taken_up_and_listed,
    seen,
    service,
    settings_of_services,
    sign_in,
)
from tests.kit.servers.stack import RealServers

PORTS = ("gateway", "broker", "scheduler", "projector")


@contextmanager
def unwritable(kind: str) -> Iterator[int]:
    """A descriptor that takes nothing."""
    if kind == "full disk":
        with Path("/dev/full").open("wb") as full:
            yield full.fileno()
        return
    reader, writer = os.pipe()
    if kind == "closed pipe":
        os.close(reader)
    else:
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
    try:
        yield writer
    finally:
        os.close(writer)
        if kind == "full pipe":
            os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["full pipe", "closed pipe", "full disk"])
async def test_services_work_on_where_their_log_lines_cannot_be_written(
    servers: RealServers, fresh_database: str, tmp_path: Path, kind: str
) -> None:
    async with AsyncExitStack() as resources:
        nats = await resources.enter_async_context(late_nats(tmp_path / "nats"))
        chosen = resources.enter_context(ports.chosen(PORTS, {}))
        output = resources.enter_context(unwritable(kind))
        settings = settings_of_services(
            servers, fresh_database, chosen, log_level="DEBUG", **nats.settings
        )
        running = [
            await resources.enter_async_context(service(name, tmp_path, told, output=output))
            for name, told in settings.items()
        ]
        await nats.start()  # they have said that they wait for it
        await nats.make_streams()
        http = await resources.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{chosen['gateway']}", trust_env=False)
        )

        async def status() -> int:
            answer = await seen(http, "/health/ready")
            return answer.status_code if answer is not None else 0

        await eventually(status, until=lambda status: status == 200)
        await sign_in(http)
        await a_task_is_taken_up_and_listed(http)
        assert all(each.is_running for each in running)
