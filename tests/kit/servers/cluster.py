"""The log on three real servers, as production has it, and `log_place`: R1 and R3 by turns.

The servers are the same wheel's, in operator mode with the same accounts, joined over loopback with
a generated password. tests/conftest.py registers the fixtures.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.local import keys as secret_keys
from infra.local import ports
from infra.local.home import Home, inhabited
from infra.local.keys import Keys
from infra.local.process.child import Program
from infra.local.process.supervisor import Supervisor, supervised
from infra.local.servers import probes
from infra.local.servers import programs as servers
from infra.log.event_log import Unavailable
from infra.log.event_mac import EventKeys, read_keys
from infra.log.jetstream import Connection, provision
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import ApiError
from infra.log.nats_permissions import Role, WorkerGrant
from infra.runtime.clock import utc_now
from tests.kit.build import nats_identities
from tests.kit.build.signing_keys import KEYS_TEXT
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import OwnThread, RealServers, plain_environment

NAMES = ("nats1", "nats2", "nats3")
_STEP_DOWN = "STREAM.LEADER.STEPDOWN.EVENTS"
_ELECTION_SECONDS = 60.0


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """Three servers that are up and provisioned."""

    home: Home
    keys: Keys
    ports: dict[str, int]

    @property
    def nats_url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{self.ports[name]}" for name in NAMES)


class Cluster:
    """Three servers with three copies of the log, and a hand on each."""

    def __init__(self, joined: Joined, supervisor: Supervisor, thread: OwnThread[Any]) -> None:
        self._joined = joined
        self._supervisor = supervisor
        self._thread = thread

    @property
    def nats_url(self) -> str:
        """All three, comma-separated."""
        return self._joined.nats_url

    def credentials(self, role: Role) -> Path:
        return self._joined.home.secrets / f"{role}.creds"

    @property
    def event_keys(self) -> EventKeys:
        return read_keys(KEYS_TEXT)

    @property
    def event_key_settings(self) -> dict[str, str]:
        return {"EVENT_KEYS": KEYS_TEXT}

    def admin_credentials(self) -> Path:
        return nats_identities.admin(self._joined.home, self._joined.keys)

    def worker_credentials(self, grant: WorkerGrant, *, expires: datetime) -> str:
        return nats_identities.worker(self._joined.keys, grant, expires=expires)

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES

    def configuration(self, name: str) -> Path:
        """One server's own."""
        return self._joined.home.directory / name / "nats.conf"

    async def kill(self, *names: str) -> None:
        """SIGKILL them all at once; returns when they serve again and hold the whole log."""

        async def killed() -> None:
            for name in names:
                self._supervisor.kill(name)
            for name in names:
                await self._supervisor.serving(name)

        await self._thread.run(killed())
        await self.is_whole()

    async def restart(self, name: str) -> None:
        """Ordered restart of one; returns when it serves again and holds the whole log."""
        await self._thread.run(self._supervisor.restart(name))
        await self.is_whole()

    async def halt(self, name: str) -> None:
        """Stop one until `resume`."""
        await self._thread.run(self._supervisor.halt(name))

    async def resume(self, name: str) -> None:
        await self._thread.run(self._supervisor.resume(name))
        await self.is_whole()

    async def is_whole(self) -> None:
        """Wait until the log has a leader and no copy of it lags.

        A consumer lives on one of the copies and shows what that one has: behind a copy that lags,
        a reader waits.
        """
        async with as_admin(self) as admin:
            await eventually(
                lambda: _standing(admin),
                until=lambda standing: (
                    bool(standing.leader)
                    and len(standing.replicas) == len(NAMES) - 1
                    and all(replica.current for replica in standing.replicas)
                ),
                seconds=_ELECTION_SECONDS,
                every_seconds=0.1,
            )

    async def leader(self) -> str:
        """Name of the server that leads the log now; waits while there is none."""
        async with as_admin(self) as admin:
            return await eventually(lambda: _leader(admin), seconds=_ELECTION_SECONDS)

    async def step_down(self) -> str:
        """Have the leader hand over; returns the new one's name."""
        async with as_admin(self) as admin:
            before = await eventually(lambda: _leader(admin), seconds=_ELECTION_SECONDS)
            await api.request(admin, _STEP_DOWN, {})
            return await eventually(
                lambda: _leader(admin),
                until=lambda name: name not in ("", before),
                seconds=_ELECTION_SECONDS,
            )


class _Replica(msgspec.Struct, frozen=True):
    current: bool


class _Standing(msgspec.Struct, frozen=True):
    leader: str = ""
    replicas: tuple[_Replica, ...] = ()


class _Info(msgspec.Struct, frozen=True):
    cluster: _Standing


async def _standing(admin: Connection) -> _Standing:
    """Ask who leads the log, empty while nobody does, and how its copies stand."""
    try:
        answer = await api.request(admin, "STREAM.INFO.EVENTS", {}, within_seconds=1)
    except (Unavailable, ApiError):
        return _Standing()
    return msgspec.json.decode(answer, type=_Info).cluster


async def _leader(admin: Connection) -> str:
    return (await _standing(admin)).leader


def _program(home: Home, keys: Keys, chosen: dict[str, int], name: str, password: str) -> Program:
    directory = home.directory / name
    directory.mkdir(mode=0o700)
    text = servers.nats_configuration(
        keys, port=chosen[name], store=directory / "store", now=utc_now(), name=name
    )
    routes = "".join(
        f'    "nats-route://errand:{password}@127.0.0.1:{chosen[f"{other}-route"]}"\n'
        for other in NAMES
    )
    configuration = directory / "nats.conf"
    secret_keys.write_private(
        configuration,
        (
            f"{text}cluster {{\n  name: errand\n"
            f'  listen: "127.0.0.1:{chosen[f"{name}-route"]}"\n'
            f'  authorization {{ user: errand, password: "{password}" }}\n'
            f"  routes: [\n{routes}  ]\n}}\n"
        ).encode(),
    )
    operator = (home.secrets / "operator.creds").read_text()
    return Program(
        name=name,
        command=(servers._installed("nats-server"), "--config", str(configuration)),
        environment=home.environment,
        directory=directory,
        healthy=partial(probes.nats, chosen[name], operator),
    )


@asynccontextmanager
async def _running(directory: Path) -> AsyncIterator[tuple[Joined, Supervisor]]:
    with inhabited(directory, plain_environment()) as home:
        keys = secret_keys.load(home.secrets / "keys.json", os.urandom)
        secret_keys.write_credentials(home.secrets, keys, now=utc_now())
        names = (*NAMES, *(f"{name}-route" for name in NAMES))
        password = secrets.token_hex(16)
        with ports.chosen(names, {}) as chosen:
            async with supervised(home.logs, _say) as supervisor:
                programs = [_program(home, keys, chosen, name, password) for name in NAMES]
                await supervisor.start(programs)
                joined = Joined(home=home, keys=keys, ports=chosen)
                await _provision(joined)
                yield joined, supervisor


async def _provision(joined: Joined) -> None:
    """Provision as production does; the three may be up and not yet have found each other."""

    async def provisioned() -> bool:
        try:
            await provision(joined.nats_url, joined.home.secrets / "operator.creds", replicas=3)
        except (ApiError, Unavailable) as error:
            raise AssertionError(str(error)) from error
        return True

    await eventually(provisioned, seconds=90, every_seconds=0.2)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three real servers with the log on all three, one set for the whole session."""
    with server_directory() as directory:
        thread = OwnThread(_running(directory))
        try:
            yield Cluster(*thread.open(), thread)
        finally:
            thread.close()


class LogPlace:
    """The place of the log: on one server (R1) or on three (R3). Sign in to it as to `servers`."""

    def __init__(self, where: RealServers | Cluster) -> None:
        self.where = where
        self.replicas = 3 if isinstance(where, Cluster) else 1

    @property
    def nats_url(self) -> str:
        return self.where.nats_url

    def credentials(self, role: Role) -> Path:
        return self.where.credentials(role)

    @property
    def event_keys(self) -> EventKeys:
        return self.where.event_keys

    @property
    def event_key_settings(self) -> dict[str, str]:
        return self.where.event_key_settings

    def admin_credentials(self) -> Path:
        return self.where.admin_credentials()

    def worker_credentials(self, grant: WorkerGrant, *, expires: datetime) -> str:
        return self.where.worker_credentials(grant, expires=expires)

    async def kill_leader(self) -> None:
        """SIGKILL the server that leads the log; returns when it serves again."""
        if isinstance(self.where, Cluster):
            await self.where.kill(await self.where.leader())
        else:
            await self.where.kill("nats")

    async def kill_all(self) -> None:
        """SIGKILL every server at once; returns when all serve again."""
        if isinstance(self.where, Cluster):
            await self.where.kill(*NAMES)
        else:
            await self.where.kill("nats")

    async def step_down(self) -> None:
        """Have the leader hand over; on one server there is nobody to hand over to: a restart."""
        if isinstance(self.where, Cluster):
            await self.where.step_down()
        else:
            await self.where.restart("nats")

    def configurations(self) -> list[Path]:
        """The nats.conf of every server."""
        if isinstance(self.where, Cluster):
            return [self.where.configuration(name) for name in NAMES]
        return [self.where.servers.home.directory / "nats.conf"]


@pytest.fixture(params=["R1", "R3"])
def log_place(request: pytest.FixtureRequest) -> LogPlace:
    """The log on one server, and on three."""
    return LogPlace(request.getfixturevalue("servers" if request.param == "R1" else "cluster"))
