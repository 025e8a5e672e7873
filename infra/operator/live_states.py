"""The live states in Redis, of which an erasure drops one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio as redis

from events import TaskId
from infra.stores.live_channels import state_key


class RedisStates:
    """Implements `infra.operator.erasure.LiveStates`. Made by `open_states`."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    async def forget(self, task: TaskId) -> None:
        """Drop a task's state. Raises redis.RedisError."""
        await self._client.delete(state_key(task))


@asynccontextmanager
async def open_states(url: str) -> AsyncIterator[RedisStates]:
    """Connect to Redis."""
    client = redis.Redis.from_url(url, socket_timeout=5)
    try:
        yield RedisStates(client)
    finally:
        await client.aclose()
