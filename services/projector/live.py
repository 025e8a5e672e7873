"""The live loop: keeps task states in Redis and tells the gateways what happens, as it happens.

Redis may be emptied or away: nothing is kept there that is not in the log. While it is away the
loop waits; gateways that missed something find out by themselves (their feeds check the head).
"""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Never

import redis.asyncio as redis
from prometheus_client import Counter
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from events import History, Recorded, TaskId
from infra.event_log import Unavailable
from infra.fanout import EPHEMERAL, Frame, feed_channel, inbox_channel, pack, state_key
from infra.jetstream import JetStreamLog
from infra.task_state import TaskState, evolve
from infra.telemetry import logger
from services.projector.projections.task import encode

_CACHED_TASKS = 10_000
_TOLD_AGAIN = 256
_RETRY_SECONDS = 0.25
_LOST = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OSError)
_APPLY = (files("services.projector") / "apply_if_newer.lua").read_text

_told = Counter("errand_projector_live_events", "Events told to the gateways.")
_dropped = Counter("errand_projector_live_items_dropped", "Live items lost while Redis was away.")
_log = logger(__name__)


class LiveLoop:
    """Tells each event, once it is in the log, to whoever watches its task."""

    def __init__(self, log: JetStreamLog[Never], client: "redis.Redis") -> None:
        self._event_log = log
        self._redis = client
        self._apply = client.register_script(_APPLY())
        self._states: dict[TaskId, TaskState] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log from about now until told to stop.

        The last few events are told again, so that a restart leaves no hole for the gateways to
        find; whoever has them drops them by their version.
        """
        info = await self._event_log.info()
        after = max(0, info.last_sequence - _TOLD_AGAIN)
        _log.info("live loop follows", after=after)
        async for batch in self._event_log.follow("live", after=after, until=stopping):
            for recorded in batch:
                await self._tell(recorded)

    async def relay(self, items: AsyncIterator[tuple[History, bytes]]) -> None:
        """Pass live items (token deltas, running output) on; what Redis misses is dropped."""
        async for history, item in items:
            try:
                await self._redis.publish(feed_channel(history), pack(Frame(EPHEMERAL, item)))
            except _LOST:
                _dropped.inc()

    async def _tell(self, recorded: Recorded) -> None:
        is_told = False
        while not is_told:
            try:
                await self._publish(recorded, await self._state(recorded))
            except (*_LOST, Unavailable) as error:
                _log.warning("not told yet, trying again", task=recorded.task, error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                is_told = True
        _told.inc()

    async def _publish(self, recorded: Recorded, state: TaskState | None) -> None:
        frame = pack(Frame(recorded.version, recorded.body))
        channel = feed_channel(recorded.history)
        if state is None:  # what is left of an erased task
            await self._redis.delete(state_key(recorded.task))
            await self._redis.publish(channel, frame)
            return
        inbox = inbox_channel(recorded.account)
        await self._apply(
            keys=[state_key(recorded.task)],
            args=[recorded.version, encode(state), channel, frame, inbox],
        )

    async def _state(self, recorded: Recorded) -> TaskState | None:
        """Fold the event onto the task's state, read from the log where it is not at hand."""
        known = self._states.pop(recorded.task, None)
        if known is None and recorded.version > 1:
            for earlier in await self._event_log.read(recorded.history):
                if earlier.version < recorded.version:
                    known = evolve(known, earlier)
        state = evolve(known, recorded)
        if state is not None:
            self._states[recorded.task] = state
        while len(self._states) > _CACHED_TASKS:
            del self._states[next(iter(self._states))]
        return state
