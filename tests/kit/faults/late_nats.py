"""A NATS of a test's own that is not there yet: no server, then no streams, then all."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.local import keys as secret_keys
from infra.local import ports
from infra.local.home import Home, inhabited
from infra.local.keys import KEYS_FILE, Keys
from infra.local.process.supervisor import Supervisor, supervised
from infra.local.servers import programs
from infra.log.event_mac import EventKeys, read_keys
from infra.log.jetstream import provision
from infra.log.nats_permissions import Role
from infra.log.nats_users import public_key
from infra.runtime.clock import utc_now
from tests.kit.servers.stack import plain_environment


class LateNats:
    """A NATS server with a known address, which a test starts late."""

    def __init__(self, home: Home, keys: Keys, port: int, supervisor: Supervisor) -> None:
        self._home = home
        self.keys = keys
        self._port = port
        self._supervisor = supervisor

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def event_keys(self) -> EventKeys:
        return read_keys(self.keys.event_keys)

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings by which a gateway finds it."""
        return {
            "nats_url": self.nats_url,
            "nats_credentials": str(self.credentials("gateway")),
            "event_keys": self.keys.event_keys,
            "nats_worker_url": self.nats_url,
            "nats_workers_account": public_key(self.keys.nats_workers),
            "nats_workers_signing_key": str(self._home.secrets / "workers.seed"),
        }

    def credentials(self, role: Role) -> Path:
        return self._home.secrets / f"{role}.creds"

    async def start(self) -> None:
        """Start the server, without streams."""
        program = programs.nats(self._home, self.keys, self._port, now=utc_now())
        await self._supervisor.start([program])

    async def make_streams(self) -> None:
        await provision(self.nats_url, self.credentials("operator"))


@asynccontextmanager
async def late_nats(directory: Path) -> AsyncIterator[LateNats]:
    with (
        inhabited(directory, plain_environment()) as home,
        ports.chosen(("nats",), {}) as chosen,
    ):
        file = home.secrets / KEYS_FILE
        keys = secret_keys.load(file, secrets.token_bytes)
        secret_keys.write_credentials(home.secrets, keys, now=utc_now())
        keys = secret_keys.with_event_keys(file, keys, secrets.token_bytes, last_sequence=0)
        async with supervised(home.logs, print) as supervisor:
            yield LateNats(home, keys, chosen["nats"], supervisor)
