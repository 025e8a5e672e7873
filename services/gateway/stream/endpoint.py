"""The stream's end of the socket, a raw ASGI callable: who may enter, how many, how they leave."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from random import randint
from typing import Any, NoReturn

from prometheus_client import Gauge

from infra.clock import Clock
from infra.telemetry import logger
from services.gateway.access import Access, Principal
from services.gateway.problems import Refused
from services.gateway.stream import frames
from services.gateway.stream.frames import Closed
from services.gateway.stream.hub import Hub
from services.gateway.stream.session import Patience, Perform, Session

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_CONNECTIONS_PER_PERSON = 10
_DRAIN_MILLISECONDS = 3000

# uvicorn: ClientDisconnected, an OSError, after the device has closed; RuntimeError after uvicorn
# itself has (a frame too long, a ping unanswered) and before it has told us so.
_SOCKET_IS_CLOSED = (OSError, RuntimeError)

_connections = Gauge("errand_gateway_connections", "Devices on the stream.")
_log = logger(__name__)


class _Gone(Exception):
    """The device closed the connection."""


class Stream:
    """Serves every connection of /v1/stream."""

    def __init__(
        self,
        *,
        hub: Hub,
        access: Access,
        perform: Perform,
        clock: Clock,
        patience: Patience = Patience(),  # noqa: B008 - a tuple of numbers
    ) -> None:
        self._hub = hub
        self._access = access
        self._perform = perform
        self._clock = clock
        self._patience = patience
        self._ends: dict[tuple[str, str], asyncio.Future[Closed]] = {}
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Tell every device to come back a little later, to another process; take no new ones."""
        self._draining.set()
        for end in self._ends.values():
            _end(end, Closed(frames.GOING_AWAY, "This server is going away."))

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
        except _Gone:
            return
        except Closed as end:
            await self._say_goodbye(send, end)
        finally:
            _connections.dec()

    async def _serve(self, receive: Receive, send: Send) -> None:
        async def hear() -> bytes | str:
            return _content(await receive())

        async def tell(frame: bytes) -> None:
            try:
                await send({"type": "websocket.send", "text": frame.decode()})
            except _SOCKET_IS_CLOSED:
                raise _Gone from None

        hello = await _hello(hear, within_seconds=self._patience.hello_seconds)
        principal = await self._welcome(hello.token)
        session = Session(
            principal,
            hub=self._hub,
            perform=self._perform,
            send=tell,
            clock=self._clock,
            patience=self._patience,
        )
        end = self._enter(principal, hello.device.id)
        why: Closed | _Gone | None = None  # raised inside `except*` it would come out in a group
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_raise_when(end))
                group.create_task(self._watch_over(hello.token))
                await session.run(hello, hear)
        except* (Closed, _Gone) as reasons:
            why = _first(reasons)
        finally:
            self._leave(principal, hello.device.id, end)
        if why is not None:
            raise why

    async def _welcome(self, token: str) -> Principal:
        try:
            principal = await self._access.authenticate(token)
        except Refused as refusal:
            raise Closed(frames.GOING_AWAY, refusal.problem.detail) from None
        if principal is None:
            raise Closed(frames.REVOKED, "This token is not valid, or no longer. Sign in again.")
        return principal

    async def _watch_over(self, token: str) -> NoReturn:
        """End the connection when its session is revoked; a database that is away ends none."""
        while True:
            await asyncio.sleep(self._patience.recheck_seconds)
            try:
                await self._welcome(token)
            except Closed as end:
                if end.code == frames.REVOKED:
                    raise

    def _enter(self, principal: Principal, device: str) -> asyncio.Future[Closed]:
        if self._draining.is_set():
            raise Closed(frames.GOING_AWAY, "This server is going away.")
        name = (principal.person, device)
        old = self._ends.get(name)
        if old is not None:
            _end(old, Closed(frames.REPLACED, "A newer connection of this device took over."))
        elif sum(person == principal.person for person, _ in self._ends) >= _CONNECTIONS_PER_PERSON:
            raise Closed(frames.TOO_MANY, f"At most {_CONNECTIONS_PER_PERSON} devices at once.")
        end = self._ends[name] = asyncio.get_running_loop().create_future()
        return end

    def _leave(self, principal: Principal, device: str, end: asyncio.Future[Closed]) -> None:
        if self._ends.get((principal.person, device)) is end:
            del self._ends[principal.person, device]

    async def _say_goodbye(self, send: Send, end: Closed) -> None:
        retry_ms = randint(0, _DRAIN_MILLISECONDS) if end.code < frames.BAD_FRAME else 0  # noqa: S311 - jitter
        bye = frames.frame([frames.encode(frames.Bye(end.code, retry_ms, end.reason))])
        try:
            async with asyncio.timeout(self._patience.goodbye_seconds):
                await send({"type": "websocket.send", "text": bye.decode()})
                await send({"type": "websocket.close", "code": end.code, "reason": _short(end)})
        except _SOCKET_IS_CLOSED as error:  # or the device takes nothing any more
            _log.debug("the device was gone before goodbye", error=repr(error))


def _end(end: asyncio.Future[Closed], why: Closed) -> None:
    if not end.done():
        end.set_result(why)


async def _raise_when(end: asyncio.Future[Closed]) -> None:
    raise await end


def _first(group: BaseExceptionGroup[Closed | _Gone]) -> Closed | _Gone:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return _Gone()


def _short(end: Closed) -> str:
    """Cut a reason to what a close frame holds: 123 bytes (RFC 6455 §5.5)."""
    return end.reason.encode()[:120].decode(errors="ignore")


async def _hello(
    hear: Callable[[], Awaitable[bytes | str]], *, within_seconds: float
) -> frames.Hello:
    try:
        async with asyncio.timeout(within_seconds):
            said = frames.decode(await hear())
    except TimeoutError:
        raise Closed(frames.NO_HELLO, f"Say hello within {within_seconds:g} seconds.") from None
    if not isinstance(said, frames.Hello):
        raise Closed(frames.NO_HELLO, "The first frame must be hello.")
    if said.v != 1:
        raise Closed(frames.WRONG_VERSION, f"This server speaks version 1, not {said.v}.")
    return said


def _content(message: Message) -> bytes | str:
    if message["type"] != "websocket.receive":
        raise _Gone
    text: str | None = message.get("text")
    content: bytes | str = text if text is not None else message.get("bytes") or b""
    return content
