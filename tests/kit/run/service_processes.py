"""Services as processes of their own, their log lines in files."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import OPERATOR, REPOSITORY, broker_settings_for, settings_for
from tests.kit.servers.stack import RealServers, plain_environment

_MODULES = {"broker": "services.gateway.broker"}


class Service:
    """A running service."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    def logs(self, *events: str) -> bool:
        """Return whether its log has a line of each of these events."""
        text = self._log.read_text()
        return all(f'"message":"{event}"' in text.replace(": ", ":") for event in events)


@asynccontextmanager
async def service(
    name: str, directory: Path, variables: Mapping[str, Any], *, output: int | None = None
) -> AsyncIterator[Service]:
    """Run `python -m services.<name>`, or the broker; killed when the block is left.

    Its log lines go to a file of the directory, or where `output` leads.
    """
    log = directory / f"{name}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _MODULES.get(name, f"services.{name}")),
            env=plain_environment() | {key.upper(): str(each) for key, each in variables.items()},
            cwd=ROOT,
            stdout=output,
            stderr=file if output is None else output,
        )
    try:
        yield Service(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def settings_of_services(
    servers: RealServers, database: str, chosen: Mapping[str, int], **changes: Any
) -> dict[str, dict[str, Any]]:
    """The settings of gateway, broker, scheduler and projector; `changes` are the former two's.

    `chosen` names the port of each: of gateway and broker their own, else that of the metrics.
    """
    gateway = settings_for(servers, database, chosen["gateway"], **changes)
    broker = broker_settings_for(servers, database, chosen["broker"], **changes)
    shared = {"nats_url": gateway.nats_url, "event_keys": gateway.event_keys, "grace_seconds": 5}
    keys = Path(gateway.nats_credentials).parent
    return {
        "gateway": dataclasses.asdict(gateway),
        "broker": dataclasses.asdict(broker),
        "scheduler": {
            **shared,
            "nats_credentials": keys / "scheduler.creds",
            "fly_api_base_url": "http://127.0.0.1:9/v1",
            "fly_api_token": "token",
            "fly_app": "workers",
            "worker_image": "worker",
            "gateway_url": f"http://127.0.0.1:{broker.broker_port}",
            "claim_secret": "s3cret",
            "metrics_port": chosen["scheduler"],
        },
        "projector": {
            **shared,
            "nats_credentials": keys / "projector.creds",
            "postgres_url": database,
            "redis_url": gateway.redis_url,
            "metrics_port": chosen["projector"],
        },
    }


async def seen(http: httpx.AsyncClient, path: str) -> httpx.Response | None:
    """Ask; None while nobody listens."""
    try:
        return await http.get(path)
    except httpx.TransportError:
        return None


async def sign_in(http: httpx.AsyncClient) -> None:
    """Make it the client of a person."""
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    code = (await http.post("/v1/pairings", headers=operator)).json()["code"]
    body = {"code": code, "device": {"name": "phone", "platform": "t"}}
    session = (await http.post("/v1/sessions", json=body)).json()
    http.headers["Authorization"] = f"Bearer {session['token']}"


async def submit(http: httpx.AsyncClient) -> httpx.Response:
    body = {"prompt": "Fix", "repository": {"url": REPOSITORY}}
    return await http.post("/v1/tasks", json=body, headers={"Idempotency-Key": str(uuid4())})


async def a_task_is_taken_up_and_listed(http: httpx.AsyncClient) -> str:
    """Submit a task: the scheduler asks for a machine, the projector lists it. Return its id."""
    made = await submit(http)
    assert made.status_code == 201, made.text
    task: str = made.json()["id"]

    async def events() -> str:
        return (await http.get(f"/v1/tasks/{task}/events")).text

    async def tasks() -> str:
        return (await http.get("/v1/tasks")).text

    await eventually(events, until=lambda text: "machine.requested" in text)
    await eventually(tasks, until=lambda text: task in text)
    return task
