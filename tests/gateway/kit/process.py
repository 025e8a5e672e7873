"""Gateway and broker as processes of their own."""

import asyncio
import socket
import sys
from dataclasses import asdict
from pathlib import Path

from services.gateway.settings import BrokerProcessSettings, Settings
from tests.kit.servers.stack import plain_environment


def environment(settings: Settings | BrokerProcessSettings) -> dict[str, str]:
    return {name.upper(): str(value) for name, value in asdict(settings).items()}


async def spawn(variables, module="services.gateway"):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env={**plain_environment(), "PYTHONPATH": str(Path.cwd()), **variables},
        stderr=asyncio.subprocess.PIPE,
    )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
