"""Client of the stream (docs/reference/protocol.md): resumes by version, applies no gap.

One connection per device carries any number of tasks. Which events to apply is decided in
subscriptions.py, when to reconnect in protocol/reconnect_policy.py, which command to send in
command_sender.py; this is the socket.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from random import random
from typing import assert_never

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from clients.cli.errors import CliError, InvalidAnswer
from clients.cli.gateway.client import Gateway, SignedOut, Unreachable
from clients.cli.protocol.frame_codec import EventItem, Item, decode_frame, encode_frame
from clients.cli.protocol.reconnect_policy import StreamTimings, close_action, pause_seconds
from clients.cli.stream.command_sender import CommandSender
from clients.cli.stream.items import CaughtUp, PositionLost, StreamItem
from clients.cli.stream.outbox import Command, Outbox
from clients.cli.stream.subscriptions import Subscriptions
from events import Recorded
from events.protocol import frames
from events.protocol.api.tasks import EventPage
from events.protocol.ephemeral import Ephemeral

_MAX_SERVER_FRAME_BYTES = 8 * 1024 * 1024
_PAGE_EVENTS = 500
_WELCOME_TIMEOUT_SECONDS = 60.0
_CLOSE_TIMEOUT_SECONDS = 2.0
_RETRYABLE_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


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
        timings: StreamTimings = StreamTimings(),  # noqa: B008 - a tuple of numbers
    ) -> None:
        self._gateway = gateway
        self._device = device
        self._subscriptions = Subscriptions(tasks, timings)
        self._yielded = dict(tasks)
        self._sender = CommandSender(outbox, timings) if outbox else None
        self._timings = timings
        self._refused = ""
        self._failures = 0
        self._retry_ms = 0
        self._silence_seconds = _WELCOME_TIMEOUT_SECONDS
        self._silent_at = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._begin()

    def _begin(self) -> None:
        self._outgoing: list[str] = []
        self._renew_at: float | None = None
        self._is_welcome = False
        self._subscriptions.begin()
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

    async def items(self) -> AsyncGenerator[StreamItem, None]:
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
                raise InvalidAnswer("a frame of its stream", error) from None
            await self._pause()

    def _note(self, item: StreamItem) -> None:
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
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            compression=None,
            max_size=_MAX_SERVER_FRAME_BYTES,
            close_timeout=_CLOSE_TIMEOUT_SECONDS,
        ) as connection:
            device = frames.Device(self._device, name="errand", platform="cli")
            subs = self._subscriptions.resume_from()
            hello = frames.Hello(v=1, device=device, token=token, subs=subs)
            await connection.send(encode_frame(hello))
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
            pause_seconds(self._failures, self._timings, retry_ms=retry_ms, chance=chance)
        )

    async def _receive(self, connection: ClientConnection) -> list[StreamItem]:
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
        return [shown for item in decode_frame(frame) for shown in self._take(item)]

    def _due_at(self) -> float:
        """Return when something is due, at the latest when a silent connection is closed."""
        if self._outgoing or self._subscriptions.outgoing or self._subscriptions.behind():
            return 0.0
        times = [self._silent_at, self._renew_at, self._subscriptions.due_at()]
        if self._sender and self._is_welcome:
            times.append(self._sender.due_at())
        return min(time for time in times if time is not None)

    async def _work(self, connection: ClientConnection) -> list[StreamItem]:
        """Do what is due. A failure loses no event: only the last step applies any."""
        now = _now()
        self._subscriptions.subscribe_due(now)
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            token = await self._gateway.fresh_token(refused=self._gateway.token)
            self._outgoing.append(encode_frame(frames.Auth(token)))
        if self._sender and self._is_welcome and (command := self._sender.next(now)):
            self._outgoing.append(command)
        subscribing, self._subscriptions.outgoing = self._subscriptions.outgoing, []
        outgoing, self._outgoing = self._outgoing, []
        for frame in (*map(encode_frame, subscribing), *outgoing):
            await connection.send(frame)
        behind = self._subscriptions.behind()
        return await self._fetch(*behind) if behind else []

    def _take(self, item: Item) -> list[StreamItem]:
        match item:
            case EventItem() | Ephemeral() | frames.Live() | frames.Behind() | frames.Reset():
                return self._subscriptions.take(item, _now())
            case frames.Line() | frames.SeenCursors():
                return [item]
            case frames.Ack() | frames.Nak():
                sender, chance = self._sender, random()  # noqa: S311 - jitter
                return [sender.answered(item, _now(), chance=chance)] if sender else []
            case frames.Welcome():
                self._welcomed(item)
            case frames.Ping():
                self._outgoing.append(encode_frame(frames.Pong()))
            case frames.Bye():
                self._retry_ms = item.retry_ms
            case frames.Heads():
                self._subscriptions.take_heads(item.versions)
            case _:
                assert_never(item)
        return []

    def _welcomed(self, item: frames.Welcome) -> None:
        self._failures = 0
        self._is_welcome = True
        self._silence_seconds = item.heartbeat_ms / 1000 * self._timings.max_missed_pings
        self._silent_at = _now() + self._silence_seconds
        if item.expires and self._gateway.can_renew:
            spare_seconds = _seconds_left(item) - self._timings.renew_margin_seconds
            self._renew_at = _now() + max(0.0, spare_seconds)

    async def _fetch(self, task: str, after: int) -> list[StreamItem]:
        """Fetch one page of events that are too many for the stream."""
        path = f"/v1/tasks/{task}/events"
        page = await self._gateway.get(path, EventPage, after=after, limit=_PAGE_EVENTS)
        shown = self._subscriptions.take_page(task, page.data)
        if shown is None:
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


def _seconds_left(welcome: frames.Welcome) -> float:
    """Return for how long the token is valid, by the server's clock. Raises InvalidAnswer."""
    try:
        now, expires = map(datetime.fromisoformat, (welcome.now, welcome.expires or ""))
        return (expires - now).total_seconds()
    except (TypeError, ValueError) as error:  # not a time, or one without a zone
        raise InvalidAnswer("a frame of its stream", error) from None


def _now() -> float:
    return asyncio.get_running_loop().time()
