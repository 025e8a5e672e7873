"""`python -m infra.local run`, as a person runs it: up, findable, one at a time, gone at Ctrl-C."""

import asyncio
import json
import re
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.kit.probe.eventually import eventually
from tests.kit.servers.stack import plain_environment

COMMAND = (sys.executable, "-m", "infra.local", "run")
PROGRAMS = {
    "nats",
    "postgres",
    "redis",
    "storage",
    "forge",
    "machines",
    "model",
    "projector",
    "scheduler",
    "broker",
    "gateway",
}
STARTS_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 10.0


async def run(directory: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        "--directory",
        str(directory),
        *options,
        env=plain_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await run(tmp_path / "errand")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def banner_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(STARTS_WITHIN_SECONDS):
        return (await process.stdout.readuntil(b"Ctrl-C stops everything.")).decode()


async def test_it_comes_up_can_be_paired_with_and_leaves_nothing(
    running: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    said = await banner_of(running)
    assert "knows only the sample tasks" in said
    [gateway] = re.findall(r"Gateway +(http://\S+)", said)
    [code] = re.findall(r"Pairing code +(\S+)", said)

    found = tmp_path / "errand" / "stack.json"
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    stack = json.loads(found.read_text())
    assert stack["gateway"] == gateway
    assert stack["broker"] in said
    assert stack["pid"] == running.pid
    assert set(stack["forge"]) == {"url", "api_url", "token"}

    async with httpx.AsyncClient(base_url=gateway) as client:
        device = {"code": code, "device": {"name": "test", "platform": "test"}}
        assert (await client.post("/v1/sessions", json=device)).status_code == 201

    second = await run(tmp_path / "errand")
    _, refusal = await second.communicate()
    assert second.returncode == 1
    assert "running already" in refusal.decode()

    family = psutil.Process(running.pid).children(recursive=True)
    assert len(family) >= len(PROGRAMS)
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    await running.wait()
    assert time.monotonic() - started < ENDS_WITHIN_SECONDS
    assert running.returncode == 0
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not found.exists()


async def test_ctrl_c_in_the_middle_of_the_start_leaves_nothing_either(
    running: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    log = tmp_path / "errand" / "logs" / "nats.log"
    await eventually(log.exists, seconds=STARTS_WITHIN_SECONDS)
    family = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    async with asyncio.timeout(ENDS_WITHIN_SECONDS):
        await running.wait()
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


async def test_a_port_that_is_taken_is_refused_with_a_remedy(tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        process = await run(tmp_path / "errand", "--port", str(port))
        _, said = await process.communicate()
    assert process.returncode == 1
    assert f"Port {port}" in said.decode()
    assert "--port" in said.decode()


async def test_no_secret_is_in_an_argument_list_or_a_log(
    running: asyncio.subprocess.Process, tmp_path: Path
) -> None:
    await banner_of(running)
    directory = tmp_path / "errand"
    keys = json.loads((directory / "keys" / "keys.json").read_text())
    secrets = {value for value in keys.values() if isinstance(value, str)}
    secrets |= set(keys["nats_users"].values())
    family = psutil.Process(running.pid).children(recursive=True)
    written = "\n".join(" ".join(p.cmdline()) for p in family if p.is_running())
    written += "\n".join(log.read_text(errors="replace") for log in (directory / "logs").iterdir())
    assert not [secret for secret in secrets if secret in written]
