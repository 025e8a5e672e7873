"""Presence of devices: which task each one shows, so that nobody is notified of what they see.

Reported by the devices on the stream, held in this process and, for the other gateways, in Redis
for a minute and a half. Nothing waits for Redis: what it misses is sent again with the next
heartbeat.
"""

import asyncio
from typing import Final, NamedTuple

import msgspec
import redis.asyncio as redis

from events import PersonId, TaskId
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from infra.stores.redis_errors import RedisUnavailable, redis_errors

KEPT_SECONDS: Final = 90

_log = logger(__name__)


class DeviceView(msgspec.Struct, frozen=True):
    """View of one device: its visibility, its task, the version seen."""

    is_visible: bool
    focus: str = ""
    version: int = 0


class _StoredPresence(msgspec.Struct, frozen=True):
    look: DeviceView
    until: float


class DeviceKey(NamedTuple):
    """One device of one person."""

    person: PersonId
    device: str


_kept = msgspec.json.Decoder(_StoredPresence)


class Presence:
    """Known views of all devices."""

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._redis = client
        self._clock = clock
        self._here: dict[DeviceKey, DeviceView] = {}
        self._untold: dict[DeviceKey, DeviceView | None] = {}
        self._changed = asyncio.Event()

    def keep(self, spot: DeviceKey, look: DeviceView) -> None:
        """Record a device's view. Never waits."""
        self._here[spot] = look
        self._publish(spot, look)

    def forget(self, spot: DeviceKey) -> None:
        """Record that a device is gone."""
        if self._here.pop(spot, None) is not None:
            self._publish(spot, None)

    async def is_looking(self, person: PersonId, task: TaskId, version: int) -> bool:
        """Return whether a device of the person shows this task, seen up to this version."""
        here = (look for spot, look in self._here.items() if spot.person == person)
        if any(_sees(look, task, version) for look in here):
            return True
        now = self._clock().timestamp()
        try:
            with redis_errors():
                stored = await self._redis.hvals(_key(person))
        except RedisUnavailable as error:
            _log.warning("presence.not_read", error=repr(error))
            return False
        kept = (_kept.decode(content) for content in stored)
        return any(one.until > now and _sees(one.look, task, version) for one in kept)

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish changes to the other gateways until stopped."""

        async def stop() -> None:
            await stopping.wait()
            self._changed.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(stop())
            while not stopping.is_set():
                await self._changed.wait()
                self._changed.clear()
                untold, self._untold = self._untold, {}
                try:
                    with redis_errors():
                        await self._write(untold)
                except RedisUnavailable as error:
                    _log.warning("presence.not_published", error=repr(error))

    async def _write(self, untold: dict[DeviceKey, DeviceView | None]) -> None:
        until = self._clock().timestamp() + KEPT_SECONDS
        async with self._redis.pipeline(transaction=False) as pipe:
            for spot, look in untold.items():
                if look is None:
                    pipe.hdel(_key(spot.person), spot.device)
                else:
                    pipe.hset(
                        _key(spot.person),
                        spot.device,
                        msgspec.json.encode(_StoredPresence(look, until)),
                    )
                    pipe.expire(_key(spot.person), KEPT_SECONDS)
            await pipe.execute()

    def _publish(self, spot: DeviceKey, look: DeviceView | None) -> None:
        self._untold[spot] = look
        self._changed.set()


def _sees(look: DeviceView, task: TaskId, version: int) -> bool:
    return look.is_visible and look.focus == task and look.version >= version


def _key(person: PersonId) -> str:
    return f"presence.{person}"
