"""One device on the stream: what it says is answered, what it watches is sent. A phone is a cursor.

Three loops a device: hear it, send to it, keep the heart beating. The first that ends ends all.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple, NoReturn, Protocol, assert_never

from events import History, TaskId
from infra.clock import Clock
from infra.event_log import Unavailable
from services.gateway.access import Principal, is_task_id
from services.gateway.problems import Refused, not_found
from services.gateway.stream import frames
from services.gateway.stream.feed import Feed
from services.gateway.stream.frames import Closed
from services.gateway.stream.hub import Hub

_FLUSH_SECONDS = 0.025
_FLUSH_BYTES = 256 * 1024
_PAGE_EVENTS = 500
_PAGE_BYTES = 64 * 1024
_LIVE_BYTES = 256 * 1024
_COMMANDS_PER_SECOND = 20
_SILENT_BEATS = 2.5


class Patience(NamedTuple):
    """How long a device is waited for, in seconds."""

    hello_seconds: float = 10.0
    heartbeat_seconds: float = frames.HEARTBEAT_SECONDS
    stalled_seconds: float = 15.0
    goodbye_seconds: float = 2.0
    recheck_seconds: float = 60.0


class Performed(Protocol):
    """Where a command's facts stand."""

    @property
    def task(self) -> TaskId: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102


class Perform(Protocol):
    """Carries a command out, once, and says where it stands. Raises Refused."""

    async def __call__(  # noqa: D102
        self,
        principal: Principal,
        task: TaskId | None,
        *,
        command_id: str,
        op: str,
        arguments: bytes,
    ) -> Performed: ...


class _Cursor:
    """How far a device has come in one task."""

    def __init__(self, feed: Feed, version: int, held: AsyncExitStack) -> None:
        self.feed = feed
        self.version = version
        self.held = held
        self.is_told_live = False
        self.is_behind = False


class Session:
    """A device that has said hello. `send` delivers one frame and returns when it is written."""

    def __init__(
        self,
        principal: Principal,
        *,
        hub: Hub,
        perform: Perform,
        send: Callable[[bytes], Awaitable[None]],
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._principal = principal
        self._hub = hub
        self._perform = perform
        self._send = send
        self._clock = clock
        self._patience = patience
        self._cursors: dict[str, _Cursor] = {}
        self._items: list[bytes] = []
        self._live_items: deque[bytes] = deque()
        self._live_bytes = 0
        self._woken = asyncio.Event()
        self._is_beating = False
        self._heard_at = asyncio.get_running_loop().time()
        self._commands_left = _COMMANDS_PER_SECOND
        self._subs_left = frames.SUBSCRIPTIONS

    def wake(self) -> None:
        """Something is new in a feed this device watches."""
        self._woken.set()

    def hear(self, item: bytes) -> None:
        """Take a live item; the oldest give way when the device does not keep up."""
        self._live_items.append(item)
        self._live_bytes += len(item)
        while self._live_bytes > _LIVE_BYTES:
            self._live_bytes -= len(self._live_items.popleft())
        self._woken.set()

    def tell(self, item: frames.ToDevice) -> None:
        """Queue an answer; it goes out with the next frame."""
        self._items.append(frames.encode(item))
        self._woken.set()

    async def run(self, hello: frames.Hello, receive: Callable[[], Awaitable[bytes | str]]) -> None:
        """Serve the device until it goes (`receive` raises) or must go (Closed, in a group)."""
        self.tell(
            frames.Welcome(
                conn=self._principal.session,
                now=self._clock().isoformat(),
                heartbeat_ms=int(self._patience.heartbeat_seconds * 1000),
                limits={"frame_bytes": frames.FRAME_BYTES, "subs": frames.SUBSCRIPTIONS},
            )
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump())
                group.create_task(self._beat())
                for sub in hello.subs:
                    await self._watch(sub.task, sub.version)
                await self._listen(receive)
        finally:
            for task in list(self._cursors):
                await self._forget(task)

    async def _listen(self, receive: Callable[[], Awaitable[bytes | str]]) -> NoReturn:
        while True:
            said = frames.decode(await receive())
            self._heard_at = asyncio.get_running_loop().time()
            match said:
                case frames.Sub(task=task, version=version):
                    await self._watch(task, version)
                case frames.Unsub(task=task):
                    await self._forget(task)
                case frames.Cmd():
                    await self._command(said)
                case frames.Pong():
                    pass
                case frames.Hello():
                    raise Closed(frames.BAD_FRAME, "Say hello once, in the first frame.")
                case _:
                    assert_never(said)

    async def _watch(self, task: str, version: int) -> None:
        if version < 0:
            raise Closed(frames.BAD_FRAME, "A version is 0 or more.")
        if self._subs_left < 1:
            raise Closed(frames.RATE_LIMITED, "Too many subscriptions in too short a time.")
        self._subs_left -= 1
        await self._forget(task)
        if len(self._cursors) >= frames.SUBSCRIPTIONS:
            raise Closed(frames.TOO_MANY, f"A connection may watch {frames.SUBSCRIPTIONS} tasks.")
        if not is_task_id(task):
            self.tell(frames.Reset(task[:64], 0, "not_found"))
            return
        history = History(self._principal.account, TaskId(task))
        async with AsyncExitStack() as held:
            try:
                feed = await held.enter_async_context(self._hub.watch(history, self))
                if version > feed.high or not feed.high:
                    await feed.check()  # the device may know more than Redis has brought here
            except Unavailable:
                self.tell(frames.Reset(task, 0, "unavailable"))
                return
            if version > feed.high or not feed.high:
                self.tell(
                    frames.Reset(task, feed.high, "position_lost" if feed.high else "not_found")
                )
                return
            self._cursors[task] = _Cursor(feed, version, held.pop_all())
        self._woken.set()

    async def _forget(self, task: str) -> None:
        cursor = self._cursors.pop(task, None)
        if cursor is not None:
            await cursor.held.aclose()

    async def _command(self, command: frames.Cmd) -> None:
        if self._commands_left < 1:
            raise Closed(frames.RATE_LIMITED, f"At most {_COMMANDS_PER_SECOND} commands a second.")
        self._commands_left -= 1
        try:
            if command.task and not is_task_id(command.task):
                raise not_found()
            done = await self._perform(
                self._principal,
                TaskId(command.task) if command.task else None,
                command_id=command.id,
                op=command.op,
                arguments=bytes(command.args),
            )
        except Refused as refusal:
            self.tell(frames.Nak(command.id, refusal.problem))
        else:
            self.tell(frames.Ack(command.id, done.task, done.version))

    async def _pump(self) -> NoReturn:
        """Send what is new: the first at once, then what gathers in a short window."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            items = self._gather()
            if not items:
                continue
            try:
                async with asyncio.timeout(self._patience.stalled_seconds):
                    await self._send(frames.frame(items))
            except TimeoutError:
                raise Closed(frames.SLOW, "The device does not take what is sent.") from None
            await asyncio.sleep(_FLUSH_SECONDS)

    def _gather(self) -> list[bytes]:
        items, self._items = self._items, []
        room = _FLUSH_BYTES
        for task, cursor in list(self._cursors.items()):
            if room <= 0:
                self._woken.set()  # the rest goes with the next frame
                break
            news = self._news(task, cursor)
            if news:
                self._cursors[task] = self._cursors.pop(task)  # next time after all others
            items += news
            room -= sum(map(len, news))
        items += self._live_items
        self._live_items.clear()
        self._live_bytes = 0
        if self._is_beating:
            self._is_beating = False
            items += self._heartbeat()
        return items

    def _heartbeat(self) -> list[bytes]:
        """Ask for a pong, and tell what the device should have now that this frame is sent."""
        heads = {task: cursor.version for task, cursor in self._cursors.items()}
        return [frames.encode(frames.Ping()), frames.encode(frames.Heads(heads))]

    def _news(self, task: str, cursor: _Cursor) -> list[bytes]:
        if cursor.is_behind:
            return []  # silent until the device subscribes again
        page = cursor.feed.after(cursor.version, most_events=_PAGE_EVENTS, most_bytes=_PAGE_BYTES)
        if page is None:
            cursor.is_behind = True
            url = f"/v1/tasks/{task}/events?after={cursor.version}"
            behind = frames.Behind(task, cursor.version, cursor.feed.high, url)
            return [frames.encode(behind)]
        items = [body for _, body in page]
        if page:
            cursor.version = page[-1][0]
        if cursor.version < cursor.feed.high:
            self._woken.set()
        elif not cursor.is_told_live:
            cursor.is_told_live = True
            items.append(frames.encode(frames.Live(task, cursor.version)))
        return items

    async def _beat(self) -> NoReturn:
        every_seconds = self._patience.heartbeat_seconds
        time = asyncio.get_running_loop().time
        beaten_at = time()
        while True:
            await asyncio.sleep(min(1.0, every_seconds))
            self._commands_left = _COMMANDS_PER_SECOND
            self._subs_left = min(frames.SUBSCRIPTIONS, self._subs_left + _COMMANDS_PER_SECOND)
            if time() - self._heard_at > _SILENT_BEATS * every_seconds:
                raise Closed(frames.NO_HEARTBEAT, "Nothing was heard from the device.")
            if time() - beaten_at >= every_seconds:
                beaten_at = time()
                self._is_beating = True
                self._woken.set()
