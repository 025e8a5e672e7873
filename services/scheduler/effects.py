"""Carries out decisions at the Machines API and at the log's readers.

Every effect may be repeated. Called by the reactor; what follows from an outcome is in `outcome`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from events import History, MachineId
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.scheduler.fleet.machine import Machine, billed_seconds, ending
from services.scheduler.fleet.machine_errors import MachineNotCreated
from services.scheduler.fleet.outcome import MachineGone, MachineReady, MachineUnavailable
from services.scheduler.fleet.plan import Destroy, ServeReader
from services.scheduler.fleet.state import Attempt
from services.scheduler.fleet.worker_machine import WorkerConfig, machine_spec, metadata_of
from services.scheduler.machines.client import Machines, Refused, Unreachable

_log = logger(__name__)

_WAIT_SECONDS = 60
_DESTROY_SECONDS = 30
_PAUSE_SECONDS = 2.0


class Readers(Protocol):
    """The consumers from which workers pull their histories; bound in infra.log.jetstream."""

    async def create_reader(self, history: History, attempt: int) -> str:
        """Make an attempt's reader and return its name. One that exists is left as it is."""
        ...

    async def recreate_reader(self, history: History, attempt: int) -> str:
        """Make the reader again, from the first event."""
        ...

    async def delete_reader(self, history: History, attempt: int) -> None:
        """Remove the reader. One that is gone is no error."""
        ...


class Effects:
    """The effects. They raise Unreachable or Refused (machines) and Unavailable (log)."""

    def __init__(
        self,
        machines: Machines,
        readers: Readers,
        worker_config: WorkerConfig,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._machines = machines
        self._readers = readers
        self._worker_config = worker_config
        self._clock = clock
        self._sleep = sleep

    async def obtain(
        self, history: History, attempt: Attempt, *, may_exist: bool
    ) -> MachineReady | MachineUnavailable:
        """Make the attempt's reader, then its machine."""
        since = self._clock()
        await self._readers.create_reader(history, attempt.number)
        answer = await self._machines.obtain(
            machine_spec(history, attempt, self._worker_config), may_exist=may_exist
        )
        if isinstance(answer, MachineNotCreated):
            return MachineUnavailable(attempt.number, answer.reason, answer.detail)
        seconds = (self._clock() - since).total_seconds()
        return MachineReady(attempt.number, answer.id, answer.region, seconds)

    async def destroy(self, decision: Destroy) -> MachineGone:
        """Make certain that the machine is gone; return how it ended and the seconds it used."""
        history, attempt = decision.history, decision.attempt
        machine = await self._own(history, attempt) or await self._look(history, attempt)
        used_seconds, detail = 0.0, "no machine was found under its name"
        if machine:
            await self._machines.destroy(machine)
            if await self._machines.wait(machine, "destroyed", seconds=_DESTROY_SECONDS) == (
                "not yet"
            ):
                raise Unreachable(f"{machine} is not destroyed after {_DESTROY_SECONDS} s")
            seen = await self._machines.get(machine)
            used_seconds, detail = self._account(attempt, seen)
        await self._readers.delete_reader(history, attempt.number)
        return MachineGone(attempt.number, decision.cause, machine, used_seconds, detail)

    async def discard(self, machine: MachineId) -> None:
        """Remove a machine that no attempt knows of."""
        await self._machines.destroy(machine)

    async def serve(self, decision: ServeReader) -> None:
        """Make the reader that a worker asks for."""
        await self._readers.recreate_reader(decision.history, decision.attempt)

    async def until_gone(self, machine: MachineId) -> None:
        """Return as soon as the Machines API calls the machine destroyed."""
        while True:
            try:
                if await self._machines.wait(machine, "destroyed", seconds=_WAIT_SECONDS) != (
                    "not yet"
                ):
                    return
            except (Unreachable, Refused):
                # Its heartbeats are watched too: silence ends in destroy, which raises this again.
                await self._sleep(_PAUSE_SECONDS)

    async def _own(self, history: History, attempt: Attempt) -> MachineId:
        """Return the machine that the log names, if its metadata name this task and attempt.

        The log's word alone ends no machine. One that the platform has forgotten is gone.
        """
        if not attempt.machine:
            return MachineId("")
        seen = await self._machines.get(attempt.machine)
        if seen is None:
            return attempt.machine
        metadata = seen.config.metadata or await self._machines.metadata(attempt.machine)
        if metadata_of(history, attempt).items() <= metadata.items():
            return attempt.machine
        _log.error(
            "machine.foreign",
            task=history.task,
            attempt=attempt.number,
            machine=attempt.machine,
            belongs_to=metadata.get("task", ""),
        )
        return MachineId("")

    async def _look(self, history: History, attempt: Attempt) -> MachineId:
        """Find the machine of an intent whose outcome is unknown; empty when there is none."""
        metadata = metadata_of(history, attempt)
        for seconds in (0.0, _PAUSE_SECONDS):  # the list is eventually consistent
            await self._sleep(seconds)
            if found := await self._machines.find(attempt.name, metadata):
                return found.id
        return MachineId("")

    def _account(self, attempt: Attempt, seen: Machine | None) -> tuple[float, str]:
        if seen is not None and seen.events:
            return billed_seconds(seen.events), ending(seen.events)
        started = attempt.started_at or self._clock()
        return (self._clock() - started).total_seconds(), "the platform has forgotten the machine"
