"""A phone, and what a journey does with a whole stack beside it (fixture `stack`)."""

import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import httpx
import psutil

from clients.cli.gateway.client import Gateway, new_command_id
from clients.cli.stream.client import Stream
from clients.cli.stream.items import CaughtUp
from events import (
    AccountId,
    History,
    Recorded,
    TaskAbandoned,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskInstructed,
)
from events.protocol.api.sessions import (
    PairingOffer,
    PairingRequest,
    Session,
    SignIn,
    SignInDevice,
)
from infra.local.demo.sample_repositories import ForgeAccount, SampleRepository, create
from infra.log.jetstream import JetStreamLog, connect
from infra.runtime.clock import utc_now
from tests.kit.servers.stack import RealStack

ENDS = (TaskFinished, TaskFailed, TaskCancelled, TaskAbandoned)


async def signed_in(stack: RealStack, account: str = "") -> "Phone":
    """Sign a new phone in with a pairing code, of the first account unless another is named."""
    async with Gateway(stack.gateway_url, stack.operator_token) as operator:
        pairing = await operator.post("/v1/pairings", PairingRequest(account), PairingOffer)
    async with Gateway(stack.gateway_url) as nobody:
        sign_in = SignIn(pairing.code, SignInDevice("phone", "ios"))
        session = await nobody.post("/v1/sessions", sign_in, Session)
    return Phone(Gateway(stack.gateway_url, session.token))


async def repository(stack: RealStack, sample: str) -> SampleRepository:
    """Make a fresh repository of a sample on the local forge."""
    account = ForgeAccount(stack.forge.api_url, stack.forge.token, os.environ["PATH"])
    return await create(sample, account, clock=utc_now)


async def stored(stack: RealStack, task: dict[str, Any]) -> list[Recorded]:
    """Read a task's events from the log itself."""
    credentials = stack.credentials("analytics")
    async with connect(
        stack.nats_url, credentials=credentials, name="test", keys=stack.event_keys
    ) as connection:
        log: JetStreamLog[Any] = JetStreamLog(connection)
        history = History(AccountId(task["account"]), TaskId(task["id"]))
        return list(await log.read(history))


async def pull_requests(stack: RealStack, made: SampleRepository, task: str) -> list[Any]:
    """Ask the forge for all pull requests of a task's branch."""
    headers = {"Authorization": f"Bearer {stack.forge.token}", "User-Agent": "test"}
    url = f"{stack.forge.api_url}/repos/{made.owner}/{made.name}/pulls"
    query = {"head": f"{made.owner}:errand/{task}", "state": "all"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        return (await client.get(url, params=query)).raise_for_status().json()


def kill_workers(stack: RealStack) -> int:
    """kill -9 every worker; tell how many there were."""
    killed = 0
    for child in psutil.Process(stack.pid("machines")).children(recursive=True):
        try:
            if "services.worker" in child.cmdline():
                child.send_signal(signal.SIGKILL)
                killed += 1
        except psutil.NoSuchProcess:
            continue
    return killed


class Phone:
    """A device that is signed in."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def submit(self, prompt: str, url: str, **more: Any) -> dict[str, Any]:
        """Send a task; answer it as the gateway shows it."""
        repository = {"url": url} | ({"base": more.pop("base")} if "base" in more else {})
        body = {"prompt": prompt, "repository": repository, **more}
        return await self.post("/v1/tasks", body)

    async def task(self, task: str) -> dict[str, Any]:
        return await self.get(f"/v1/tasks/{task}")

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the JSON that the gateway answers, whatever it is."""
        return await self.gateway.get(path, dict[str, Any], **query)

    async def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Send a command with an id of its own; return the JSON of the answer."""
        return await self.gateway.post(path, body, dict[str, Any], command=new_command_id())

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer to a request, whatever its status is."""
        headers = {"Authorization": f"Bearer {self.gateway.token}", **options.pop("headers", {})}
        async with httpx.AsyncClient(
            base_url=self.gateway.url, headers=headers, timeout=20, trust_env=False
        ) as client:
            return await client.request(method, path, **options)

    async def close(self) -> None:
        await self.gateway.__aexit__(None, None, None)

    async def watch(self, task: str, *, device: str = "phone") -> AsyncGenerator[Recorded, None]:
        """Yield a task's events as they arrive on the stream, until it has ended."""
        has_ended = is_caught_up = False
        stream = Stream(self.gateway, device=device, tasks={task: 0})
        async with aclosing(stream.items()) as items:
            async for item in items:
                match item:
                    case Recorded():
                        if isinstance(item.event, (*ENDS, TaskInstructed)):  # which reopens it
                            has_ended = not isinstance(item.event, TaskInstructed)
                        yield item
                    case CaughtUp():
                        is_caught_up = True
                if has_ended and is_caught_up:
                    return

    async def until_end(self, task: str) -> list[Recorded]:
        return [recorded async for recorded in self.watch(task)]
