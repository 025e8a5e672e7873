"""The disks of NATS and of Postgres are full while tasks run: all wait, and nothing acked is lost.

One set of servers has its log and its database each on a small file system.
"""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra.local import ports
from infra.local.home import inhabited
from infra.local.servers import programs
from infra.local.servers.provisioning import create_database
from tests.kit.faults.small_disk import SmallDisk, small_disk
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import OPERATOR
from tests.kit.run.service_processes import (
    Service,
    a_task_is_taken_up_and_listed,
    seen,
    service,
    settings_of_services,
    sign_in,
    submit,
)
from tests.kit.servers.stack import RealServers, plain_environment, real_servers

PORTS = ("gateway", "broker", "scheduler", "projector")


class Disks:
    """Servers on small disks, and the disks."""

    def __init__(self, servers: RealServers, nats: SmallDisk, postgres: SmallDisk) -> None:
        self.servers = servers
        self.nats = nats
        self.postgres = postgres


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    directory = tmp_path_factory.mktemp("home")
    directory.chmod(0o755)
    disk = directory.parent / "postgres-disk"
    with (
        small_disk(directory / "nats", megabytes=64) as nats,
        small_disk(disk, megabytes=192) as postgres,
    ):
        with inhabited(directory, plain_environment()) as home:
            asyncio.run(programs.postgres(home))  # makes the cluster
        subprocess.run(["cp", "--archive", directory / "postgres", disk / "cluster"], check=True)
        shutil.rmtree(directory / "postgres")
        (directory / "postgres").symlink_to(disk / "cluster")
        with real_servers(directory) as running:
            yield Disks(running, nats, postgres)


class World:
    """The services on these servers, and a person."""

    def __init__(self, http: httpx.AsyncClient, running: dict[str, Service]) -> None:
        self.http = http
        self.running = running

    @property
    def is_up(self) -> bool:
        return all(each.is_running for each in self.running.values())

    async def parts(self) -> dict[str, str]:
        answer = await seen(self.http, "/health/ready")
        return (
            {} if answer is None else {"status": str(answer.status_code)} | answer.json()["parts"]
        )

    async def has(self, *tasks: str) -> bool:
        listed = (await self.http.get("/v1/tasks")).text
        return all(task in listed for task in tasks)


@pytest.fixture
async def world(disks: Disks, tmp_path: Path) -> AsyncIterator[World]:
    servers = disks.servers
    await create_database(servers.postgres_url, tmp_path.name)
    database = servers.servers.database_url(tmp_path.name)
    async with AsyncExitStack() as resources:
        chosen = resources.enter_context(ports.chosen(PORTS, {}))
        running = {
            name: await resources.enter_async_context(service(name, tmp_path, told))
            for name, told in settings_of_services(servers, database, chosen).items()
        }
        url = f"http://127.0.0.1:{chosen['gateway']}"
        client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        made = World(await resources.enter_async_context(client), running)
        await eventually(made.parts, until=lambda parts: parts.get("status") == "200")
        await sign_in(made.http)
        yield made


async def test_a_full_disk_of_the_log_is_said_and_waited_for(disks: Disks, world: World) -> None:
    acked = [await a_task_is_taken_up_and_listed(world.http)]
    with disks.nats.full():
        refused = await eventually(
            partial(submit, world.http), until=lambda answer: answer.status_code != 201
        )
        assert (refused.status_code, refused.json()["retryable"]) == (503, True)
        parts = await eventually(world.parts, until=lambda parts: parts["nats"] != "ok")
        assert (parts["status"], parts["postgres"]) == ("503", "ok")
    assert world.is_up
    await disks.servers.restart("nats")  # a log that was full is wedged until then
    answer = await eventually(
        partial(submit, world.http), until=lambda answer: answer.status_code == 201
    )
    acked += [answer.json()["id"], await a_task_is_taken_up_and_listed(world.http)]
    await eventually(partial(world.has, *acked))
    await eventually(world.parts, until=lambda parts: parts["status"] == "200")
    assert world.is_up


async def test_a_full_disk_of_postgres_is_said_and_waited_for(disks: Disks, world: World) -> None:
    acked = [await a_task_is_taken_up_and_listed(world.http)]
    with disks.postgres.full():
        parts = await eventually(partial(write_more, world), until=lambda p: p["postgres"] != "ok")
        assert (parts["status"], parts["nats"]) == ("503", "ok")
        assert world.is_up
        made = await submit(world.http)
        acked += [made.json()["id"]] if made.status_code == 201 else []
    acked.append(await a_task_is_taken_up_and_listed(world.http))
    await eventually(partial(world.has, *acked))
    assert world.is_up


async def write_more(world: World) -> dict[str, str]:
    """Have the gateway write some rows; return what its readiness says then."""
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    for _ in range(50):
        await world.http.post("/v1/pairings", headers=operator)
    return await world.parts()
