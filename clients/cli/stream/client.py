"""Client of the stream (docs/reference/protocol.md): resumes by version, applies no gap.

One connection per device carries any number of tasks. Which events to apply and when to reconnect
is decided in protocol/reconnect_policy.py, what to send in command_sender.py; this is the socket.
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

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, SignedOut, Unreachable
from clients.cli.protocol import frames
from clients.cli.protocol.reconnect_policy import (
    Position,
    StreamTimings,
    close_action,
    pause_seconds,
)
from clients.cli.stream.command_sender import CommandSender
from clients.cli.stream.items import (
    CaughtUp,
    EphemeralItem,
    PositionLost,
    Shown,
    TaskLine,
    TaskNotFound,
)
from clients.cli.stream.outbox import Command, Outbox
from events import AccountId, History, Recorded, TaskId, codec
from events.protocol.frames import SUBPROTOCOL

_MAX_SERVER_FRAME_BYTES = 8 * 1024 * 1024
_PAGE_EVENTS = 500
_WELCOME_TIMEOUT_SECONDS = 60.0
_CLOSE_TIMEOUT_SECONDS = 2.0
_RETRYABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


_pages = msgspec.json.Decoder(_Page)


class _ConnectionLost(Exception):
    """The connection is unusable."""


class Stream:
    """Yields tasks' events without gaps and in order, reconnecting as often as necessary.

    `tasks` says from which version on; the task `inbox` is the list.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        device: str,
        tasks: Mapping[str, int],
        outbox: Outbox | None = None,
        patience: StreamTimings = StreamTimings(),  # noqa: B008 - a tuple of numbers
    ) -> None:
        self._gateway = gateway
        self._device = device
        self._positions = {task: Position(task, version) for task, version in tasks.items()}
        self._yielded = dict(tasks)
        self._sender = CommandSender(outbox, patience) if outbox else None
        self._patience = patience
        self._refused = ""
        self._failures = 0
        self._retry_ms = 0
        self._silence_seconds = _WELCOME_TIMEOUT_SECONDS
        self._silent_at = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._begin()

    def _begin(self) -> None:
        self._outgoing: list[str] = []
        self._behind: dict[str, int] = {}
        self._later: dict[str, float] = {}
        self._renew_at: float | None = None
        self._is_welcome = False
        for position in self._positions.values():
            position.answered()
        if self._sender:
            self._sender.begin()

    def version(self, task: str) -> int:
        """Return the last version of a task that was yielded: where to resume next time."""
        return self._yielded[task]

    def send_command(self, command: Command) -> None:
        """Append a command to the outbox and send it at once; its Outcome is yielded.

        Raises CliError when it cannot be kept.
        """
        if self._sender is None:
            raise RuntimeError("this stream was made without an outbox")
        self._sender.keep(command)
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(0)

    async def items(self) -> AsyncGenerator[Shown, None]:
        """Yield for ever, reconnecting after a loss. Raises CliError when that cannot help."""
        while True:
            self._begin()
            try:
                async with self._opened() as connection:
                    while True:
                        for item in await self._receive(connection):
                            self._note(item)
                            yield item
                        for item in await self._work(connection):
                            self._note(item)
                            yield item
            except ConnectionClosed as end:
                self._handle_close(end)
            except InvalidStatus as refusal:
                _raise_if_refused(refusal)
            except (_ConnectionLost, Unreachable, OSError, InvalidHandshake):
                pass  # temporary: pause, then reconnect and resume
            except msgspec.DecodeError as error:
                raise CliError(
                    f"This version of `errand` does not understand the gateway's answer: {error}",
                    "Upgrade the older of the two: `errand --version` shows this one.",
                ) from None
            await self._pause()

    def _note(self, item: Shown) -> None:
        match item:
            case Recorded(task=task, version=version) | CaughtUp(task=task, version=version):
                self._yielded[task] = version
            case PositionLost(task=task):
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
            max_size=_MAX_SERVER_FRAME_BYTES,
            close_timeout=_CLOSE_TIMEOUT_SECONDS,
        ) as connection:
            subs = [(position.task, position.version) for position in self._positions.values()]
            await connection.send(frames.hello(token, self._device, subs))
            self._silent_at = _now() + _WELCOME_TIMEOUT_SECONDS
            try:
                yield connection
            finally:
                await connection.close()  # with a close handshake, whatever ended the block

    async def _pause(self) -> None:
        self._failures += 1
        retry_ms, self._retry_ms = self._retry_ms, 0
        chance = random()  # noqa: S311 - jitter
        await asyncio.sleep(
            pause_seconds(self._failures, self._patience, retry_ms=retry_ms, chance=chance)
        )

    async def _receive(self, connection: ClientConnection) -> list[Shown]:
        """Return the items of the next frame; empty when something is due before it arrives."""
        try:
            async with asyncio.timeout_at(self._due_at()) as self._waiting:
                frame = await connection.recv()
        except TimeoutError:
            if _now() >= self._silent_at:
                raise _ConnectionLost from None
            return []
        finally:
            self._waiting = None
        self._silent_at = _now() + self._silence_seconds
        return [shown for told in frames.read(frame) for shown in self._take(told)]

    def _due_at(self) -> float:
        """Return when something is due, at the latest when a silent connection is closed."""
        if self._outgoing or self._behind:
            return 0.0
        times = [self._silent_at, self._renew_at, *self._later.values()]
        if self._sender and self._is_welcome:
            times.append(self._sender.due_at())
        return min(time for time in times if time is not None)

    async def _work(self, connection: ClientConnection) -> list[Shown]:
        """Do what is due. A failure loses no event: only the last step applies any."""
        now = _now()
        for task in [task for task, due_at in self._later.items() if now >= due_at]:
            del self._later[task]
            self._subscribe(self._positions[task])
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            token = await self._gateway.fresh_token(refused=self._gateway.token)
            self._outgoing.append(frames.auth(token))
        if self._sender and self._is_welcome and (said := self._sender.next(now)):
            self._outgoing.append(said)
        outgoing, self._outgoing = self._outgoing, []
        for said in outgoing:
            await connection.send(said)
        for task in self._behind:
            return await self._fetch(self._positions[task])
        return []

    def _take(self, told: frames.ReceivedItem) -> list[Shown]:
        item = told.item
        match item.t:
            case "welcome":
                self._welcomed(item)
            case "ping":
                self._outgoing.append(frames.pong())
            case "bye":
                self._retry_ms = item.retry_ms
            case "head":
                for task, version in item.versions.items():
                    self._know(task, version)
            case "line":
                return [TaskLine(*(getattr(item, name) for name in TaskLine._fields))]
            case "ack" | "nak" if self._sender:
                return [self._sender.answered(item, _now(), chance=random())]  # noqa: S311 - jitter
            case "" | "eph" | "live" | "behind" | "reset" if item.task in self._positions:
                return self._take_of(self._positions[item.task], told)
            case _:
                pass  # unknown items of a newer server are ignored
        return []

    def _take_of(self, position: Position, told: frames.ReceivedItem) -> list[Shown]:
        item, task = told.item, position.task
        match item.t:
            case "":
                return self._apply(position, told)
            case "eph":
                return [EphemeralItem(task, item.kind, item.block, item.offset, item.text)]
            case "live" if item.version == position.version:
                position.answered()
                return [CaughtUp(task, item.version)]
            case "behind":
                self._behind[task] = item.head
            case "reset" if item.reason == "not_found":
                for known in (self._positions, self._behind, self._later):
                    known.pop(task, None)
                return [TaskNotFound(task)]
            case "reset" if item.reason == "position_lost":
                position.lose()
                self._subscribe(position)
                return [PositionLost(task)]
            case "reset":
                self._subscribe_later(position)
            case _:
                pass
        return []

    def _apply(self, position: Position, told: frames.ReceivedItem) -> list[Shown]:
        """Return the event if it is the next one; nothing if its type is unknown here."""
        if not position.apply(told.item.version):
            self._know(position.task, told.item.version)
            return []
        try:
            return [codec.decode(History(AccountId(""), TaskId(position.task)), 0, told.body)]
        except msgspec.ValidationError:
            return []  # an event type of a newer server

    def _know(self, task: str, version: int) -> None:
        """Subscribe again if this version shows that an event was missed."""
        position = self._positions.get(task)
        if position and task not in self._behind and position.ask_again(version):
            self._subscribe(position)

    def _subscribe(self, position: Position) -> None:
        self._outgoing.append(frames.sub(position.task, position.version))

    def _subscribe_later(self, position: Position) -> None:
        """Subscribe again after a pause, spread out over all tasks."""
        position.answered()
        apart_seconds = self._patience.command_interval_seconds * len(self._later)
        pause_seconds = self._patience.min_pause_seconds + apart_seconds
        self._later[position.task] = _now() + pause_seconds

    def _welcomed(self, item: frames.Item) -> None:
        self._failures = 0
        self._is_welcome = True
        self._silence_seconds = item.heartbeat_ms / 1000 * self._patience.max_missed_heartbeats
        self._silent_at = _now() + self._silence_seconds
        if item.expires and item.now and self._gateway.can_renew:
            left_seconds = (item.expires - item.now).total_seconds()
            self._renew_at = _now() + max(0.0, left_seconds - self._patience.renew_margin_seconds)

    async def _fetch(self, position: Position) -> list[Shown]:
        """Fetch one page of events that are too many for the stream; subscribe after the last."""
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
            raise _ConnectionLost  # this replica of the log lags behind; retry later
        return shown

    def _handle_close(self, end: ConnectionClosed) -> None:
        """Return when reconnecting may help. Raises CliError when it cannot."""
        code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (0, "")
        verdict = close_action(code)
        if verdict == "stop":
            raise CliError(f"The gateway ended the stream: {reason} ({code})") from None
        if verdict == "renew" and self._gateway.can_renew:
            self._refused = self._gateway.token
        elif verdict in {"renew", "signed_out"}:
            raise SignedOut(
                "The gateway has ended this session.", "Sign in again with `errand pair URL CODE`."
            ) from None


def _raise_if_refused(refusal: InvalidStatus) -> None:
    status = refusal.response.status_code
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if status in _RETRYABLE_STATUSES:
            return
        raise CliError(f"The gateway refuses the stream ({status}).") from None


def _now() -> float:
    return asyncio.get_running_loop().time()
