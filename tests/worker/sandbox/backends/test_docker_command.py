"""A command's output comes whole from the engine, in whatever pieces and however late."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.worker.sandbox.backends import docker_command
from services.worker.sandbox.backends.docker_command import ContainerCommand

FRAME = b"\x01\x00\x00\x00\x00\x00\x00\x05whole"


class Ended:
    """A container whose command has ended already, as the engine says at once."""

    async def clear(self) -> None:
        """Nothing runs."""

    async def ending_of(self, call: str) -> int | None:
        return 0


@pytest.mark.parametrize("cut", range(1, len(FRAME)))
async def test_a_frame_that_comes_in_two_pieces_loses_nothing(cut, monkeypatch):
    monkeypatch.setattr(docker_command, "_SILENCE_SECONDS", 0.01)
    monkeypatch.setattr(docker_command, "_SILENCES_AFTER_THE_END", 1_000)
    async with commanded() as (command, engine), asyncio.TaskGroup() as group:
        engine.sendall(FRAME[:cut])
        received = group.create_task(command.receive())
        await asyncio.sleep(0.03)  # several silences long: that is what is tested
        engine.sendall(FRAME[cut:])
        engine.shutdown(socket.SHUT_WR)
        assert await received == (1, b"whole")
        assert await command.receive() is None


async def test_output_that_comes_after_the_end_is_known_is_read(monkeypatch):
    monkeypatch.setattr(docker_command, "_SILENCE_SECONDS", 0.05)
    async with commanded() as (command, engine):
        asyncio.get_running_loop().call_later(0.08, engine.sendall, FRAME)
        assert await command.receive() == (1, b"whole")
        assert await command.receive() is None


@asynccontextmanager
async def commanded() -> AsyncIterator[tuple[ContainerCommand, socket.socket]]:
    """A command, and the engine's end of its connection."""
    ours, engine = socket.socketpair()
    with engine:
        reader, writer = await asyncio.open_connection(sock=ours)
        command = ContainerCommand(Ended(), "call", reader, writer)
        yield command, engine
        await command.close()
