"""Real projector processes, to measure and to kill."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.kit.paths import ROOT
from tests.kit.servers.stack import RealServers, plain_environment


@asynccontextmanager
async def projector(
    servers: RealServers, postgres_url: str, *, log_level: str = "WARNING"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m services.projector` on this database; killed when the block is left."""
    environment = plain_environment() | {
        "NATS_URL": servers.nats_url,
        "NATS_CREDENTIALS": str(servers.credentials("projector")),
        **servers.event_key_settings,
        "POSTGRES_URL": postgres_url,
        "REDIS_URL": servers.redis_url,
        "LOG_LEVEL": log_level,
        "GRACE_SECONDS": "5",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.projector", env=environment, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
