"""Reading one history: batches of direct gets, checked against the leader.

Any replica may answer a direct get (ADR-31), and one that lags would show an older history. So the
leader is asked for the last message, and batches are read until it is reached.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

from infra.log.event_log import Unavailable
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import (
    ApiError,
    ApiMessage,
    DirectGet,
    MessageRequest,
    StreamInfo,
)
from infra.log.jetstream.connection.client import DirectAnswer
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.read.decode import StoredMessage

T = TypeVar("T")

PAGE_EVENTS: Final = 500
_MAX_PAGE: Final = 1_024
_PAGE_BYTES: Final = 8 * 1024 * 1024
_RETRY_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 2.0
_SEQUENCE: Final = b"\r\nNats-Sequence:"
_LAST_SEQUENCE: Final = b"\r\nNats-Last-Sequence:"


async def last_message(
    connection: Connection, subject: str, *, within_seconds: float
) -> StoredMessage | None:
    """Ask the leader for a subject's last message. Raises Unavailable."""
    return await _message(connection, MessageRequest(last_by_subj=subject), within_seconds)


async def _message(
    connection: Connection, wanted: MessageRequest, within_seconds: float
) -> StoredMessage | None:
    async def get(seconds: float) -> ApiMessage | None:
        return await api.get_message(connection, wanted, within_seconds=seconds)

    message = await _retry_until_available(connection, get, within_seconds)
    return None if message is None else StoredMessage(message.seq, message.body, message.headers)


async def count(connection: Connection, subject: str, *, within_seconds: float) -> int:
    """Return how many messages stand on one subject, by the leader. Raises Unavailable."""

    async def get(seconds: float) -> StreamInfo:
        return await api.stream_info(connection, subjects_filter=subject, within_seconds=seconds)

    info = await _retry_until_available(connection, get, within_seconds)
    return (info.state.subjects or {}).get(subject, 0)


async def first_message(
    connection: Connection, subject: str, *, within_seconds: float
) -> StoredMessage | None:
    """Ask the leader for a subject's first message. Raises Unavailable."""
    wanted = MessageRequest(seq=1, next_by_subj=subject)
    return await _message(connection, wanted, within_seconds)


async def messages(
    connection: Connection, subject: str, *, after: int, within_seconds: float
) -> list[StoredMessage]:
    """Return a subject's messages above the sequence `after`, up to the leader's last.

    Raises Unavailable when the next of them have not come within the time.
    """
    found: list[StoredMessage] = []
    async for page in pages(connection, subject, after=after, within_seconds=within_seconds):
        found += page
    return found


async def pages(
    connection: Connection,
    subject: str,
    *,
    after: int,
    within_seconds: float,
    limit: int = PAGE_EVENTS,
) -> AsyncGenerator[list[StoredMessage], None]:
    """Yield a subject's messages above the sequence `after`, up to the leader's last, by pages.

    A page is of up to `limit` messages. However long the history, a page at a time is held. Raises
    Unavailable when the next page has not come within the time.
    """
    reached = after
    async with _pages(connection, subject) as source:
        while True:
            span = _Span(reached, min(limit, _MAX_PAGE))
            try:
                async with asyncio.timeout(within_seconds):
                    page, is_last = await _next_page(connection, source, span, within_seconds)
            except TimeoutError:
                raise Unavailable(
                    f"NATS did not hand over {subject} in {within_seconds:g} s."
                ) from None
            if page:
                reached = page[-1].sequence
                yield page
            if is_last:
                return


class _Span(NamedTuple):
    """The messages to fetch next: those after a sequence, up to a number."""

    after: int
    limit: int


async def _next_page(
    connection: Connection, source: "_Pages", span: _Span, within_seconds: float
) -> tuple[list[StoredMessage], bool]:
    """Fetch the next page, and tell whether it ends with the leader's last."""
    while True:
        page = await source.after(span.after, span.limit)
        if len(page) == span.limit:
            return page, False
        last = await last_message(connection, source.subject, within_seconds=within_seconds)
        end = page[-1].sequence if page else span.after
        if last is None or last.sequence <= end:
            return page, True
        if page:
            return page, False
        await asyncio.sleep(_RETRY_SECONDS)


async def _retry_until_available(
    connection: Connection, request: Callable[[float], Awaitable[T]], within_seconds: float
) -> T:
    """Return the leader's answer, or its successor's when it dies before it answers.

    `request` is called with the seconds it may take. Raises Unavailable after `within_seconds`,
    ApiError for a refusal that is not transient.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while True:
        seconds = min(_ANSWER_SECONDS, max(_RETRY_SECONDS, deadline - loop.time()))
        try:
            return await request(seconds)
        except (ApiError, Unavailable) as error:
            if isinstance(error, ApiError) and not error.is_transient:
                raise
            connection.require_open()
            if loop.time() >= deadline:
                raise Unavailable(str(error)) from error
        await asyncio.sleep(_RETRY_SECONDS)


class _Pages:
    """Asks for batches and gathers them on an inbox of their own."""

    def __init__(self, connection: Connection, subject: str) -> None:
        self._connection = connection
        self.subject = subject
        self.inbox = connection.client.new_inbox()
        self._answers: asyncio.Queue[Sequence[DirectAnswer]] = asyncio.Queue()
        self._asked = 0

    def take(self, answers: Sequence[DirectAnswer]) -> None:
        """Keep answers as they come, for whoever gathers them."""
        self._answers.put_nowait(answers)

    async def after(self, sequence: int, limit: int) -> list[StoredMessage]:
        """Fetch up to `limit` messages; asked again while the answer is torn by a reconnect."""
        while True:
            page = await self._fetch(sequence, limit)
            if page is not None:
                return page
            self._connection.require_open()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _fetch(self, sequence: int, limit: int) -> list[StoredMessage] | None:
        self._asked += 1
        wanted = DirectGet(
            seq=sequence + 1, batch=limit, max_bytes=_PAGE_BYTES, next_by_subj=self.subject
        )
        reply = f"{self.inbox}.{self._asked}"
        await api.send_direct_get(self._connection, wanted, reply=reply)
        try:
            async with self._connection.wait_at_most(_ANSWER_SECONDS):
                return await self._gather()
        except TimeoutError:
            return None

    async def _gather(self) -> list[StoredMessage] | None:
        """Collect one answer: messages chained by Nats-Last-Sequence, closed by a 204 or a 404."""
        asked = f"{self.inbox}.{self._asked}".encode()
        page: list[StoredMessage] = []
        before = 0
        while True:
            for subject, headers, body in await self._answers.get():
                if subject != asked:
                    continue
                sequence, last = _number(headers, _SEQUENCE), _number(headers, _LAST_SEQUENCE)
                if sequence is None:
                    return page if _is_end(headers, last, before) else None
                if last != before:
                    return None
                page.append(StoredMessage(sequence, body, headers))
                before = sequence


def _number(headers: bytes, name: bytes) -> int | None:
    """Read a number that the server added; its lines stand behind those of the writer."""
    at = headers.rfind(name)
    if at < 0:
        return None
    begin = at + len(name)
    return int(headers[begin : headers.index(b"\r\n", begin)])


def _is_end(headers: bytes, last: int | None, before: int) -> bool:
    """Return whether the server's message says that the batch is complete."""
    if headers.startswith(b"NATS/1.0 204"):
        return last == before
    return headers.startswith(b"NATS/1.0 404")


@asynccontextmanager
async def _pages(connection: Connection, subject: str) -> AsyncIterator[_Pages]:
    pages = _Pages(connection, subject)
    async with connection.listen_for_answers(f"{pages.inbox}.*", on_answers=pages.take):
        yield pages
