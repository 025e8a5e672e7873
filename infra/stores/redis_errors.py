"""The errors of redis-py that mean: Redis is unavailable, and may be there again later.

The one classification, for every service that uses Redis. Redis holds nothing that is not in the
log, so whoever meets one of these waits or goes on without it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Gauge
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

_REFUSALS: Final = re.compile(
    # Full, read-only, loading, in a script of somebody's, failing to save, without its replicas.
    # A pipeline and a script put words of their own before Redis's.
    r"\b(OOM|READONLY|LOADING|BUSY|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNKILLABLE"
    r"|NOAUTH|WRONGPASS|NOPERM|max number of clients)\b"
)

available: Final = Gauge(
    "errand_redis_available", "Whether the last use of Redis found it available: 1 or 0."
)


class RedisUnavailable(Exception):
    """Redis cannot do it now. The text says what it, or the way to it, said."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn the errors inside that mean an unavailable Redis into RedisUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        if not is_unavailable(error):
            raise
        available.set(0)
        raise RedisUnavailable(f"{type(error).__name__}: {error}") from error
    available.set(1)


def is_unavailable(error: BaseException) -> bool:
    """Return whether an error means that Redis is unavailable for now."""
    match error:
        case RedisConnectionError() | RedisTimeoutError() | ConnectionError() | TimeoutError():
            return True  # among them: loading, no free connection, authentication
        case ResponseError():
            return _REFUSALS.search(str(error)) is not None
        case OSError():
            return True  # redis-py passes what connecting raised
        case _:
            return False
