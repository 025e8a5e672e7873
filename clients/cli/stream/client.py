"""Client of the stream (docs/reference/protocol.md): resumes by version, applies no gap.

One connection a device, any number of tasks on it. What is to be applied, when to come back and
what to send of the outbox is decided in rules.py and sending.py; this is the socket around them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from random import random

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from clients.cli.errors import Trouble
from clients.cli.gateway.client import Gateway, SignedOut, Unreachable
from clients.cli.protocol import frames
from clients.cli.protocol.reconnect_policy import Patience, Position, judge, pause_seconds
from clients.cli.stream.command_sender import Sender
from clients.cli.stream.items import CaughtUp, Line, LiveItem, Lost, Missing, Shown
from clients.cli.stream.outbox import Command, Outbox
from events import AccountId, History, Recorded, TaskId, codec
from events.protocol.frames import SUBPROTOCOL

_SERVER_FRAME_BYTES = 8 * 1024 * 1024
_PAGE_EVENTS = 500
_HELLO_SECONDS = 60.0
_GOODBYE_SECONDS = 2.0
_COMES_BACK = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


_pages = msgspec.json.Decoder(_Page)


class _Away(Exception):
    """Nothing more is to be had on this connection."""


class Stream:
    """Yields tasks' events, dense and in order, over as many connections as it takes.

    `tasks` says from which version on; the task `inbox` is the list.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        device: str,
        tasks: Mapping[str, int],
        outbox: Outbox | None = None,
        patience: Patience = Patience(),  # noqa: B008 - a tuple of numbers
    ) -> None:
        self._gateway = gateway
        self._device = device
        self._positions = {task: Position(task, version) for task, version in tasks.items()}
        self._yielded = dict(tasks)
        self._sender = Sender(outbox, patience) if outbox else None
        self._patience = patience
        self._refused = ""
        self._failures = 0
        self._retry_ms = 0
        self._silence_seconds = _HELLO_SECONDS
        self._silent_at = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._begin()

    def _begin(self) -> None:
        self._to_say: list[str] = []
        self._behind: dict[str, int] = {}
        self._later: dict[str, float] = {}
        self._renew_at: float | None = None
        self._is_welcome = False
        for position in self._positions.values():
            position.answered()
        if self._sender:
            self._sender.begin()

    def version(self, task: str) -> int:
        """Tell the last version of a task that was yielded: where to go on another time."""
        return self._yielded[task]

    def tell(self, command: Command) -> None:
        """Keep a command in the outbox, to be sent at once; its Outcome is yielded.

        Raises Trouble when it cannot be kept.
        """
        if self._sender is None:
            raise RuntimeError("this stream was made without an outbox")
        self._sender.keep(command)
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(0)

    async def items(self) -> AsyncGenerator[Shown, None]:
        """Yield for ever; a lost connection is taken up again. Raises Trouble when that is vain."""
        while True:
            self._begin()
            try:
                async with self._opened() as connection:
                    while True:
                        for item in await self._hear(connection):
                            self._note(item)
                            yield item
                        for item in await self._work(connection):
                            self._note(item)
                            yield item
            except ConnectionClosed as end:
                self._come_back(end)
            except InvalidStatus as refusal:
                _raise_if_vain(refusal)
            except (_Away, Unreachable, OSError, InvalidHandshake):
                pass  # away for a moment: the pause below, then from where we were
            except msgspec.DecodeError as error:
                raise Trouble(
                    f"The gateway says what this `errand` does not understand: {error}",
                    "Is one of the two much older than the other?",
                ) from None
            await self._pause()

    def _note(self, item: Shown) -> None:
        match item:
            case Recorded(task=task, version=version) | CaughtUp(task=task, version=version):
                self._yielded[task] = version
            case Lost(task=task):
                self._yielded[task] = 0
            case _:
                pass

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[ClientConnection]:
        token, self._refused = await self._gateway.fresh_token(refused=self._refused), ""
        async with connect(
            self._gateway.url.replace("http", "ws", 1) + "/v1/stream",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            max_size=_SERVER_FRAME_BYTES,
            close_timeout=_GOODBYE_SECONDS,
        ) as connection:
            subs = [(position.task, position.version) for position in self._positions.values()]
            await connection.send(frames.hello(token, self._device, subs))
            self._silent_at = _now() + _HELLO_SECONDS
            try:
                yield connection
            finally:
                await connection.close()  # in peace, whatever ends the block

    async def _pause(self) -> None:
        self._failures += 1
        retry_ms, self._retry_ms = self._retry_ms, 0
        chance = random()  # noqa: S311 - jitter
        await asyncio.sleep(
            pause_seconds(self._failures, self._patience, retry_ms=retry_ms, chance=chance)
        )

    async def _hear(self, connection: ClientConnection) -> list[Shown]:
        """Take the next frame, or nothing when there is something to do before it."""
        try:
            async with asyncio.timeout_at(self._due_at()) as self._waiting:
                frame = await connection.recv()
        except TimeoutError:
            if _now() >= self._silent_at:
                raise _Away from None
            return []
        finally:
            self._waiting = None
        self._silent_at = _now() + self._silence_seconds
        return [shown for told in frames.read(frame) for shown in self._take(told)]

    def _due_at(self) -> float:
        """Tell when there is something to do, if only to give up a silent connection."""
        if self._to_say or self._behind:
            return 0.0
        times = [self._silent_at, self._renew_at, *self._later.values()]
        if self._sender and self._is_welcome:
            times.append(self._sender.due_at())
        return min(time for time in times if time is not None)

    async def _work(self, connection: ClientConnection) -> list[Shown]:
        """Do what is due. What fails here has applied nothing: only the last step applies."""
        now = _now()
        for task in [task for task, due_at in self._later.items() if now >= due_at]:
            del self._later[task]
            self._subscribe(self._positions[task])
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            token = await self._gateway.fresh_token(refused=self._gateway.token)
            self._to_say.append(frames.auth(token))
        if self._sender and self._is_welcome and (said := self._sender.next(now)):
            self._to_say.append(said)
        to_say, self._to_say = self._to_say, []
        for said in to_say:
            await connection.send(said)
        for task in self._behind:
            return await self._fetch(self._positions[task])
        return []

    def _take(self, told: frames.Told) -> list[Shown]:
        item = told.item
        match item.t:
            case "welcome":
                self._welcomed(item)
            case "ping":
                self._to_say.append(frames.pong())
            case "bye":
                self._retry_ms = item.retry_ms
            case "head":
                for task, version in item.versions.items():
                    self._know(task, version)
            case "line":
                return [Line(*(getattr(item, name) for name in Line._fields))]
            case "ack" | "nak" if self._sender:
                return [self._sender.answered(item, _now(), chance=random())]  # noqa: S311 - jitter
            case "" | "eph" | "live" | "behind" | "reset" if item.task in self._positions:
                return self._take_of(self._positions[item.task], told)
            case _:
                pass  # a newer server may say more than this client knows
        return []

    def _take_of(self, position: Position, told: frames.Told) -> list[Shown]:
        item, task = told.item, position.task
        match item.t:
            case "":
                return self._apply(position, told)
            case "eph":
                return [LiveItem(task, item.kind, item.block, item.offset, item.text)]
            case "live" if item.version == position.version:
                position.answered()
                return [CaughtUp(task, item.version)]
            case "behind":
                self._behind[task] = item.head
            case "reset" if item.reason == "not_found":
                for known in (self._positions, self._behind, self._later):
                    known.pop(task, None)
                return [Missing(task)]
            case "reset" if item.reason == "position_lost":
                position.lose()
                self._subscribe(position)
                return [Lost(task)]
            case "reset":
                self._come_later(position)
            case _:
                pass
        return []

    def _apply(self, position: Position, told: frames.Told) -> list[Shown]:
        """Yield the event if it is the next, or nothing if it is of a type unknown here."""
        if not position.apply(told.item.version):
            self._know(position.task, told.item.version)
            return []
        try:
            return [codec.decode(History(AccountId(""), TaskId(position.task)), 0, told.body)]
        except msgspec.ValidationError:
            return []  # a newer server: this client cannot show it

    def _know(self, task: str, version: int) -> None:
        """Subscribe again if this version shows that something was missed."""
        position = self._positions.get(task)
        if position and task not in self._behind and position.ask_again(version):
            self._subscribe(position)

    def _subscribe(self, position: Position) -> None:
        self._to_say.append(frames.sub(position.task, position.version))

    def _come_later(self, position: Position) -> None:
        """Subscribe again in a moment, and not with all others at once."""
        position.answered()
        apart_seconds = self._patience.between_commands_seconds * len(self._later)
        pause_seconds = self._patience.first_pause_seconds + apart_seconds
        self._later[position.task] = _now() + pause_seconds

    def _welcomed(self, item: frames.Item) -> None:
        self._failures = 0
        self._is_welcome = True
        self._silence_seconds = item.heartbeat_ms / 1000 * self._patience.silent_beats
        self._silent_at = _now() + self._silence_seconds
        if item.expires and item.now and self._gateway.can_renew:
            left_seconds = (item.expires - item.now).total_seconds()
            self._renew_at = _now() + max(0.0, left_seconds - self._patience.renew_before_seconds)

    async def _fetch(self, position: Position) -> list[Shown]:
        """Fetch one page of what is too much for the stream; after the last, subscribe again."""
        content = await self._gateway.content(
            f"/v1/tasks/{position.task}/events", after=position.version, limit=_PAGE_EVENTS
        )
        before = position.version
        page = [frames.read_item(raw) for raw in _pages.decode(content).data]
        shown = [one for told in page for one in self._apply(position, told)]
        if position.version >= self._behind[position.task]:
            del self._behind[position.task]
            self._subscribe(position)
        elif position.version == before:
            raise _Away  # the log is behind itself: a little later it is not
        return shown

    def _come_back(self, end: ConnectionClosed) -> None:
        """Return when to connect again makes sense. Raises Trouble when it does not."""
        code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (0, "")
        verdict = judge(code)
        if verdict == "stop":
            raise Trouble(f"The gateway ended the stream: {reason} ({code})") from None
        if verdict == "renew" and self._gateway.can_renew:
            self._refused = self._gateway.token
        elif verdict in {"renew", "signed_out"}:
            raise SignedOut(
                "The gateway has ended this session.", "Pair this machine again."
            ) from None


def _raise_if_vain(refusal: InvalidStatus) -> None:
    status = refusal.response.status_code
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if status in _COMES_BACK:
            return
        raise Trouble(f"The gateway refuses the stream ({status}).") from None


def _now() -> float:
    return asyncio.get_running_loop().time()
