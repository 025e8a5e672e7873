"""Session of one device on the stream: handles its messages and sends what it watches.

Three loops per device: receive, send, ping. The first that ends ends all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple, NoReturn, assert_never

from events import History, TaskId
from events.protocol import frames
from events.protocol.frames import Closed
from infra.log.event_log import Unavailable
from infra.runtime.clock import Clock
from services.gateway.stream.command_frames import CommandHandler, answer_command
from services.gateway.stream.cursor import LOOK_IN_THE_LOG, Cursor
from services.gateway.stream.hub import Hub
from services.gateway.stream.presence import DeviceKey, DeviceView, Presence
from services.gateway.stream.rules.ephemeral import EphemeralBuffer, EphemeralItem
from services.gateway.stream.rules.seen_buffer import SeenBuffer, valid_cursors
from services.gateway.stream.rules.token_bucket import TokenBucket
from services.gateway.stream.seen import SeenExchange
from services.gateway.tasks.access import Principal, is_task_id

_FLUSH_SECONDS = 0.025
_FLUSH_BYTES = 256 * 1024
_COMMANDS_PER_SECOND = 20
_SUBSCRIPTIONS_PER_SECOND = 20
_MAX_MISSED_PINGS = 2.5


class StreamTimeouts(NamedTuple):
    """Timeouts of a connection, in seconds."""

    hello_seconds: float = 10.0
    ping_interval_seconds: float = frames.PING_INTERVAL_SECONDS
    stalled_seconds: float = 15.0
    goodbye_seconds: float = 2.0
    recheck_seconds: float = 60.0


class SessionDependencies(NamedTuple):
    """Dependencies of a session. `renew` accepts a newer credential; raises Closed."""

    hub: Hub
    seen: SeenExchange
    perform: CommandHandler
    presence: Presence
    clock: Clock
    patience: StreamTimeouts
    renew: Callable[[frames.Auth], Awaitable[Principal]]


class Session:
    """A device that has said hello. `send` delivers one frame and returns when it is written."""

    def __init__(
        self,
        principal: Principal,
        hello: frames.Hello,
        dependencies: SessionDependencies,
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        now = asyncio.get_running_loop().time()
        self._principal = principal
        self._hello = hello
        self._dependencies = dependencies
        self._send = send
        self._spot = DeviceKey(principal.person, hello.device.id)
        self._look = DeviceView(is_visible=hello.vis == "active")
        self._cursors: dict[TaskId, Cursor] = {}
        self._inbox = AsyncExitStack()
        self._answers: list[bytes] = []
        self._lines: dict[TaskId, bytes] = {}
        self._seen = SeenBuffer()
        self._ephemeral = EphemeralBuffer()
        self._woken = asyncio.Event()
        self._is_ping_due = False
        self._heard_at = now
        self._commands = TokenBucket(
            at_once=_COMMANDS_PER_SECOND, a_second=_COMMANDS_PER_SECOND, now=now
        )
        self._subscriptions = TokenBucket(
            at_once=frames.MAX_SUBSCRIPTIONS, a_second=_SUBSCRIPTIONS_PER_SECOND, now=now
        )

    def wake(self) -> None:
        """Wake the session: a watched feed has changed."""
        self._woken.set()

    def receive(self, item: EphemeralItem) -> None:
        """Receive a live item; it replaces older ones of its block when the device is slow."""
        self._ephemeral.put(item)
        self._woken.set()

    def line(self, task: TaskId, line: bytes) -> None:
        """Receive a line of the inbox; it replaces the task's last one."""
        self._lines[task] = line
        self._woken.set()

    def seen(self, cursors: Mapping[str, int], *, is_first: bool = False) -> None:
        """Receive cursors of the person, from any device."""
        if self._seen.put(cursors, is_first=is_first):
            self._woken.set()

    def queue_item(self, item: frames.ToDevice) -> None:
        """Queue an item for the next frame."""
        self._answers.append(frames.encode(item))
        self._woken.set()

    async def run(self, receive: Callable[[], Awaitable[bytes | str]]) -> None:
        """Serve the device until it disconnects (`receive` raises) or must (Closed, in a group)."""
        self._welcome()
        self._dependencies.presence.keep(self._spot, self._look)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump())
                group.create_task(self._ping_regularly())
                if len(self._hello.subs) > frames.MAX_SUBSCRIPTIONS:
                    raise _too_many()
                for sub in self._hello.subs:
                    await self._subscribe(sub.task, sub.version)
                await self._listen(receive)
        finally:
            self._dependencies.presence.forget(self._spot)
            await self._inbox.aclose()
            for task in list(self._cursors):
                await self._forget(task)

    def _welcome(self) -> None:
        expires = self._principal.expires_at
        self.queue_item(
            frames.Welcome(
                conn=self._principal.session,
                now=self._dependencies.clock().isoformat(),
                heartbeat_ms=int(self._dependencies.patience.ping_interval_seconds * 1000),
                limits={"frame_bytes": frames.MAX_FRAME_BYTES, "subs": frames.MAX_SUBSCRIPTIONS},
                expires=expires.isoformat() if expires else None,
            )
        )

    async def _listen(self, receive: Callable[[], Awaitable[bytes | str]]) -> NoReturn:
        while True:
            said = frames.decode(await receive())
            self._heard_at = asyncio.get_running_loop().time()
            match said:
                case frames.Sub(task=task, version=version):
                    await self._subscribe(task, version)
                case frames.Unsub(task=frames.INBOX):
                    await self._inbox.aclose()
                case frames.Unsub(task=task):
                    await self._forget(TaskId(task))
                case frames.Cmd():
                    await self._command(said)
                case frames.Auth():
                    self._principal = await self._dependencies.renew(said)
                    self._welcome()
                case frames.Seen(cursors=cursors):
                    self._look_at(self._look.focus, cursors.get(self._look.focus, 0))
                    self._note_seen(cursors)
                case frames.Vis(state=state, focus=focus):
                    self._look = DeviceView(is_visible=state == "active", focus=focus[:64])
                    self._dependencies.presence.keep(self._spot, self._look)
                case frames.Pong():
                    pass
                case frames.Hello():
                    raise Closed(frames.BAD_FRAME, "Say hello once, in the first frame.")
                case _:
                    assert_never(said)

    def _look_at(self, focus: str, version: int) -> None:
        if version > self._look.version:
            self._look = DeviceView(self._look.is_visible, focus, version)
            self._dependencies.presence.keep(self._spot, self._look)

    def _note_seen(self, said: Mapping[str, int]) -> None:
        if cursors := valid_cursors(said):
            self._seen.note(cursors)
            self._dependencies.seen.advance(self._principal, cursors)

    async def _subscribe(self, task: str, version: int) -> None:
        if version < 0:
            raise Closed(frames.BAD_FRAME, "A version is 0 or more.")
        if not self._subscriptions.spend(asyncio.get_running_loop().time()):
            raise Closed(frames.RATE_LIMITED, "Too many subscriptions in too short a time.")
        if task == frames.INBOX:
            await self._show_inbox()
        elif not is_task_id(task):
            self.queue_item(frames.Reset(task[:64], 0, "not_found"))
        else:
            await self._watch(TaskId(task), version)

    async def _show_inbox(self) -> None:
        await self._inbox.aclose()
        hub, seen, principal = self._dependencies.hub, self._dependencies.seen, self._principal
        await self._inbox.enter_async_context(hub.look(principal.account, self))
        await self._inbox.enter_async_context(seen.look(principal, self))

    async def _watch(self, task: TaskId, version: int) -> None:
        await self._forget(task)
        if len(self._cursors) >= frames.MAX_SUBSCRIPTIONS:
            raise _too_many()
        history = History(self._principal.account, task)
        async with AsyncExitStack() as held:
            try:
                feed = await held.enter_async_context(self._dependencies.hub.watch(history, self))
                if version > feed.high or not feed.high:
                    await feed.check()  # the device may know more than Redis has brought here
            except Unavailable:
                self.queue_item(frames.Reset(task, 0, "unavailable"))
                return
            if version > feed.high or not feed.high:
                reason: frames.ResetReason = "position_lost" if feed.high else "not_found"
                self.queue_item(frames.Reset(task, feed.high, reason))
                return
            self._cursors[task] = Cursor(task, feed, version, held.pop_all())
        self._woken.set()

    async def _forget(self, task: TaskId) -> None:
        cursor = self._cursors.pop(task, None)
        if cursor is not None:
            await cursor.close()

    async def _command(self, command: frames.Cmd) -> None:
        if not self._commands.spend(asyncio.get_running_loop().time()):
            raise Closed(
                frames.RATE_LIMITED, f"At most {_COMMANDS_PER_SECOND} commands per second."
            )
        perform = self._dependencies.perform
        self.queue_item(await answer_command(perform, self._principal, command))

    async def _pump(self) -> NoReturn:
        """Send new items: the first at once, then what gathers in a short window."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            items = await self._gather()
            if not items:
                continue
            try:
                async with asyncio.timeout(self._dependencies.patience.stalled_seconds):
                    await self._send(frames.frame(items))
            except TimeoutError:
                raise Closed(frames.SLOW, "The device does not take what is sent.") from None
            await asyncio.sleep(_FLUSH_SECONDS)

    async def _gather(self) -> list[bytes]:
        """Collect what waits: answers, lines, events up to a frame's size, and ephemeral items."""
        items, self._answers = self._answers, []
        items += self._lines.values()
        self._lines.clear()
        items += map(frames.encode, self._seen.take())
        room = _FLUSH_BYTES
        for cursor in list(self._cursors.values()):
            if room <= 0:
                self._woken.set()  # the rest goes with the next frame
                break
            news = await self._news(cursor)
            if self._cursors.get(cursor.task) is not cursor:
                continue  # the device unsubscribed, or subscribed again, meanwhile
            if news:
                self._cursors[cursor.task] = self._cursors.pop(cursor.task)  # now after all others
            items += news
            room -= sum(map(len, news))
        items += self._ephemeral.take()
        if self._is_ping_due:
            self._is_ping_due = False
            items += self._ping_and_heads()
        return items

    async def _news(self, cursor: Cursor) -> list[bytes]:
        news = cursor.news()
        if news is LOOK_IN_THE_LOG:
            try:
                news = await cursor.older()
            except Unavailable:
                self.queue_item(frames.Reset(cursor.task, 0, "unavailable"))
                if self._cursors.get(cursor.task) is cursor:
                    await self._forget(cursor.task)
                return []
        if cursor.has_more:
            self._woken.set()
        return news

    def _ping_and_heads(self) -> list[bytes]:
        """Send a ping with the versions the device should have after this frame."""
        heads = {str(task): cursor.version for task, cursor in self._cursors.items()}
        return [frames.encode(frames.Ping()), frames.encode(frames.Heads(heads))]

    async def _ping_regularly(self) -> NoReturn:
        every_seconds = self._dependencies.patience.ping_interval_seconds
        time = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(every_seconds)
            if time() - self._heard_at > _MAX_MISSED_PINGS * every_seconds:
                raise Closed(frames.NO_PONG, "Nothing was heard from the device.")
            self._is_ping_due = True
            self._dependencies.presence.keep(self._spot, self._look)
            self._woken.set()


def _too_many() -> Closed:
    return Closed(frames.TOO_MANY, f"A connection may watch {frames.MAX_SUBSCRIPTIONS} tasks.")
