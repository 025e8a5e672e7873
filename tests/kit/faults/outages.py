"""Servers that are away for a while, and surely come back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from tests.kit.servers.stack import RealServers


@asynccontextmanager
async def halted(servers: RealServers, name: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Stop a server; what is yielded brings it back, once, and so does the end of the block."""
    async with AsyncExitStack() as away:
        await servers.halt(name)
        away.push_async_callback(servers.resume, name)
        yield away.aclose
