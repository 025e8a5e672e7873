"""The live loop: keeps task states in Redis and tells the gateways what happens, as it happens.

Redis may be emptied or away: nothing is kept there that is not in the log. While it is away the
loop waits; gateways that missed something find out by themselves (their feeds check the head).

An event is folded onto what is at hand of its task, else onto what Redis has. Only where that is
not enough, as in an emptied Redis, the history is read, and that beside the loop: the events of
this task wait for it, those of all others are told meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from importlib.resources import files
from typing import Final, Never, TypeVar

import redis.asyncio as redis
from prometheus_client import Counter
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from events import History, Recorded, TaskId
from infra.event_log import Unavailable
from infra.fanout import EPHEMERAL, Frame, feed_channel, inbox_channel, pack, state_key
from infra.jetstream import JetStreamLog
from infra.telemetry import logger
from services.projector.projections.task import encode
from services.projector.standing import UNKNOWN, Standing, remembered

T = TypeVar("T")

_CACHED_TASKS: Final = 10_000
_TOLD_AGAIN: Final = 256
_READ_AT_ONCE: Final = 4
_WAITING_EVENTS: Final = 1_000
_RETRY_SECONDS: Final = 0.25
_LOST: Final = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OSError)
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
        self._after = 0
        self._at_hand: dict[TaskId, Standing] = {}
        self._being_read: dict[TaskId, asyncio.Queue[Recorded]] = {}
        self._readers = asyncio.Semaphore(_READ_AT_ONCE)

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the log from about now until told to stop.

        The last few events are told again, so that a restart leaves no hole for the gateways to
        find; whoever has them drops them by their version.
        """
        info = await self._event_log.info()
        self._after = max(0, info.last_sequence - _TOLD_AGAIN)
        _log.info("live loop follows", after=self._after)
        follow = self._event_log.follow("live", after=self._after, until=stopping, is_placed=False)
        async with asyncio.TaskGroup() as group:
            beside: set[asyncio.Task[None]] = set()
            async for batch in follow:
                for recorded in batch:
                    if (reading := await self._take(recorded)) is not None:
                        task = group.create_task(reading)
                        beside.add(task)
                        task.add_done_callback(beside.discard)
            for task in beside:
                task.cancel()

    async def relay(self, items: AsyncIterator[tuple[History, bytes]]) -> None:
        """Pass live items (token deltas, running output) on; what Redis misses is dropped."""
        async for history, item in items:
            try:
                await self._redis.publish(feed_channel(history), pack(Frame(EPHEMERAL, item)))
            except _LOST:
                _dropped.inc()

    async def _take(self, recorded: Recorded) -> Coroutine[object, object, None] | None:
        """Tell the event, or have it told by what is returned, to be run beside the loop."""
        waiting = self._being_read.get(recorded.task)
        if waiting is not None:
            await waiting.put(recorded)
            return None
        known = self._at_hand.get(recorded.task)
        if known is None:
            known = await _insist(lambda: self._remembered(recorded.task))
            if not self._reaches(known, recorded):
                return self._read_first(known, recorded)
        return await self._tell_next(known, recorded)

    def _reaches(self, known: Standing, recorded: Recorded) -> bool:
        """Tell whether nothing can stand between what is known of a task and this event."""
        is_first = known is UNKNOWN and recorded.version == 1
        return is_first or known.head.sequence >= min(self._after, recorded.sequence)

    async def _tell_next(
        self, known: Standing, recorded: Recorded
    ) -> Coroutine[object, object, None] | None:
        if recorded.sequence <= known.head.sequence:
            self._keep(recorded.task, known)
            return None
        grown = known.after(recorded)
        if grown is None and not known.is_proven:
            return self._read_first(UNKNOWN, recorded)
        if grown is None:
            _log.warning("not its history's next", task=recorded.task, sequence=recorded.sequence)
        else:
            await self._tell(recorded, grown)
        self._keep(recorded.task, grown or known)
        return None

    def _read_first(self, known: Standing, recorded: Recorded) -> Coroutine[object, object, None]:
        """Let the task's events wait from now on until its history is read."""
        self._at_hand.pop(recorded.task, None)
        waiting = asyncio.Queue[Recorded](_WAITING_EVENTS)
        waiting.put_nowait(recorded)
        self._being_read[recorded.task] = waiting
        return self._read_and_tell(known, recorded, waiting)

    async def _read_and_tell(
        self, known: Standing, first: Recorded, waiting: "asyncio.Queue[Recorded]"
    ) -> None:
        """Fold what stands before the first event that waits, then tell all that wait."""
        async with self._readers:
            known = await _insist(lambda: self._read(known, first))
        while not waiting.empty():
            await self._tell_next(known, waiting.get_nowait())
            known = self._at_hand[first.task]
        del self._being_read[first.task]

    async def _read(self, known: Standing, first: Recorded) -> Standing:
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

    async def _remembered(self, task: TaskId) -> Standing:
        state, sequence = await self._redis.hmget(state_key(task), ["state", "sequence"])
        return remembered(state, sequence)

    async def _tell(self, recorded: Recorded, standing: Standing) -> None:
        await _insist(lambda: self._publish(recorded, standing))
        _told.inc()

    async def _publish(self, recorded: Recorded, standing: Standing) -> None:
        frame = pack(Frame(recorded.version, recorded.body))
        channel = feed_channel(recorded.history)
        if standing.state is None:  # what is left of an erased task
            await self._redis.delete(state_key(recorded.task))
            await self._redis.publish(channel, frame)
            return
        inbox = inbox_channel(recorded.account)
        state = encode(standing.state)
        await self._apply(
            keys=[state_key(recorded.task)],
            args=[recorded.version, state, channel, frame, inbox, recorded.sequence],
        )

    def _keep(self, task: TaskId, standing: Standing) -> None:
        """Have it at hand, as the one met last."""
        self._at_hand.pop(task, None)
        self._at_hand[task] = standing
        while len(self._at_hand) > _CACHED_TASKS:
            del self._at_hand[next(iter(self._at_hand))]


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Do it again and again until Redis and the log are there for it."""
    while True:
        try:
            return await attempt()
        except (*_LOST, Unavailable) as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from error  # redis-py makes a lost connection of it
            _log.warning("not told yet, trying again", error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)
