"""Phones on a real stream: uvicorn, a WebSocket client, and a projector's voice in Redis."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

import redis.asyncio as redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from events import (
    NOWHERE,
    AccountId,
    Head,
    History,
    PersonId,
    Recorded,
    TaskId,
    TaskInstructed,
    task_id,
)
from events.ids import CommandId
from events.protocol import frames
from events.protocol.api.requests import CommandRequest, InstructionRequest
from events.protocol.task_state import TaskState, evolve
from infra.runtime.clock import DraftFactory, utc_now
from infra.stores.live_channels import EPHEMERAL, Frame, feed_channel, pack
from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.http.serving.server import bound, make_server, serve
from services.gateway.problems import Refused, refused, unavailable
from services.gateway.stream.endpoint import Stream
from services.gateway.stream.hub import Hub
from services.gateway.stream.presence import Presence
from services.gateway.stream.redis_connection import RedisReader
from services.gateway.stream.seen import SeenExchange
from services.gateway.stream.session import StreamTimeouts
from services.gateway.tasks.access import Principal
from tests.kit.fakes.in_memory_log import InMemoryLog

DRAFT_FACTORY = DraftFactory(utc_now)
PATIENCE = StreamTimeouts()


def new_history(account: str = "acc_1") -> History:
    return History(AccountId(account), task_id(AccountId(account), CommandId(secrets.token_hex(8))))


class Tokens:
    """The people who may enter, by token: implements access.Access."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        self.refusal: Refused | None = None

    def add(
        self,
        token: str,
        *,
        account: str = "acc_1",
        person: str = "per_1",
        expires_at: datetime | None = None,
    ) -> str:
        self.principals[token] = Principal(
            AccountId(account), PersonId(person), f"ses_{token}", expires_at
        )
        return token

    async def enter(self, ticket: str) -> Principal | None:
        """Every token is good for one ticket too."""
        return self.principals.get(ticket.removeprefix("ticket-")) if ticket else None

    async def authenticate(self, token: str) -> Principal | None:
        if self.refusal is not None:
            raise self.refusal
        return self.principals.get(token)

    async def allowed(self, principal: Principal, task: TaskId) -> bool:
        return True


class Performed(NamedTuple):
    task: TaskId
    version: int


class Performer:
    """Carries commands out by appending what they say; remembers what was asked."""

    def __init__(self, log: "Logbook") -> None:
        self._log = log
        self.asked: list[tuple[CommandId, CommandRequest]] = []
        self.crash: Exception | None = None

    async def __call__(
        self,
        principal: Principal,
        task: TaskId | None,
        *,
        command_id: CommandId,
        request: CommandRequest,
    ) -> Performed:
        self.asked.append((command_id, request))
        if self.crash is not None:
            raise self.crash
        if not isinstance(request, InstructionRequest) or task is None:
            raise refused(409, "not_for_now", "Only instructions are taken here.")
        recorded = await self._log.append(History(principal.account, task), "said")
        return Performed(task, recorded.version)


class Logbook:
    """A log in memory, and a Redis that receives each event as it is appended."""

    def __init__(self, client: redis.Redis) -> None:
        self.log: InMemoryLog[Any] = InMemoryLog()
        self.redis = client
        self._heads: dict[History, Head] = {}

    async def append(self, history: History, text: str = "", *, is_told: bool = True) -> Recorded:
        head = self._heads.get(history, NOWHERE)
        drafts = DRAFT_FACTORY.drafts(
            [TaskInstructed(text=text or f"event {head.version + 1}")], by="t"
        )
        self._heads[history] = await self.log.append(history, drafts, after=head)
        recorded = self.log.recorded[-1]
        if is_told:
            await self.tell(recorded)
        return recorded

    async def grow(self, history: History, count: int, **more: Any) -> None:
        for _ in range(count):
            await self.append(history, **more)

    async def tell(self, recorded: Recorded) -> int:
        """Publish an event as the projector does; return how many heard it."""
        return await self.publish(recorded.history, Frame(recorded.version, recorded.body))

    async def hint(self, history: History, item: bytes) -> int:
        """Publish a passing item."""
        return await self.publish(history, Frame(EPHEMERAL, item))

    async def publish(self, history: History, frame: Frame) -> int:
        heard: int = await self.redis.publish(feed_channel(history), pack(frame))
        return heard


class Folded:
    """Lists an account's tasks by folding a log: implements inbox.Lists."""

    def __init__(self, log: InMemoryLog[Any]) -> None:
        self._log = log
        self.is_away = False

    async def newest(self, account: AccountId, limit: int) -> list[TaskState]:
        if self.is_away:
            raise unavailable("away")
        states: dict[TaskId, TaskState | None] = {}
        for recorded in self._log.recorded:
            if recorded.account == account:
                states[recorded.task] = evolve(states.get(recorded.task), recorded)
        return [state for state in reversed(states.values()) if state][:limit]


class RememberedCursors:
    """Cursors in memory: implements seen.SeenStore."""

    def __init__(self) -> None:
        self.cursors: dict[PersonId, dict[str, int]] = {}
        self.is_away = False

    async def read(self, account: AccountId, person: PersonId) -> dict[str, int]:
        if self.is_away:
            raise unavailable("away")
        return dict(self.cursors.get(person, {}))

    async def advance(
        self, account: AccountId, person: PersonId, cursors: Mapping[str, int]
    ) -> dict[str, int]:
        if self.is_away:
            raise unavailable("away")
        known = self.cursors.setdefault(person, {})
        moved = {task: at for task, at in cursors.items() if at > known.get(task, 0)}
        known.update(moved)
        return moved


class Place(NamedTuple):
    """A gateway's stream, serving."""

    url: str
    stream: Stream
    hub: Hub
    logbook: Logbook
    tokens: Tokens
    performer: Performer
    presence: Presence
    seen_store: RememberedCursors
    stopping: asyncio.Event

    @property
    def watchers(self) -> int:
        """Return the number of cursors on all feeds."""
        return sum(len(feed.watchers) for feed in self.hub._feeds.values())

    @asynccontextmanager
    async def device(
        self, token: str = "token", *, subs: dict[Any, int] | None = None, **more: Any
    ) -> AsyncIterator["Device"]:
        """Connect and say hello."""
        async with self.connection() as device:
            await device.hello(token, subs=subs, **more)
            yield device

    @asynccontextmanager
    async def connection(self, **options: Any) -> AsyncIterator["Device"]:
        """Connect and say nothing."""
        connecting = connect(
            self.url,
            subprotocols=[frames.SUBPROTOCOL],  # type: ignore[list-item]
            compression=None,
            max_size=None,
            **options,
        )
        async with connecting as socket:
            yield Device(socket)


class Device:
    """One phone. `told` is every item it was sent, in order; `events` the events among them."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    async def hello(
        self,
        token: str,
        *,
        subs: dict[Any, int] | None = None,
        device: str = "d1",
        v: int = 1,
        **more: Any,
    ) -> None:
        wanted = [{"task": task, "version": version} for task, version in (subs or {}).items()]
        await self.say(t="hello", v=v, token=token, device={"id": device}, subs=wanted, **more)

    async def say(self, **item: Any) -> None:
        await self.socket.send(json.dumps(item))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item for item in self.told if "t" not in item]

    @property
    def versions(self) -> list[int]:
        return [event["version"] for event in self.events]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.told if item.get("t") == kind]

    async def until(self, look: Callable[["Device"], Any], *, seconds: float = 10.0) -> Any:
        """Take frames until `look` sees what it wants; raises ConnectionClosed at the end."""
        async with asyncio.timeout(seconds):
            while not (seen := look(self)):
                await self.take()
        return seen

    async def take(self) -> list[dict[str, Any]]:
        """Take one frame."""
        frame = json.loads(await self.socket.recv())
        assert isinstance(frame, list)
        self.told += frame
        return frame

    async def first(self, kind: str, *, seconds: float = 10.0) -> dict[str, Any]:
        """Wait for an item of this kind."""
        found = await self.until(lambda device: device.all(kind), seconds=seconds)
        item: dict[str, Any] = found[0]
        return item

    async def version(self, version: int, *, seconds: float = 10.0) -> None:
        """Wait for an event of this version."""
        await self.until(lambda device: version in device.versions, seconds=seconds)

    async def end(self, *, seconds: float = 10.0) -> tuple[int, str]:
        """Wait for the end; return its code and reason."""
        with suppress(ConnectionClosed):
            await self.until(lambda _: False, seconds=seconds)
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


@asynccontextmanager
async def serving(
    redis_url: str,
    *,
    patience: StreamTimeouts = PATIENCE,
    check_seconds: float = 10.0,
    linger_seconds: float = 60.0,
    seen_store: RememberedCursors | None = None,
) -> AsyncIterator[Place]:
    """Serve a stream on an ephemeral port, with a token `token` that is let in."""
    client = redis.Redis.from_url(redis_url)
    logbook = Logbook(client)
    hub = Hub(
        logbook.log,
        RedisReader(redis_url),
        Folded(logbook.log),
        check_seconds=check_seconds,
        linger_seconds=linger_seconds,
    )
    tokens, performer, presence = Tokens(), Performer(logbook), Presence(client, utc_now)
    tokens.add("token")
    store = seen_store or RememberedCursors()
    seen = SeenExchange(store, client)
    stream = Stream(
        hub=hub,
        seen=seen,
        access=tokens,
        perform=performer,
        presence=presence,
        clock=utc_now,
        patience=patience,
    )
    stopping = asyncio.Event()
    listener = bound("127.0.0.1", 0)
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/stream"
    async with aclosing(client), asyncio.TaskGroup() as group:
        group.create_task(hub.run(stopping))
        group.create_task(presence.run(stopping))
        group.create_task(seen.run(stopping))
        group.create_task(
            serve(
                make_server(stream, grace_seconds=1, limits=ConnectionLimits()), listener, stopping
            )
        )
        try:
            yield Place(url, stream, hub, logbook, tokens, performer, presence, store, stopping)
        finally:
            stopping.set()
