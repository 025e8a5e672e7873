"""One device on the stream: what it says is answered, what it watches is sent. A phone is a cursor.

Three loops a device: hear it, send to it, keep the heart beating. The first that ends ends all.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NoReturn, Protocol, assert_never

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
_STALLED_SECONDS = 15.0
_PAGE_EVENTS = 500
_PAGE_BYTES = 64 * 1024
_LIVE_ITEMS = 256
_COMMANDS_PER_SECOND = 20


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
    ) -> None:
        self._principal = principal
        self._hub = hub
        self._perform = perform
        self._send = send
        self._clock = clock
        self._cursors: dict[str, _Cursor] = {}
        self._items: list[bytes] = []
        self._live_items: deque[bytes] = deque(maxlen=_LIVE_ITEMS)
        self._woken = asyncio.Event()
        self._heard_at = asyncio.get_running_loop().time()
        self._allowance = float(_COMMANDS_PER_SECOND)

    def wake(self) -> None:
        """Something is new in a feed this device watches."""
        self._woken.set()

    def hear(self, item: bytes) -> None:
        """Take a live item; the oldest give way when the device does not keep up."""
        self._live_items.append(item)
        self._woken.set()

    def tell(self, item: frames.ToDevice) -> None:
        """Queue an answer; it goes out with the next frame."""
        self._items.append(frames.encode(item))
        self._woken.set()

    async def run(self, hello: frames.Hello, receive: Callable[[], Awaitable[bytes | str]]) -> None:
        """Serve the device until it goes (raises Closed) or must go."""
        self.tell(
            frames.Welcome(
                conn=self._principal.session,
                now=self._clock().isoformat(),
                heartbeat_ms=int(frames.HEARTBEAT_SECONDS * 1000),
                limits={"frame_bytes": frames.FRAME_BYTES, "subs": frames.SUBSCRIPTIONS},
            )
        )
        async with AsyncExitStack() as resources:
            for sub in hello.subs:
                await self._watch(sub.task, sub.version, resources)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump())
                group.create_task(self._beat())
                await self._listen(receive, resources)

    async def _listen(
        self, receive: Callable[[], Awaitable[bytes | str]], resources: AsyncExitStack
    ) -> NoReturn:
        while True:
            said = frames.decode(await receive())
            self._heard_at = asyncio.get_running_loop().time()
            match said:
                case frames.Sub(task=task, version=version):
                    await self._watch(task, version, resources)
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

    async def _watch(self, task: str, version: int, resources: AsyncExitStack) -> None:
        if version < 0:
            raise Closed(frames.BAD_FRAME, "A version is 0 or more.")
        await self._forget(task)
        if len(self._cursors) >= frames.SUBSCRIPTIONS:
            raise Closed(frames.TOO_MANY, f"A connection may watch {frames.SUBSCRIPTIONS} tasks.")
        if not is_task_id(task):
            self.tell(frames.Reset(task[:64], 0, "not_found"))
            return
        held = await resources.enter_async_context(AsyncExitStack())
        history = History(self._principal.account, TaskId(task))
        try:
            feed = await held.enter_async_context(self._hub.watch(history, self))
        except Unavailable:
            self.tell(frames.Reset(task, 0, "unavailable"))
            return
        if feed.high == 0 or version > feed.high:
            await held.aclose()
            self.tell(frames.Reset(task, feed.high, "position_lost" if feed.high else "not_found"))
            return
        self._cursors[task] = _Cursor(feed, version, held)
        self._woken.set()

    async def _forget(self, task: str) -> None:
        cursor = self._cursors.pop(task, None)
        if cursor is not None:
            await cursor.held.aclose()

    async def _command(self, command: frames.Cmd) -> None:
        if self._allowance < 1:
            raise Closed(frames.RATE_LIMITED, f"At most {_COMMANDS_PER_SECOND} commands a second.")
        self._allowance -= 1
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
                async with asyncio.timeout(_STALLED_SECONDS):
                    await self._send(frames.frame(items))
            except TimeoutError:
                raise Closed(frames.SLOW, "The device does not take what is sent.") from None
            await asyncio.sleep(_FLUSH_SECONDS)

    def _gather(self) -> list[bytes]:
        items, self._items = self._items, []
        for task, cursor in list(self._cursors.items()):
            items += self._news(task, cursor)
        items += self._live_items
        self._live_items.clear()
        return items

    def _news(self, task: str, cursor: _Cursor) -> list[bytes]:
        page = cursor.feed.after(cursor.version, most_events=_PAGE_EVENTS, most_bytes=_PAGE_BYTES)
        if page is None:
            url = f"/v1/tasks/{task}/events?after={cursor.version}"
            behind = frames.Behind(task, cursor.version, cursor.feed.high, url)
            cursor.version = cursor.feed.high  # silent until the device subscribes again
            cursor.is_told_live = True
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
        elapsed = 0.0
        while True:
            await asyncio.sleep(1)
            elapsed += 1
            self._allowance = min(_COMMANDS_PER_SECOND, self._allowance + _COMMANDS_PER_SECOND)
            if asyncio.get_running_loop().time() - self._heard_at > 2.5 * frames.HEARTBEAT_SECONDS:
                raise Closed(frames.NO_HEARTBEAT, "Nothing was heard from the device.")
            if elapsed >= frames.HEARTBEAT_SECONDS:
                elapsed = 0.0
                self.tell(frames.Ping())
                heads = {task: cursor.feed.high for task, cursor in self._cursors.items()}
                if heads:
                    self.tell(frames.Heads(heads))
