from collections.abc import AsyncIterator

import pytest
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.kit.servers.stack import RealServers


@pytest.fixture
async def client(servers: RealServers) -> AsyncIterator[redis.Redis]:
    """As services.projector.main makes it."""
    made = redis.Redis.from_url(servers.redis_url, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    yield made
    await made.aclose()
