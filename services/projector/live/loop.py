"""The live loop: keeps task states in Redis and publishes events to the gateways as they come.

Redis may be emptied or away: nothing is kept there that is not in the log. While it is away the
loop waits; gateways that missed something find out by themselves (their feeds check the head).

An event is folded onto the cached state of its task, else onto what Redis has. Only where that is
not enough, as in an emptied Redis, the history is read, and that beside the loop: the events of
this task wait for it, those of all others are published meanwhile.

What has come while Redis was busy is published in one round trip, which is one event when
little happens and hundreds when much does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from importlib.resources import files
from typing import Any, Final, NamedTuple, Never, TypeVar

import redis.asyncio as redis
from prometheus_client import Counter
from redis.exceptions import NoScriptError

from events import History, Recorded, TaskId
from events.protocol import readers
from infra.log.event_log import Unavailable
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.connection.api import ApiError
from infra.runtime.telemetry import logger
from infra.stores.live_channels import (
    EPHEMERAL,
    Frame,
    feed_channel,
    inbox_channel,
    pack,
    state_key,
)
from infra.stores.redis_errors import RedisUnavailable, redis_errors
from services.projector.live.live_state import UNKNOWN, LiveState, decode_live_state
from services.projector.projections.task import encode

T = TypeVar("T")

_CACHED_TASKS: Final = 10_000
_REPEATED_EVENTS: Final = 256
_MAX_CONCURRENT_READS: Final = 4
_MAX_WAITING_EVENTS: Final = 1_000
_RETRY_SECONDS: Final = 0.25
_APPLY = (files("services.projector.live") / "apply_if_newer.lua").read_text

_published = Counter("errand_projector_live_events", "Events published to the gateways.")
_dropped = Counter("errand_projector_live_items_dropped", "Live items lost while Redis was away.")
_log = logger(__name__)


class TaskUpdate(NamedTuple):
    """The next events of a task, and its state after them."""

    events: list[Recorded]
    live_state: LiveState


class LiveLoop:
    """Publishes each event in the log to the gateways that watch its task."""

    def __init__(self, log: JetStreamLog[Never], client: "redis.Redis") -> None:
        self._event_log = log
        self._redis = client
        self._apply = client.register_script(_APPLY())
        self._after = 0
        self._cached: dict[TaskId, LiveState] = {}
        self._being_read: dict[TaskId, asyncio.Queue[Recorded]] = {}
        self._readers = asyncio.Semaphore(_MAX_CONCURRENT_READS)

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log from about now until `stopping` is set.

        The last few events are published again, so that a restart leaves no gap for the gateways to
        find; whoever has them drops them by their version.
        """
        info = await _retry_until_available(self._event_log.info)
        self._after = max(0, info.last_sequence - _REPEATED_EVENTS)
        _log.info("projector.live_started", after=self._after)
        follow = self._event_log.follow(
            readers.LIVE, after=self._after, until=stopping, is_placed=False
        )
        async with asyncio.TaskGroup() as group:
            beside: set[asyncio.Task[None]] = set()
            async for batch in follow:
                async for reading in self._take(batch):
                    task = group.create_task(reading)
                    beside.add(task)
                    task.add_done_callback(beside.discard)
            for task in beside:
                task.cancel()

    async def relay(
        self,
        items: AsyncIterator[tuple[History, bytes]],
        *,
        is_standby: Callable[[], bool] = lambda: False,
    ) -> None:
        """Pass live items (token deltas, running output) on; what Redis misses is dropped."""
        async for history, item in items:
            if is_standby():  # the projector that works publishes it
                continue
            try:
                with redis_errors():
                    await self._redis.publish(feed_channel(history), pack(Frame(EPHEMERAL, item)))
            except RedisUnavailable:
                _dropped.inc()

    async def _take(self, batch: Sequence[Recorded]) -> AsyncIterator[Coroutine[Any, Any, None]]:
        """Publish the events in one round trip to Redis; yield what must run beside the loop."""
        remembered = await self._remembered(batch)
        updates: dict[TaskId, TaskUpdate] = {}
        for recorded in batch:
            task = recorded.task
            waiting = self._being_read.get(task)
            if waiting is not None:
                await waiting.put(recorded)
                continue
            known = self._cached.get(task)
            if known is None:
                known = remembered.get(task, UNKNOWN)
                if not self._reaches(known, recorded):
                    yield self._read_first(known, [recorded])
                    continue
            grown = _onto(known, recorded, updates)
            if grown is None:
                unpublished = updates.pop(task).events if task in updates else []
                yield self._read_first(UNKNOWN, [*unpublished, recorded])
            else:
                self._keep(task, grown)
        await _retry_until_available(partial(self._publish_all, updates))

    async def _remembered(self, batch: Sequence[Recorded]) -> Mapping[TaskId, LiveState]:
        """Return the states that Redis has of the tasks that are not cached."""
        tasks = {r.task for r in batch} - self._cached.keys() - self._being_read.keys()
        return await _retry_until_available(partial(self._look_up, sorted(tasks))) if tasks else {}

    async def _look_up(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, LiveState]:
        question = self._redis.pipeline(transaction=False)
        for task in tasks:
            question.hmget(state_key(task), ["state", "sequence"])
        answers = await question.execute()
        return {
            task: decode_live_state(*answer) for task, answer in zip(tasks, answers, strict=True)
        }

    def _reaches(self, known: LiveState, recorded: Recorded) -> bool:
        """Return whether no event can lie between what is known of a task and this event."""
        is_first = known is UNKNOWN and recorded.version == 1
        return is_first or known.head.sequence >= min(self._after, recorded.sequence)

    def _read_first(
        self, known: LiveState, events: Sequence[Recorded]
    ) -> Coroutine[Any, Any, None]:
        """Let the task's events wait from now on until its history is read."""
        task = events[0].task
        self._cached.pop(task, None)
        waiting = asyncio.Queue[Recorded](_MAX_WAITING_EVENTS)
        for recorded in events:
            waiting.put_nowait(recorded)
        self._being_read[task] = waiting
        return self._read_and_publish(known, events[0], waiting)

    async def _read_and_publish(
        self, known: LiveState, first: Recorded, waiting: "asyncio.Queue[Recorded]"
    ) -> None:
        """Fold what precedes the first event that waits, then publish all that wait."""
        async with self._readers:
            known = await _retry_until_available(partial(self._read, known, first))
        while not waiting.empty():
            updates: dict[TaskId, TaskUpdate] = {}
            while not waiting.empty():
                known = _onto(known, waiting.get_nowait(), updates) or known
            await _retry_until_available(partial(self._publish_all, updates))
        self._keep(first.task, known)
        del self._being_read[first.task]

    async def _read(self, known: LiveState, first: Recorded) -> LiveState:
        """Fold a history from what is known up to before an event. Raises Unavailable."""
        known = known._replace(is_proven=True)
        pages = self._event_log.pages(first.history, after=known.head)
        async with aclosing(pages):
            async for page in pages:
                for recorded in page:
                    if recorded.sequence >= first.sequence:
                        return known
                    known = known.after(recorded) or known
        return known

    async def _publish_all(self, updates: Mapping[TaskId, TaskUpdate]) -> None:
        if not updates:
            return
        try:
            await self._publish(updates)
        except NoScriptError:  # Redis was restarted
            await self._redis.script_load(self._apply.script)
            await self._publish(updates)
        _published.inc(sum(len(each.events) for each in updates.values()))

    async def _publish(self, updates: Mapping[TaskId, TaskUpdate]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for task, (events, live_state) in updates.items():
            key, channel = state_key(task), feed_channel(events[0].history)
            frames = [pack(Frame(r.version, r.body)) for r in events]
            if live_state.state is None:  # what is left of an erased task
                pipeline.delete(key)
                for frame in frames:
                    pipeline.publish(channel, frame)
                continue
            arguments: list[str | bytes | int] = [channel, inbox_channel(events[0].account)]
            arguments += encode(live_state.state), live_state.head.sequence
            for recorded, frame in zip(events, frames, strict=True):
                arguments += recorded.version, frame
            pipeline.evalsha(self._apply.sha, 1, key, *arguments)
        await pipeline.execute()

    def _keep(self, task: TaskId, live_state: LiveState) -> None:
        """Cache it as the most recently used."""
        self._cached.pop(task, None)
        self._cached[task] = live_state
        while len(self._cached) > _CACHED_TASKS:
            del self._cached[next(iter(self._cached))]


def _onto(
    known: LiveState, recorded: Recorded, updates: dict[TaskId, TaskUpdate]
) -> LiveState | None:
    """Fold an event, and add it to the updates; None when what precedes it must be read."""
    if recorded.sequence <= known.head.sequence:
        return known
    grown = known.after(recorded)
    if grown is None:
        if not known.is_proven:
            return None
        _log.warning("projector.event_out_of_order", task=recorded.task, sequence=recorded.sequence)
        return known
    events = updates[recorded.task].events if recorded.task in updates else []
    events.append(recorded)
    updates[recorded.task] = TaskUpdate(events, grown)
    return grown


async def _retry_until_available(attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until Redis and the log are available for it."""
    while True:
        try:
            with redis_errors():
                return await attempt()
        except (RedisUnavailable, Unavailable, ApiError) as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from error  # redis-py makes a lost connection of it
            _log.warning("projector.live_waiting", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
