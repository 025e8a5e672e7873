"""Starts programs, keeps them alive, and ends every one of them.

Caller: `infra.local.servers.provisioning`. Each program runs in a session of its own, writes to its
own log file, is asked for its health until a deadline, is started again when it dies, and dies with
this process. Knows nothing of what the programs are.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

from infra.local.process.child import Announce, Child, FailedToStart, Program


class Supervisor:
    """The programs of one stack. Made by `supervised`, which ends them all."""

    def __init__(self, logs: Path, announce: Announce, group: asyncio.TaskGroup) -> None:
        self._logs = logs
        self._announce = announce
        self._group = group
        self._stages: list[list[Child]] = []

    async def start(self, *stages: Sequence[Program]) -> None:
        """Start all programs side by side; return when all serve.

        Stopping goes back stage by stage, the last one here first. Raises FailedToStart for the
        first that did not come up.
        """
        new = [[self._adopt(program) for program in stage] for stage in stages]
        self._stages.extend(new)
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as starting:
                for child in chain(*new):
                    starting.create_task(child.start())
        except* FailedToStart as failures:
            failure = failures.exceptions[0]
        if failure is not None:
            raise failure
        for child in chain(*new):
            child.keep(self._group)

    def pid(self, name: str) -> int:
        """Return the process id the program has now."""
        return self._child(name).pid

    def pids(self) -> dict[str, int]:
        """Return every program's process id."""
        return {child.program.name: child.pid for stage in self._stages for child in stage}

    def kill(self, name: str) -> None:
        """Kill the program without warning. It is started again; `serving` waits for that."""
        self._child(name).kill()

    async def restart(self, name: str) -> None:
        """Stop the program in order and return when it serves again."""
        await self._child(name).restart()

    async def serving(self, name: str) -> None:
        """Return when the program serves (again)."""
        await self._child(name).serving()

    async def halt(self, name: str) -> None:
        """Stop the program and leave it stopped, until `resume`."""
        await self._child(name).stop()

    async def resume(self, name: str) -> None:
        """Start a halted program; return when it serves. Raises FailedToStart."""
        child = self._child(name)
        await child.start()
        child.keep(self._group)

    async def stop(self) -> None:
        """End every program, the last started stage first. Nothing is left when this returns."""
        while self._stages:
            async with asyncio.TaskGroup() as ending:
                for child in self._stages[-1]:
                    ending.create_task(child.stop())
            self._stages.pop()

    def _adopt(self, program: Program) -> Child:
        return Child(program, self._logs / f"{program.name}.log", self._announce)

    def _child(self, name: str) -> Child:
        for stage in self._stages:
            for child in stage:
                if child.program.name == name:
                    return child
        raise KeyError(name)


@asynccontextmanager
async def supervised(logs: Path, announce: Announce) -> AsyncIterator[Supervisor]:
    """Offer a supervisor; when the block is left, however, all its programs end.

    What the block raises is raised, not a group around it.
    """
    try:
        async with asyncio.TaskGroup() as group:
            supervisor = Supervisor(logs, announce, group)
            try:
                yield supervisor
            finally:
                await supervisor.stop()
    except ExceptionGroup as failures:
        match failures.exceptions:
            case [failure]:
                raise failure from None
            case _:
                raise
