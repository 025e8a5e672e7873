"""The live loop: keeps task states in Redis and tells the gateways what happens, as it happens.

Redis may be emptied or away: nothing is kept there that is not in the log. While it is away the
loop waits; gateways that missed something find out by themselves (their feeds check the head).

An event is folded onto what is at hand of its task, else onto what Redis has. Only where that is
not enough, as in an emptied Redis, the history is read, and that beside the loop: the events of
this task wait for it, those of all others are told meanwhile.

What has come while Redis was busy is told in one journey, so that a journey is one event when
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
from services.projector.live.live_state import UNKNOWN, Standing, remembered
from services.projector.projections.task import encode

T = TypeVar("T")

_CACHED_TASKS: Final = 10_000
_TOLD_AGAIN: Final = 256
_READ_AT_ONCE: Final = 4
_WAITING_EVENTS: Final = 1_000
_RETRY_SECONDS: Final = 0.25
_APPLY = (files("services.projector.live") / "apply_if_newer.lua").read_text

_told = Counter("errand_projector_live_events", "Events told to the gateways.")
_dropped = Counter("errand_projector_live_items_dropped", "Live items lost while Redis was away.")
_log = logger(__name__)


class News(NamedTuple):
    """The next events of a task, and where it stands with them."""

    events: list[Recorded]
    standing: Standing


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
        info = await _insist(self._event_log.info)
        self._after = max(0, info.last_sequence - _TOLD_AGAIN)
        _log.info("live loop follows", after=self._after)
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
            if is_standby():  # the projector that works tells it
                continue
            try:
                with redis_errors():
                    await self._redis.publish(feed_channel(history), pack(Frame(EPHEMERAL, item)))
            except RedisUnavailable:
                _dropped.inc()

    async def _take(self, batch: Sequence[Recorded]) -> AsyncIterator[Coroutine[Any, Any, None]]:
        """Tell the events, all in one journey to Redis; yield what must run beside the loop."""
        remembered = await self._remembered(batch)
        news: dict[TaskId, News] = {}
        for recorded in batch:
            task = recorded.task
            waiting = self._being_read.get(task)
            if waiting is not None:
                await waiting.put(recorded)
                continue
            known = self._at_hand.get(task)
            if known is None:
                known = remembered.get(task, UNKNOWN)
                if not self._reaches(known, recorded):
                    yield self._read_first(known, [recorded])
                    continue
            grown = _onto(known, recorded, news)
            if grown is None:
                untold = news.pop(task).events if task in news else []
                yield self._read_first(UNKNOWN, [*untold, recorded])
            else:
                self._keep(task, grown)
        await _insist(partial(self._tell, news))

    async def _remembered(self, batch: Sequence[Recorded]) -> Mapping[TaskId, Standing]:
        """Tell what Redis has of the tasks that are not at hand."""
        tasks = {r.task for r in batch} - self._at_hand.keys() - self._being_read.keys()
        return await _insist(partial(self._look_up, sorted(tasks))) if tasks else {}

    async def _look_up(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, Standing]:
        question = self._redis.pipeline(transaction=False)
        for task in tasks:
            question.hmget(state_key(task), ["state", "sequence"])
        answers = await question.execute()
        return {task: remembered(*answer) for task, answer in zip(tasks, answers, strict=True)}

    def _reaches(self, known: Standing, recorded: Recorded) -> bool:
        """Tell whether nothing can stand between what is known of a task and this event."""
        is_first = known is UNKNOWN and recorded.version == 1
        return is_first or known.head.sequence >= min(self._after, recorded.sequence)

    def _read_first(self, known: Standing, events: Sequence[Recorded]) -> Coroutine[Any, Any, None]:
        """Let the task's events wait from now on until its history is read."""
        task = events[0].task
        self._at_hand.pop(task, None)
        waiting = asyncio.Queue[Recorded](_WAITING_EVENTS)
        for recorded in events:
            waiting.put_nowait(recorded)
        self._being_read[task] = waiting
        return self._read_and_tell(known, events[0], waiting)

    async def _read_and_tell(
        self, known: Standing, first: Recorded, waiting: "asyncio.Queue[Recorded]"
    ) -> None:
        """Fold what stands before the first event that waits, then tell all that wait."""
        async with self._readers:
            known = await _insist(partial(self._read, known, first))
        while not waiting.empty():
            news: dict[TaskId, News] = {}
            while not waiting.empty():
                known = _onto(known, waiting.get_nowait(), news) or known
            await _insist(partial(self._tell, news))
        self._keep(first.task, known)
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

    async def _tell(self, news: Mapping[TaskId, News]) -> None:
        if not news:
            return
        try:
            await self._publish(news)
        except NoScriptError:  # Redis began anew
            await self._redis.script_load(self._apply.script)
            await self._publish(news)
        _told.inc(sum(len(each.events) for each in news.values()))

    async def _publish(self, news: Mapping[TaskId, News]) -> None:
        said = self._redis.pipeline(transaction=False)
        for task, (events, standing) in news.items():
            key, channel = state_key(task), feed_channel(events[0].history)
            frames = [pack(Frame(r.version, r.body)) for r in events]
            if standing.state is None:  # what is left of an erased task
                said.delete(key)
                for frame in frames:
                    said.publish(channel, frame)
                continue
            told: list[str | bytes | int] = [channel, inbox_channel(events[0].account)]
            told += encode(standing.state), standing.head.sequence
            for recorded, frame in zip(events, frames, strict=True):
                told += recorded.version, frame
            said.evalsha(self._apply.sha, 1, key, *told)
        await said.execute()

    def _keep(self, task: TaskId, standing: Standing) -> None:
        """Have it at hand, as the one met last."""
        self._at_hand.pop(task, None)
        self._at_hand[task] = standing
        while len(self._at_hand) > _CACHED_TASKS:
            del self._at_hand[next(iter(self._at_hand))]


def _onto(known: Standing, recorded: Recorded, news: dict[TaskId, News]) -> Standing | None:
    """Fold an event, and add it to the news; None when what stands before it must be read."""
    if recorded.sequence <= known.head.sequence:
        return known
    grown = known.after(recorded)
    if grown is None:
        if not known.is_proven:
            return None
        _log.warning("not its history's next", task=recorded.task, sequence=recorded.sequence)
        return known
    events = news[recorded.task].events if recorded.task in news else []
    events.append(recorded)
    news[recorded.task] = News(events, grown)
    return grown


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Do it again and again until Redis and the log are there for it."""
    while True:
        try:
            with redis_errors():
                return await attempt()
        except (RedisUnavailable, Unavailable, ApiError) as error:
            if (task := asyncio.current_task()) and task.cancelling():
                raise asyncio.CancelledError from error  # redis-py makes a lost connection of it
            _log.warning("projector.live_waiting", error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
