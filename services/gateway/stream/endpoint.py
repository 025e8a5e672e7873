"""WebSocket endpoint of the stream, a raw ASGI callable: admission, limits and shutdown."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from math import inf
from random import randint
from typing import Any, NoReturn

from prometheus_client import Gauge

from events import PersonId
from events.protocol import frames
from events.protocol.frames import Closed
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.problems import Refused
from services.gateway.stream.command_frames import CommandHandler
from services.gateway.stream.hub import Hub
from services.gateway.stream.presence import DeviceKey, Presence
from services.gateway.stream.seen import SEEN, SeenExchange
from services.gateway.stream.session import Session, SessionDependencies, StreamTimeouts
from services.gateway.tasks.access import REVOKED, Access, Principal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CONNECTIONS_PER_PERSON = 10
_DRAIN_MILLISECONDS = 3000

# uvicorn: ClientDisconnected, an OSError, after the device has closed; RuntimeError after uvicorn
# itself has (a frame too long, a ping unanswered) and before it has notified us.
_SOCKET_IS_CLOSED = (OSError, RuntimeError)

_connections = Gauge("errand_gateway_connections", "Devices on the stream.")
_log = logger(__name__)


class _Disconnected(Exception):
    """The device closed the connection."""


class _Entry:
    """One connection: its principal, its token, and the signal that ends it."""

    def __init__(self, principal: Principal, token: str) -> None:
        self.principal = principal
        self.token = token
        self.end: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    def close(self, why: Closed) -> None:
        """End the connection, unless it has ended."""
        if not self.end.done():
            self.end.set_result(why)


class Stream:
    """Serves every connection of /v1/stream."""

    def __init__(
        self,
        *,
        hub: Hub,
        seen: SeenExchange,
        access: Access,
        perform: CommandHandler,
        presence: Presence,
        clock: Clock,
        patience: StreamTimeouts = StreamTimeouts(),  # noqa: B008 - a tuple of numbers
    ) -> None:
        self._hub = hub
        self._seen = seen
        self._access = access
        self._perform = perform
        self._presence = presence
        self._clock = clock
        self._patience = patience
        self._entries: dict[DeviceKey, _Entry] = {}
        self._devices: Counter[PersonId] = Counter()
        self._draining = asyncio.Event()
        hub.listen(REVOKED, self._revoke)
        hub.listen(SEEN, seen.receive, on_gap=seen.on_gap)

    def drain(self) -> None:
        """Ask every device to reconnect a little later, to another process; accept no new ones."""
        self._draining.set()
        for entry in self._entries.values():
            entry.close(Closed(frames.GOING_AWAY, "This server is going away."))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3, websocket scope)."""
        if (await receive())["type"] != "websocket.connect":
            return
        offered = scope.get("subprotocols", [])
        chosen = frames.SUBPROTOCOL if frames.SUBPROTOCOL in offered else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        _connections.inc()
        try:
            await self._serve(receive, send)
        except _Disconnected:
            return
        except Closed as end:
            await self._say_goodbye(send, end)
        finally:
            _connections.dec()

    async def _serve(self, receive: Receive, send: Send) -> None:
        async def receive_frame() -> bytes | str:
            return _content(await receive())

        async def send_frame(frame: bytes) -> None:
            try:
                await send({"type": "websocket.send", "text": frame.decode()})
            except _SOCKET_IS_CLOSED:
                raise _Disconnected from None

        hello = await _hello(receive_frame, within_seconds=self._patience.hello_seconds)
        principal = await self._identify(hello)
        if "read" not in principal.scopes:
            raise Closed(frames.FORBIDDEN, "This key may not read: it has not the scope `read`.")
        entry = _Entry(principal, hello.token)
        session = Session(principal, hello, self._session_dependencies(entry), send_frame)
        spot = self._enter(entry, hello.device.id)
        why: Closed | _Disconnected | None = (
            None  # raised inside `except*` it would come out in a group
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_raise_when(entry.end))
                group.create_task(self._watch_over(entry))
                await session.run(receive_frame)
        except* (Closed, _Disconnected) as reasons:
            why = _first(reasons)
        finally:
            self._leave(entry, spot)
        if why is not None:
            raise why

    def _session_dependencies(self, entry: _Entry) -> SessionDependencies:
        async def renew(auth: frames.Auth) -> Principal:
            principal = await self._identify(auth)
            if principal.person != entry.principal.person:
                raise Closed(frames.FORBIDDEN, "This token is another person's.")
            entry.principal, entry.token = principal, auth.token
            return principal

        return SessionDependencies(
            hub=self._hub,
            seen=self._seen,
            perform=self._perform,
            presence=self._presence,
            clock=self._clock,
            patience=self._patience,
            renew=renew,
        )

    async def _identify(self, shown: frames.Hello | frames.Auth) -> Principal:
        """Return the principal of the ticket or token that a frame shows. Raises Closed."""
        if not shown.ticket:
            return await self._authenticate(shown.token)
        try:
            principal = await self._access.enter(shown.ticket)
        except Refused as refusal:
            raise Closed(frames.GOING_AWAY, refusal.problem.detail) from None
        if principal is None:
            raise Closed(frames.REVOKED, "This ticket was used, or is too old. Ask for a new one.")
        return principal

    async def _authenticate(self, token: str) -> Principal:
        try:
            principal = await self._access.authenticate(token)
        except Refused as refusal:
            raise Closed(frames.GOING_AWAY, refusal.problem.detail) from None
        if principal is None:
            raise Closed(frames.REVOKED, "This token is not valid, or no longer. Sign in again.")
        return principal

    async def _watch_over(self, entry: _Entry) -> NoReturn:
        """End the connection when its token expires or, checked periodically, was revoked.

        An unavailable database ends no connection.
        """
        while True:
            left_seconds = self._left_seconds(entry)
            if left_seconds <= 0:
                raise Closed(frames.TOKEN_EXPIRED, "The token has expired. Come with a new one.")
            await asyncio.sleep(min(self._patience.recheck_seconds, left_seconds))
            if entry.token and self._left_seconds(entry) > 0:
                await self._look_again(entry)

    async def _look_again(self, entry: _Entry) -> None:
        try:
            await self._authenticate(entry.token)
        except Closed as end:
            if end.code == frames.REVOKED:
                raise

    def _left_seconds(self, entry: _Entry) -> float:
        expires = entry.principal.expires_at
        return inf if expires is None else (expires - self._clock()).total_seconds()

    def _revoke(self, session: bytes) -> None:
        """End the connections of a session that was signed out, here or elsewhere."""
        for entry in self._entries.values():
            if entry.principal.session.encode() == session:
                entry.close(Closed(frames.REVOKED, "This session was signed out."))

    def _enter(self, entry: _Entry, device: str) -> DeviceKey:
        if self._draining.is_set():
            raise Closed(frames.GOING_AWAY, "This server is going away.")
        person = entry.principal.person
        spot = DeviceKey(person, device)
        old = self._entries.get(spot)
        if old is not None:
            old.close(Closed(frames.REPLACED, "A newer connection of this device took over."))
        elif self._devices[person] >= _CONNECTIONS_PER_PERSON:
            raise Closed(frames.TOO_MANY, f"At most {_CONNECTIONS_PER_PERSON} devices at once.")
        else:
            self._devices[person] += 1
        self._entries[spot] = entry
        return spot

    def _leave(self, entry: _Entry, spot: DeviceKey) -> None:
        if self._entries.get(spot) is not entry:
            return  # a newer connection stands in its place
        del self._entries[spot]
        self._devices[spot.person] -= 1
        if not self._devices[spot.person]:
            del self._devices[spot.person]

    async def _say_goodbye(self, send: Send, end: Closed) -> None:
        retry_ms = randint(0, _DRAIN_MILLISECONDS) if end.code < frames.BAD_FRAME else 0  # noqa: S311 - jitter
        bye = frames.frame([frames.encode(frames.Bye(end.code, retry_ms, end.reason))])
        try:
            async with asyncio.timeout(self._patience.goodbye_seconds):
                await send({"type": "websocket.send", "text": bye.decode()})
                await send({"type": "websocket.close", "code": end.code, "reason": _short(end)})
        except _SOCKET_IS_CLOSED as error:  # or the device takes nothing any more
            _log.debug("stream.closed_by_device", error=repr(error))


async def _raise_when(end: asyncio.Future[Closed]) -> None:
    raise await end


def _first(group: BaseExceptionGroup[Closed | _Disconnected]) -> Closed | _Disconnected:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return _Disconnected()


def _short(end: Closed) -> str:
    """Return a reason cut to the size of a close frame: 123 bytes (RFC 6455 §5.5)."""
    return end.reason.encode()[:120].decode(errors="ignore")


async def _hello(
    receive_frame: Callable[[], Awaitable[bytes | str]], *, within_seconds: float
) -> frames.Hello:
    try:
        async with asyncio.timeout(within_seconds):
            said = frames.decode(await receive_frame())
    except TimeoutError:
        raise Closed(frames.NO_HELLO, f"Say hello within {within_seconds:g} seconds.") from None
    if not isinstance(said, frames.Hello):
        raise Closed(frames.NO_HELLO, "The first frame must be hello.")
    if said.v != 1:
        raise Closed(frames.WRONG_VERSION, f"This server speaks version 1, not {said.v}.")
    return said


def _content(message: Message) -> bytes | str:
    if message["type"] != "websocket.receive":
        raise _Disconnected
    text: str | None = message.get("text")
    content: bytes | str = text if text is not None else message.get("bytes") or b""
    return content
