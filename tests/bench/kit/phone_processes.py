"""The other end of tests.bench.kit.phones: phones in processes of their own, and what they tell."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import msgspec

from tests.bench.kit.phones import Deliveries, Order, PhoneSpec
from tests.kit.run.projector_processes import ROOT
from tests.kit.servers.stack import plain_environment

_LINE_BYTES = 1 << 26


class Address(NamedTuple):
    """The address at which a WebSocket is served."""

    host: str
    port: int
    path: str = "/v1/stream"


class PhoneProcesses:
    """Phones in processes of their own. What they tell is summed over the processes."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    async def live(self) -> Deliveries:
        """Wait until every phone has all there is."""
        answers = []
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(_line(process)) for process in self._processes]
        return _sum([answer.result() for answer in answers])

    async def leave(self) -> None:
        """Let all phones go at once, without a word."""
        await self._ask(b"leave\n")

    async def again(self) -> Deliveries:
        """Let all come back with their cursors, and wait until all are live."""
        return await self._ask(b"again\n")

    async def tell(self) -> Deliveries:
        """Ask what the phones have seen so far."""
        return await self._ask(b"tell\n")

    async def _ask(self, word: bytes) -> Deliveries:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(word)
        return await self.live()


async def _line(process: asyncio.subprocess.Process) -> Deliveries:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the phones failed; what they said stands above")
    return msgspec.json.decode(line, type=Deliveries)


def _sum(told: Sequence[Deliveries]) -> Deliveries:
    return Deliveries(
        events=sum(one.events for one in told),
        lost=sum(one.lost for one in told),
        repeated=sum(one.repeated for one in told),
        seconds=max(one.seconds for one in told),
        closed=sum(one.closed for one in told),
        versions=sum(one.versions for one in told),
        milliseconds=[value for one in told for value in one.milliseconds],
    )


@asynccontextmanager
async def phone_processes(
    address: Address, specs: Sequence[PhoneSpec], *, processes: int = 1, at_once: int = 200
) -> AsyncIterator[PhoneProcesses]:
    """Start the phones, so many processes of them; they go when the block is left."""
    async with AsyncExitStack() as running:
        started = []
        for number in range(processes):
            order = Order(*address, list(specs[number::processes]), at_once)
            started.append(await running.enter_async_context(_phones(order)))
        yield PhoneProcesses(started)


@asynccontextmanager
async def _phones(order: Order) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.kit.phones"),
        env=plain_environment() | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
