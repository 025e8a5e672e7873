"""Connection to the NATS servers that reconnects for ever and reports when it is down."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import nats.errors
from nats.aio.client import RawCredentials
from nats.aio.msg import Msg
from prometheus_client import Gauge

from infra.log.event_log import Unavailable
from infra.log.event_mac import NO_KEYS, EventKeys
from infra.log.jetstream.connection.client import (
    DirectAnswer,
    OnAnswers,
    OnDeliveries,
    QuickClient,
    raw_headers,
)
from infra.log.nats_users import inbox_prefix as granted_inbox
from infra.log.nats_users import read_credentials
from infra.runtime.telemetry import logger

FIRST_CONNECTION_SECONDS: Final = 30.0
_RECONNECT_WAIT_SECONDS: Final = 0.25
_PING_SECONDS: Final = 10
_INFORMATIVE: Final = re.compile("violation|authenti|expired|exceeded|revoked", re.IGNORECASE)

available: Final = Gauge(
    "errand_log_available", "Whether NATS is connected and had the log's stream: 1 or 0."
)
_log = logger(__name__)


class Connection:
    """Client of the NATS servers that reconnects for ever. Made by `connect`."""

    def __init__(self, name: str, keys: EventKeys = NO_KEYS) -> None:
        self.name = name
        self.keys = keys
        self.client = QuickClient()
        self.reconnects = 0
        self._hooks: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self.last_error = ""
        self._has_informative_error = False
        self._has_been_up = False

    @property
    def is_closed(self) -> bool:
        """Return whether the connection has ended for good (closed, or its credentials expired)."""
        return bool(self.client.is_closed)

    @property
    def is_connected(self) -> bool:
        """Return whether a message published now would reach a server."""
        return bool(self.client.is_connected)

    @contextmanager
    def on_reconnect(self, hook: Callable[[], None]) -> Iterator[None]:
        """Call `hook` after every reconnect, and at the end of the connection, while inside."""
        self._hooks.append(hook)
        try:
            yield
        finally:
            self._hooks.remove(hook)

    @asynccontextmanager
    async def wait_at_most(self, seconds: float) -> AsyncIterator[None]:
        """Bound a wait for an answer; a reconnect ends it, as the answer is lost then.

        Raises TimeoutError.
        """
        async with asyncio.timeout(seconds) as limit:

            def end() -> None:
                if not limit.expired():
                    limit.reschedule(asyncio.get_running_loop().time())

            with self.on_reconnect(end):
                yield

    def require_open(self) -> None:
        """Raise Unavailable when the connection has ended for good."""
        if self.is_closed:
            raise Unavailable(
                f"The NATS connection of {self.name} has ended: {self.last_error or 'closed'}. "
                "Start the process again, with credentials that have not expired."
            )

    async def request(
        self,
        subject: str,
        body: bytes,
        *,
        within_seconds: float,
        headers: Mapping[str, str] | None = None,
    ) -> Msg:
        """Publish a request and return the answer. Raises Unavailable when none comes in time."""
        self.require_open()
        try:
            async with asyncio.timeout(within_seconds):
                await self._connected()
            async with self.wait_at_most(within_seconds):
                # No time limit for nats-py: it would keep it by `asyncio.wait_for`, which before
                # Python 3.12 loses a cancellation that comes together with the answer.
                return await self.client.request(
                    subject,
                    body,
                    timeout=None,  # type: ignore[arg-type]
                    headers=headers,  # type: ignore[arg-type]
                )
        except (nats.errors.Error, TimeoutError) as error:
            self._fail(subject, error)

    async def publish(
        self,
        subject: str,
        body: bytes,
        *,
        reply: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a message. Raises Unavailable when the connection cannot take it now."""
        self.require_open()
        try:
            await self.client.publish(subject, body, reply, headers)  # type: ignore[arg-type]
        except nats.errors.Error as error:
            self._fail(subject, error)

    @asynccontextmanager
    async def listen(
        self,
        inbox: str,
        *,
        on_deliveries: OnDeliveries,
        on_status: Callable[[Msg], Awaitable[None]],
    ) -> AsyncIterator[None]:
        """Receive a consumer's deliveries as they are read from the socket, and statuses beside.

        `on_deliveries` must neither wait nor raise. What comes is bounded by what was requested.
        """
        subscription = await self.client.subscribe(inbox, cb=on_status)
        self.client.on_deliveries[subscription._id] = on_deliveries  # noqa: SLF001 - nats-py names it nowhere else
        try:
            yield
        finally:
            del self.client.on_deliveries[subscription._id]  # noqa: SLF001
            if not self.is_closed:
                await subscription.unsubscribe()

    @asynccontextmanager
    async def listen_for_answers(self, inbox: str, *, on_answers: OnAnswers) -> AsyncIterator[None]:
        """Receive the answers on `inbox` as they are read from the socket.

        `on_answers` must neither wait nor raise. What comes is bounded by what was requested.
        """

        async def receive(message: Msg) -> None:
            on_answers([DirectAnswer(message.subject.encode(), raw_headers(message), message.data)])

        subscription = await self.client.subscribe(inbox, cb=receive)
        self.client.on_answers[subscription._id] = on_answers  # noqa: SLF001 - as above
        try:
            yield
        finally:
            del self.client.on_answers[subscription._id]  # noqa: SLF001
            if not self.is_closed:
                await subscription.unsubscribe()

    async def open(self, options: Mapping[str, Any], *, within_seconds: float | None) -> None:
        """Connect, waiting for the servers to come up; see `connect`."""
        available.set(0)
        try:
            async with asyncio.timeout(within_seconds):
                await self.client.connect(
                    **options,
                    name=self.name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_RECONNECT_WAIT_SECONDS,  # type: ignore[arg-type]
                    ping_interval=_PING_SECONDS,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnect,
                    reconnected_cb=self._on_reconnect,
                    closed_cb=self._on_close,
                )
            self._has_been_up = True
        except TimeoutError:
            await self.client.close()
            raise Unavailable(
                f"No NATS server let {self.name} in: {self.last_error or 'no answer'}. "
                "Check that it runs at NATS_URL and that NATS_CREDENTIALS are its own."
            ) from None

    async def _connected(self) -> None:
        """Wait until a server is connected, rather than fill the reconnect buffer."""
        while not self.is_connected:
            self.require_open()
            await self._changed.wait()

    def _fail(self, subject: str, error: Exception) -> NoReturn:
        raise Unavailable(f"NATS did not answer on {subject}: {error}") from error

    async def _on_error(self, error: Exception) -> None:
        # nats-py retries by itself; a refused subject shows here and nowhere else.
        text = str(error) or type(error).__name__
        if text != self.last_error:
            remedy = "" if self._has_been_up else "Check that NATS runs at NATS_URL; trying again."
            _log.warning("nats.error", connection=self.name, error=text, remedy=remedy)
        is_informative = _INFORMATIVE.search(text) is not None
        if (
            is_informative or not self._has_informative_error
        ):  # "connection reset" explains less than what went before
            self.last_error, self._has_informative_error = text, is_informative

    async def _on_disconnect(self) -> None:
        available.set(0)
        _log.info("nats.disconnected", connection=self.name)

    async def _on_reconnect(self) -> None:
        self.reconnects += 1
        available.set(1)
        self._has_informative_error = False
        _log.info("nats.reconnected", connection=self.name, reconnects=self.reconnects)
        self._notify()

    async def _on_close(self) -> None:
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for hook in tuple(self._hooks):
            hook()


@asynccontextmanager
async def connect(
    url: str,
    *,
    credentials: str | Path = "",
    name: str,
    inbox_prefix: str = "",
    keys: EventKeys = NO_KEYS,
    within_seconds: float | None = FIRST_CONNECTION_SECONDS,
) -> AsyncIterator[Connection]:
    """Connect to the servers of `url` (comma-separated) as `name`, and stay connected.

    `credentials` is the path of a `.creds` file (read again at every reconnect) or the text of one;
    empty for a server that asks for none. `inbox_prefix` is the one the credentials grant, unless
    another is given. `keys` sign and verify the control plane's events; without them these are
    neither written nor read. Raises Unavailable when no server lets us in within this time (None:
    wait for ever), ValueError when these are no credentials.
    """
    connection = Connection(name, keys)
    options: dict[str, Any] = {"servers": url.split(",")}
    if credentials:
        text, options["user_credentials"] = _read(credentials)
        options["inbox_prefix"] = inbox_prefix or granted_inbox(text)
    await connection.open(options, within_seconds=within_seconds)
    try:
        yield connection
    finally:
        await connection.client.close()


def _read(credentials: str | Path) -> tuple[str, Path | RawCredentials]:
    source: Path | RawCredentials
    if isinstance(credentials, str) and "-----BEGIN" in credentials:
        text, source = credentials, RawCredentials(credentials)
    else:
        text, source = Path(credentials).read_text(), Path(credentials)
    read_credentials(text)  # nats-py reads for ever in what is not a credentials text
    return text, source
