"""Checks of the servers the gateway needs, every few seconds.

Asking costs nothing: an answer is at most some seconds old, and one look serves all who ask.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from events.protocol.api.server import Health
from infra.log.event_log import Unavailable
from infra.log.jetstream.connection.api import ApiError
from services.gateway.problems import Refused
from services.gateway.stores.server_report import OK

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS: Final = 2.0
AGE_SECONDS: Final = 3.0


class Readiness:
    """Looks at the parts. Without one of `needed` no work can be done; `helpful` ones save time.

    A check raises OSError, Refused, Unavailable or ApiError when its part is away.
    """

    def __init__(
        self,
        needed: Mapping[str, Check],
        helpful: Mapping[str, Check],
        *,
        age_seconds: float = AGE_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._needed = needed
        self._helpful = helpful
        self._age_seconds = age_seconds
        self._check_seconds = check_seconds
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._health = Health("unavailable", {})

    async def health(self) -> Health:
        """Return the state of the parts, as of a few seconds ago."""
        async with self._looking:
            if asyncio.get_running_loop().time() - self._looked_at > self._age_seconds:
                self._health = await self._look()
                self._looked_at = asyncio.get_running_loop().time()
            return self._health

    async def _look(self) -> Health:
        checks = {**self._needed, **self._helpful}
        async with asyncio.TaskGroup() as group:
            asked = {name: group.create_task(self._ask(check)) for name, check in checks.items()}
        parts = {name: task.result() for name, task in asked.items()}
        if any(parts[name] != OK for name in self._needed):
            return Health("unavailable", parts)
        return Health("ok" if all(part == OK for part in parts.values()) else "degraded", parts)

    async def _ask(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._check_seconds):
                await check()
        except TimeoutError:
            return "does not answer"
        except Refused as refused:
            return refused.problem.detail
        except (ApiError, OSError, Unavailable) as error:
            return str(error) or type(error).__name__
        return OK
