"""The whole stack, up: servers, stand-ins and services, with what a client needs to find them.

Callers: `python -m infra.local run`, the demo, the tests in tests/journeys.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import msgspec

from infra.local import ports
from infra.local.home import Home
from infra.local.process.child import Announce
from infra.local.process.supervisor import Supervisor
from infra.local.sandbox.choice import choose, described
from infra.local.sandbox.engine import engine_address
from infra.local.servers.provisioning import Launcher, Servers, running_servers
from infra.local.services import (
    PORTS,
    Address,
    Forge,
    broker_url,
    local_forge,
    services,
    stand_ins,
)
from infra.local.settings import Settings
from infra.local.stack_file import describe_stack, published
from infra.runtime.clock import Clock

_NOWHERE = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737: asking for a route to it sends nothing
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the person asks for it with --host
_PAIRING_SECONDS = 10.0


class ListenAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Address on which the gateway should listen; port 0 is any free one, the last run's first."""

    host: str = "127.0.0.1"
    port: int = 0


_LOOPBACK = ListenAddress()


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """A code by which a device signs in, once, and the URL that carries it (after the `#`)."""

    code: str
    url: str
    expires_at: str


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """A running stack."""

    servers: Servers
    address: Address
    settings: Settings
    supervisor: Supervisor
    sandbox: str

    @property
    def gateway_url(self) -> str:
        """The gateway, as this machine reaches it."""
        return self.address.local_url

    @property
    def broker_url(self) -> str:
        """The broker, as workers reach it."""
        return broker_url(self.servers.ports)

    @property
    def operator_token(self) -> str:
        """The bearer token of whoever runs this stack."""
        return self.servers.keys.operator_token

    @property
    def forge(self) -> Forge:
        """The local forge."""
        return local_forge(self.servers.keys, self.servers.ports)

    async def pair(self) -> Pairing:
        """Ask the gateway for a pairing code. Raises httpx.HTTPError."""
        headers = {"Authorization": f"Bearer {self.operator_token}"}
        async with httpx.AsyncClient(
            base_url=self.gateway_url, headers=headers, timeout=_PAIRING_SECONDS, trust_env=False
        ) as client:
            answer = await client.post("/v1/pairings", json={})
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=Pairing)

    def pid(self, name: str) -> int:
        """Return the process id of "gateway", "broker", "nats" and so on."""
        return self.supervisor.pid(name)

    async def kill(self, name: str) -> None:
        """Kill a program without warning; return when it serves again."""
        self.supervisor.kill(name)
        await self.supervisor.serving(name)

    async def restart(self, name: str) -> None:
        """Stop a program in order; return when it serves again."""
        await self.supervisor.restart(name)


@asynccontextmanager
async def running_stack(
    home: Home,
    settings: Settings,
    announce: Announce,
    *,
    clock: Clock,
    listen: ListenAddress = _LOOPBACK,
    launcher: Launcher = lambda _home, server: server,
) -> AsyncIterator[Stack]:
    """Start everything; end everything when the block is left.

    Raises FailedToStart, or PortTaken when the preferred port is.
    """
    docker_host = settings.docker_host or engine_address(home.environment)
    settings = msgspec.structs.replace(settings, docker_host=docker_host)
    if listen.port:
        ports.demand(listen.port, host=listen.host)
    async with running_servers(
        home,
        announce,
        clock=clock,
        more_ports=PORTS,
        preferred={"gateway": listen.port} if listen.port else {},
        beside=partial(stand_ins, home, settings=settings),
        launcher=launcher,
    ) as (up, supervisor):
        port = up.ports["gateway"]
        address = Address(host=listen.host, port=port, public_url=public_url(listen.host, port))
        choice = await choose(settings, docker_host=docker_host)
        chosen = msgspec.structs.replace(settings, sandbox=choice.kind or "auto")
        await supervisor.start(services(up, address, chosen))
        stack = Stack(
            servers=up,
            address=address,
            settings=chosen,
            supervisor=supervisor,
            sandbox=described(choice, settings.sandbox_image),
        )
        description = describe_stack(
            up,
            stack.forge,
            gateway=stack.gateway_url,
            model="rehearsal" if settings.is_rehearsal else "anthropic",
            sandbox=stack.sandbox,
        )
        with published(home.stack_file, description):
            yield stack


def public_url(host: str, port: int) -> str:
    """Return the URL of a host that listens everywhere by its address on the local network."""
    return f"http://{_own_address() if host == _EVERYWHERE else host}:{port}"


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_NOWHERE)
        except OSError:  # no network: only this machine can reach it
            return "127.0.0.1"
        return str(asking.getsockname()[0])
