"""The real servers, as fixtures: one set a session, run by a supervisor in a thread of its own.

tests/conftest.py registers them. `servers` is for all tests at once: they keep apart by using ids
of their own on NATS and `fresh_database` on PostgreSQL; Redis and S3 keys hold the task's id.
"""

import asyncio
import itertools
import os
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import asyncpg
import pytest

from infra.local.home import Home, inhabited
from infra.local.keys import Storage
from infra.local.process.child import Program
from infra.local.process.supervisor import Supervisor
from infra.local.servers.provisioning import Servers, create_database, running_servers
from infra.local.services import Forge
from infra.local.settings import Settings
from infra.local.stack import ListenAddress, Pairing, Stack, running_stack
from infra.log.event_mac import EventKeys, read_keys
from infra.log.nats_permissions import Role, WorkerGrant
from infra.runtime.clock import utc_now
from tests.kit.build import nats_identities
from tests.kit.servers import containers
from tests.kit.servers.server_directory import server_directory

T = TypeVar("T")
R = TypeVar("R")
_NUMBERS = itertools.count(1)


def plain_environment() -> dict[str, str]:
    """Return the part of this process's environment that programs need, without its secrets."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


class OwnThread(Generic[T]):
    """A resource held open by an event loop in a thread of its own, so it lives between tests."""

    def __init__(self, resource: AbstractAsyncContextManager[T]) -> None:
        self._resource = resource
        self._opened: Future[T] = Future()
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="stack")

    def open(self) -> T:
        """Start the thread; return the resource, or raise what opening it raised."""
        self._thread.start()
        return self._opened.result()

    async def run(self, work: Coroutine[object, object, R]) -> R:
        """Run a coroutine in that loop and wait for it in this one."""
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Close the resource and end the thread; raise what closing raised."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    async def _live(self) -> None:
        try:
            async with self._resource as resource:
                self._loop = asyncio.get_running_loop()
                self._opened.set_result(resource)
                await self._closing.wait()
        except BaseException as failure:  # noqa: BLE001 - it is raised in the other thread
            if self._opened.done():
                self._failure = failure
            else:
                self._opened.set_exception(failure)


class RealServers:
    """NATS, PostgreSQL, Redis and S3, and a hand on their processes."""

    def __init__(self, servers: Servers, supervisor: Supervisor, thread: OwnThread[Any]) -> None:
        self.servers = servers
        self._supervisor = supervisor
        self._thread = thread

    @property
    def nats_url(self) -> str:
        return self.servers.nats_url

    @property
    def postgres_url(self) -> str:
        """The stack's database, for its superuser: to make databases, and to see every row.

        What a superuser makes in it shuts services and operators out.
        """
        return self.servers.postgres_url

    @property
    def service_postgres_url(self) -> str:
        """The same, as services and operators find it: their role owns it."""
        return self.servers.service_postgres_url

    @property
    def redis_url(self) -> str:
        return self.servers.redis_url

    @property
    def s3(self) -> Storage:
        """endpoint, key, secret, bucket, region."""
        return self.servers.storage

    @property
    def nats_workers_account(self) -> str:
        """Public key of account WORKERS."""
        return self.servers.workers_account

    @property
    def nats_workers_signing_key(self) -> Path:
        """File with the seed that mints workers' users."""
        return self.servers.workers_signing_key

    @property
    def event_keys(self) -> EventKeys:
        """The keys of the log's writers."""
        keys = self.servers.keys
        return read_keys(keys.event_keys, unsigned_up_to=keys.events_unsigned_up_to)

    @property
    def event_key_settings(self) -> dict[str, str]:
        """The same, for a process of its own."""
        return {"EVENT_KEYS": self.servers.keys.event_keys}

    def credentials(self, role: Role) -> Path:
        """Path of the role's .creds file."""
        return self.servers.credentials(role)

    def admin_credentials(self) -> Path:
        """Path of a .creds file in CORE that may do anything. Only tests have one."""
        return nats_identities.admin(self.servers.home, self.servers.keys)

    def worker_credentials(self, grant: WorkerGrant, *, expires: datetime) -> str:
        """Credentials text of a worker's user, minted as the gateway mints it."""
        return nats_identities.worker(self.servers.keys, grant, expires=expires)

    def pid(self, name: str) -> int:
        """Process id of "nats", "postgres", "redis" or "storage"."""
        if is_in_container(name):
            return containers.container_pid(self.servers.home, name)
        return self._supervisor.pid(name)

    async def kill(self, name: str) -> None:
        """SIGKILL; returns when it serves again."""

        async def killed() -> None:
            if is_in_container(name):
                await asyncio.to_thread(containers.kill_container, self.servers.home, name)
            self._supervisor.kill(name)
            await self._supervisor.serving(name)

        await self._thread.run(killed())

    async def restart(self, name: str) -> None:
        """Ordered restart; returns when it serves again."""
        await self._thread.run(self._supervisor.restart(name))

    async def halt(self, name: str) -> None:
        """Stop it until `resume`."""
        await self._thread.run(self._supervisor.halt(name))

    async def resume(self, name: str) -> None:
        """Start it again; returns when it serves."""
        await self._thread.run(self._supervisor.resume(name))


class RealStack(RealServers):
    """The whole of Errand: the servers, the stand-ins, the services."""

    def __init__(self, stack: Stack, thread: OwnThread[Any]) -> None:
        super().__init__(stack.servers, stack.supervisor, thread)
        self.stack = stack

    @property
    def gateway_url(self) -> str:
        return self.stack.gateway_url

    @property
    def broker_url(self) -> str:
        return self.stack.broker_url

    @property
    def operator_token(self) -> str:
        return self.stack.operator_token

    @property
    def forge(self) -> Forge:
        """kind, url, api_url, token of the local forge."""
        return self.stack.forge

    async def pair(self) -> Pairing:
        """A new pairing code: code, url, expires_at."""
        return await self._thread.run(self.stack.pair())


@asynccontextmanager
async def _running(directory: Path) -> AsyncIterator[tuple[Servers, Supervisor]]:
    with inhabited(directory, plain_environment()) as home:
        async with running_servers(home, _say, clock=utc_now, launcher=launched) as running:
            yield running


def is_in_container(name: str) -> bool:
    """Return whether this program of a stack runs in a container."""
    return containers.ARE_WANTED and name in containers.IMAGES


def launched(home: Home, server: Program) -> Program:
    """Return the program that runs a server: in a container where the whole run wants that."""
    return containers.in_container(home, server) if containers.ARE_WANTED else server


def skip_without_containers() -> None:
    """Skip the test where servers are to run in containers and cannot."""
    if not containers.ARE_WANTED:
        return
    if reason := containers.missing():
        pytest.skip(reason)
    containers.remove_orphans()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def real_servers(directory: Path) -> Iterator[RealServers]:
    """Run the servers in this directory until the block is left."""
    skip_without_containers()
    thread = OwnThread(_running(directory))
    try:
        yield RealServers(*thread.open(), thread)
    finally:
        thread.close()


@asynccontextmanager
async def _running_whole(
    directory: Path, settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[Stack]:
    with inhabited(directory, {**plain_environment(), **environment}) as home:
        async with running_stack(
            home, settings, _say, clock=utc_now, listen=ListenAddress(), launcher=launched
        ) as stack:
            yield stack


@contextmanager
def real_stack(
    directory: Path,
    settings: Settings | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[RealStack]:
    """Run everything in this directory until the block is left.

    `environment` is added to that of every program: HEARTBEAT_SILENCE_SECONDS and the like.
    """
    skip_without_containers()
    chosen = settings or Settings(stand_in_faults=True, sandbox="bubblewrap")
    thread = OwnThread(_running_whole(directory, chosen, environment))
    try:
        yield RealStack(thread.open(), thread)
    finally:
        thread.close()


@pytest.fixture(scope="session")
def stack() -> Iterator[RealStack]:
    """The whole of Errand, one for the whole session, with a short patience for lost workers."""
    with (
        server_directory() as directory,
        real_stack(directory, environment={"HEARTBEAT_SILENCE_SECONDS": "10"}) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def servers() -> Iterator[RealServers]:
    """The real servers, one set for the whole session: use ids and databases of your own."""
    with (
        server_directory() as directory,
        real_servers(directory) as running,
    ):
        yield running


@pytest.fixture
async def fresh_database(servers: RealServers) -> AsyncIterator[str]:
    """URL of a new, empty database; dropped after the test."""
    name = f"test_{next(_NUMBERS)}"
    await create_database(servers.postgres_url, name)
    yield servers.servers.database_url(name)
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
