"""The four servers of an embedded stack, up and provisioned.

Callers: `infra.local.stack`, which adds the services, and the fixtures of the test suite.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Never

import asyncpg
import msgspec

from infra.local import keys as secret_keys
from infra.local import ports
from infra.local.home import Home
from infra.local.keys import KEYS_FILE, Keys, Storage
from infra.local.ports import Ports
from infra.local.process.child import Announce, Program
from infra.local.process.supervisor import Supervisor, supervised
from infra.local.servers import programs as servers
from infra.log import nats_users
from infra.log.jetstream import JetStreamLog, connect, provision
from infra.log.nats_permissions import Role
from infra.runtime.clock import Clock

Beside = Callable[[Keys, Ports], Sequence[Program]]
Launcher = Callable[[Home, Program], Program]
"""Returns the program that runs a server: the server itself, or one that runs it elsewhere."""

SERVER_PORTS = ("nats", "storage")
NO_PORTS: Ports = MappingProxyType({})


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of the servers and the keys to sign in to them."""

    home: Home
    keys: Keys
    ports: dict[str, int]
    storage: Storage
    log_capacity_bytes: int = 0

    @property
    def nats_url(self) -> str:
        """NATS, on loopback."""
        return f"nats://127.0.0.1:{self.ports['nats']}"

    @property
    def postgres_url(self) -> str:
        """The database of the stack, for its superuser: to provision and to back up."""
        return servers.database_url(self.home.sockets, servers.DATABASE)

    @property
    def service_postgres_url(self) -> str:
        """The database of the stack, for services and operators: their role is no superuser."""
        return servers.database_url(self.home.sockets, servers.DATABASE, servers.SERVICE_USER)

    @property
    def redis_url(self) -> str:
        """The one Redis."""
        return servers.redis_url(self.home.sockets)

    @property
    def workers_account(self) -> str:
        """The public key of account WORKERS."""
        return nats_users.public_key(self.keys.nats_workers)

    @property
    def workers_signing_key(self) -> Path:
        """The file with the seed that mints the workers' users."""
        return self.home.secrets / "workers.seed"

    def credentials(self, role: Role) -> Path:
        """Return the file with the role's NATS credentials."""
        return self.home.secrets / f"{role}.creds"

    def database_url(self, name: str) -> str:
        """Return another database of the same PostgreSQL."""
        return servers.database_url(self.home.sockets, name)


@asynccontextmanager
async def running_servers(
    home: Home,
    announce: Announce,
    *,
    clock: Clock,
    more_ports: tuple[str, ...] = (),
    preferred: Ports = NO_PORTS,
    beside: Beside = lambda _keys, _ports: (),
    launcher: Launcher = lambda _home, server: server,
) -> AsyncIterator[tuple[Servers, Supervisor]]:
    """Start the servers and provision them; end them when the block is left.

    `more_ports` are chosen along with the servers' own, `preferred` ones where they are free.
    `beside` names programs that are started along with the servers, and stopped before them.
    Raises FailedToStart.
    """
    keys = secret_keys.load(home.secrets / KEYS_FILE, secrets.token_bytes)
    secret_keys.write_credentials(home.secrets, keys, now=clock())
    secret_keys.make_secrets_key(home.secrets, secrets.token_bytes)
    with _chosen_ports(home, more_ports, preferred) as chosen:
        store, storage = servers.storage(home, keys, chosen["storage"])
        async with supervised(home.logs, announce) as supervisor:
            four = [
                servers.nats(home, keys, chosen["nats"], now=clock()),
                await servers.postgres(home),
                servers.redis(home),
                store,
            ]
            await supervisor.start(
                [launcher(home, server) for server in four], beside(keys, chosen)
            )
            up = Servers(
                home=home,
                keys=keys,
                ports=chosen,
                storage=storage,
                log_capacity_bytes=servers.log_capacity_bytes(home),
            )
            await _provision(up)
            yield await _with_event_keys(up), supervisor


@contextmanager
def _chosen_ports(home: Home, more: tuple[str, ...], preferred: Ports) -> Iterator[dict[str, int]]:
    """Choose the ports, the last run's where they are free, and remember them for the next."""
    file = home.directory / "ports.json"
    wanted = {**ports.remembered(file), **preferred}
    with ports.chosen((*SERVER_PORTS, *more), wanted) as chosen:
        ports.remember(file, chosen)
        yield chosen


async def _provision(up: Servers) -> None:
    """Make the streams and the database, where they are missing."""
    await provision(up.nats_url, up.credentials("operator"))
    await create_database(up.database_url("postgres"), servers.DATABASE)
    await give_to_services(up.postgres_url)


async def give_to_services(database_url: str) -> None:
    """Make the services' role the owner of the database and of what superusers made there.

    It has the rights that a managed Postgres gives: it may make roles, and is held to row-level
    security.
    """
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute((files("infra.local.servers") / "service_role.sql").read_text())
    finally:
        await connection.close()


async def _with_event_keys(up: Servers) -> Servers:
    """Make the keys of the log's writers before anybody writes, where they are missing."""
    async with connect(
        up.nats_url, credentials=up.credentials("operator"), name="stack"
    ) as connection:
        last = (await JetStreamLog[Never](connection).info()).last_sequence
    file = up.home.secrets / KEYS_FILE
    keys = secret_keys.with_event_keys(file, up.keys, secrets.token_bytes, last_sequence=last)
    return msgspec.structs.replace(up, keys=keys)


async def create_database(server_url: str, name: str) -> None:
    """Make a database unless it is there. `server_url` names any other one of the same server."""
    connection = await asyncpg.connect(server_url)
    try:
        present = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
        if not present:
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
