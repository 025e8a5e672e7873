"""The `errand` command as a person types it, in a process of its own."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from events import MachineDestroyed, MachineStarted, Recorded
from infra.local.demo.sample_repositories import PROMPTS
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import Phone, repository, signed_in, stored
from tests.kit.servers.stack import RealStack


async def finished_task(stack: RealStack) -> tuple[dict[str, Any], list[Recorded]]:
    """Carry a task to its end and its machine's; return it as submitted, and its history."""
    phone = await signed_in(stack)
    async with phone.gateway:
        made = await repository(stack, "slugify")
        task = await phone.submit(PROMPTS["slugify"], made.url)
        await phone.until_end(task["id"])

    def machines_left(history: list[Recorded]) -> int:
        events = [type(recorded.event) for recorded in history]
        return events.count(MachineStarted) - events.count(MachineDestroyed)

    history = await eventually(
        lambda: stored(stack, task),
        until=lambda history: machines_left(history) == 0,
        seconds=60,
        every_seconds=0.2,
    )
    return task, history


async def errand(
    stack: RealStack,
    phone: Phone,
    folder: Path,
    *arguments: str,
    url: str = "",
    code: int = 0,
    is_told_the_log: bool = True,
) -> str:
    """Run one command in `folder`, signed in as the phone; return what it said."""
    log = {
        "NATS_URL": stack.nats_url,
        "NATS_CREDENTIALS": str(stack.credentials("analytics")),
        **stack.event_key_settings,
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clients.cli",
        *arguments,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "ERRAND_URL": url or stack.gateway_url,
            "ERRAND_TOKEN": phone.gateway.token,
            "ERRAND_CONFIG": str(folder / "config"),
            **(log if is_told_the_log else {}),
            "HOOK_SECRET": "a secret of this test's own",
            "COLUMNS": "200",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        output, _ = await child.communicate()
    said = output.decode()
    assert child.returncode == code, said
    assert not said.startswith("Traceback"), said
    assert "\nTraceback" not in said, said
    return said
