"""The road from the log to a phone, in processes as deployed, without anybody who does the work.

Real servers, a projector and a gateway; no scheduler, so that what a benchmark appends starts no
machine. `people` signs phones in through the gateway's own HTTP. The gateway has the limits it has
when nothing is set, so that people and phones come from many addresses, and serves the web app.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, fields
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import psutil

from events import (
    NOWHERE,
    AccountId,
    Draft,
    Head,
    History,
    Repository,
    TaskInstructed,
    TaskSubmitted,
    task_id,
)
from events.ids import CommandId
from infra.local.servers.provisioning import create_database
from infra.log.event_log import EventLog
from infra.log.jetstream import JetStreamLog
from infra.runtime.clock import DraftFactory, utc_now
from services.gateway.settings import Settings
from tests.bench.kit.phone_processes import Address
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import OPERATOR, settings_for
from tests.kit.run.projector_processes import ROOT, projector
from tests.kit.servers.nats_connections import as_admin
from tests.kit.servers.stack import RealServers, plain_environment, real_servers

_DRAFT_FACTORY = DraftFactory(utc_now)
_AT_ONCE = 16
_FIRST_ADDRESS = IPv4Address("127.1.0.1")
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: each client would make its own
_AS_DEPLOYED = (
    *("reads_a_minute", "commands_a_minute", "anonymous_a_minute", "connections_per_address"),
    "web_app_folder",
)


class Seat(NamedTuple):
    """A person's session, the account its tasks are in, and the address it is used from."""

    token: str
    account: AccountId
    address: str


class DeliveryPath:
    """The road, open. `log` may append anything."""

    def __init__(
        self, url: str, metrics_port: int, log: JetStreamLog[Any], gateway: psutil.Process
    ) -> None:
        self._url = httpx.URL(url)
        self._metrics_port = metrics_port
        self.log = log
        self.gateway = gateway

    @property
    def address(self) -> Address:
        assert self._url.port is not None
        return Address(self._url.host, self._url.port)

    def cpu_seconds(self) -> float:
        """Return the CPU seconds the gateway's process has used since it started."""
        used = self.gateway.cpu_times()
        return used.user + used.system

    def resident_bytes(self) -> int:
        """Return the bytes of memory the gateway's process holds."""
        return self.gateway.memory_info().rss

    async def metric(self, name: str) -> float:
        """Read one of the gateway's counters."""
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        async with httpx.AsyncClient(trust_env=False) as client:
            told = (await client.get(url)).text
        lines = (line.split() for line in told.splitlines() if not line.startswith("#"))
        return sum(float(value) for key, value in lines if key.removesuffix("_total") == name)

    async def people(self, accounts: int, each: int = 1) -> list[list[Seat]]:
        """Sign in so many people of so many accounts: the owner, and whom they invite.

        Each is at an address of their own, as people are: the gateway's limits count by address.
        """
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> list[Seat]:
            addresses = [_loopback(number * each + place) for place in range(each)]
            async with turn:
                return await _signed_in(self._url, f"account-{number}", addresses)

        async with asyncio.TaskGroup() as group:
            seats = [group.create_task(one(number)) for number in range(accounts)]
        return [seat.result() for seat in seats]


def _loopback(number: int) -> str:
    """Return an address of this machine: all of 127.0.0.0/8 is its own on Linux."""
    return str(_FIRST_ADDRESS + number)


async def _signed_in(url: httpx.URL, account: str, addresses: Sequence[str]) -> list[Seat]:
    first, *others = addresses
    async with _at(url, first) as client:
        pairing = await _post(client, "/v1/pairings", {"account": account}, OPERATOR)
        owner = await _sign_in(client, pairing["code"], first)
        seats = [owner]
        for number, address in enumerate(others, 1):
            member = {"name": f"member {number}"}
            invited = await _post(client, "/v1/members", member, owner.token)
            async with _at(url, address) as own_client:
                seats.append(await _sign_in(own_client, invited["code"], address))
    return seats


def _at(url: httpx.URL, address: str) -> httpx.AsyncClient:
    """Make a client whose connections come from this address."""
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=_NO_TLS)
    return httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, transport=transport)


async def _sign_in(client: httpx.AsyncClient, code: str, address: str) -> Seat:
    device = {"name": "bench", "platform": "bench"}
    session = await _post(client, "/v1/sessions", {"code": code, "device": device}, "")
    return Seat(session["token"], AccountId(session["account"]), address)


async def _post(client: httpx.AsyncClient, path: str, body: object, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await client.post(path, json=body, headers=headers)
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


@asynccontextmanager
async def delivery_path() -> AsyncIterator[DeliveryPath]:
    """Open the road on servers of its own."""
    with TemporaryDirectory() as directory, real_servers(Path(directory)) as servers:
        await create_database(servers.postgres_url, "delivery_path")
        url = servers.servers.database_url("delivery_path")
        async with (
            as_admin(servers) as nats,
            projector(servers, url),
            _gateway(servers, url) as (address, metrics_port, process),
        ):
            log = JetStreamLog[Any](nats)
            yield DeliveryPath(address, metrics_port, log, psutil.Process(process.pid))


@asynccontextmanager
async def _gateway(
    servers: RealServers, database: str
) -> AsyncIterator[tuple[str, int, asyncio.subprocess.Process]]:
    port, metrics_port = _free_ports(2)
    settings = settings_for(
        servers,
        database,
        port,
        log_level="WARNING",
        metrics_port=metrics_port,
        **{field.name: field.default for field in fields(Settings) if field.name in _AS_DEPLOYED},
    )
    values = {name.upper(): str(value) for name, value in asdict(settings).items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env={**plain_environment(), **values},
        cwd=ROOT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        await eventually(lambda: _answers(address), seconds=60)
        yield address, metrics_port, process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


async def _answers(address: str) -> bool:
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        try:
            return (await client.get("/health/ready")).is_success
        except httpx.TransportError:
            return False


class Busy:
    """A task that goes on: appends one event after the other, each telling when."""

    def __init__(self, log: EventLog[Any], account: AccountId, number: int) -> None:
        self.history = History(account, task_id(account, CommandId(f"bench-{number}")))
        self._log = log
        self._head: Head = NOWHERE

    @property
    def version(self) -> int:
        return self._head.version

    async def begin(self, events: int = 1) -> None:
        """Submit it, and let it have so many events."""
        submitted = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")
        filler = [TaskInstructed(text="x" * 120)] * (events - 1)
        await self._append(_DRAFT_FACTORY.drafts([submitted, *filler], by="person:bench"))

    async def say(self, text: str) -> None:
        """Append one event of about 300 bytes."""
        await self._append(_DRAFT_FACTORY.drafts([TaskInstructed(text=text)], by="person:bench"))

    async def say_many(self, texts: Sequence[str]) -> None:
        """Append several in one batch."""
        facts = [TaskInstructed(text=text) for text in texts]
        await self._append(_DRAFT_FACTORY.drafts(facts, by="person:bench"))

    async def _append(self, drafts: Sequence[Draft]) -> None:
        self._head = await self._log.append(self.history, drafts, after=self._head)


def stamp(now_ns: int) -> str:
    """Return 120 characters that say when this was appended; tests.bench.kit.phones reads them."""
    return f"@{now_ns:020d}".ljust(120, ".")
